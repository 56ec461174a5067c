//! A program that dies while it holds secrets: what it prints of them is nothing.
//!
//! The test starts itself again as that program. Deliberately not here: the memory of the dead program, which belongs to
//! the system.

use crate::{
    life::{person, plan},
    planted::Nest,
    search::Needles,
    world::{World, request_id},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    fmt::Debug,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};
use zhiyou_embedded::logging;
use zhiyou_engine::api::command::{ImportPlan, SaveTraveller, UnlockVault};

/// Names the folder of the program that dies, and makes this process that program.
const FOLDER: &str = "ZHIYOU_CANARIES_CRASH";
const SIGABRT: i32 = 6;

#[test]
fn a_program_that_dies_while_it_holds_secrets_prints_none_of_them() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        die(Path::new(&folder));
    }
    let (folder, mut nest) = (tempfile::tempdir().unwrap(), Nest::default());
    let passphrase = format!("pass {} 口令", nest.letters("passphrase"));
    nest.keep("passphrase", passphrase.clone());
    let held = json!({ "passphrase": passphrase, "person": person(&mut nest), "plan": plan(&mut nest) });
    // One that is printed, to show that what is printed is read.
    let printed = nest.letters("junk");
    let secrets = json!({ "held": held, "printed": printed });
    std::fs::write(folder.path().join("secrets.json"), secrets.to_string()).unwrap();
    let died = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::a_program_that_dies_while_it_holds_secrets_prints_none_of_them", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("TMPDIR", folder.path())
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let said = [died.stdout, died.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert_eq!(died.status.signal(), Some(SIGABRT), "{text}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sandbox = std::fs::read_to_string(folder.path().join("sandbox")).unwrap();
    runtime.block_on(nest.keep_tokens(&PathBuf::from(sandbox)));
    assert_eq!(text.matches("panicked at").count(), 4, "{text}");
    assert!(text.contains("<redacted>") && text.contains("stack backtrace") && text.contains("INFO"), "{text}");
    let found: Vec<_> = Needles::of(&nest.planted).found_in(&said).into_iter().map(|at| &nest.planted[at]).collect();
    assert!(matches!(found.as_slice(), [only] if only.secret == printed.as_bytes()), "{found:?}");
}

/// A life until somebody signed in, and then an end in the middle of things.
fn die(folder: &Path) -> ! {
    let text = std::fs::read_to_string(folder.join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_str(&text).unwrap();
    let held = &secrets["held"];
    let layer = logging::layer(EnvFilter::new("trace"), std::io::stderr);
    tracing_subscriber::registry().with(layer).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let import = json!({ "text": held["plan"], "request_id": request_id() });
    runtime.block_on(async {
        let world = World::with_keys(tempfile::tempdir().unwrap(), Arc::new(crate::life::NoKeyring)).await;
        std::fs::write(folder.join("sandbox"), world.sandbox_file.display().to_string()).unwrap();
        world.call("unlock_vault", json!({ "passphrase": held["passphrase"] })).await;
        world.call("save_traveller", held["person"].clone()).await;
        world.call("import_plan", import.clone()).await;
        world.sign_in().await;
        // Everything is alive and in use when it ends.
        dropped::<UnlockVault>(json!({ "passphrase": held["passphrase"] }));
        dropped::<SaveTraveller>(held["person"].clone());
        dropped::<ImportPlan>(import);
        let printed = secrets["printed"].as_str().unwrap().to_owned();
        let _ = std::thread::spawn(move || panic!("{printed}")).join();
        std::process::abort()
    })
}

/// A command that was read, in the hands of a thread that fails with it.
fn dropped<T: DeserializeOwned + Debug + Send + 'static>(command: Value) {
    let command: T = serde_json::from_value(command).unwrap();
    let refused = |command: T| -> Result<(), T> { Err(command) };
    let _ = std::thread::spawn(move || refused(command).unwrap()).join();
}

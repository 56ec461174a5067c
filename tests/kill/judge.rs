//! Starts the sandbox and the traveller, kills, starts again, and compares the order with what the providers really did.

use crate::{member, traveller};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Of how many points a sample tries one; coprime to the two sides of a write, so that both come up.
const SAMPLE: usize = 23;

/// What goes wrong, how and by which channel the traveller pays, and how it has to end.
struct Scenario {
    name: &'static str,
    switches: &'static [&'static str],
    channel: &'static str,
    pays: &'static str,
    ends: &'static [&'static str],
}

impl Scenario {
    /// What suppliers have to quote in, so that the channel can take it.
    fn currency(&self) -> &'static str {
        if self.channel == "paypal" { "USD" } else { "CNY" }
    }
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "everything_works", switches: &[], channel: "wechatpay", pays: "pay", ends: &["confirmed"] },
    Scenario {
        name: "the_flights_are_not_ticketed",
        switches: &[r#"{"provider":"duffel","switch":"decline","op":"pay","times":99}"#],
        channel: "wechatpay",
        pays: "pay",
        ends: &["refunded", "failed"],
    },
    Scenario {
        name: "the_hotel_is_not_booked",
        switches: &[r#"{"provider":"duffel","switch":"decline","op":"book_stay","times":99}"#],
        channel: "wechatpay",
        pays: "pay",
        ends: &["refunded", "failed"],
    },
    Scenario {
        name: "the_car_is_not_booked",
        switches: &[r#"{"provider":"duffel","switch":"decline","op":"book_car","times":99}"#],
        channel: "wechatpay",
        pays: "pay",
        ends: &["partially_confirmed"],
    },
    Scenario {
        name: "the_activities_are_not_booked",
        switches: &[r#"{"provider":"viator","switch":"decline","op":"book","times":99}"#],
        channel: "wechatpay",
        pays: "pay",
        ends: &["partially_confirmed"],
    },
    Scenario {
        name: "an_activity_waits_and_is_rejected",
        switches: &[r#"{"provider":"viator","switch":"pending","seconds":45,"outcome":"rejected"}"#],
        channel: "wechatpay",
        pays: "pay",
        ends: &["partially_confirmed", "confirmed"],
    },
    Scenario {
        name: "suppliers_act_and_do_not_answer",
        switches: &[
            r#"{"provider":"duffel","switch":"act_then_time_out","op":"pay","cut":true}"#,
            r#"{"provider":"duffel","switch":"act_then_time_out","op":"book_stay","cut":true}"#,
            r#"{"provider":"duffel","switch":"act_then_time_out","op":"book_car","cut":true}"#,
            r#"{"provider":"viator","switch":"act_then_time_out","op":"book","cut":true}"#,
        ],
        channel: "wechatpay",
        pays: "pay",
        ends: &["confirmed"],
    },
    Scenario {
        name: "the_payment_is_refused",
        switches: &[],
        channel: "wechatpay",
        pays: "refuse",
        ends: &["cancelled"],
    },
    Scenario {
        name: "the_payment_is_not_known",
        switches: &[
            r#"{"provider":"wechatpay","switch":"act_then_time_out","op":"create","cut":true}"#,
            r#"{"provider":"wechatpay","switch":"notify","mode":"drop"}"#,
            r#"{"provider":"wechatpay","switch":"time_out_before","op":"query","times":3,"cut":true}"#,
        ],
        channel: "wechatpay",
        pays: "pay",
        ends: &["confirmed"],
    },
    Scenario {
        name: "paid_by_a_scanned_alipay_code",
        switches: &[],
        channel: "alipay",
        pays: "pay",
        ends: &["confirmed"],
    },
    Scenario {
        name: "set_aside_on_a_page_and_taken",
        switches: &[],
        channel: "stripe",
        pays: "pay",
        ends: &["confirmed"],
    },
    Scenario {
        name: "set_aside_on_a_page_and_let_go",
        switches: &[r#"{"provider":"duffel","switch":"decline","op":"pay","times":99}"#],
        channel: "stripe",
        pays: "pay",
        ends: &["cancelled", "failed"],
    },
    Scenario {
        name: "approved_on_a_page_and_nobody_tells",
        switches: &[r#"{"provider":"paypal","switch":"notify","mode":"drop","times":99}"#],
        channel: "paypal",
        pays: "pay",
        ends: &["confirmed"],
    },
    Scenario { name: "paid_on_a_page_abroad", switches: &[], channel: "alipayplus", pays: "pay", ends: &["confirmed"] },
];

/// A sandbox as a process of its own, killed with its end.
pub(crate) struct Sandbox {
    process: Child,
    control: String,
    token: String,
}

impl Sandbox {
    /// In a folder of its own, with keys that were made before.
    pub(crate) fn with_keys(folder: &Path, keys: &Path, currency: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::copy(keys, folder.join("credentials.json")).unwrap();
        Self::start(folder, currency)
    }

    /// Its control address with its token, as the app takes it.
    pub(crate) fn address(&self) -> String {
        self.control.replace("http://", &format!("http://:{}@", self.token))
    }

    fn start(folder: &Path, currency: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let tool = program.parent().unwrap().parent().unwrap().join("zhiyouctl");
        let mut process = Command::new(tool)
            .args(["sandbox", "--data-dir"])
            .arg(folder)
            .args(["--currency", currency])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let announced: Value = serde_json::from_str(&line).unwrap();
        let text = |field: &str| announced[field].as_str().unwrap().to_owned();
        Self { process, control: text("control"), token: text("control_token") }
    }

    fn ask(&self, runtime: &tokio::runtime::Runtime, path: &str, body: Option<&str>) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = format!("{}{path}", self.control);
        let request = match body {
            Some(body) => http.post(address).header("content-type", "application/json").body(body.to_owned()),
            None => http.get(address),
        };
        runtime.block_on(async {
            let answer = request.bearer_auth(&self.token).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.json().await.unwrap()
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn main(all: bool, only: &[String]) -> ExitCode {
    // Keys are slow to make; all sandboxes have the same ones.
    let keys = tempfile::tempdir().unwrap();
    drop(Sandbox::start(keys.path(), "CNY"));
    let keys = keys.path().join("credentials.json");
    let (mut passed, mut failed, mut lives) = (0, 0, 0);
    let wanted = |scenario: &Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    for (number, scenario) in SCENARIOS.iter().enumerate().filter(|(_, scenario)| wanted(scenario)) {
        let (first, step) = if all { (0, 1) } else { (number * 5 % SAMPLE, SAMPLE) };
        let (tried, problems) = tried(first, step, |point| live(scenario, &keys, point, None));
        lives += tried;
        println!("test kill::{} ... {} ({tried} lives)", scenario.name, word(problems.is_empty()));
        problems.iter().for_each(|problem| println!("  {problem}"));
        if problems.is_empty() { passed += 1 } else { failed += 1 }
    }
    let sign_in = member::SIGN_IN;
    if only.is_empty() || only.iter().any(|name| name == sign_in.name) {
        let (tried, problems) =
            tried(if all { 0 } else { 7 }, if all { 1 } else { SAMPLE }, |point| sign_in.live(&keys, point));
        lives += tried;
        println!("test kill::{} ... {} ({tried} lives)", sign_in.name, word(problems.is_empty()));
        problems.iter().for_each(|problem| println!("  {problem}"));
        if problems.is_empty() { passed += 1 } else { failed += 1 }
    }
    for (name, noticed) in [
        ("a_defence_taken_away_is_noticed", planted_is_noticed as fn(&Path) -> bool),
        ("a_second_family_of_tokens_is_noticed", member::second_family_is_noticed),
    ] {
        let noticed = noticed(&keys);
        println!("test kill::{name} ... {}", word(noticed));
        if noticed { passed += 1 } else { failed += 1 }
    }
    println!("{lives} lives: bookings made twice, payments lost, orders stuck and sign-ins doubled would stand above");
    let all = word(failed == 0);
    println!("test result: {all}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn word(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

/// Lives killed at every `step`-th point from `first` on, several beside each other, until one reaches its end unkilled.
/// `live` answers whether it was killed, and what is wrong.
fn tried(first: usize, step: usize, live: impl Fn(usize) -> (bool, Result<(), String>) + Sync) -> (usize, Vec<String>) {
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let problems = Mutex::new(Vec::new());
    let threads = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let point = first + step * next.fetch_add(1, Ordering::SeqCst);
                    let (killed, verdict) = live(point);
                    if let Err(problem) = verdict {
                        problems.lock().unwrap().push(format!("killed at point {point}: {problem}"));
                    }
                    over.fetch_or(!killed, Ordering::SeqCst);
                }
            });
        }
    });
    (next.into_inner(), problems.into_inner().unwrap())
}

/// Steps that were open when the program ended count as refused: the judge has to find what that does.
fn planted_is_noticed(keys: &Path) -> bool {
    let everything_works = SCENARIOS.first().unwrap();
    (0..).map(|point| live(everything_works, keys, point, Some("unknown-is-declined"))).find_map(|(killed, verdict)| {
        match (killed, verdict) {
            (_, Err(_)) => Some(true),
            (false, Ok(())) => Some(false),
            (true, Ok(())) => None,
        }
    }) == Some(true)
}

/// One order from its beginning to its end, killed once on the way if the point is reached; whether it was, and what is wrong.
fn live(scenario: &Scenario, keys: &Path, point: usize, planted: Option<&str>) -> (bool, Result<(), String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::with_keys(&folder.path().join("sandbox"), keys, scenario.currency());
    for switch in scenario.switches {
        sandbox.ask(&runtime, "/scenario", Some(switch));
    }
    let data: PathBuf = folder.path().join("data");
    let first = travel(&sandbox, &data, scenario, Some(point), planted);
    let killed = !first.status.success() && signalled(&first);
    let last = if killed { travel(&sandbox, &data, scenario, None, planted) } else { first };
    if !last.status.success() {
        return (killed, Err(how_it_ended(&last)));
    }
    let order: Value = serde_json::from_slice(&last.stdout).unwrap();
    let book = sandbox.ask(&runtime, "/book", None);
    (killed, judge(scenario, &order, &book))
}

/// The last it said.
pub(crate) fn how_it_ended(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = said.lines().rev().take(12).collect();
    format!("the app ended: {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n    "))
}

pub(crate) fn signalled(output: &Output) -> bool {
    use std::os::unix::process::ExitStatusExt;
    output.status.signal().is_some()
}

fn travel(
    sandbox: &Sandbox,
    data: &Path,
    scenario: &Scenario,
    kill_at: Option<usize>,
    planted: Option<&str>,
) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(traveller::DATA_DIR, data)
        .env(traveller::SANDBOX, sandbox.address())
        .env(traveller::PAYS, scenario.pays)
        .env(traveller::CHANNEL, scenario.channel)
        .stdin(Stdio::null());
    if let Some(word) = planted {
        command.env(traveller::PLANT, word);
    }
    if let Some(point) = kill_at {
        command.env("ZHIYOU_TEST_KILL_AT", point.to_string());
    }
    command.output().unwrap()
}

/// Fen of a decimal text.
fn fen(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or("0.00");
    text.replace('.', "").parse().unwrap_or_else(|_| panic!("not an amount: {value}"))
}

/// Nothing twice, nothing lost: what the providers have is what the order says, to the fen.
fn judge(scenario: &Scenario, order: &Value, book: &Value) -> Result<(), String> {
    let state = order["state"].as_str().unwrap_or_default();
    if !scenario.ends.contains(&state) {
        return Err(format!("it ended {state}: {}", order["items"]));
    }
    let list = |name: &str| book[name].as_array().cloned().unwrap_or_default();
    let items = order["items"].as_array().cloned().unwrap_or_default();
    let mut spent = 0;
    for (kind, name, field, live) in [
        ("flight", "flights", "state", "ticketed"),
        ("hotel", "stays", "status", "confirmed"),
        ("car", "cars", "status", "confirmed"),
        ("activity", "activities", "status", "CONFIRMED"),
    ] {
        let have: Vec<Value> = list(name).into_iter().filter(|entry| entry[field] == live).collect();
        let said = items.iter().filter(|item| item["detail"]["kind"] == kind && item["state"] == "booked").count();
        if have.len() != said {
            return Err(format!("the providers have {} of kind {kind}, the order says {said}", have.len()));
        }
        spent += have.iter().map(|entry| fen(&entry["total_amount"])).sum::<i64>();
        // Of what was cancelled the supplier may have kept something.
        let cancelled =
            list(name).into_iter().filter(|entry| !entry["refund_amount"].is_null() && entry[field] != live);
        let kept = |entry: &Value| match entry[field].as_str() {
            Some("cancelled" | "CANCELED") if paid(entry) => fen(&entry["total_amount"]) - fen(&entry["refund_amount"]),
            _ => 0,
        };
        spent += cancelled.map(|entry| kept(&entry)).sum::<i64>();
    }
    if list("flights").iter().any(|flight| flight["state"] == "held") {
        return Err("a hold was left behind".to_owned());
    }
    let taken: i64 = list("payments").iter().map(|payment| payment["taken_fen"].as_i64().unwrap_or(0)).sum();
    let arrived = ["SUCCESS", "REFUND_SUCCESS", "COMPLETED", "succeeded"];
    let returned: i64 = list("refunds")
        .iter()
        .filter(|refund| refund["state"].as_str().is_some_and(|state| arrived.contains(&state)))
        .map(|refund| refund["refund_fen"].as_i64().unwrap_or(0))
        .sum();
    let shown = |field: &str| order["money"][field]["amount"]["amount_minor"].as_i64().unwrap_or(0);
    if taken - returned != spent {
        return Err(format!("taken {taken}, returned {returned}, but spent {spent}: {}", json!(list("refunds"))));
    }
    if (shown("paid"), shown("refunded")) != (taken, returned) {
        return Err(format!("shown {} and {}, true are {taken} and {returned}", shown("paid"), shown("refunded")));
    }
    Ok(())
}

/// Whether a supplier had been paid for what was cancelled: a flight only when it was ticketed.
fn paid(entry: &Value) -> bool {
    entry.get("payments").is_none_or(|payments| payments.as_array().is_some_and(|payments| !payments.is_empty()))
}

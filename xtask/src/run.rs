//! `cargo xtask run`: opens the app in demo mode.

use crate::{
    session, setup,
    shell::{Failed, cargo, command, root, succeed, target},
};

/// Builds and opens the window; without a display it says so, uses a virtual one and keeps a screenshot.
pub(crate) fn window() -> Result<(), Failed> {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if has_display || !cfg!(target_os = "linux") {
        setup::build_packages()?;
    } else {
        setup::window_packages()?;
    }
    setup::interface()?;
    succeed(cargo(["build", "--package", "zhiyou"]))?;
    let app = target().join("debug/zhiyou").display().to_string();
    if has_display || !cfg!(target_os = "linux") {
        return succeed(command(&app, [] as [&str; 0]));
    }
    println!("There is no display: the app opens on a virtual one for a moment.");
    let picture = target().join("zhiyou.png").display().to_string();
    let script = "\"$1\" & app=$!\n\
        until xwininfo -root -tree | grep -q Zhiyou; do kill -0 $app || exit 1; sleep 0.2; done\n\
        sleep 4; import -window root \"$2\"; kill $app; wait $app 2>/dev/null; exit 0";
    let arguments = ["-c", script, "run", &app, &picture];
    let mut inner = command("bash", arguments);
    inner.current_dir(root());
    succeed(session::inside(inner))?;
    println!("A screenshot is in {picture}");
    Ok(())
}

/// Serves the same interface on this machine, for development and for browsers.
pub(crate) fn browser() -> Result<(), Failed> {
    setup::interface()?;
    succeed(cargo(["run", "--quiet", "--package", "zhiyouctl", "--", "browser"]))
}

//! Deep links: taken in Rust before any page can see them, and handed to the engine.
//!
//! A link that started the app is read once; a link for the running app comes through the single-instance plugin. Both
//! enter one short queue; what does not fit is dropped. Deliberately not here: what a link may do.

#[cfg(desktop)]
use crate::MAIN;
use crate::defence::{Defence, off};
use std::sync::{Arc, Mutex, PoisonError};
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_deep_link::DeepLinkExt;
use tokio::sync::mpsc;
use zhiyou_engine::Engine;

/// Links waiting at most.
const WAITING_MAX: usize = 64;
/// Longest accepted link, bytes.
const BYTES_MAX: usize = 4096;

/// Links waiting for the engine.
pub(crate) struct Queue {
    enter: mpsc::Sender<String>,
    leave: Mutex<Option<mpsc::Receiver<String>>>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let waiting = if off(Defence::FewLinks) { 1 << 20 } else { WAITING_MAX };
        let (enter, leave) = mpsc::channel(waiting);
        Self { enter, leave: Mutex::new(Some(leave)) }
    }

    fn push(&self, link: &str) {
        let long = link.len() > BYTES_MAX && !off(Defence::ShortLinks);
        if long || self.enter.try_send(link.to_owned()).is_err() {
            tracing::warn!(bytes = link.len(), "a link was dropped");
        }
    }
}

/// Reads the link the app was started with, registers the scheme, and listens for more.
pub(crate) fn listen<R: Runtime>(app: &AppHandle<R>) {
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    {
        let app = app.clone();
        // It runs other programs; the window does not wait for them.
        tauri::async_runtime::spawn_blocking(move || register(&app));
    }
    let queue = app.state::<Queue>();
    match app.deep_link().get_current() {
        Ok(Some(urls)) => urls.iter().for_each(|url| queue.push(url.as_str())),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the starting link could not be read"),
    }
    hear(app);
}

/// Listens for links to the running app.
fn hear<R: Runtime>(app: &AppHandle<R>) {
    let later = app.clone();
    app.deep_link().on_open_url(move |event| {
        let queue = later.state::<Queue>();
        event.urls().iter().for_each(|url| queue.push(url.as_str()));
    });
}

/// A program that no package installed has to register itself for its links.
#[cfg(any(target_os = "linux", target_os = "windows"))]
fn register<R: Runtime>(app: &AppHandle<R>) {
    let registered = app.deep_link().register_all().map_err(|error| error.to_string());
    #[cfg(target_os = "linux")]
    let registered = registered.and_then(|()| unquote_entry(app).map_err(|error| error.to_string()));
    if let Err(error) = registered {
        tracing::warn!(error, "links to the app could not be registered; sign-in by local address still works");
    }
}

/// Without a desktop environment `xdg-open` cannot start a program whose path is quoted, and every path is written
/// quoted; the quotes go where the path needs none.
#[cfg(target_os = "linux")]
fn unquote_entry<R: Runtime>(app: &AppHandle<R>) -> std::io::Result<()> {
    let program = std::env::current_exe()?;
    let Some(name) = program.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let folder = app.path().data_dir().map_err(std::io::Error::other)?;
    let entry = folder.join("applications").join(format!("{name}-handler.desktop"));
    let text = std::fs::read_to_string(&entry)?;
    match unquoted(&text) {
        Some(text) => std::fs::write(entry, text),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn unquoted(entry: &str) -> Option<String> {
    let (before, rest) = entry.split_once("Exec=\"")?;
    let (path, after) = rest.split_once('"')?;
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ','));
    plain.then(|| format!("{before}Exec={path}{after}"))
}

/// A second start of the program: its window comes to the front. Its link arrives through the deep-link plugin.
#[cfg(desktop)]
pub(crate) fn from_arguments<R: Runtime>(app: &AppHandle<R>, _arguments: &[String]) {
    if let Some(window) = app.get_webview_window(MAIN) {
        let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::warn!(%error, "the window did not come to the front");
        }
    }
}

/// Hands waiting and coming links to the engine, one at a time.
pub(crate) fn deliver<R: Runtime>(app: &AppHandle<R>, engine: Arc<Engine>) {
    let queue = app.state::<Queue>();
    let Some(mut links) = queue.leave.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    tauri::async_runtime::spawn(async move {
        while let Some(link) = links.recv().await {
            engine.deep_link(&link).await;
        }
    });
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::defence::stands;
    use tauri::{
        App, WebviewUrl, WebviewWindowBuilder,
        test::{MockRuntime, mock_builder},
    };

    #[test]
    fn a_plain_path_loses_its_quotes_and_a_path_that_needs_them_keeps_them() {
        let entry = |exec: &str| format!("[Desktop Entry]\nExec={exec}\nTerminal=false\n");
        assert_eq!(unquoted(&entry("\"/opt/z/zhiyou\" %u")), Some(entry("/opt/z/zhiyou %u")));
        assert_eq!(unquoted(&entry("\"/opt/my apps/zhiyou\" %u")), None);
        assert_eq!(unquoted(&entry("/opt/z/zhiyou %u")), None);
    }

    /// What waits in a queue, which is empty afterwards.
    fn waiting(queue: &Queue) -> Vec<String> {
        let mut leave = queue.leave.lock().unwrap();
        let links = leave.as_mut().unwrap();
        std::iter::from_fn(|| links.try_recv().ok()).collect()
    }

    /// An app that listens for links, with the plugin that reads them.
    #[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
    fn listening() -> App<MockRuntime> {
        let app = mock_builder().plugin(tauri_plugin_deep_link::init()).build(tauri::generate_context!()).unwrap();
        app.manage(Queue::new());
        hear(app.handle());
        app
    }

    /// What waits after the program was started a second time like this.
    fn started(app: &App<MockRuntime>, arguments: &[&str]) -> Vec<String> {
        let arguments = std::iter::once("/usr/bin/zhiyou").chain(arguments.iter().copied());
        // As the single-instance plugin does it.
        app.deep_link().handle_cli_arguments(arguments);
        waiting(&app.state::<Queue>())
    }

    const LINK: &str = "zhiyou://auth/zz-club?code=a&state=s";

    #[test]
    fn ta_21_a_link_with_another_argument_is_no_link() {
        let app = listening();
        assert_eq!(started(&app, &[LINK]), [LINK]);
        for more in [[LINK, "--help"], ["--help", LINK], [LINK, LINK], ["", LINK], [LINK, ""]] {
            assert_eq!(started(&app, &more), [""; 0], "{more:?}");
        }
        for other in ["https://evil.com/", "file:///etc/passwd", "ZHIYOU", "zhiyou", ""] {
            assert_eq!(started(&app, &[other]), [""; 0], "{other}");
        }
    }

    #[test]
    fn ta_22_what_looks_like_an_option_is_an_argument_or_part_of_a_link_and_nothing_else() {
        let app = listening();
        for option in [
            "--inspect",
            "--remote-debugging-port=9222",
            "-g",
            "--gtk-module=evil",
            "WEBKIT_INSPECTOR_SERVER=0.0.0.0:1",
        ] {
            assert_eq!(started(&app, &[option]), [""; 0], "{option}");
            assert_eq!(started(&app, &[LINK, option]), [""; 0], "{option}");
            // Whatever a link has in it stays one link, for a parser that knows two routes.
            let link = format!("zhiyou://open/{option}%20{option}");
            assert_eq!(started(&app, &[link.as_str()]).len(), 1, "{link}");
        }
        // The program reads no arguments of its own, and passes none on to the toolkit.
        for source in
            [include_str!("lib.rs"), include_str!("main.rs"), include_str!("start.rs"), include_str!("rpc.rs")]
        {
            assert!(!source.contains("env::args") && !source.contains("clap"));
        }
    }

    #[test]
    fn ta_23_a_million_arguments_of_a_second_start_are_not_looked_at() {
        let app = listening();
        WebviewWindowBuilder::new(&app, MAIN, WebviewUrl::default()).build().unwrap();
        let many = vec![LINK.to_owned(); 1_000_000];
        from_arguments(app.handle(), &many);
        assert_eq!(waiting(&app.state::<Queue>()), [""; 0]);
        app.deep_link().handle_cli_arguments(many.iter());
        assert_eq!(waiting(&app.state::<Queue>()), [""; 0]);
    }

    #[test]
    fn ta_23_a_link_of_a_hundred_megabytes_is_dropped() {
        let huge = format!("{LINK}&x={}", "z".repeat(100 << 20));
        stands(Defence::ShortLinks, || {
            let queue = Queue::new();
            queue.push(&huge);
            !waiting(&queue).is_empty()
        });
    }

    #[test]
    fn ta_28_of_a_flood_of_links_the_first_few_wait() {
        let flood = || {
            let queue = Queue::new();
            for number in 0..10_000 {
                queue.push(&format!("zhiyou://auth/{number}"));
            }
            waiting(&queue)
        };
        assert_eq!((flood().len(), flood()[0].as_str()), (WAITING_MAX, "zhiyou://auth/0"));
        stands(Defence::FewLinks, || flood().len() > WAITING_MAX);
    }
}

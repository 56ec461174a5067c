//! Deep links: taken in Rust before any page can see them, and handed to the engine.
//!
//! A link that started the app is read once; a link for the running app comes through the single-instance plugin. Both
//! enter a short queue, each kind its own; what does not fit is dropped, and what has not the shape of a link of ours does
//! not enter: a flood of one kind costs no other its place. A return that somebody waits for has a place that no other link
//! can take, and goes first. Which ones those are is read from the store before any link is heard, and said by the engine
//! as soon as it is up. Deliberately not here: what a link may do.

#[cfg(any(target_os = "linux", target_os = "windows"))]
mod registered;

#[cfg(desktop)]
use crate::MAIN;
use crate::defence::{Defence, off};
use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_deep_link::DeepLinkExt;
use tokio::sync::Notify;
use zhiyou_engine::{
    Engine,
    fault::{Fault, FaultCode},
    link,
    links::{Awaited, Dropped, is_ours},
};

/// Links of one kind waiting at most.
const WAITING_MAX: usize = 16;
/// Longest accepted link, bytes.
const BYTES_MAX: usize = 4096;

/// How long the window waits to know what is waited for; a disk that takes longer is no reason to show nothing.
const READ_MAX: Duration = Duration::from_secs(2);

/// Kinds of links that do not wait for one another.
const ROUTES: [&str; 3] = [link!("auth/"), link!("pay/"), link!("open/")];
/// Returns that are waited for, the routes, and what is none of them: nothing, unless a test takes a defence away.
const LANES: usize = ROUTES.len() + 2;
const AWAITED: usize = 0;

/// Tells whether a link may be a return that is waited for.
type Awaits = Box<dyn Fn(&str) -> bool + Send>;

/// Links waiting for the engine.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    lanes: [VecDeque<String>; LANES],
    /// Where the last link was taken from.
    last: usize,
    awaits: Option<Awaits>,
    /// Why links were dropped, until the engine was told; each once.
    dropped: BTreeSet<Dropped>,
}

impl Waiting {
    fn lane(&self, link: &str) -> usize {
        let awaited = self.awaits.as_ref().is_some_and(|awaits| awaits(link));
        if awaited && !off(Defence::AwaitedFirst) {
            return AWAITED;
        }
        ROUTES.iter().position(|route| link.starts_with(route)).unwrap_or(ROUTES.len()).saturating_add(1)
    }

    /// Takes it, if it fits.
    fn push(&mut self, link: &str) -> Result<(), Dropped> {
        // What is longer was refused before; nobody reads so much.
        if link.len() <= BYTES_MAX && !is_ours(link) && !off(Defence::OursOnly) {
            return Err(Dropped::Malformed);
        }
        let lane = self.lane(link);
        let Some(lane) = self.lanes.get_mut(lane) else { return Err(Dropped::Malformed) };
        let fits = lane.len() < WAITING_MAX || off(Defence::FewLinks);
        // The same return many times over is one.
        if fits && !lane.iter().any(|known| known == link) {
            lane.push_back(link.to_owned());
        }
        if fits { Ok(()) } else { Err(Dropped::Flood) }
    }

    /// The next link: one that is waited for, else the kinds in turn.
    fn pop(&mut self) -> Option<String> {
        let turns = (1..=LANES).map(|step| (self.last + step) % LANES);
        let next =
            std::iter::once(AWAITED).chain(turns).find(|lane| !self.lanes.get(*lane).is_none_or(VecDeque::is_empty))?;
        self.last = next;
        self.lanes.get_mut(next)?.pop_front()
    }

    /// Knows from here on what is waited for, and sorts what is here already.
    fn know(&mut self, awaits: Awaits) {
        self.awaits = Some(awaits);
        for link in std::mem::take(&mut self.lanes).into_iter().flatten() {
            if let Err(why) = self.push(&link) {
                self.dropped.insert(why);
            }
        }
    }
}

impl Queue {
    /// An empty queue that knows from the first link on which returns are waited for.
    pub(crate) fn knowing(awaits: impl Fn(&str) -> bool + Send + 'static) -> Self {
        let queue = Self { waiting: Mutex::default(), bell: Notify::new() };
        if !off(Defence::KnownFirst) {
            queue.waiting().know(Box::new(awaits));
        }
        queue
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, link: &str) {
        let long = link.len() > BYTES_MAX && !off(Defence::ShortLinks);
        let mut waiting = self.waiting();
        if let Err(why) = if long { Err(Dropped::Oversized) } else { waiting.push(link) } {
            tracing::warn!(bytes = link.len(), why = why.word(), "a link was dropped");
            waiting.dropped.insert(why);
        }
        drop(waiting);
        self.bell.notify_one();
    }
}

/// The queue of an app whose data is in `data_dir`. Where what is waited for cannot be read, nothing is known to be until
/// the engine is up.
pub(crate) fn queue(data_dir: Result<PathBuf, Fault>) -> Queue {
    let awaited = tauri::async_runtime::block_on(async {
        match tokio::time::timeout(READ_MAX, Awaited::read(&data_dir?)).await {
            Ok(read) => read,
            Err(_) => Err(Fault::new(FaultCode::Internal, "the store takes too long")),
        }
    });
    let awaited = awaited.unwrap_or_else(|fault| {
        tracing::warn!(%fault, "which returns are waited for is not known yet");
        Awaited::default()
    });
    Queue::knowing(move |link| awaited.awaits(link))
}

/// Reads the link the app was started with, registers the scheme, and listens for more.
pub(crate) fn listen<R: Runtime>(app: &AppHandle<R>) {
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    {
        let app = app.clone();
        // It runs other programs; the window does not wait for them.
        tauri::async_runtime::spawn_blocking(move || registered::register(&app));
    }
    // Heard before the starting link is read, so that none comes in between; the same link twice is one.
    hear(app);
    let queue = app.state::<Queue>();
    match app.deep_link().get_current() {
        Ok(Some(urls)) => urls.iter().for_each(|url| queue.push(url.as_str())),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the starting link could not be read"),
    }
}

/// Listens for links to the running app.
fn hear<R: Runtime>(app: &AppHandle<R>) {
    let later = app.clone();
    app.deep_link().on_open_url(move |event| {
        let queue = later.state::<Queue>();
        event.urls().iter().for_each(|url| queue.push(url.as_str()));
    });
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
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let queue = app.state::<Queue>();
        let asked = Arc::clone(&engine);
        queue.waiting().know(Box::new(move |link| asked.awaits(link)));
        loop {
            let (next, dropped) = {
                let mut waiting = queue.waiting();
                (waiting.pop(), std::mem::take(&mut waiting.dropped))
            };
            for why in dropped {
                engine.link_dropped(why).await;
            }
            match next {
                Some(link) => engine.deep_link(&link).await,
                None => queue.bell.notified().await,
            }
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
    use zhiyou_engine::app::{FOR_DEVELOPERS, ROOT, SCHEME};

    /// What waits in a queue, which is empty afterwards.
    fn waiting(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.waiting().pop()).collect()
    }

    /// A queue that knows of no return that is waited for.
    fn unknowing() -> Queue {
        Queue::knowing(|_| false)
    }

    /// A return from a sign-in with this state, as the platform writes it.
    fn return_with(state: impl std::fmt::Display) -> String {
        format!("{ROOT}auth/zz-club?code=a&state={state:A>43}")
    }

    /// A link to a screen, of which there are as many as one likes.
    fn screen(number: usize) -> String {
        format!("{ROOT}open/order/ord_01KA{number:022}")
    }

    /// A link by which a payer comes back.
    fn payer(number: usize) -> String {
        format!("{ROOT}pay/01KA{number:022}")
    }

    /// An app that listens for links, with the plugin that reads them.
    #[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
    fn listening() -> App<MockRuntime> {
        let app = mock_builder().plugin(tauri_plugin_deep_link::init()).build(tauri::generate_context!()).unwrap();
        app.manage(unknowing());
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

    const LINK: &str = link!("auth/zz-club?code=a&state=Ab-_567890123456789012345678901234567890123");

    #[test]
    fn ta_21_a_link_with_another_argument_is_no_link() {
        let app = listening();
        assert_eq!(started(&app, &[LINK]), [LINK]);
        for more in [[LINK, "--help"], ["--help", LINK], [LINK, LINK], ["", LINK], [LINK, ""]] {
            assert_eq!(started(&app, &more), [""; 0], "{more:?}");
        }
        // The last is a link to the other kind of build, which may be installed beside this one.
        let other_kind = format!("{}://open/order/x", if FOR_DEVELOPERS { "zhiyou" } else { "zhiyou-dev" });
        for other in ["https://evil.com/", "file:///etc/passwd", "ZHIYOU", SCHEME, "", &other_kind] {
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
            let link = format!("{LINK}&x={option}%20{option}");
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
            let queue = unknowing();
            queue.push(&huge);
            !waiting(&queue).is_empty()
        });
    }

    #[test]
    fn ta_28_of_a_flood_of_links_the_first_few_wait() {
        let flood = || {
            let queue = unknowing();
            for number in 0..10_000 {
                queue.push(&return_with(number));
            }
            waiting(&queue)
        };
        assert_eq!((flood().len(), flood()[0].clone()), (WAITING_MAX, return_with(0)));
        stands(Defence::FewLinks, || flood().len() > WAITING_MAX);
    }

    #[test]
    fn ta_28_a_return_that_is_waited_for_is_not_lost_in_a_flood_and_goes_first() {
        // Among forged returns before and after it, the true one, and itself many times over.
        let lost = || {
            let queue = Queue::knowing(|link| link == LINK);
            for number in 0..10_000 {
                queue.push(&return_with(number));
                if number > 5_000 {
                    queue.push(LINK);
                }
            }
            let waiting = waiting(&queue);
            assert!(waiting.iter().filter(|link| *link == LINK).count() <= 1);
            waiting.first().is_none_or(|first| first != LINK)
        };
        stands(Defence::AwaitedFirst, lost);
    }

    #[test]
    fn ta_28_a_true_return_behind_a_flood_before_the_engine_is_up_is_not_lost() {
        for truth in [LINK.to_owned(), payer(7)] {
            let known = truth.clone();
            let lost = || {
                let (known, known_to_the_engine) = (known.clone(), known.clone());
                let queue = Queue::knowing(move |link| link == known);
                // Every one a link as a platform or a channel writes it, and the true one last.
                for number in 100..10_000 {
                    queue.push(&return_with(number));
                    queue.push(&payer(number));
                }
                queue.push(&truth);
                // The engine is up.
                queue.waiting().know(Box::new(move |link| link == known_to_the_engine));
                waiting(&queue).first() != Some(&truth)
            };
            stands(Defence::KnownFirst, lost);
        }
    }

    #[test]
    fn ta_28_a_flood_of_what_is_no_link_of_ours_takes_no_place() {
        let junk = || {
            let queue = unknowing();
            for number in 0..1_000 {
                for junk in [
                    format!("{ROOT}auth/{number}"),
                    // A state that none of ours has.
                    format!("{ROOT}auth/zz-club?code=a&state={number}"),
                    format!("{ROOT}auth/zz-club?state={number:A>43}"),
                    format!("{ROOT}pay/{number}"),
                    format!("{}?status=success", payer(number)),
                    format!("{ROOT}open/order/{number}"),
                    format!("{ROOT}other/{number}"),
                ] {
                    queue.push(&junk);
                }
            }
            let sound = [return_with(1), payer(1), screen(1)];
            sound.iter().for_each(|link| queue.push(link));
            let waiting = waiting(&queue);
            sound.iter().any(|link| !waiting.contains(link))
        };
        stands(Defence::OursOnly, junk);
    }

    #[test]
    fn why_links_were_dropped_is_kept_for_the_engine_once_each() {
        let queue = unknowing();
        for number in 0..100 {
            queue.push(&format!("{ROOT}other/{number}"));
            queue.push(&screen(number));
        }
        queue.push(&"z".repeat(BYTES_MAX + 1));
        let dropped = std::mem::take(&mut queue.waiting().dropped);
        assert_eq!(dropped.into_iter().collect::<Vec<_>>(), [Dropped::Oversized, Dropped::Malformed, Dropped::Flood]);
    }

    #[test]
    fn what_is_waited_for_is_read_from_the_folder_of_the_app_and_nothing_there_is_nothing_awaited() {
        let folder = std::env::temp_dir().join(format!("zhiyou-links-{}", std::process::id()));
        for data_dir in [Ok(folder), Err(Fault::new(FaultCode::Internal, "no folder"))] {
            let queue = queue(data_dir);
            queue.push(LINK);
            assert_eq!(waiting(&queue), [LINK]);
        }
    }

    #[test]
    fn ta_28_a_flood_of_one_kind_costs_no_other_kind_its_place_or_its_turn() {
        let queue = unknowing();
        for number in 100..10_000 {
            queue.push(&return_with(number));
            queue.push(&screen(number));
        }
        queue.push(&payer(1));
        let waiting = waiting(&queue);
        assert_eq!(waiting.len(), 2 * WAITING_MAX + 1);
        assert!(waiting[..LANES].contains(&payer(1)), "it waits behind the flood");
    }

    #[test]
    fn what_came_before_the_engine_was_up_is_sorted_when_it_is() {
        let queue = unknowing();
        queue.push(&return_with("forged"));
        queue.push(LINK);
        queue.waiting().know(Box::new(|link| link == LINK));
        assert_eq!(waiting(&queue), [LINK.to_owned(), return_with("forged")]);
    }
}

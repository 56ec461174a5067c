//! How an attack is judged: refused while every defence stands, successful in every case once one is taken away.

use super::{
    super::defence::{self, Defence},
    *,
};
use crate::{
    audit,
    store::{audit as audit_rows, pending_sign_ins},
};
use std::fmt::{self, Write};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// A case of an attack: its name, and what it makes of the awaited return.
pub(super) type Forgery<'a> = (&'static str, &'a dyn Fn(&str) -> String);

/// What came of an attack: its cases, and whether each got in.
pub(super) type Seen = Vec<(&'static str, bool)>;

/// Puts the defence back, also when a test fails.
struct Away;

impl Away {
    fn without(taken: Defence) -> Self {
        defence::take_away(Some(taken));
        Self
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        defence::take_away(None);
    }
}

/// Runs the attack with all defences, where no case may get in, and without this one, where every case has to.
pub(super) async fn stands(taken: Defence, attack: impl AsyncFn() -> Seen) {
    let seen = attack().await;
    assert!(!seen.is_empty(), "no attack");
    for (name, got_in) in seen {
        assert!(!got_in, "{name}: got in although every defence stands");
    }
    let _away = Away::without(taken);
    for (name, got_in) in attack().await {
        assert!(got_in, "{name}: refused even without {}", taken.word());
    }
}

/// Everything that a dropped return must leave as it was.
async fn stored(app: &App) -> (Vec<Option<pending_sign_ins::PendingRow>>, Vec<Option<sign_ins::SignInRow>>, i64) {
    let (mut visits, mut rows) = (Vec::new(), Vec::new());
    for platform in &app.platforms {
        visits.push(pending_sign_ins::read(app.auth.db.reader(), &platform.id).await.unwrap());
        rows.push(sign_ins::read(app.auth.db.reader(), &platform.id).await.unwrap());
    }
    let told = changes::after(app.auth.db.reader(), 0, 1000).await.unwrap();
    (visits, rows, i64::try_from(told.len()).unwrap())
}

/// Returns that the audit log says were dropped; its chain is whole.
pub(super) async fn noted_drops(app: &App) -> usize {
    assert!(audit::verify(&app.auth.db).await.unwrap().is_intact());
    let rows = audit_rows::after(app.auth.db.reader(), 0, 10_000).await.unwrap();
    rows.iter().filter(|row| row.action == "sign_in.drop").count()
}

/// Delivers a link; answers whether the app acted on it. What it drops changes nothing and is one line in the log, which
/// holds nothing of the link, and one in the audit log, unless that has told of another of its kind just now.
pub(super) async fn delivered(app: &App, link: &str) -> bool {
    let (before, noted_before) = (stored(app).await, noted_drops(app).await);
    let lines = Lines::listen();
    let taken = app.auth.deep_link(link).await;
    let lines = lines.heard();
    if !taken {
        assert!(stored(app).await == before, "a dropped return changed something");
        assert!(lines.len() <= 1, "{lines:?}");
        let noted = noted_drops(app).await;
        assert!(noted > 0 && noted - noted_before <= 1, "{noted} after {noted_before}");
        for (_, value) in Url::parse(link).iter().flat_map(Url::query_pairs).filter(|(_, value)| value.len() > 8) {
            assert!(!lines.iter().any(|line| line.contains(&*value)), "{lines:?} holds {value}");
        }
    }
    taken
}

/// A visit by deep link under way, and the return that its platform sends.
pub(super) async fn visiting() -> (App, String) {
    let app = App::start().await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let good = decide(&app.visited(), "approve").await;
    (app, good)
}

/// Changes the awaited return, for each case in a visit of its own. A return that is dropped leaves the awaited one working.
pub(super) async fn forged(cases: &[Forgery<'_>]) -> Seen {
    let mut seen = Vec::new();
    for (name, forge) in cases {
        let (app, good) = visiting().await;
        let link = forge(&good);
        assert_ne!(link, good, "{name}");
        let taken = delivered(&app, &link).await;
        if !taken {
            assert!(waiting(&app.state().await), "{name}");
            assert_eq!(noted_drops(&app).await, 1, "{name}");
            assert!(app.auth.deep_link(&good).await && connected(&app.state().await), "{name}: the awaited return");
        }
        seen.push((*name, taken));
    }
    seen
}

/// The link with a parameter set, or left out.
pub(super) fn set(link: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(link).unwrap();
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.retain(|(known, _)| known != name);
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url.to_string()
}

/// A parameter of an address.
pub(super) fn parameter(url: &str, name: &str) -> String {
    Url::parse(url).unwrap().query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
}

/// The platform's row as it is stored.
pub(super) async fn row(app: &App) -> Option<sign_ins::SignInRow> {
    sign_ins::read(app.auth.db.reader(), CLUB).await.unwrap()
}

/// A start at this issuer: whether a page was opened. One that was refused is the platform's fault and stores nothing.
pub(super) async fn begun(issuer: &str) -> bool {
    let app = App::at(issuer).await;
    let lines = Lines::listen();
    let started = app.auth.start(CLUB, DeepLink).await;
    let opened = !app.browser.opened.lock().unwrap().is_empty();
    if let Err(fault) = started {
        assert!(!opened && fault.code == FaultCode::ProviderUnavailable, "{fault}");
        assert!(app.state().await == SignInStateView::Disconnected && row(&app).await.is_none());
        assert!(lines.heard().len() <= 1);
    }
    opened
}

/// The lines that this thread writes to the log.
pub(super) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    _listening: tracing::subscriber::DefaultGuard,
}

impl Lines {
    pub(super) fn listen() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let _listening = tracing::subscriber::set_default(Listener(lines.clone()));
        Self { lines, _listening }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

struct Listener(Arc<Mutex<Vec<String>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("zhiyou_engine")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

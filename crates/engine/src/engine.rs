//! The running engine: its parts, its start, and what a host may call.

use crate::{
    api,
    audit::{self, Action, Came, Entry, Origin, Resource, drops::Drops},
    auth::{Auth, Installed, Platforms, ThroughUs},
    booking::{Ports, Suppliers, Travellers, book::Book, questions::Questions, runner},
    ids::Ids,
    links,
    locking::Use,
    mcp::{ConnectError, Server},
    ports::{Browser, Clock, KeyStore},
    store::{
        Db,
        changes::{self, Entity},
        group::SqlJournal,
        orders,
        questions::{About, Question},
        settings,
    },
    vault::Vault,
};
use aws_lc_rs::rand::SystemRandom;
use serde_json::Value;
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::DuplexStream,
    sync::{Notify, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{AttemptId, OrderId, PlanId},
    link,
    money::Currency,
    order::{Fact, OrderState},
};

/// What a host gives the engine at the start.
pub struct Options {
    /// Where the database lives; created when missing.
    pub data_dir: PathBuf,
    /// MCP connection to the `flights` server.
    pub flights: DuplexStream,
    /// MCP connection to the `hotels` server.
    pub hotels: DuplexStream,
    /// MCP connection to the `cars` server, where the merchant side has one.
    pub cars: Option<DuplexStream>,
    /// MCP connection to the `activities` server, where the merchant side has one.
    pub activities: Option<DuplexStream>,
    /// MCP connection to the `payments` server.
    pub payments: DuplexStream,
    /// Bumped by the gateway after it applied a notification.
    pub wake: watch::Receiver<i64>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The system browser.
    pub browser: Arc<dyn Browser>,
    /// The system keyring.
    pub keys: Arc<dyn KeyStore>,
    /// Sandbox pages; present exactly in demo mode.
    pub demo: Option<Demo>,
    /// Where platforms are in this installation, as far as their files do not say.
    pub platforms: Vec<Installed>,
}

/// What exists only in demo mode.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The sandbox's phone page.
    pub phone: Url,
    /// What its suppliers quote in.
    pub currency: Currency,
}

/// The running engine.
pub struct Engine {
    pub(crate) data_dir: PathBuf,
    pub(crate) db: Db,
    pub(crate) book: Arc<Book>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) travellers: Arc<Travellers>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) through_us: Vec<ThroughUs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) browser: Arc<dyn Browser>,
    pub(crate) runner: runner::Handle,
    questions: Arc<Questions>,
    pub(crate) demo: Option<Demo>,
    open_screen: Mutex<Option<String>>,
    /// Payments whose payer may come back from a hosted page.
    paying: Mutex<HashSet<AttemptId>>,
    pub(crate) used: Use,
    scoring: Notify,
    drops: Drops,
    pub(crate) stop: CancellationToken,
    tracker: TaskTracker,
}

impl Engine {
    /// Starts: opens the store, takes the writer's lease, recovers open orders, begins to run.
    ///
    /// # Errors
    /// A [`Fault`] with `DatabaseInUse`, `NewerVersion`, `DiskFull` or `Internal`.
    pub async fn start(options: Options) -> Result<Arc<Self>, Fault> {
        crate::store::private::folder(&options.data_dir).map_err(crate::store::StoreError::Io)?;
        let db = Db::open(&options.data_dir).await?;
        settings::first_start(&db, options.clock.now()).await?;
        let ids = Ids::new(Arc::clone(&options.clock));
        let journal = SqlJournal::new(db.clone(), options.data_dir.clone());
        let book = Arc::new(Book::open(db.clone(), journal, Arc::clone(&options.clock), ids.clone()).await?);
        let vault = Arc::new(Vault::open(db.clone(), options.keys, SystemRandom::new()).await?);
        let platforms = Platforms::bundled(&options.platforms)?;
        let auth = Arc::new(Auth::new(
            db.clone(),
            Arc::clone(&vault),
            Arc::clone(&options.clock),
            Arc::clone(&options.browser),
            platforms.sign_in,
        )?);
        let connected = |error: ConnectError| Fault::new(FaultCode::Internal, error.to_string());
        let ports = Arc::new(Ports {
            flights: Server::connect("flights", options.flights).await.map_err(connected)?,
            hotels: Server::connect("hotels", options.hotels).await.map_err(connected)?,
            cars: optional("cars", options.cars).await.map_err(connected)?,
            activities: optional("activities", options.activities).await.map_err(connected)?,
            payments: Server::connect("payments", options.payments).await.map_err(connected)?,
        });
        let travellers = Arc::new(Travellers { vault: Arc::clone(&vault), auth: Arc::clone(&auth) });
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let steps = Arc::new(Suppliers { ports: Arc::clone(&ports), travellers: Arc::clone(&travellers) });
        let (runner, questions) = runner::start(Arc::clone(&book), steps, options.wake, stop.clone(), &tracker).await?;
        let paying = orders::open_attempts(db.reader()).await?.into_iter().collect();
        let used = Use::since(options.clock.now());
        let engine = Arc::new(Self {
            data_dir: options.data_dir,
            db,
            book,
            ports,
            travellers,
            vault,
            auth,
            through_us: platforms.through_us,
            clock: options.clock,
            ids,
            browser: options.browser,
            runner,
            questions,
            demo: options.demo,
            open_screen: Mutex::new(None),
            paying: Mutex::new(paying),
            used,
            scoring: Notify::new(),
            drops: Drops::default(),
            stop,
            tracker,
        });
        engine.tracker.spawn(Arc::clone(&engine).follow_sign_ins());
        engine.tracker.spawn(Arc::clone(&engine).verify_audit());
        engine.tracker.spawn(Arc::clone(&engine).follow_use());
        engine.tracker.spawn(Arc::clone(&engine).follow_scores());
        let (auth, stop) = (Arc::clone(&engine.auth), engine.stop.clone());
        engine.tracker.spawn(async move { stop.run_until_cancelled(auth.follow()).await });
        engine.score_payments();
        engine.auth.resume().await;
        engine.recover_sign_ins();
        Ok(engine)
    }

    /// Carries out one command of the API.
    ///
    /// # Errors
    /// The command's [`Fault`]; nothing is half done.
    pub async fn dispatch(&self, command: &str, payload: Value) -> Result<Value, Fault> {
        self.dispatch_by(Origin::Window, command, payload).await
    }

    async fn dispatch_by(&self, origin: Origin, command: &str, payload: Value) -> Result<Value, Fault> {
        let about = api::about(command, &payload);
        let work = async {
            let result = match api::cards::refuse(&payload) {
                Ok(()) => api::dispatch(self, command, payload).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = &result {
                let command = api::name_of(command).unwrap_or("of another name");
                tracing::warn!(command, %fault, "a command was refused");
                // What was done is noted where it is done.
                if let Some((action, resource)) = &about {
                    self.note_refused(*action, resource, fault.code).await;
                }
            }
            result
        };
        origin.during(work).await
    }

    /// Carries out one command of the API for a program that is not our window.
    ///
    /// # Errors
    /// `OnlyInWindow` for what only a person may do; else the command's [`Fault`].
    pub async fn dispatch_for_tool(&self, command: &str, payload: Value) -> Result<Value, Fault> {
        let result = if api::tool_may(command, self.demo.is_some()) {
            self.dispatch_by(Origin::Tool, command, payload).await
        } else {
            Err(Fault::new(FaultCode::OnlyInWindow, api::name_of(command).unwrap_or_default()))
        };
        // A name that is no command of ours is not written down: it could be anything.
        if let Some(name) = api::told_of(command) {
            let came = result.as_ref().map_or_else(|fault| Came::Refused(fault.code), |_| Came::Done);
            let entry =
                Entry { action: Action::AgentCommand, resource: Resource::Command(name), came, origin: Origin::Tool };
            audit::note_alone(&self.db, entry, self.clock.now()).await;
        }
        result
    }

    async fn note_refused(&self, action: Action, about: &api::About, code: FaultCode) {
        let resource = match about {
            api::About::Nothing => Resource::None,
            api::About::Order(id) => Resource::Order(*id),
            api::About::Traveller(id) => Resource::Traveller(*id),
            // Only a name that is ours is written down.
            api::About::Platform(id) if self.auth.view(id).await.is_ok() => Resource::Platform(id),
            api::About::Platform(_) => Resource::None,
        };
        let entry = Entry { action, resource, came: Came::Refused(code), origin: Origin::now() };
        audit::note_alone(&self.db, entry, self.clock.now()).await;
    }

    /// Ends in the background what an earlier run began at the platforms: they may take long to answer.
    pub(crate) fn recover_sign_ins(&self) {
        let (auth, stop) = (Arc::clone(&self.auth), self.stop.clone());
        self.tracker.spawn(async move { stop.run_until_cancelled(auth.recover()).await });
    }

    /// Verifies the audit log; damage is told and stops nothing.
    async fn verify_audit(self: Arc<Self>) {
        let verified = tokio::select! {
            () = self.stop.cancelled() => return,
            verified = audit::verify(&self.db) => verified,
        };
        match verified {
            Ok(report) if report.is_intact() => tracing::info!(rows = report.rows, "the audit log verifies"),
            Ok(report) => {
                let (damaged, scores) = (report.damaged, report.damaged_scores);
                tracing::error!(rows = report.rows, ?damaged, ?scores, "the audit log is damaged");
            }
            Err(fault) => tracing::error!(%fault, "the audit log could not be verified"),
        }
    }

    /// Has payments in the audit log scored, as soon as that is no work for anybody who waits.
    pub(crate) fn score_payments(&self) {
        self.scoring.notify_one();
    }

    async fn follow_scores(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.scoring.notified() => {}
            }
            if let Err(error) = audit::risk::fill_in(&self.db, || self.clock.now()).await {
                tracing::error!(%error, "payments in the audit log wait for their scores");
            }
        }
    }

    /// Tells that a link was dropped before it was read, by whoever takes links from the system.
    pub async fn link_dropped(&self, why: links::Dropped) {
        let entry = Entry {
            action: Action::LinkDrop,
            resource: Resource::None,
            came: Came::Failed(why.word()),
            origin: Origin::Core,
        };
        self.drops.note(&self.db, entry, self.clock.now()).await;
    }

    /// The newest change cursor; changes whenever something the interface shows has changed.
    pub fn doorbell(&self) -> watch::Receiver<i64> {
        self.db.doorbell()
    }

    /// Takes a link the system handed to the app (`…://…`). It completes a pending sign-in or selects a screen, and
    /// never moves money or state. Anything else is dropped without a word to the outside.
    pub async fn deep_link(&self, link: &str) {
        if let Some(attempt) = crate::api::handlers::payments::returned(link) {
            return self.returned_from_payment(attempt).await;
        }
        let Some(screen) = screen_of(link) else {
            self.auth.deep_link(link).await;
            return;
        };
        *self.open_screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen);
        if let Err(fault) = self.session_changed().await {
            tracing::error!(%fault, "the doorbell could not be rung");
        }
    }

    /// Whether a link may be the return of a sign-in under way, or of a payer. Cheap, so that it can be asked of every link
    /// of a flood; whether it is believed is decided by [`Engine::deep_link`].
    #[must_use]
    pub fn awaits(&self, link: &str) -> bool {
        match crate::api::handlers::payments::returned(link) {
            Some(attempt) => self.paying.lock().unwrap_or_else(PoisonError::into_inner).contains(&attempt),
            None => self.auth.awaits(link),
        }
    }

    /// Says that a payer is about to leave for a hosted page.
    pub(crate) fn payer_leaves(&self, attempt: AttemptId) {
        self.paying.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt);
    }

    /// A payer came back from a hosted page: the channel is asked, and the order is shown. An id that is not ours does
    /// nothing.
    async fn returned_from_payment(&self, attempt: AttemptId) {
        let order = orders::of_attempt(self.db.reader(), attempt).await;
        let Ok(Some(order)) = order else {
            tracing::info!("a return from a payment that is not ours was dropped");
            let came = Came::Failed("unknown_payment");
            let entry = Entry { action: Action::ReturnDrop, resource: Resource::None, came, origin: Origin::Core };
            self.drops.note(&self.db, entry, self.clock.now()).await;
            return;
        };
        self.questions.ask(Question { order, about: About::Payment(attempt) });
        let screen = format!("order/{order}/pay");
        *self.open_screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen);
        if let Err(fault) = self.session_changed().await {
            tracing::error!(%fault, "the doorbell could not be rung");
        }
    }

    /// Asks the channels about every open payment, however recently they were asked. It does not wait for their answers.
    pub(crate) async fn ask_about_payments(&self) -> Result<(), Fault> {
        for attempt in orders::open_attempts(self.db.reader()).await? {
            if let Some(order) = orders::of_attempt(self.db.reader(), attempt).await? {
                self.questions.ask(Question { order, about: About::Payment(attempt) });
            }
        }
        Ok(())
    }

    /// Says that the clock was moved: everything whose time has come is looked at.
    pub async fn clock_moved(&self) {
        self.runner.clock_moved();
        self.used.look_again();
        self.auth.look_again();
        if let Err(fault) = self.session_changed().await {
            tracing::error!(%fault, "the doorbell could not be rung");
        }
    }

    /// Rebuilds every snapshot and projection from the journals and says whether they were identical.
    ///
    /// # Errors
    /// A [`Fault`]; `HistoryDamaged` names a journal that does not verify. Nothing was changed then.
    pub async fn rebuild(&self) -> Result<crate::store::rebuild::Report, Fault> {
        Ok(crate::store::rebuild::run(&self.db).await?)
    }

    /// Stops: running calls end or become unknown, their bookkeeping is finished, the store is closed.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.auth.stop().await;
        self.tracker.close();
        self.tracker.wait().await;
        self.db.close().await;
    }

    pub(crate) fn take_open_screen(&self) -> Option<String> {
        self.open_screen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) async fn session_changed(&self) -> Result<(), Fault> {
        let mut tx = self.db.begin().await?;
        changes::append(&mut tx, Entity::Session, "", self.clock.now()).await?;
        Ok(self.db.commit(tx).await?)
    }

    /// Tells open drafts when the sign-in they wait for has come, or the one they had is gone.
    async fn follow_sign_ins(self: Arc<Self>) {
        let mut doorbell = self.doorbell();
        let mut cursor = *doorbell.borrow_and_update();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                rung = doorbell.changed() => if rung.is_err() { return },
            }
            doorbell.mark_unchanged();
            match self.apply_sign_ins(cursor).await {
                Ok(next) => cursor = next,
                Err(fault) => tracing::error!(%fault, "sign-ins could not be followed"),
            }
        }
    }

    async fn apply_sign_ins(&self, after: i64) -> Result<i64, Fault> {
        let batch = changes::after(self.db.reader(), after, 256).await?;
        for change in batch.iter().filter(|change| change.entity == Entity::SignIn) {
            let connected = self.auth.is_connected(&change.id).await;
            for id in orders::open(self.db.reader()).await? {
                let platform = change.id.clone();
                let fact = |order: &_, _| Ok(sign_in_fact(order, &platform, connected));
                match self.book.record(id, fact).await {
                    Ok(order) => self.runner.look(order.id),
                    // A frozen order must not keep the others from hearing of it.
                    Err(fault) if fault.code.is_frozen() => tracing::warn!(order = %id, %fault, "a frozen order"),
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(batch.last().map_or(after, |change| change.cursor))
    }
}

async fn optional(name: &'static str, io: Option<DuplexStream>) -> Result<Option<Server>, ConnectError> {
    match io {
        Some(io) => Server::connect(name, io).await.map(Some),
        None => Ok(None),
    }
}

fn sign_in_fact(order: &zhiyou_domain::order::Order, platform: &str, connected: bool) -> Vec<Fact> {
    let concerns = order.state == OrderState::Draft && order.required_platforms.iter().any(|known| known == platform);
    let platform = platform.to_owned();
    match (concerns, connected, order.signed_in.contains(&platform)) {
        (true, true, false) => vec![Fact::SignedIn { platform }],
        (true, false, true) => vec![Fact::SignInLost { platform }],
        _ => Vec::new(),
    }
}

/// `…://open/order/ord_…` and `…://open/trip/pln_…` select a screen; nothing else does.
pub(crate) fn screen_of(link: &str) -> Option<String> {
    let (kind, id) = link.strip_prefix(link!("open/"))?.split_once('/')?;
    match kind {
        "order" => id.parse::<OrderId>().ok().map(|id| format!("order/{id}")),
        "trip" => id.parse::<PlanId>().ok().map(|id| format!("trip/{id}")),
        _ => None,
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz {
    use super::screen_of;
    use crate::{api::handlers::payments::returned, app::ROOT, fuzz::fuzz};

    #[cfg_attr(test, test)]
    pub(crate) fn fuzz_a_link_selects_nothing_or_what_prints_back_to_the_same() {
        let id = "01KA0000000000000000000ABC";
        let sound = [
            format!("{ROOT}open/order/ord_{id}"),
            format!("{ROOT}open/trip/pln_{id}"),
            format!("{ROOT}pay/{id}"),
            format!("{ROOT}auth/zz-club?code={id}&state={id}"),
        ];
        let corpus = sound.each_ref().map(String::as_bytes);
        let words = [ROOT, "open/", "order/", "trip/", "pay/", "ord_", "pln_", "..", "%2e", "/", "?x=y", "#"];
        fuzz("links", &corpus, &words, |input| {
            let link = String::from_utf8_lossy(input);
            if let Some(screen) = screen_of(&link) {
                assert_eq!(screen_of(&format!("{ROOT}open/{screen}")), Some(screen));
            }
            if let Some(attempt) = returned(&link) {
                assert_eq!(returned(&format!("{ROOT}pay/{}", attempt.bare())), Some(attempt));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::screen_of;
    use zhiyou_domain::{app::ROOT, link};

    #[test]
    fn a_link_selects_a_screen_by_a_well_formed_id_and_nothing_else() {
        let id = "01KA0000000000000000000ABC";
        assert_eq!(screen_of(&format!("{ROOT}open/order/ord_{id}")), Some(format!("order/ord_{id}")));
        for link in [link!("open/order/ord_1"), link!("open/pay/x"), link!("open/order/../x"), "ZHIYOU://open/order/x"]
        {
            assert_eq!(screen_of(link), None, "{link}");
        }
    }
}

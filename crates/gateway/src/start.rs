//! Starting and stopping: the parts put together.
//!
//! Deliberately not here: what any part does.

use crate::{
    Clock,
    config::{Config, ConfigError, Profile},
    gate::Gate,
    http::Http,
    inbox::{self, Inbox},
    mcp::{
        self, Server,
        http::{Agents, Doors},
        pace::Pace,
        page::Pages,
        scope::Resource,
    },
    pay::{
        Channels, alipay::Alipay, alipayplus::AlipayPlus, credit::Credit, credit::guesses::Guesses, desk::Desk,
        experience, paypal::Paypal, stripe::Stripe, turns::Turns, wechatpay::Wechatpay,
    },
    reconcile::{self, Books},
    rest::{self, token::Tokens},
    store::{Store, StoreError, webhooks},
    travel::{
        ActivitySupplier, CarSupplier, FlightSupplier, HotelSupplier,
        duffel::Duffel,
        member::Members,
        viator::{self, Viator},
    },
};
use rmcp::ServiceExt;
use serde_json::Value;
use std::{
    future::IntoFuture,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{io::DuplexStream, net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::port::{Outcome, payments::Channel};

/// How often channels are looked after, on this machine's own time.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is refused.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The database does not open.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A folder or port could not be opened.
    #[error("folder or port: {0}")]
    Io(#[from] std::io::Error),
    /// The outgoing client could not be made.
    #[error("http client: {0}")]
    Http(#[from] reqwest::Error),
    /// The sandbox did not hand out its credentials.
    #[error("the sandbox's credentials: {0}")]
    Credentials(String),
}

/// Fetches `GET {control}/credentials` from the sandbox that was announced and builds the sandbox configuration.
///
/// # Errors
/// [`StartError::Credentials`] when the sandbox does not answer, [`StartError::Config`] when its answer is refused.
pub async fn sandbox_config(data_dir: PathBuf, announcement: &Value) -> Result<Config, StartError> {
    let field = |name: &str| announcement.get(name).and_then(Value::as_str).unwrap_or_default();
    let address = format!("{}/credentials", field("control").trim_end_matches('/'));
    let url: url::Url = address.parse().map_err(|_| ConfigError::new("control", "is not an address"))?;
    let loopback = url.host().is_some_and(|host| match host {
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
        url::Host::Domain(_) => false,
    });
    if url.scheme() != "http" || !loopback {
        return Err(ConfigError::new("control", "is not on this machine").into());
    }
    let http = Http::new(Profile::Sandbox)?;
    let request = http.request(axum::http::Method::GET, url).bearer_auth(field("control_token")).build()?;
    let answer = http.send(request).await.map_err(|failure| StartError::Credentials(format!("{failure:?}")))?;
    if answer.status != 200 {
        return Err(StartError::Credentials(format!("status {}", answer.status)));
    }
    let credentials =
        serde_json::from_slice(&answer.body).map_err(|_| StartError::Credentials("not JSON".to_owned()))?;
    Ok(Config::from_sandbox(data_dir, announcement, &credentials)?)
}

/// A running gateway.
pub struct Gateway {
    base_url: String,
    store: Store,
    flights: Server,
    hotels: Server,
    cars: Server,
    activities: Server,
    pub(crate) payments: Server,
    stop: CancellationToken,
    tracker: TaskTracker,
    announced: watch::Receiver<bool>,
}

/// Opens the database, listens, registers the supplier's webhook and is ready to serve.
///
/// A supplier that cannot be reached does not stop the start: its webhook is registered as soon as it answers, and until
/// then reading its orders gives the same result.
///
/// # Errors
/// [`StartError`]; nothing keeps running.
pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Gateway, StartError> {
    config.check()?;
    private_folder(&config.data_dir)?;
    let http = Http::with_timeout(config.profile, config.http.timeout)?.retrying(config.http.read_retries);
    let duffel = Arc::new(Duffel::new(&config.duffel, http.clone(), Arc::clone(&clock)));
    let activity_http = Http::with_timeout(config.profile, viator::TIMEOUT)?.retrying(config.http.read_retries);
    let viator = Viator::new(&config.viator, activity_http, Arc::clone(&clock));
    let store = Store::open(&config.data_dir).await?;
    let channels = channels(&config, &http, &clock, Some(&store))?;
    private_file(&config.data_dir.join("gateway.db"))?;
    let listener = listen(&config.data_dir).await?;
    let authority = listener.local_addr()?.to_string();
    let base_url = format!("http://{authority}");
    let notify_base = config
        .public_url
        .as_ref()
        .map_or_else(|| base_url.clone(), |url| url.as_str().trim_end_matches('/').to_owned());

    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let caps = config.enforced_caps()?;
    for cap in &caps {
        tracing::info!("{cap}");
    }
    let inbox = Inbox::new(store.clone(), channels.clone(), Arc::clone(&clock), config.profile);
    let registered = channels.clone();
    tracker.spawn(look_after(channels.clone(), stop.clone()));
    let desk = Desk {
        store: store.clone(),
        channels,
        clock: Arc::clone(&clock),
        notify_base: notify_base.clone(),
        turns: Turns::default(),
        caps: caps.into(),
        settlements: config.settlements.clone().into(),
        instalments: config.instalments.clone().into(),
        credits: config.credits.clone().into(),
        guesses: Guesses::default(),
        weights: config.weights,
    };
    let pages = Pages(config.rest.as_ref().and_then(|rest| rest.confirmation_page.clone()).map(Arc::new));
    let issuers = config.rest.as_ref().map_or(&[][..], |rest| rest.authorization_servers.as_slice());
    let resource = Resource::new(&notify_base, "payments", issuers);
    let gate = Gate::new(desk.clone()).map_err(|error| std::io::Error::other(error.to_string()))?;
    let members = Members { http, platforms: config.member_platforms.clone() };
    let flights: Arc<dyn FlightSupplier> = duffel.clone();
    let hotels: Arc<dyn HotelSupplier> = duffel.clone();
    let cars: Arc<dyn CarSupplier> = duffel.clone();
    let activities: Arc<dyn ActivitySupplier> = Arc::new(viator);
    let server = |name, tools| Server::new(name, tools, tracker.clone());
    let (tried, announced) = watch::channel(false);
    let gateway = Gateway {
        base_url,
        store: store.clone(),
        flights: server("flights", mcp::flights::tools(&flights, members)),
        hotels: server("hotels", mcp::hotels::tools(&hotels)),
        cars: server("cars", mcp::cars::tools(&cars)),
        activities: server("activities", mcp::activities::tools(&activities)),
        payments: server("payments", mcp::payments::tools(&desk)).with_agents(mcp::agents::tools(&gate, &pages)),
        stop: stop.clone(),
        tracker: tracker.clone(),
        announced,
    };
    if config.wechatpay.experience {
        tracing::warn!("experience mode: every WeChat payment is given back within 24 hours");
        tracker.spawn(experience::run(desk.clone(), stop.clone()));
    }
    if let Some(daily) = config.daily_reconciliation {
        let books = Books::of(store.clone(), desk.channels.clone());
        tracker.spawn(reconcile::daily::run(books, Arc::clone(&clock), daily.after_min, stop.clone()));
    }
    let mut router = inbox::router(inbox.clone());
    if let Some(rest) = &config.rest {
        router = router.merge(rest::router(rest, &resource, gate, inbox, tracker.clone()));
    }
    let agents = config.rest.as_ref().map(|rest| {
        let tokens = Tokens::of_agents(rest, &resource);
        Arc::new(Agents { tokens, resource: resource.clone(), pace: Pace::default() })
    });
    let doors = Doors { engine: config.mcp_http_token.clone().map(Arc::new), agents, clock };
    router = router.merge(gateway.mcp_http(&doors, authority, config.public_url.as_ref()));
    tracker.spawn(serve(listener, router, stop.clone()));
    let url = format!("{notify_base}/notify/duffel");
    if !register(&duffel, &store, &url).await {
        tracker.spawn(register_later(duffel, store, url, stop.clone()));
    }
    tracker.spawn(register_channels(registered, notify_base, tried, stop));
    Ok(gateway)
}

/// The adapter of every configured channel; without a record they answer questions and begin nothing that needs one.
pub(crate) fn channels(
    config: &Config,
    http: &Http,
    clock: &Arc<dyn Clock>,
    record: Option<&Store>,
) -> Result<Channels, ConfigError> {
    let wechatpay = Wechatpay::new(&config.wechatpay, http.clone(), Arc::clone(clock))?;
    let credit = Credit { clock: Arc::clone(clock) };
    let mut channels =
        Channels::default().with(Channel::Wechatpay, Arc::new(wechatpay)).with(Channel::Credit, Arc::new(credit));
    if let Some(alipay) = &config.alipay {
        channels = channels.with(Channel::Alipay, Arc::new(Alipay::new(alipay, http.clone(), Arc::clone(clock))?));
    }
    if let Some(plus) = &config.alipayplus {
        let public_path = config.public_url.as_ref().map_or("", |url| url.path());
        let plus = AlipayPlus::new(plus, public_path, http.clone(), Arc::clone(clock))?;
        let plus = plus.paying_out(config.pays_out(Channel::AlipayPlus));
        channels = channels.with(Channel::AlipayPlus, Arc::new(plus));
    }
    if let Some(paypal) = &config.paypal {
        let paypal = Paypal::new(paypal, http.clone(), Arc::clone(clock))?;
        let paypal = match record {
            Some(record) => paypal.recording(record.clone()),
            None => paypal,
        };
        channels = channels.with(Channel::Paypal, Arc::new(paypal));
    }
    if let Some(stripe) = &config.stripe {
        let stripe = Stripe::new(stripe, config.profile, http.clone(), Arc::clone(clock));
        channels = channels.with(Channel::Stripe, Arc::new(stripe));
    }
    Ok(channels)
}

impl Gateway {
    /// The loopback listener's address, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Waits until every channel was asked once to tell this gateway what happens; who did not take it is asked again later.
    pub async fn announced(&self) {
        // An end of the task that tells them is an end of waiting too.
        let _ = self.announced.clone().wait_for(|tried| *tried).await;
    }

    /// Serves MCP server `flights` on `io` until either side ends.
    pub fn serve_flights(&self, io: DuplexStream) {
        self.serve(self.flights.clone(), io);
    }

    /// Serves MCP server `hotels` on `io` until either side ends.
    pub fn serve_hotels(&self, io: DuplexStream) {
        self.serve(self.hotels.clone(), io);
    }

    /// Serves MCP server `cars` on `io` until either side ends.
    pub fn serve_cars(&self, io: DuplexStream) {
        self.serve(self.cars.clone(), io);
    }

    /// Serves MCP server `activities` on `io` until either side ends.
    pub fn serve_activities(&self, io: DuplexStream) {
        self.serve(self.activities.clone(), io);
    }

    /// Serves MCP server `payments` on `io` until either side ends.
    pub fn serve_payments(&self, io: DuplexStream) {
        self.serve(self.payments.clone(), io);
    }

    fn serve(&self, server: Server, io: DuplexStream) {
        let stop = self.stop.child_token();
        self.tracker.spawn(async move {
            match server.serve_with_ct(io, stop).await {
                Ok(running) => {
                    if let Err(error) = running.waiting().await {
                        tracing::error!(%error, "an MCP session broke");
                    }
                }
                Err(error) => tracing::warn!(%error, "an MCP session did not begin"),
            }
        });
    }

    /// Every server for an engine; without one, `payments` for agents.
    fn mcp_http(&self, doors: &Doors, authority: String, public_url: Option<&url::Url>) -> axum::Router {
        let servers: &[&Server] = match (&doors.engine, &doors.agents) {
            (Some(_), _) => &[&self.flights, &self.hotels, &self.cars, &self.activities, &self.payments],
            (None, Some(_)) => &[&self.payments],
            (None, None) => &[],
        };
        let servers: Vec<Server> = servers.iter().copied().cloned().collect();
        let (mut hosts, mut origins) = (vec![authority.clone()], vec![format!("http://{authority}")]);
        if let Some(url) = public_url {
            hosts.extend(url.host_str().map(|host| match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            }));
            origins.push(url.origin().ascii_serialization());
        }
        mcp::http::router(&servers, doors, &hosts, &origins, &self.stop)
    }

    /// The newest update's cursor; changes after every notification that was applied.
    #[must_use]
    pub fn wake(&self) -> watch::Receiver<i64> {
        self.store.wake()
    }

    /// Stops listening and serving, waits for calls that run, and closes the database.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.store.close().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    // A provider that keeps its connection open must not hold the stop up.
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            tracing::error!(%error, "the listener stopped");
        },
        () = patience => {}
    }
}

/// The port of the last run, or another one when it is taken; kept for the next run, because providers know it.
async fn listen(data_dir: &Path) -> Result<TcpListener, std::io::Error> {
    let path = data_dir.join("gateway.port");
    let wanted = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = match TcpListener::bind(at(wanted)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(at(0)).await?,
    };
    std::fs::write(&path, listener.local_addr()?.port().to_string())?;
    Ok(listener)
}

async fn register(duffel: &Duffel, store: &Store, url: &str) -> bool {
    let known = match webhooks::find(store.reader(), inbox::DUFFEL).await {
        Ok(known) => known,
        Err(error) => {
            tracing::error!(%error, "the supplier's webhook cannot be read");
            return false;
        }
    };
    let webhook = match duffel.register(url, known).await {
        Ok(webhook) => webhook,
        Err(reason) => {
            tracing::warn!(code = ?reason.code, detail = %reason.detail, "the supplier's webhook is not registered yet");
            return false;
        }
    };
    let kept = async {
        let mut tx = store.begin().await?;
        webhooks::put(&mut tx, inbox::DUFFEL, &webhook).await?;
        store.commit(tx).await
    };
    kept.await.inspect_err(|error| tracing::error!(%error, "the supplier's webhook cannot be kept")).is_ok()
}

async fn register_later(duffel: Arc<Duffel>, store: Store, url: String, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(30)) => {}
        }
        if register(&duffel, &store, &url).await {
            return;
        }
    }
}

/// Has every channel do what is to be done now and then.
async fn look_after(channels: Channels, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        for (_, channel) in channels.all() {
            channel.look_after().await;
        }
    }
}

/// Tells every channel where its notifications go; asks again until each has heard it. `tried` is told after the first round.
async fn register_channels(
    channels: Channels,
    notify_base: String,
    tried: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut waiting: Vec<Channel> = channels.all().map(|(channel, _)| channel).collect();
    loop {
        let mut left = Vec::new();
        for channel in waiting {
            let Some(adapter) = channels.of(channel) else { continue };
            match adapter.register(&format!("{notify_base}/notify/{}", channel.word())).await {
                Outcome::Done(()) => {}
                Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
                    let word = channel.word();
                    tracing::warn!(word, code = ?reason.code, detail = %reason.detail, "a channel does not know our address yet");
                    left.push(channel);
                }
            }
        }
        tried.send_replace(true);
        waiting = left;
        if waiting.is_empty() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(30)) => {}
        }
    }
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The file holds a webhook's secret.
fn private_file(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

//! Every provider faked at the wire, one loopback port each: the travel suppliers (Duffel v2, Viator v2), the payment channels
//! (WeChat Pay v3, Alipay, Alipay+, Stripe, PayPal), two member platforms (OAuth 2.1; one with an MCP server of its own), the
//! traveller's phone, and a control port that moves time, sets faults and shows the book.
//!
//! It answers adapters and the providers' own clients alike. Everything really booked or charged is in `sandbox.db` before
//! the answer leaves. Deliberately not here: any type of the adapters it tests; a mistake shared with them could hide.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod alipay;
mod alipayplus;
mod bill;
mod book;
mod clock;
mod control;
mod draw;
mod duffel;
mod geo;
mod keys;
mod money;
mod net;
mod notify;
mod oauth;
mod paypal;
mod phone;
mod rows;
mod scenario;
mod store;
mod stripe;
mod viator;
mod wechatpay;
mod world;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use keys::KeyError;
pub use money::{AccountCurrency, NotAnAccountCurrency};

use crate::world::{Shared, World};

/// Where and how a sandbox runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the book, the keys and the port numbers; created when missing. Only one sandbox may use it at a time.
    pub data_dir: PathBuf,
    /// Decides flights, hotels, prices and free seats: the same seed shows the same world.
    pub seed: u64,
    /// What the accounts with the travel suppliers are kept in. A book keeps the currency it was begun with.
    pub account: AccountCurrency,
    /// Address to listen on; must be loopback.
    pub listen: IpAddr,
    /// True: the clock stands still at the start and moves only through the control port.
    pub virtual_clock: bool,
    /// Bearer of the control port; none = a random one per start.
    pub control_token: Option<String>,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `Config::listen` is reachable from outside this machine.
    #[error("the sandbox listens on loopback addresses only")]
    NotLoopback,
    /// A folder or port could not be opened.
    #[error("the sandbox could not open a folder or port")]
    Io(#[from] std::io::Error),
    /// Keys could not be made or read.
    #[error("the sandbox has no keys")]
    Keys(#[from] KeyError),
    /// The book could not be opened.
    #[error("the sandbox could not open its book")]
    Book(#[from] sqlx::Error),
    /// No client for sending notifications could be made.
    #[error("the sandbox cannot send notifications")]
    Client(#[from] reqwest::Error),
}

/// Where everything is: the first line that `zhiyouctl sandbox` prints. Base addresses carry no trailing slash.
#[derive(Serialize, Deserialize, Clone)]
pub struct Announcement {
    /// Duffel API v2.
    pub duffel: String,
    /// Viator Partner API v2.
    pub viator: String,
    /// WeChat Pay API v3.
    pub wechatpay: String,
    /// Alipay OpenAPI; the gateway is `/gateway.do` under it.
    pub alipay: String,
    /// Stripe API and its hosted pages.
    pub stripe: String,
    /// PayPal API and its approval pages.
    pub paypal: String,
    /// Alipay+ and its pages; empty where an older sandbox announced itself.
    #[serde(default)]
    pub alipayplus: String,
    /// The member platform's authorization server; also its issuer identifier.
    pub oauth: String,
    /// Turkish Airlines' authorization server, also its issuer identifier; the MCP server is `/mcp` under it.
    pub turkish: String,
    /// The traveller's phone.
    pub phone: String,
    /// What the accounts with the travel suppliers are kept in.
    pub account: AccountCurrency,
    /// The control API.
    pub control: String,
    /// Bearer token of the control API.
    pub control_token: String,
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Announcement")
            .field("duffel", &self.duffel)
            .field("viator", &self.viator)
            .field("wechatpay", &self.wechatpay)
            .field("alipay", &self.alipay)
            .field("stripe", &self.stripe)
            .field("paypal", &self.paypal)
            .field("alipayplus", &self.alipayplus)
            .field("oauth", &self.oauth)
            .field("turkish", &self.turkish)
            .field("phone", &self.phone)
            .field("account", &self.account)
            .field("control", &self.control)
            .field("control_token", &"<redacted>")
            .finish()
    }
}

/// A running sandbox. Dropping it stops it too, without waiting.
pub struct Sandbox {
    world: Shared,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Where everything is.
    pub fn announcement(&self) -> &Announcement {
        &self.world.urls
    }

    /// Cuts all connections, waits for the tasks and closes the book.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.world.store.close().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts all providers; they answer when this returns.
///
/// # Errors
/// `NotLoopback` for an address others could reach; the other variants name the part that could not be opened.
pub async fn start(config: Config) -> Result<Sandbox, StartError> {
    if !config.listen.is_loopback() {
        return Err(StartError::NotLoopback);
    }
    let (listeners, world) = open(&config).await?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let [duffel, viator, wechatpay, alipay, stripe, paypal, alipayplus, oauth, turkish, phone, control] = listeners;
    tasks.spawn(net::serve(duffel, duffel::router(&world), stop.clone()));
    tasks.spawn(net::serve(viator, viator::router(&world), stop.clone()));
    tasks.spawn(net::serve(wechatpay, wechatpay::router(&world), stop.clone()));
    tasks.spawn(net::serve(alipay, alipay::router(&world), stop.clone()));
    tasks.spawn(net::serve(stripe, stripe::router(&world), stop.clone()));
    tasks.spawn(net::serve(paypal, paypal::router(&world), stop.clone()));
    tasks.spawn(net::serve(alipayplus, alipayplus::router(&world), stop.clone()));
    tasks.spawn(net::serve(oauth, oauth::router(&world, &oauth::CLUB), stop.clone()));
    tasks.spawn(net::serve(turkish, oauth::router(&world, &oauth::TURKISH), stop.clone()));
    tasks.spawn(net::serve(phone, phone::router(&world), stop.clone()));
    tasks.spawn(net::serve(control, control::router(&world), stop.clone()));
    tasks.spawn(notify::run(Arc::clone(&world), stop.clone()));
    Ok(Sandbox { world, stop, tasks })
}

async fn open(config: &Config) -> Result<([TcpListener; 11], Shared), StartError> {
    private_folder(&config.data_dir)?;
    let folder = config.data_dir.clone();
    let credentials =
        tokio::task::spawn_blocking(move || keys::load_or_make(&folder)).await.map_err(std::io::Error::other)??;
    let path = config.data_dir.join("sandbox.db");
    private_file(&path)?;
    let store = store::Store::open(&path).await?;
    let (starts, offset_us, account) = count_start(&store, config.account).await?;
    let (listeners, urls) = bind(config, account).await?;
    let world = World {
        seed: config.seed,
        account,
        clock: clock::Clock::resume(config.virtual_clock, offset_us),
        store,
        switches: scenario::Switches::default(),
        ids: draw::Ids::new(config.seed, starts),
        pay_keys: wechatpay::Keys::parse(&credentials)?,
        credentials,
        urls,
        http: reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(20))
            .build()?,
        listeners: control::Listeners::default(),
        late: std::sync::Mutex::default(),
        doorbell: tokio::sync::Notify::new(),
    };
    Ok((listeners, Arc::new(world)))
}

async fn count_start(
    store: &store::Store,
    wanted: AccountCurrency,
) -> Result<(i64, i64, AccountCurrency), sqlx::Error> {
    let mut book = store.begin().await?;
    let starts = book.setting("starts").await?.saturating_add(1);
    book.set("starts", starts).await?;
    if starts == 1 {
        book.set("account", wanted.number()).await?;
    }
    // What was quoted before has to keep its meaning.
    let account = AccountCurrency::of_number(book.setting("account").await?);
    let offset_us = book.setting("offset_us").await?;
    book.commit().await?;
    Ok((starts, offset_us, account))
}

async fn bind(config: &Config, account: AccountCurrency) -> Result<([TcpListener; 11], Announcement), StartError> {
    let mut ports = net::Ports::recall(&config.data_dir, config.listen);
    let listeners = [
        ports.bind("duffel").await?,
        ports.bind("viator").await?,
        ports.bind("wechatpay").await?,
        ports.bind("alipay").await?,
        ports.bind("stripe").await?,
        ports.bind("paypal").await?,
        ports.bind("alipayplus").await?,
        ports.bind("oauth").await?,
        ports.bind("turkish").await?,
        ports.bind("phone").await?,
        ports.bind("control").await?,
    ];
    ports.keep(&config.data_dir)?;
    let [duffel, viator, wechatpay, alipay, stripe, paypal, alipayplus, oauth, turkish, phone, control] = &listeners;
    let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
    let control_token = match &config.control_token {
        Some(token) => token.clone(),
        None => keys::secret(43)?,
    };
    let announcement = Announcement {
        duffel: url(duffel)?,
        viator: url(viator)?,
        wechatpay: url(wechatpay)?,
        alipay: url(alipay)?,
        stripe: url(stripe)?,
        paypal: url(paypal)?,
        alipayplus: url(alipayplus)?,
        oauth: url(oauth)?,
        turkish: url(turkish)?,
        phone: url(phone)?,
        account,
        control: url(control)?,
        control_token,
    };
    Ok((listeners, announcement))
}

/// Makes the file its owner's alone before anything is written to it; SQLite gives its side files the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

//! Engine, gateway and sandbox joined in one process: the default way to run, and what every headless tool uses.
//!
//! The order matters: the sandbox is there before the gateway asks it for credentials, the gateway before the engine
//! calls its tools, and they stop the other way round. Deliberately not here: anything the three decide for themselves.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clock;
pub mod logging;
// Nobody but the app itself reaches its folder on a phone, and paths there are longer than a socket's may be.
#[cfg(all(unix, not(any(target_os = "android", target_os = "ios"))))]
pub mod runtime;

// Every program that ships comes through here: planted defects must not be in it.
const _: () = assert!(
    cfg!(debug_assertions) || !zhiyou_domain::defect::COMPILED,
    "planted defects do not compile into a release"
);

use clock::{DemoClock, Listener};
use serde_json::{Value, json};
use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};
use tokio::io::{DuplexStream, duplex};
use url::Url;
use zhiyou_domain::fault::{Fault, FaultCode};
use zhiyou_engine::{
    Demo, Engine,
    auth::{Installed, is_path},
    ports::{Browser, KeyStore},
};
use zhiyou_gateway::Gateway;
pub use zhiyou_sandbox::AccountCurrency;
use zhiyou_sandbox::{Announcement, Sandbox};

/// Bytes in flight between the engine and an MCP server.
const DUPLEX_BYTES: usize = 64 * 1024;
/// The embedded sandbox's world; the same one for everybody.
const SEED: u64 = 1;

/// How to start.
pub struct Options {
    /// Where everything lives; created when missing.
    pub data_dir: PathBuf,
    /// A sandbox that already runs, as `http://:<control token>@127.0.0.1:<control port>`; otherwise one is started here.
    pub sandbox_url: Option<String>,
    /// What the suppliers of a sandbox begun here quote in; one that was begun before keeps its own.
    pub account: AccountCurrency,
    /// The system browser.
    pub browser: Arc<dyn Browser>,
    /// The system keyring.
    pub keys: Arc<dyn KeyStore>,
}

/// The three parts, running.
pub struct Embedded {
    engine: Arc<Engine>,
    gateway: Gateway,
    sandbox: Option<Sandbox>,
    clock: Listener,
    announcement: Announcement,
    #[cfg(all(unix, not(any(target_os = "android", target_os = "ios"))))]
    served: runtime::Served,
}

impl Embedded {
    /// Starts sandbox (unless one is given), gateway and engine, in this order.
    ///
    /// # Errors
    /// A [`Fault`]; what was started is stopped again.
    pub async fn start(options: Options) -> Result<Self, Fault> {
        Self::start_with(options, |_| {}).await
    }

    /// The same with a gateway that is configured otherwise, as a merchant's file could say. It stays one of the sandbox.
    ///
    /// # Errors
    /// A [`Fault`]; what was started is stopped again.
    pub async fn start_with(
        options: Options,
        change: impl FnOnce(&mut zhiyou_gateway::Config) + Send,
    ) -> Result<Self, Fault> {
        private_folder(&options.data_dir).map_err(|error| io(&error))?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| internal(&error))?;
        let (sandbox, announcement) = match &options.sandbox_url {
            Some(url) => (None, announced(&http, url).await?),
            None => {
                let sandbox = start_sandbox(&options.data_dir, options.account).await?;
                let announcement = sandbox.announcement().clone();
                (Some(sandbox), announcement)
            }
        };
        #[cfg(all(unix, not(any(target_os = "android", target_os = "ios"))))]
        let data_dir = options.data_dir.clone();
        let (engine, gateway, clock) = match join(&http, options, &announcement, change).await {
            Ok(parts) => parts,
            Err(fault) => {
                if let Some(sandbox) = sandbox {
                    sandbox.stop().await;
                }
                return Err(fault);
            }
        };
        Ok(Self {
            #[cfg(all(unix, not(any(target_os = "android", target_os = "ios"))))]
            served: runtime::Served::start(&data_dir, &engine, &announcement.control, &announcement.control_token)
                .map_err(|error| io(&error))?,
            engine,
            gateway,
            sandbox,
            clock,
            announcement,
        })
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Where the sandbox answers.
    #[must_use]
    pub const fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Stops engine, gateway and sandbox, in this order.
    pub async fn stop(self) {
        #[cfg(all(unix, not(any(target_os = "android", target_os = "ios"))))]
        self.served.stop().await;
        self.clock.stop();
        self.engine.stop().await;
        self.gateway.stop().await;
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// What `ZHIYOU_DEMO_CURRENCY` says the demo's suppliers quote in; yuan where it is not set.
///
/// # Errors
/// A [`Fault`] that names the variable when it is no such currency.
pub fn account_of_environment() -> Result<AccountCurrency, Fault> {
    let Some(code) = std::env::var_os("ZHIYOU_DEMO_CURRENCY") else { return Ok(AccountCurrency::default()) };
    code.to_string_lossy().parse().map_err(|error: zhiyou_sandbox::NotAnAccountCurrency| {
        Fault::new(FaultCode::MalformedInput, error.to_string())
            .with("path", "ZHIYOU_DEMO_CURRENCY")
            .with("problem", "unknown_currency")
    })
}

/// Makes the folder, and those above it, this user's alone; one that is there stays as it is.
fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

async fn join(
    http: &reqwest::Client,
    options: Options,
    announcement: &Announcement,
    change: impl FnOnce(&mut zhiyou_gateway::Config) + Send,
) -> Result<(Arc<Engine>, Gateway, Listener), Fault> {
    let clock = Arc::new(DemoClock::default());
    let listener =
        Listener::start(Arc::clone(&clock), announcement.control_token.clone()).await.map_err(|error| io(&error))?;
    // The gateway and the engine must never see the time before the offset.
    let registration = json!({ "url": listener.url, "token": listener.token });
    control(http, announcement, reqwest::Method::POST, "/clock/listeners", Some(registration)).await?;
    let credentials = control(http, announcement, reqwest::Method::GET, "/credentials", None).await?;
    let announced = serde_json::to_value(announcement).map_err(|error| internal(&error))?;
    let mut config = zhiyou_gateway::Config::from_sandbox(options.data_dir.clone(), &announced, &credentials)
        .map_err(|error| internal(&error))?;
    change(&mut config);
    let gateway =
        zhiyou_gateway::start(config, Arc::<DemoClock>::clone(&clock)).await.map_err(|error| internal(&error))?;
    let serve = |serve: &dyn Fn(DuplexStream)| {
        let (ours, theirs) = duplex(DUPLEX_BYTES);
        serve(theirs);
        ours
    };
    let engine = Engine::start(zhiyou_engine::Options {
        data_dir: options.data_dir,
        flights: serve(&|io| gateway.serve_flights(io)),
        hotels: serve(&|io| gateway.serve_hotels(io)),
        cars: Some(serve(&|io| gateway.serve_cars(io))),
        activities: Some(serve(&|io| gateway.serve_activities(io))),
        payments: serve(&|io| gateway.serve_payments(io)),
        wake: gateway.wake(),
        clock,
        browser: options.browser,
        keys: options.keys,
        demo: Some(Demo {
            phone: url(&announcement.phone)?,
            currency: announcement.account.code().parse().map_err(|error| internal(&error))?,
        }),
        platforms: installed(announcement, |name| std::env::var(name).ok())?,
    })
    .await;
    match engine {
        Ok(engine) => {
            listener.tell(&engine);
            Ok((engine, gateway, listener))
        }
        Err(fault) => {
            listener.stop();
            gateway.stop().await;
            Err(fault)
        }
    }
}

/// Where the platforms are: the sandbox's, and one of the person's own that the environment names. The sandbox's ease is for
/// its own alone.
fn installed(announcement: &Announcement, said: impl Fn(&str) -> Option<String>) -> Result<Vec<Installed>, Fault> {
    let wrong = |name: &str| {
        Fault::new(FaultCode::MalformedInput, format!("{name} is not usable"))
            .with("path", name)
            .with("problem", "malformed")
    };
    let mut platforms = vec![Installed::sandboxed("zz-club", url(&announcement.oauth)?)];
    match said("ZHIYOU_TURKISH_AIRLINES").as_deref() {
        None | Some("sandbox") => {
            platforms.push(Installed::sandboxed("turkish-airlines", url(&announcement.turkish)?));
        }
        // Where its file says.
        Some("live") => {}
        Some(_) => return Err(wrong("ZHIYOU_TURKISH_AIRLINES")),
    }
    if let Some(issuer) = said("ZHIYOU_OIDC_ISSUER") {
        let issuer = issuer.parse().map_err(|_| wrong("ZHIYOU_OIDC_ISSUER"))?;
        let loopback_path = said("ZHIYOU_OIDC_LOOPBACK_PATH");
        if loopback_path.as_deref().is_some_and(|path| !is_path(path)) {
            return Err(wrong("ZHIYOU_OIDC_LOOPBACK_PATH"));
        }
        let client_id = said("ZHIYOU_OIDC_CLIENT_ID");
        platforms.push(Installed { client_id, loopback_path, ..Installed::at("oidc", issuer) });
    }
    Ok(platforms)
}

async fn start_sandbox(data_dir: &std::path::Path, account: AccountCurrency) -> Result<Sandbox, Fault> {
    zhiyou_sandbox::start(zhiyou_sandbox::Config {
        data_dir: data_dir.join("sandbox"),
        seed: SEED,
        account,
        listen: Ipv4Addr::LOCALHOST.into(),
        virtual_clock: false,
        control_token: None,
    })
    .await
    .map_err(|error| internal(&error))
}

/// The announcement of a sandbox that runs as a process of its own.
async fn announced(http: &reqwest::Client, address: &str) -> Result<Announcement, Fault> {
    let parsed = url(address)?;
    let token = parsed.password().unwrap_or_default().to_owned();
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port()) else {
        return Err(Fault::new(FaultCode::MalformedInput, "the sandbox address needs host and port")
            .with("path", "ZHIYOU_SANDBOX_URL")
            .with("problem", "malformed"));
    };
    let base = nowhere(format!("http://{host}:{port}"), token);
    let answer = control(http, &base, reqwest::Method::GET, "/announcement", None).await?;
    serde_json::from_value(answer).map_err(|error| internal(&error))
}

/// A sandbox of which only the control address is known.
fn nowhere(control: String, control_token: String) -> Announcement {
    Announcement {
        duffel: String::new(),
        viator: String::new(),
        wechatpay: String::new(),
        alipay: String::new(),
        stripe: String::new(),
        paypal: String::new(),
        alipayplus: String::new(),
        oauth: String::new(),
        turkish: String::new(),
        phone: String::new(),
        account: AccountCurrency::default(),
        control,
        control_token,
    }
}

async fn control(
    http: &reqwest::Client,
    announcement: &Announcement,
    method: reqwest::Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value, Fault> {
    let mut request =
        http.request(method, format!("{}{path}", announcement.control)).bearer_auth(&announcement.control_token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.map_err(|error| unavailable(&error))?;
    if !answer.status().is_success() {
        return Err(Fault::new(FaultCode::ProviderUnavailable, format!("sandbox {path}: {}", answer.status())));
    }
    let bytes = answer.bytes().await.map_err(|error| unavailable(&error))?;
    if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes).map_err(|error| internal(&error)) }
}

fn url(text: &str) -> Result<Url, Fault> {
    text.parse().map_err(|error: url::ParseError| internal(&error))
}

fn internal(error: &dyn std::error::Error) -> Fault {
    Fault::new(FaultCode::Internal, error.to_string())
}

fn unavailable(error: &reqwest::Error) -> Fault {
    Fault::new(FaultCode::ProviderUnavailable, error.to_string())
}

fn io(error: &std::io::Error) -> Fault {
    zhiyou_engine::store::StoreError::from(std::io::Error::from(error.kind())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The platforms of a demo where the environment says this.
    fn here(said: &[(&str, &str)]) -> Result<Vec<Installed>, Fault> {
        let announcement = Announcement {
            oauth: "http://127.0.0.1:1".to_owned(),
            turkish: "http://127.0.0.1:2".to_owned(),
            ..nowhere(String::new(), String::new())
        };
        let said = |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        installed(&announcement, said)
    }

    #[test]
    fn in_the_demo_only_the_sandboxs_platforms_are_the_sandboxs() {
        let eased = |said: &[(&str, &str)]| {
            let here = here(said).unwrap().into_iter();
            here.map(|platform| (platform.platform, platform.sandbox)).collect::<Vec<_>>()
        };
        assert_eq!(eased(&[]), [("zz-club", true), ("turkish-airlines", true)]);
        let own = [("ZHIYOU_OIDC_ISSUER", "http://127.0.0.1:3"), ("ZHIYOU_TURKISH_AIRLINES", "live")];
        assert_eq!(eased(&own), [("zz-club", true), ("oidc", false)], "whatever its address");
    }

    #[test]
    fn an_own_sign_in_is_as_the_environment_says_and_nonsense_is_refused_by_name() {
        let issuer = ("ZHIYOU_OIDC_ISSUER", "https://id.example.com");
        let own = here(&[issuer, ("ZHIYOU_OIDC_CLIENT_ID", "me"), ("ZHIYOU_OIDC_LOOPBACK_PATH", "zhiyou/return")]);
        let own = own.unwrap().pop().unwrap();
        assert_eq!((own.client_id.as_deref(), own.loopback_path.as_deref()), (Some("me"), Some("zhiyou/return")));
        for (name, value) in [
            ("ZHIYOU_OIDC_ISSUER", "id.example.com"),
            ("ZHIYOU_OIDC_LOOPBACK_PATH", "/zhiyou"),
            ("ZHIYOU_TURKISH_AIRLINES", "Live"),
        ] {
            let fault = here(&[(name, value), issuer]).unwrap_err();
            assert_eq!(fault.code, FaultCode::MalformedInput, "{name}");
            assert!(fault.to_string().contains(name) && !fault.to_string().contains(value), "{fault}");
        }
    }
}

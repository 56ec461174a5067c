//! The configuration file: TOML, with the environment's names laid over it.
//!
//! `docs/gateway.md` describes every key. A key that ends in `_file` is read from that file, so that secrets need not stand in
//! the configuration itself. No text of a refusal contains a value. Deliberately not here: what a start refuses.

mod exposed;

use super::{
    AlipayConfig, AlipayPlusConfig, CapConfig, Config, ConfigError, CreditConfig, DailyConfig, DuffelConfig,
    HttpConfig, InstalmentConfig, MemberPlatformConfig, PaypalConfig, PlatformKeyConfig, Profile, RestConfig,
    SettlementConfig, StripeConfig, ViatorConfig, WechatConfig, WechatPresents,
};
use crate::secret::Sensitive;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;
use zhiyou_domain::{
    money::{Currency, Money},
    port::payments::Channel,
    routing::Weights,
    time::UtcMicros,
};

/// How a text of the environment becomes a value.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// As it is.
    Text,
    /// `\n` stands for a line's end.
    Pem,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// `true` is the sandbox, `false` the real providers.
    Sandbox,
    /// Fen, which are printed back in yuan.
    Fen,
    /// An address; the path of the plan's MCP service is cut, because WeChat Pay answers at the root.
    Endpoint,
    /// Has to be `true`: payments are what the gateway is for.
    Needed,
}

/// The environment's names, and where in the file their value stands.
const ALIASES: [(&str, &str, Reading); 24] = [
    ("PAYMENT_MCP_ENABLED", "", Reading::Needed),
    ("WECHAT_MCP_ENDPOINT", "/wechatpay/base_url", Reading::Endpoint),
    ("WECHAT_MCP_API_KEY", "/wechatpay/apiv3_key", Reading::Text),
    ("WECHAT_MCP_MERCHANT_ID", "/wechatpay/mchid", Reading::Text),
    ("WECHAT_MCP_PRIVATE_KEY", "/wechatpay/merchant_private_key_pem", Reading::Pem),
    ("WECHAT_MCP_PUBLIC_KEY", "/wechatpay/platform_keys/0/pem", Reading::Pem),
    ("WECHAT_MCP_EXPERIENCE", "/wechatpay/experience", Reading::Flag),
    ("WECHAT_PAY_APP_ID", "/wechatpay/appid", Reading::Text),
    ("WECHAT_PAY_MCH_ID", "/wechatpay/mchid", Reading::Text),
    ("WECHAT_PAY_API_KEY", "/wechatpay/apiv3_key", Reading::Text),
    ("WECHAT_PAY_SANDBOX", "/profile", Reading::Sandbox),
    ("WECHAT_PAY_MERCHANT_SERIAL", "/wechatpay/merchant_serial", Reading::Text),
    ("WECHAT_PAY_PUBLIC_KEY_ID", "/wechatpay/platform_keys/0/serial", Reading::Text),
    ("MCP_APP_ID", "/wechatpay/appid", Reading::Text),
    ("MCP_MERCHANT_ID", "/wechatpay/mchid", Reading::Text),
    ("MCP_API_KEY", "/wechatpay/apiv3_key", Reading::Text),
    ("MCP_PRIVATE_KEY", "/wechatpay/merchant_private_key_pem", Reading::Pem),
    ("MCP_PUBLIC_KEY", "/wechatpay/platform_keys/0/pem", Reading::Pem),
    ("MCP_EXPERIENCE_MODE", "/wechatpay/experience", Reading::Flag),
    ("MCP_TIMEOUT", "/http/timeout_ms", Reading::Number),
    ("MCP_RETRY_COUNT", "/http/read_retries", Reading::Number),
    ("MCP_MAX_AMOUNT", "/caps/per_payment", Reading::Fen),
    ("MCP_DAILY_LIMIT", "/caps/per_day", Reading::Fen),
    ("ZHIYOU_GATEWAY_PUBLIC_URL", "/public_url", Reading::Text),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: PathBuf,
    profile: Word,
    public_url: Option<Url>,
    mcp_http_token: Option<Sensitive<String>>,
    #[serde(default)]
    http: HttpTable,
    duffel: DuffelTable,
    viator: ViatorTable,
    wechatpay: WechatTable,
    alipay: Option<Value>,
    stripe: Option<Value>,
    paypal: Option<Value>,
    alipayplus: Option<Value>,
    #[serde(default)]
    member_platforms: Vec<MemberTable>,
    #[serde(default)]
    caps: Vec<CapTable>,
    #[serde(default)]
    settlements: Vec<SettlementConfig>,
    #[serde(default)]
    instalments: Vec<InstalmentConfig>,
    #[serde(default)]
    credits: Vec<CreditTable>,
    weights: Option<Weights>,
    daily_reconciliation: Option<DailyConfig>,
    rest: Option<RestTable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Sandbox,
    Live,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpTable {
    timeout_ms: u64,
    read_retries: u8,
}

impl Default for HttpTable {
    fn default() -> Self {
        Self { timeout_ms: 30_000, read_retries: 3 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DuffelTable {
    base_url: Url,
    token: Sensitive<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViatorTable {
    base_url: Url,
    api_key: Sensitive<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WechatTable {
    base_url: Url,
    appid: String,
    mchid: String,
    merchant_serial: String,
    merchant_private_key_pem: Sensitive<String>,
    apiv3_key: Sensitive<String>,
    platform_keys: Vec<KeyTable>,
    #[serde(default)]
    experience: bool,
    /// `qr`, `h5`, `jsapi` or `app`.
    presents: Option<String>,
    payer_client_ip: Option<IpAddr>,
    openid: Option<Sensitive<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    serial: String,
    pem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    id: String,
    resource_base: Url,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CapTable {
    channel: Channel,
    per_payment: AmountTable,
    per_day: AmountTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreditTable {
    code: Sensitive<String>,
    amount: AmountTable,
    minimum: Option<AmountTable>,
    /// RFC 3339.
    begins_at: Option<String>,
    ends_at: Option<String>,
}

impl CreditTable {
    fn config(self, index: usize) -> Result<CreditConfig, ConfigError> {
        let field = |name: &str| format!("credits.{index}.{name}");
        let moment = |name: &str, text: Option<String>| {
            let read = |text: String| {
                UtcMicros::parse_rfc3339(&text).map_err(|_| ConfigError::new(field(name), "is no time with an offset"))
            };
            text.map(read).transpose()
        };
        Ok(CreditConfig {
            amount: self.amount.money(&field("amount"))?,
            minimum: self.minimum.map(|minimum| minimum.money(&field("minimum"))).transpose()?,
            begins_at: moment("begins_at", self.begins_at)?,
            ends_at: moment("ends_at", self.ends_at)?,
            code: self.code,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountTable {
    minor: i64,
    currency: Currency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestTable {
    audience: String,
    jwt_keys: Vec<JwtKeyTable>,
    #[serde(default)]
    authorization_servers: Vec<Url>,
    confirmation_page: Option<Url>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtKeyTable {
    key: Sensitive<String>,
}

impl AmountTable {
    fn money(&self, field: &str) -> Result<Money, ConfigError> {
        Money::new(self.minor, self.currency).map_err(|_| ConfigError::new(field, "is out of range"))
    }
}

impl Config {
    /// Reads a TOML file, lays the environment over it and refuses what no start may use. `environment` answers the value of
    /// a name.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, or the name in the environment, and never the value.
    pub fn from_file(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new("the configuration file", format!("cannot be read: {}", error.kind())))?;
        // The parser's own message quotes the line, which may hold a secret.
        let mut table: Value = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            ConfigError::new("the configuration file", format!("is not TOML near line {line}"))
        })?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        read_files(&mut table, folder, "")?;
        overlay(&mut table, environment)?;
        let file: File = serde_path_to_error::deserialize(table).map_err(|error| refused(&error))?;
        let config = file.config(folder)?;
        config.check()?;
        Ok(config)
    }

    /// Whether this could be used with real money: what [`Config::check`] lets pass and a business should not.
    #[must_use]
    pub fn production_problems(&self) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        if self.profile != Profile::Live {
            problems.push(ConfigError::new("profile", "is the sandbox's: its keys and addresses move no money"));
        }
        if self.wechatpay.experience {
            problems.push(ConfigError::new("wechatpay.experience", "gives every payment back"));
        }
        if self.public_url.as_ref().is_none_or(|url| url.scheme() != "https") {
            problems.push(ConfigError::new("public_url", "is not https"));
        }
        let configured = [
            (Channel::Wechatpay, true),
            (Channel::Alipay, self.alipay.is_some()),
            (Channel::Stripe, self.stripe.is_some()),
            (Channel::Paypal, self.paypal.is_some()),
            (Channel::AlipayPlus, self.alipayplus.is_some()),
        ];
        for (channel, _) in configured.into_iter().filter(|(_, configured)| *configured) {
            if !self.caps.iter().any(|cap| cap.channel == channel) {
                problems.push(ConfigError::new(format!("caps.{}", channel.word()), "is missing"));
            }
        }
        problems
    }
}

impl File {
    fn config(self, folder: &Path) -> Result<Config, ConfigError> {
        let key = |key: KeyTable| PlatformKeyConfig { serial: key.serial, pem: key.pem };
        let cap = |cap: CapTable| {
            let field = |name: &str| format!("caps.{}.{name}", cap.channel.word());
            Ok(CapConfig {
                channel: cap.channel,
                per_payment: cap.per_payment.money(&field("per_payment"))?,
                per_day: cap.per_day.money(&field("per_day"))?,
            })
        };
        let alipay = channel("alipay", &AlipayConfig::KEYS, self.alipay)?;
        let stripe = channel("stripe", &StripeConfig::KEYS, self.stripe)?;
        let paypal = channel("paypal", &PaypalConfig::KEYS, self.paypal)?;
        let alipayplus = channel("alipayplus", &AlipayPlusConfig::KEYS, self.alipayplus)?;
        Ok(Config {
            data_dir: folder.join(self.data_dir),
            profile: match self.profile {
                Word::Sandbox => Profile::Sandbox,
                Word::Live => Profile::Live,
            },
            duffel: DuffelConfig { base_url: self.duffel.base_url, token: self.duffel.token },
            viator: ViatorConfig { base_url: self.viator.base_url, api_key: self.viator.api_key },
            wechatpay: WechatConfig {
                base_url: self.wechatpay.base_url,
                appid: self.wechatpay.appid,
                mchid: self.wechatpay.mchid,
                merchant_serial: self.wechatpay.merchant_serial,
                merchant_private_key_pem: self.wechatpay.merchant_private_key_pem,
                apiv3_key: self.wechatpay.apiv3_key,
                platform_keys: self.wechatpay.platform_keys.into_iter().map(key).collect(),
                experience: self.wechatpay.experience,
                presents: WechatPresents::of_words(
                    self.wechatpay.presents.as_deref(),
                    self.wechatpay.payer_client_ip,
                    self.wechatpay.openid,
                )?,
            },
            alipay: AlipayConfig::from_sandbox(&alipay.0, &alipay.1)?,
            stripe: StripeConfig::from_sandbox(&stripe.0, &stripe.1)?,
            paypal: PaypalConfig::from_sandbox(&paypal.0, &paypal.1)?,
            alipayplus: AlipayPlusConfig::from_sandbox(&alipayplus.0, &alipayplus.1)?,
            member_platforms: self
                .member_platforms
                .into_iter()
                .map(|platform| MemberPlatformConfig { id: platform.id, resource_base: platform.resource_base })
                .collect(),
            public_url: self.public_url,
            mcp_http_token: self.mcp_http_token,
            rest: self.rest.map(|rest| RestConfig {
                audience: rest.audience,
                jwt_keys: rest.jwt_keys.into_iter().map(|key| key.key).collect(),
                authorization_servers: rest.authorization_servers,
                confirmation_page: rest.confirmation_page,
            }),
            caps: self.caps.into_iter().map(cap).collect::<Result<_, _>>()?,
            settlements: self.settlements,
            instalments: self.instalments,
            credits: self
                .credits
                .into_iter()
                .enumerate()
                .map(|(index, credit)| credit.config(index))
                .collect::<Result<_, _>>()?,
            weights: self.weights,
            daily_reconciliation: self.daily_reconciliation,
            http: HttpConfig {
                timeout: Duration::from_millis(self.http.timeout_ms),
                read_retries: self.http.read_retries,
            },
        })
    }
}

/// A channel's table in the two parts its reader takes: the address, and everything else under the channel's name.
fn channel(name: &str, known: &[&str], table: Option<Value>) -> Result<(Value, Value), ConfigError> {
    let Some(table) = table else { return Ok((Value::Null, Value::Null)) };
    let mut keys = table.as_object().into_iter().flat_map(Map::keys);
    if let Some(unknown) = keys.find(|key| *key != "base_url" && !known.contains(&key.as_str())) {
        return Err(ConfigError::new(format!("{name}.{unknown}"), "is not a key of this file"));
    }
    let address = table.get("base_url").filter(|url| url.is_string());
    let address = address.ok_or_else(|| ConfigError::new(format!("{name}.base_url"), "is missing"))?.clone();
    Ok((json!({ name: address }), json!({ name: table })))
}

/// Replaces every key that ends in `_file` by what the file holds, without the white space around it; a list of files by a
/// list.
fn read_files(value: &mut Value, folder: &Path, path: &str) -> Result<(), ConfigError> {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(table) => {
            let named: Vec<String> = table.keys().filter(|key| key.ends_with("_file")).cloned().collect();
            for key in named {
                let read = |file: &Value| {
                    let file =
                        file.as_str().ok_or_else(|| ConfigError::new(below(&key), "is not the path of a file"))?;
                    let text = std::fs::read_to_string(folder.join(file))
                        .map_err(|error| ConfigError::new(below(&key), format!("cannot be read: {}", error.kind())))?;
                    Ok(Value::String(text.trim().to_owned()))
                };
                let held = match table.remove(&key).unwrap_or_default() {
                    Value::Array(files) => Value::Array(files.iter().map(read).collect::<Result<_, _>>()?),
                    file => read(&file)?,
                };
                let plain = key.trim_end_matches("_file").to_owned();
                if table.insert(plain.clone(), held).is_some() {
                    return Err(ConfigError::new(below(&plain), "is given twice"));
                }
            }
            table.iter_mut().try_for_each(|(key, value)| read_files(value, folder, &below(key)))
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| read_files(value, folder, path)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Lays what the environment says over the file. Two names of one setting must agree.
fn overlay(table: &mut Value, environment: &dyn Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
    let mut said: Vec<(&str, &str, Value)> = Vec::new();
    for (name, path, reading) in ALIASES {
        let Some(text) = environment(name).filter(|text| !text.trim().is_empty()) else { continue };
        let value = reading.of(name, text.trim())?;
        if let Some((other, _, _)) = said.iter().find(|(_, place, before)| *place == path && *before != value) {
            return Err(ConfigError::new(name, format!("contradicts {other}")));
        }
        said.push((name, path, value));
    }
    let mut cap = Map::new();
    for (_, path, value) in said {
        match path.strip_prefix("/caps/") {
            Some(part) => {
                cap.insert(part.to_owned(), value);
            }
            None if path.is_empty() => {}
            None => put(table, path, value),
        }
    }
    if cap.is_empty() { Ok(()) } else { cap_of_wechatpay(table, cap) }
}

/// The environment's caps are WeChat Pay's, in fen; they replace the file's.
fn cap_of_wechatpay(table: &mut Value, cap: Map<String, Value>) -> Result<(), ConfigError> {
    if table.get("caps").is_none() {
        put(table, "/caps", json!([]));
    }
    let Some(Value::Array(caps)) = table.get_mut("caps") else {
        return Err(ConfigError::new("caps", "is not a list"));
    };
    let ours = |entry: &Value| entry["channel"] == "wechatpay" && entry["per_payment"]["currency"] == "CNY";
    let index = caps.iter().position(ours).unwrap_or_else(|| {
        caps.push(json!({"channel": "wechatpay"}));
        caps.len() - 1
    });
    if let Some(Value::Object(entry)) = caps.get_mut(index) {
        entry.extend(cap);
    }
    Ok(())
}

/// Puts a value at a path, making the tables and lists on the way.
fn put(table: &mut Value, path: &str, value: Value) {
    let mut at = table;
    for step in path.split('/').skip(1) {
        at = match step.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                if let Value::Array(list) = at {
                    while list.len() <= index {
                        list.push(json!({}));
                    }
                }
                &mut at[index]
            }
            Err(_) => {
                if !at.is_object() {
                    *at = json!({});
                }
                &mut at[step]
            }
        };
    }
    *at = value;
}

impl Reading {
    fn of(self, name: &str, text: &str) -> Result<Value, ConfigError> {
        let flag = || match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(ConfigError::new(name, "is neither true nor false")),
        };
        let number = || text.parse::<i64>().map_err(|_| ConfigError::new(name, "is not a whole number"));
        Ok(match self {
            Self::Text => json!(text),
            Self::Pem => json!(text.replace("\\n", "\n")),
            Self::Flag => json!(flag()?),
            Self::Number => json!(number()?),
            Self::Sandbox => json!(if flag()? { "sandbox" } else { "live" }),
            Self::Fen => json!({"minor": number()?, "currency": "CNY"}),
            Self::Endpoint => json!(text.trim_end_matches('/').trim_end_matches("/mcp/v1")),
            Self::Needed if flag()? => Value::Null,
            Self::Needed => return Err(ConfigError::new(name, "is false, and payments are what the gateway is for")),
        })
    }
}

/// The key that was refused; serde's own message can quote the value.
fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> ConfigError {
    let (path, message) = (error.path().to_string(), error.inner().to_string());
    let named = message.split('`').nth(1).unwrap_or_default();
    let full = |name: &str| if path == "." { name.to_owned() } else { format!("{path}.{name}") };
    if message.starts_with("missing field") {
        ConfigError::new(full(named), "is missing")
    } else if message.starts_with("unknown field") {
        ConfigError::new(if path.ends_with(named) { path } else { full(named) }, "is not a key of this file")
    } else {
        ConfigError::new(path, "is not what this key takes")
    }
}

#[cfg(test)]
mod tests;

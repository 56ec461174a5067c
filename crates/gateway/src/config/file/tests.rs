//! The file, the environment's names over it, and what neither may say.

use super::*;
use crate::config::tests::{APIV3_KEY, vector};
use crate::config::{AlipayKeys, AlipayPresents};
use std::collections::BTreeMap;
use url::Url;

const TOKEN_KEY: &str = "q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE";

struct Written {
    folder: tempfile::TempDir,
    environment: BTreeMap<&'static str, String>,
}

/// Everything in a live file, secrets in files of their own.
const LIVE: &str = r#"
data_dir = "data"
profile = "live"
public_url = "https://gw.zhiyou.cn"

[duffel]
base_url = "https://api.duffel.com"
token_file = "duffel.token"

[viator]
base_url = "https://api.viator.com/partner"
api_key = "c0ffee5Qr8Zt1WmXy7Kb2Nd"

[wechatpay]
base_url = "https://api.mch.weixin.qq.com"
appid = "wxd678efh567hg6787"
mchid = "1900000109"
merchant_serial = "5F1C72E2A8931B72A2E13AF8DEE92471EB397115"
merchant_private_key_pem_file = "merchant.pem"
apiv3_key_file = "apiv3.key"

[[wechatpay.platform_keys]]
serial = "PUB_KEY_ID_0119000001092026112000382000000001"
pem_file = "platform.pem"

[[caps]]
channel = "wechatpay"
per_payment = { minor = 10000, currency = "CNY" }
per_day = { minor = 1000000, currency = "CNY" }

[rest]
audience = "zhiyou"

[[rest.jwt_keys]]
key_file = "jwt.key"
"#;

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("gateway.toml", text);
        put("duffel.token", "duffel_live_c0ffee5Qr8Zt1WmXy7Kb2Nd\n");
        put("apiv3.key", &format!("{APIV3_KEY}\n"));
        put("jwt.key", TOKEN_KEY);
        put("merchant.pem", &vector("wechat/java_merchant_private_key.pem"));
        put("platform.pem", &vector("wechat/java_wechat_pay_public_key.pem"));
        Self { folder, environment: BTreeMap::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    fn read(&self) -> Result<Config, ConfigError> {
        Config::from_file(&self.folder.path().join("gateway.toml"), &|name| self.environment.get(name).cloned())
    }

    fn refused(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

#[test]
fn a_file_names_everything_a_gateway_needs_and_secrets_come_from_files_of_their_own() {
    let written = Written::new(LIVE);
    let config = written.read().unwrap();
    assert_eq!((config.profile, config.data_dir), (Profile::Live, written.folder.path().join("data")));
    assert_eq!(config.duffel.token.expose(), "duffel_live_c0ffee5Qr8Zt1WmXy7Kb2Nd");
    assert_eq!(config.wechatpay.apiv3_key.expose(), APIV3_KEY);
    assert_eq!(config.rest.unwrap().jwt_keys[0].expose(), TOKEN_KEY);
    assert_eq!(config.http, HttpConfig { timeout: Duration::from_secs(30), read_retries: 3 });
    assert_eq!(config.caps[0].to_string(), "wechatpay: at most 100.00 yuan a payment, 10000.00 yuan a day");
    assert!(!config.wechatpay.experience && config.alipay.is_none());
}

#[test]
fn the_environments_names_are_laid_over_the_file() {
    let bare = LIVE.replace("mchid = \"1900000109\"\n", "").replace("apiv3_key_file = \"apiv3.key\"\n", "");
    let written = Written::new(&bare)
        .with("PAYMENT_MCP_ENABLED", "true")
        .with("WECHAT_MCP_ENDPOINT", "https://api.mch.weixin.qq.com/mcp/v1")
        .with("WECHAT_MCP_API_KEY", APIV3_KEY)
        .with("WECHAT_MCP_MERCHANT_ID", "1900000108")
        .with("WECHAT_PAY_MCH_ID", "1900000108")
        .with("WECHAT_MCP_PUBLIC_KEY", &vector("wechat/java_wechat_pay_public_key.pem").replace('\n', "\\n"))
        .with("MCP_EXPERIENCE_MODE", "true")
        .with("MCP_TIMEOUT", "5000")
        .with("MCP_RETRY_COUNT", "2");
    let config = written.read().unwrap();
    assert_eq!(config.wechatpay.base_url.as_str(), "https://api.mch.weixin.qq.com/");
    assert_eq!((config.wechatpay.mchid.as_str(), config.wechatpay.experience), ("1900000108", true));
    assert_eq!(config.http, HttpConfig { timeout: Duration::from_secs(5), read_retries: 2 });
    assert!(config.wechatpay.platform_keys[0].pem.lines().count() > 3);
    assert_eq!(config.enforced_caps().unwrap().len(), 2);
}

#[test]
fn the_plans_caps_come_out_a_hundred_times_what_its_comments_say() {
    // "MCP_MAX_AMOUNT=1000000 # 100 yuan" and "MCP_DAILY_LIMIT=10000000 # 10,000 yuan" are fen.
    let written = Written::new(LIVE).with("MCP_MAX_AMOUNT", "1000000").with("MCP_DAILY_LIMIT", "10000000");
    let caps = written.read().unwrap().caps;
    assert_eq!(caps.len(), 1);
    assert_eq!(caps[0].to_string(), "wechatpay: at most 10000.00 yuan a payment, 100000.00 yuan a day");
    let first = LIVE.find("[[caps]]").unwrap();
    let without = format!("{}{}", &LIVE[..first], &LIVE[LIVE.find("[rest]").unwrap()..]);
    let written = Written::new(&without).with("MCP_MAX_AMOUNT", "10000").with("MCP_DAILY_LIMIT", "1000000");
    assert_eq!(
        written.read().unwrap().caps[0].to_string(),
        "wechatpay: at most 100.00 yuan a payment, 10000.00 yuan a day"
    );
    assert!(Written::new(&without).with("MCP_MAX_AMOUNT", "10000").refused().contains("per_day"));
}

#[test]
fn names_that_contradict_each_other_and_values_that_are_none_are_refused_by_name() {
    for (pairs, wanted) in [
        (
            &[("WECHAT_MCP_MERCHANT_ID", "1900000108"), ("WECHAT_PAY_MCH_ID", "1900000107")][..],
            "WECHAT_PAY_MCH_ID contradicts WECHAT_MCP_MERCHANT_ID",
        ),
        (&[("WECHAT_MCP_EXPERIENCE", "yes")], "WECHAT_MCP_EXPERIENCE is neither true nor false"),
        (
            &[("WECHAT_MCP_EXPERIENCE", "false"), ("MCP_EXPERIENCE_MODE", "true")],
            "MCP_EXPERIENCE_MODE contradicts WECHAT_MCP_EXPERIENCE",
        ),
        (&[("MCP_MAX_AMOUNT", "100.00")], "MCP_MAX_AMOUNT is not a whole number"),
        (&[("MCP_TIMEOUT", "30001")], "http.timeout_ms is not between 1 and 30000"),
        (&[("MCP_RETRY_COUNT", "4")], "http.read_retries is more than 3"),
        (&[("PAYMENT_MCP_ENABLED", "false")], "PAYMENT_MCP_ENABLED is false, and payments are what the gateway is for"),
        (&[("WECHAT_PAY_SANDBOX", "true")], "duffel.base_url is not an address this profile may use"),
    ] {
        let written = pairs.iter().fold(Written::new(LIVE), |written, (name, value)| written.with(name, value));
        assert_eq!(written.refused(), wanted);
    }
}

#[test]
fn a_missing_a_misspelt_and_a_broken_key_are_named_and_no_value_is_quoted() {
    let told = |from: &str, to: &str| {
        assert!(LIVE.contains(from), "{from}");
        Written::new(&LIVE.replacen(from, to, 1)).refused()
    };
    assert_eq!(told("mchid = \"1900000109\"", ""), "wechatpay.mchid is missing");
    assert_eq!(told("mchid =", "mchId ="), "wechatpay.mchId is not a key of this file");
    assert_eq!(told("minor = 10000,", "minor = 100.5,"), "caps[0].per_payment.minor is not what this key takes");
    assert_eq!(told("\"jwt.key\"", "\"nothing.key\""), "rest.jwt_keys.key_file cannot be read: entity not found");
    assert_eq!(
        told("token_file = \"duffel.token\"", "token_file = \"duffel.token\"\ntoken = \"x\""),
        "duffel.token is given twice"
    );
    let broken = told("api_key = \"c0ffee5Qr8Zt1WmXy7Kb2Nd\"", "api_key = \"c0ffee5Qr8Zt1WmXy7Kb2Nd");
    assert!(
        broken.starts_with("the configuration file is not TOML near line") && !broken.contains("c0ffee"),
        "{broken}"
    );
    let alipay = Written::new(&format!("{LIVE}\n[alipay]\napp_id = \"x\"\n")).refused();
    assert_eq!(alipay, "alipay.base_url is missing");
}

#[test]
fn a_token_key_below_256_bits_does_not_start() {
    let written = Written::new(LIVE);
    std::fs::write(written.folder.path().join("jwt.key"), &TOKEN_KEY[..31]).unwrap();
    assert_eq!(written.refused(), "rest.jwt_keys is shorter than 256 bits");
}

#[test]
fn production_refuses_the_sandbox_the_experience_mode_missing_tls_and_missing_caps() {
    let fields = |config: &Config| -> Vec<String> {
        config.production_problems().iter().map(|problem| problem.field().to_owned()).collect()
    };
    let live = Written::new(LIVE).read().unwrap();
    assert_eq!(fields(&live), Vec::<String>::new());
    let mut bad = live;
    bad.wechatpay.experience = true;
    bad.caps.clear();
    bad.public_url = Some("http://gw.zhiyou.cn".parse().unwrap());
    bad.profile = Profile::Sandbox;
    assert_eq!(fields(&bad), ["profile", "wechatpay.experience", "public_url", "caps.wechatpay"]);
}

#[test]
fn paypals_own_pages_and_certificates_are_believed_where_the_provider_has_them() {
    let roots = "-----BEGIN CERTIFICATE-----";
    let table = format!(
        "{LIVE}\n[paypal]\nbase_url = \"https://api-m.paypal.com\"\nclient_id = \"AeA1QIZXiflr1-LNzYMZMTaMWLaLdB9YMSTeRDiZSf0Pd\"\n\
         client_secret = \"c0ffee5Qr8Zt1WmXy7Kb2Nd\"\nwebhook_id = \"8PT597110X687430LKGECATA\"\ncertificate_roots_pem = \"{roots}\"\n"
    );
    let config = Written::new(&table).read().unwrap();
    let paypal = config.paypal.as_ref().unwrap();
    let hosts = |list: &[Url]| list.iter().map(|url| url.host_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(hosts(&paypal.page_bases), ["www.paypal.com"]);
    assert_eq!(hosts(&paypal.certificate_bases), ["api.paypal.com", "api-m.paypal.com"]);
    assert!(paypal.check(Profile::Live).is_ok());
}

#[test]
fn a_channels_table_refuses_what_it_does_not_know_and_alipay_takes_certificates_instead_of_a_key() {
    for channel in ["alipay", "stripe", "paypal", "alipayplus"] {
        let table = format!("{LIVE}\n[{channel}]\nbase_url = \"https://example.com\"\nsecret_kee = \"c0ffee\"\n");
        assert_eq!(Written::new(&table).refused(), format!("{channel}.secret_kee is not a key of this file"));
    }
    let alipay = |more: &str| {
        let known = "base_url = \"https://openapi.alipay.com\"\napp_id = \"2021004137658123\"\n\
                     seller_id = \"2088721058339046\"\napp_private_key_pem_file = \"merchant.pem\"\n";
        Written::new(&format!("{LIVE}\n[alipay]\n{known}{more}"))
    };
    let certificates =
        ["app", "root", "alipay"].map(|name| format!("{name}_certificate_pem_file = \"platform.pem\"\n")).concat();
    let config = alipay(&format!("{certificates}presents = \"page\"\n")).read().unwrap().alipay.unwrap();
    assert!(matches!(config.keys, AlipayKeys::Certificates { .. }) && config.presents == AlipayPresents::Page);
    let config = alipay("alipay_public_key_pem_file = \"platform.pem\"\n").read().unwrap().alipay.unwrap();
    assert!(matches!(config.keys, AlipayKeys::PublicKey { .. }) && config.presents == AlipayPresents::Qr);
    assert_eq!(alipay("").refused(), "alipay.alipay_public_key_pem is missing");
    let odd = alipay("alipay_public_key_pem_file = \"platform.pem\"\npresents = \"fax\"\n").refused();
    assert_eq!(odd, "alipay.presents is not qr, page, phone_page or app");
}

#[test]
fn what_a_channel_pays_out_in_is_said_once() {
    let paid_out = format!("{LIVE}\n[[settlements]]\nchannel = \"alipayplus\"\ncurrency = \"USD\"\nexchange_bp = 0\n");
    let config = Written::new(&paid_out).read().unwrap();
    assert_eq!(config.pays_out(Channel::AlipayPlus), Some("USD".parse().unwrap()));
    assert_eq!(config.pays_out(Channel::Stripe), None);
    let table = "[alipayplus]\nbase_url = \"https://open-sea-global.alipay.com\"\nclient_id = \"5YEV2N2ZV8LC00920\"\n";
    let twice = format!("{paid_out}\n{table}settlement_currency = \"USD\"\n");
    let refused = Written::new(&twice).refused();
    assert!(refused.contains("alipayplus.settlement_currency"), "{refused}");
}

#[test]
fn stripes_ways_to_pay_are_read_and_instalments_need_one_that_can_be_paid_off() {
    let account = |rest: &str| {
        format!(
            "{LIVE}\n[stripe]\nbase_url = \"https://api.stripe.com\"\nsecret_key = \"sk_live_c0ffee5Qr8Zt1WmXy7Kb2Nd\"\n\
             account_id = \"acct_1Live\"\nwebhook_secrets = [\"whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd\"]\n{rest}"
        )
    };
    let words = |rest: &str| {
        let config = Written::new(&account(rest)).read().unwrap();
        let methods = config.stripe.unwrap().methods.into_iter();
        methods.map(|one| (one.method.word(), one.currencies.len())).collect::<Vec<_>>()
    };
    assert_eq!(words(""), [("card", 10)]);
    assert_eq!(
        words("methods = [\"card\", \"wechat_pay\", \"alipay\"]\ncurrencies = { alipay = [\"CNY\"] }\n"),
        [("card", 10), ("wechat_pay", 8), ("alipay", 1)]
    );
    for (rest, told) in [
        ("methods = [\"card\", \"paynow\"]", "stripe.methods names a way to pay that is not known"),
        ("currencies = { alipay = [\"CNY\"] }", "stripe.currencies.alipay is not one of the methods"),
        (
            "methods = [\"alipay\"]\n[[instalments]]\nchannel = \"stripe\"\ncurrency = \"CNY\"\ncounts = [3]",
            "instalments.stripe need a way to pay that can be paid off in this currency",
        ),
    ] {
        assert_eq!(Written::new(&account(rest)).refused(), told);
    }
}

#[test]
fn stripes_secrets_are_read_from_files_of_their_own_and_nothing_among_them_is_passed_over() {
    let account = |secrets: &str| {
        let rest = "base_url = \"https://api.stripe.com\"\nsecret_key = \"sk_live_c0ffee5Qr8Zt1WmXy7Kb2Nd\"\naccount_id = \"acct_1Live\"";
        let written = Written::new(&format!("{LIVE}\n[stripe]\n{rest}\n{secrets}\n"));
        std::fs::write(written.folder.path().join("old.secret"), "whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd\n").unwrap();
        std::fs::write(written.folder.path().join("new.secret"), "whsec_d1ffee5Qr8Zt1WmXy7Kb2Nd\n").unwrap();
        written
    };
    let config = account("webhook_secrets_file = [\"old.secret\", \"new.secret\"]").read().unwrap();
    let secrets: Vec<_> = config.stripe.unwrap().webhook_secrets.iter().map(|one| one.expose().clone()).collect();
    assert_eq!(secrets, ["whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd", "whsec_d1ffee5Qr8Zt1WmXy7Kb2Nd"]);
    for (secrets, told) in [
        ("webhook_secrets = [\"whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd\", 7]", "stripe.webhook_secrets are not texts"),
        ("webhook_secrets_file = [\"old.secret\", 7]", "stripe.webhook_secrets_file is not the path of a file"),
        (
            "webhook_secrets_file = [\"old.secret\", \"none\"]",
            "stripe.webhook_secrets_file cannot be read: entity not found",
        ),
    ] {
        assert_eq!(account(secrets).refused(), told);
    }
}

#[test]
fn every_key_of_a_channel_stands_in_the_documentation() {
    let text = include_str!("../../../../../docs/gateway.md");
    let channels: [(&str, &[&str]); 4] = [
        ("alipay", &AlipayConfig::KEYS),
        ("stripe", &StripeConfig::KEYS),
        ("paypal", &PaypalConfig::KEYS),
        ("alipayplus", &AlipayPlusConfig::KEYS),
    ];
    for (channel, keys) in channels {
        let start = text.find(&format!("    [{channel}]")).unwrap();
        let block: String = text[start..].lines().take_while(|line| line.starts_with("    ")).collect();
        for key in keys {
            assert!(
                block.contains(&format!(" {key} =")) || block.contains(&format!(" {key}_file =")),
                "{channel}.{key}"
            );
        }
    }
}

#[test]
fn where_agents_are_sent_and_when_days_are_compared_is_read_and_checked() {
    let with = |daily: &str, rest: &str| {
        let text = LIVE
            .replace("[rest]\naudience = \"zhiyou\"\n", &format!("{daily}\n[rest]\naudience = \"zhiyou\"\n{rest}\n"));
        Written::new(&text)
    };
    let page = "confirmation_page = \"https://shop.example.cn/confirm\"";
    let written =
        with("[daily_reconciliation]", &format!("authorization_servers = [\"https://id.example.cn\"]\n{page}"));
    let config = written.read().unwrap();
    assert_eq!(config.daily_reconciliation, Some(DailyConfig { after_min: 660 }), "the usual moment");
    let rest = config.rest.unwrap();
    assert_eq!(rest.authorization_servers[0].as_str(), "https://id.example.cn/");
    assert_eq!(rest.confirmation_page.unwrap().as_str(), "https://shop.example.cn/confirm");
    let bare = Written::new(LIVE).read().unwrap();
    assert_eq!(
        (bare.daily_reconciliation, bare.rest.unwrap().confirmation_page),
        (None, None),
        "off where nobody said so"
    );
    let late = with("[daily_reconciliation]\nafter_min = 1441", "");
    assert_eq!(late.refused(), "daily_reconciliation.after_min is not between 1 and 1440");
    let plain = with("", "authorization_servers = [\"http://id.example.cn\"]");
    assert_eq!(plain.refused(), "rest.authorization_servers is not an address this profile may use");
}

#[cfg(unix)]
#[test]
fn se_25_files_that_others_may_read_or_change_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let written = Written::new(LIVE);
    let folder = written.folder.path();
    let set = |name: &str, mode| {
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let exposed = || -> Vec<String> {
        Config::exposed_files(&folder.join("gateway.toml")).iter().map(ToString::to_string).collect()
    };
    let files = [
        ("gateway.toml", "the configuration file"),
        ("duffel.token", "duffel.token_file"),
        ("merchant.pem", "wechatpay.merchant_private_key_pem_file"),
        ("apiv3.key", "wechatpay.apiv3_key_file"),
        ("jwt.key", "rest.jwt_keys.key_file"),
        ("platform.pem", "wechatpay.platform_keys.pem_file"),
    ];
    files.iter().for_each(|(name, _)| set(name, 0o600));
    assert_eq!(exposed(), Vec::<String>::new());
    for (name, field) in files {
        for (mode, read) in [(0o640, true), (0o604, true), (0o620, false), (0o602, false), (0o666, false)] {
            set(name, mode);
            let found = exposed();
            // A public key may be read.
            if read && name == "platform.pem" {
                assert_eq!(found, Vec::<String>::new());
                continue;
            }
            let said = if read { "read" } else { "changed" };
            assert!(found.len() == 1 && found[0].starts_with(field), "{name} {mode:o}: {found:?}");
            assert!(found[0].contains(&format!("may be {said} by others")), "{name} {mode:o}: {found:?}");
        }
        set(name, 0o600);
    }
    assert!(written.read().is_ok(), "they are told of, and a start is not refused for them");
}

//! A dry run of the recommendation: how a payment that is only supposed would be ranked, and why.
//!
//! Deliberately not here: the ranking, which is the domain's; opening anything.

use crate::{Outcome, backend::Backend, headless::Printing};
use serde_json::{Value, json};
use std::{process::ExitCode, sync::Arc};

/// What is supposed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Supposed {
    /// How much, minor units: 224400 fen are 2,244.00 yuan
    #[arg(long, value_name = "MINOR")]
    amount: i64,
    /// ISO 4217 code
    #[arg(long)]
    currency: String,
    /// Where who pays lives, ISO 3166-1 alpha-2; as the app would guess otherwise
    #[arg(long, value_name = "COUNTRY")]
    region: Option<String>,
    /// What who pays likes to pay by; what the settings say otherwise
    #[arg(long, value_parser = crate::reconcile::channel)]
    prefer: Option<zhiyou_domain::port::payments::Channel>,
    /// How many items it pays for
    #[arg(long, default_value_t = 1)]
    items: u32,
    /// In how many instalments it is to be paid off
    #[arg(long)]
    instalments: Option<u8>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(supposed: Supposed) -> Outcome {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut to = Backend::open(Arc::new(Printing), folder.path().to_path_buf()).await?;
    let wish = json!({
        "amount_minor": supposed.amount, "currency": supposed.currency.to_uppercase(),
        "domestic": supposed.region.as_deref().map(|region| region.eq_ignore_ascii_case("CN")),
        "preferred": supposed.prefer.map(|channel| channel.word()), "items": supposed.items,
        "instalments": supposed.instalments,
    });
    let ranked = to.call("preview_channels", wish).await;
    to.stop().await;
    let ranked = ranked?;
    if supposed.json {
        println!("{ranked}");
    } else {
        ranked["channels"].as_array().into_iter().flatten().for_each(|channel| println!("{}", line(channel)));
    }
    Ok(ExitCode::SUCCESS)
}

/// One channel with its place and why.
fn line(channel: &Value) -> String {
    let words = |field: &str| {
        let words: Vec<&str> = channel[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        words.join(", ")
    };
    let name = channel["channel"].as_str().unwrap_or_default();
    let fee =
        format!("fee {} {}", channel["fee"]["amount_minor"], channel["fee"]["currency"].as_str().unwrap_or_default());
    match (words("bars"), channel["recommended"] == true) {
        (bars, _) if !bars.is_empty() => format!("barred      {name:<11} {bars}"),
        (_, true) => format!("recommended {name:<11} {fee}; {}", words("reasons")),
        (_, false) => format!("offered     {name:<11} {fee}; {}", words("reasons")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_recommended_and_why_something_is_barred() {
        let channel = |bars: Value, recommended: bool| {
            json!({"channel": "wechatpay", "bars": bars, "recommended": recommended, "reasons": ["at_home", "lowest_fee"],
                "fee": {"amount_minor": 60, "currency": "CNY"}})
        };
        assert_eq!(line(&channel(json!([]), true)), "recommended wechatpay   fee 60 CNY; at_home, lowest_fee");
        assert_eq!(line(&channel(json!(["amount"]), false)), "barred      wechatpay   amount");
    }
}

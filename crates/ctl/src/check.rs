//! Says, per provider, what works with this configuration and what is missing.

use crate::{
    Outcome,
    headless::{self, Printing},
};
use serde_json::{Value, json};
use std::{process::ExitCode, sync::Arc};

pub(crate) async fn run(as_json: bool) -> Outcome {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    let row = |name: &str, ok: bool, detail: String| json!({ "name": name, "ok": ok, "detail": detail });
    match headless::start(Arc::new(Printing), folder.path().to_path_buf()).await {
        Err(error) => rows.push(row("start", false, error)),
        Ok(parts) => {
            let session = parts.engine().dispatch("get_session", json!({})).await.unwrap_or(Value::Null);
            rows.push(row("data folder", true, text(&session["data_dir"])));
            rows.push(row("vault", session["vault"]["state"] == "open", text(&session["vault"]["state"])));
            let addresses = parts.announcement();
            for (name, address) in [
                ("Duffel flights, stays and cars (sandbox)", &addresses.duffel),
                ("Viator activities (sandbox)", &addresses.viator),
                ("WeChat Pay (sandbox)", &addresses.wechatpay),
                ("Alipay (sandbox)", &addresses.alipay),
                ("Stripe (sandbox)", &addresses.stripe),
                ("PayPal (sandbox)", &addresses.paypal),
                ("Alipay+ (sandbox)", &addresses.alipayplus),
                ("ZZ Club sign-in (sandbox)", &addresses.oauth),
                ("Turkish Airlines sign-in (sandbox)", &addresses.turkish),
            ] {
                let (ok, detail) = reachable(address).await;
                rows.push(row(name, ok, detail));
            }
            parts.stop().await;
        }
    }
    Ok(print(rows, as_json))
}

/// Prints what was found; fails when something is missing.
pub(crate) fn print(rows: Vec<Value>, as_json: bool) -> ExitCode {
    let all = rows.iter().all(|row| row["ok"] == true);
    if as_json {
        println!("{}", Value::Array(rows));
    } else {
        for row in &rows {
            println!(
                "{} {:<42} {}",
                if row["ok"] == true { "ok     " } else { "missing" },
                text(&row["name"]),
                text(&row["detail"])
            );
        }
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether anything answers there at all; a refusal is an answer.
async fn reachable(address: &str) -> (bool, String) {
    let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(5)).build();
    match client {
        Ok(client) => match client.get(address).send().await {
            Ok(_) => (true, address.to_owned()),
            Err(error) => (false, error.to_string()),
        },
        Err(error) => (false, error.to_string()),
    }
}

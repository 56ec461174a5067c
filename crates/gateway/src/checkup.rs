//! Says, per provider, what works with a configuration and what is missing.
//!
//! Every provider is asked something harmless that needs our keys: whether it knows a number nobody ever used. No text
//! contains a secret. Deliberately not here: what a start refuses ([`Config::check`]).

use crate::{
    Clock,
    config::Config,
    http::Http,
    start::{StartError, channels},
    travel::{
        ActivitySupplier, HotelSupplier,
        duffel::Duffel,
        viator::{self, Viator},
    },
};
use serde::Serialize;
use std::sync::Arc;
use ulid::Ulid;
use zhiyou_domain::{
    id::AttemptId,
    port::{Outcome, ReasonCode, bookings::FindBooking, payments::Channel},
};

/// One line of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// Whether it works, or is rightly absent.
    pub ok: bool,
    /// What was seen, or what is missing.
    pub detail: String,
}

impl Finding {
    fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok, detail: detail.into() }
    }
}

/// Looks at every part of a configuration that passed [`Config::check`]; with `production` also at what a business must not
/// run with.
///
/// # Errors
/// [`StartError::Config`] when a key cannot be used, [`StartError::Http`].
pub async fn check_up(config: &Config, clock: Arc<dyn Clock>, production: bool) -> Result<Vec<Finding>, StartError> {
    let http = Http::with_timeout(config.profile, config.http.timeout)?.retrying(config.http.read_retries);
    let mut findings = Vec::new();
    let unused = unused(&clock);
    let duffel = Duffel::new(&config.duffel, http.clone(), Arc::clone(&clock));
    let asked = HotelSupplier::find(&duffel, FindBooking { reference: unused.to_string() }).await;
    findings.push(supplier("duffel (flights, hotels, cars)", asked));
    let activity_http = Http::with_timeout(config.profile, viator::TIMEOUT)?;
    let viator = Viator::new(&config.viator, activity_http, Arc::clone(&clock));
    let asked = ActivitySupplier::find(&viator, FindBooking { reference: unused.to_string() }).await;
    findings.push(supplier("viator (activities)", asked));
    let adapters = channels(config, &http, &clock, None)?;
    for channel in Channel::ALL {
        findings.push(match adapters.of(channel) {
            Some(adapter) => supplier(channel.word(), adapter.knows(AttemptId::from_ulid(unused)).await),
            None => Finding::new(channel.word(), true, "not configured"),
        });
    }
    for cap in config.enforced_caps()? {
        findings.push(Finding::new("cap", true, cap.to_string()));
    }
    if config.wechatpay.experience {
        findings.push(Finding::new("experience mode", true, "on: every WeChat payment is given back within 24 hours"));
    }
    let inbox = config.public_url.as_ref().map_or_else(|| "this machine only".to_owned(), ToString::to_string);
    findings.push(Finding::new("notifications", true, format!("at {inbox}")));
    let served = |on: bool| if on { "served" } else { "not configured" };
    findings.push(Finding::new("MCP over HTTP", true, served(config.mcp_http_token.is_some())));
    findings.push(Finding::new("REST", true, served(config.rest.is_some())));
    if production {
        let problems = config.production_problems();
        findings.extend(problems.iter().map(|problem| Finding::new("production", false, problem.to_string())));
    }
    Ok(findings)
}

/// A number nobody ever used.
fn unused(clock: &Arc<dyn Clock>) -> Ulid {
    let mut random = [0; 16];
    // A check that asks about the same number twice still checks.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let millis = u64::try_from(clock.now().0.div_euclid(1000)).unwrap_or_default();
    Ulid::from_parts(millis, u128::from_be_bytes(random))
}

fn supplier<T>(name: &str, asked: Outcome<T>) -> Finding {
    let (reason, said) = match asked {
        Outcome::Done(_) => return Finding::new(name, true, "answers, and our keys are good"),
        Outcome::NotSent(reason) => (reason, "cannot be reached"),
        Outcome::Declined(reason) => (reason, "refuses us"),
        Outcome::Unknown(reason) => (reason, "does not answer as it should"),
    };
    let detail = if reason.code == ReasonCode::IntegrityFault {
        format!("{said}: its signature is not proved by the configured keys")
    } else {
        format!("{said}: {:?}", reason.code)
    };
    Finding::new(name, false, detail)
}

//! The switches that make a provider misbehave on demand, and the ones that change its rules.
//!
//! A fault (`decline`, `act_then_time_out`, `time_out_before`, `time_out_then_act`, `price_rise`, `signature_probe`,
//! `bad_response_signature`, `deny`, `wrong_iss`, `omit_iss`, `other_client`, `other_subject`, `nothing_made`, `answer`,
//! `patch`) strikes once unless it carries `"times": n`; everything else is a rule and stays until `{"reset": true}`, unless it
//! carries `times`. Switches live in memory: a restarted sandbox behaves itself again. A name that nobody reads is refused, with
//! those that are.
//! Deliberately not here: what a switch does (the provider that reads it decides).

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

const FAULTS: [&str; 15] = [
    "decline",
    "act_then_time_out",
    "time_out_before",
    "time_out_then_act",
    "price_rise",
    "signature_probe",
    "bad_response_signature",
    "deny",
    "wrong_iss",
    "omit_iss",
    "other_client",
    "other_subject",
    "nothing_made",
    "answer",
    "patch",
];

const RULES: [&str; 36] = [
    "3ds",
    "access_ttl_s",
    "bill_cut",
    "bill_differs",
    "capture_outcome",
    "certificate",
    "changes_by_phone",
    "code_minutes",
    "dispute",
    "dispute_outcome",
    "forget_tokens",
    "hold_minutes",
    "hold_not_provided",
    "latency_ms",
    "no_bill",
    "notify",
    "notify_key",
    "offer_minutes",
    "page_max",
    "par",
    "par_required",
    "par_reusable",
    "pending",
    "presents",
    "proof_key_optional",
    "refund_by_conditions",
    "refund_outcome",
    "requires_instant_payment",
    "reuse_codes",
    "reuse_refresh",
    "roll_secret",
    "services_on_hold",
    "settle_ms",
    "sold_out",
    "sse",
    "stale_answer",
];

/// Who can be told to misbehave.
const PROVIDERS: [&str; 9] =
    ["duffel", "viator", "wechatpay", "alipay", "stripe", "paypal", "alipayplus", "oauth", "turkish"];

/// One switch as the control port set it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Switch {
    /// The name of a port but the phone's and the control port's, e.g. `duffel`, `oauth` or `turkish`.
    pub(crate) provider: String,
    /// Its name.
    #[serde(rename = "switch")]
    pub(crate) name: String,
    /// How often it still strikes; none = until reset.
    pub(crate) times: Option<u64>,
    /// Its other parameters as given.
    #[serde(flatten)]
    pub(crate) params: Map<String, Value>,
}

/// All switches in the order they were set.
#[derive(Default)]
pub(crate) struct Switches {
    list: Mutex<Vec<Switch>>,
}

impl Switches {
    /// Sets a switch. A rule replaces the same rule; a fault waits behind earlier ones.
    ///
    /// # Errors
    /// What is wrong with it: a typing mistake would leave everything as it is, and nobody would know.
    pub(crate) fn set(&self, body: &Map<String, Value>) -> Result<(), String> {
        let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
        let provider = text("provider").ok_or("provider is missing")?;
        let name = text("switch").ok_or("switch is missing")?;
        let fault = FAULTS.contains(&name.as_str());
        if !PROVIDERS.contains(&provider.as_str()) {
            return Err(format!("there is no provider {provider}; there are {}", PROVIDERS.join(", ")));
        }
        if !fault && !RULES.contains(&name.as_str()) {
            return Err(format!(
                "there is no switch {name}; faults are {}; rules are {}",
                FAULTS.join(", "),
                RULES.join(", ")
            ));
        }
        let times = body.get("times").and_then(Value::as_u64).or(fault.then_some(1));
        let mut params = body.clone();
        params.retain(|key, _| !["provider", "switch", "times"].contains(&key.as_str()));
        self.with(|list| {
            if !fault {
                list.retain(|switch| switch.provider != provider || switch.name != name);
            }
            list.push(Switch { provider, name, times, params });
        });
        Ok(())
    }

    /// Forgets all switches.
    pub(crate) fn reset(&self) {
        self.with(Vec::clear);
    }

    /// What is set now.
    pub(crate) fn list(&self) -> Vec<Switch> {
        self.with(|list| list.clone())
    }

    /// The switch's parameters if it strikes now; uses up one of its times.
    pub(crate) fn strike(&self, provider: &str, name: &str) -> Option<Map<String, Value>> {
        self.strike_where(provider, name, |_| true)
    }

    /// As `strike`, only for an operation the switch names in `op`.
    pub(crate) fn strike_op(&self, provider: &str, name: &str, op: &str) -> Option<Map<String, Value>> {
        self.strike_where(provider, name, |params| params.get("op").and_then(Value::as_str) == Some(op))
    }

    /// As `strike`, only for a switch whose parameters please `fits`.
    pub(crate) fn strike_where(
        &self,
        provider: &str,
        name: &str,
        fits: impl Fn(&Map<String, Value>) -> bool,
    ) -> Option<Map<String, Value>> {
        self.with(|list| {
            let at = list
                .iter()
                .position(|switch| switch.provider == provider && switch.name == name && fits(&switch.params))?;
            let switch = list.get_mut(at)?;
            let params = switch.params.clone();
            match switch.times.as_mut() {
                Some(times) if *times <= 1 => drop(list.remove(at)),
                Some(times) => *times -= 1,
                None => {}
            }
            Some(params)
        })
    }

    /// A rule's boolean, given as `value` or by merely setting it; `default` when it is not set.
    pub(crate) fn rule(&self, provider: &str, name: &str, default: bool) -> bool {
        self.peek(provider, name)
            .map_or(default, |params| value(&params, name).and_then(Value::as_bool).unwrap_or(true))
    }

    /// A rule's number, given as `value`; `default` when it is not set.
    pub(crate) fn amount(&self, provider: &str, name: &str, default: i64) -> i64 {
        self.peek(provider, name).and_then(|params| value(&params, name)?.as_i64()).unwrap_or(default)
    }

    /// A rule's text, given as `value`.
    pub(crate) fn word(&self, provider: &str, name: &str) -> Option<String> {
        value(&self.peek(provider, name)?, name)?.as_str().map(str::to_owned)
    }

    fn peek(&self, provider: &str, name: &str) -> Option<Map<String, Value>> {
        self.with(|list| {
            list.iter()
                .rev()
                .find(|switch| switch.provider == provider && switch.name == name)
                .map(|switch| switch.params.clone())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Switch>) -> T) -> T {
        work(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A rule's one parameter: under `value`, or under the rule's own name, or under a word people reach for.
fn value<'a>(params: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    ["value", name, "n", "minutes", "seconds", "outcome", "on"].iter().find_map(|key| params.get(*key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn switches(bodies: &[Value]) -> Switches {
        let switches = Switches::default();
        for body in bodies {
            switches.set(body.as_object().unwrap()).unwrap();
        }
        switches
    }

    #[test]
    fn a_fault_strikes_as_often_as_asked_and_only_where_asked() {
        let switches = switches(&[
            json!({"provider": "duffel", "switch": "decline", "op": "pay", "times": 2}),
            json!({"provider": "duffel", "switch": "decline", "op": "book_stay"}),
        ]);
        assert!(switches.strike_op("duffel", "decline", "create_order").is_none());
        assert!(switches.strike_op("wechatpay", "decline", "pay").is_none());
        let struck = (0..4).filter(|_| switches.strike_op("duffel", "decline", "pay").is_some()).count();
        assert_eq!(struck, 2);
        assert!(switches.strike_op("duffel", "decline", "book_stay").is_some());
        assert!(switches.list().is_empty());
    }

    #[test]
    fn what_nobody_would_read_is_refused() {
        let refused = |body: Value| Switches::default().set(body.as_object().unwrap()).unwrap_err();
        let unknown = refused(json!({"provider": "wechatpay", "switch": "drop_notifications"}));
        assert!(
            unknown.starts_with("there is no switch drop_notifications; ") && unknown.contains("notify"),
            "{unknown}"
        );
        assert!(
            refused(json!({"provider": "wechat", "switch": "notify"})).starts_with("there is no provider wechat; ")
        );
        assert_eq!(refused(json!({"switch": "notify"})), "provider is missing");
        assert_eq!(refused(json!({"provider": "duffel"})), "switch is missing");
    }

    #[test]
    fn a_rule_stays_until_reset_and_the_last_word_counts() {
        let switches = switches(&[
            json!({"provider": "duffel", "switch": "hold_minutes", "value": 10}),
            json!({"provider": "duffel", "switch": "hold_minutes", "value": 20}),
            json!({"provider": "duffel", "switch": "services_on_hold", "value": false}),
        ]);
        assert_eq!([0; 3].map(|_| switches.amount("duffel", "hold_minutes", 72)), [20; 3]);
        assert!(!switches.rule("duffel", "services_on_hold", true));
        switches.reset();
        assert_eq!(switches.amount("duffel", "hold_minutes", 72), 72);
    }
}

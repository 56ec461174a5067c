//! The hosted page of a payment: what is asked for, which ways to pay it offers, and whether what came back may be shown.
//!
//! Deliberately not here: what became of the payment (`find`).

use super::{Ending, Stripe, amount, integrity, wire};
use crate::{
    config::{StripeMethod, StripeMethodConfig},
    defence::{Defence, off},
    pay::Opened,
    store::attempts::Attempt,
};
use url::Url;
use wire::{Form, SessionStatus};
use zhiyou_domain::port::{Outcome, Reason, ReasonCode, payments::PaymentAction};

/// Live pages are shown from this host and no other.
const PAGE_HOST: &str = "checkout.stripe.com";
/// A page lives at least 30 minutes after it was made. Twice that, so that asking again within half an hour is still the
/// same request; our own deadline is kept by closing the page.
const PAGE_LIVES_S: i64 = 60 * 60;
/// A page lives at most 24 hours.
const PAGE_LIVES_MAX_S: i64 = 24 * 60 * 60 - 5 * 60;
impl Stripe {
    /// The ways to pay that can do what the attempt wants. Money that takes days to come cannot pay for a seat that is held for
    /// minutes, so no other is ever offered.
    fn ways(&self, attempt: &Attempt, form: Form) -> Result<Form, &'static str> {
        let able = |one: &&StripeMethodConfig| {
            one.currencies.contains(&attempt.amount.currency())
                && (!attempt.authorise || one.method.sets_aside())
                && (attempt.instalments.is_none() || one.method.pays_off())
        };
        let able: Vec<StripeMethod> = self.methods.iter().filter(able).map(|one| one.method).collect();
        if able.is_empty() {
            return Err("no way to pay is for this amount");
        }
        let named = able.iter().enumerate().fold(form, |form, (index, method)| {
            form.with(&format!("allowed_payment_method_types[{index}]"), method.word())
        });
        let options = able.iter().flat_map(|method| method.options());
        Ok(options.fold(named, |form, (name, value)| form.with(name, value)))
    }

    /// The create request of an attempt, always with the same bytes.
    pub(super) fn page(&self, attempt: &Attempt) -> Result<Form, &'static str> {
        let (amount, currency) = amount::write(attempt.amount)?;
        let number = attempt.attempt_id.bare();
        let created_s = attempt.created_at_us.0.div_euclid(1_000_000);
        let wanted_s = attempt.expires_at_us.0.div_euclid(1_000_000);
        let expires_s =
            wanted_s.clamp(created_s.saturating_add(PAGE_LIVES_S), created_s.saturating_add(PAGE_LIVES_MAX_S));
        let back = attempt.return_url();
        let form = match attempt.instalments {
            // How many there are is chosen on the page, of what the payer's bank offers.
            Some(_) => Form::default().with("payment_method_options[card][installments][enabled]", "true"),
            None => Form::default(),
        };
        let form = form
            .with("mode", "payment")
            .with("ui_mode", "hosted_page")
            .with("client_reference_id", &number)
            .with("metadata[attempt]", &number)
            .with("success_url", &back)
            .with("cancel_url", &back)
            .with("expires_at", &expires_s.to_string());
        Ok(self
            .ways(attempt, form)?
            .with("adaptive_pricing[enabled]", "false")
            .with("line_items[0][quantity]", "1")
            .with("line_items[0][price_data][currency]", &currency)
            .with("line_items[0][price_data][unit_amount]", &amount.to_string())
            .with("line_items[0][price_data][product_data][name]", &attempt.description)
            .with("payment_intent_data[metadata][attempt]", &number)
            .with("payment_intent_data[description]", &attempt.description)
            .with("payment_intent_data[capture_method]", if attempt.authorise { "manual" } else { "automatic" }))
    }

    pub(super) async fn make_page(&self, attempt: &Attempt, form: Form) -> Ending {
        self.post("/v1/checkout/sessions", form, Some(&format!("{}:create", attempt.attempt_id.bare()))).await
    }

    /// What the payer is shown of a session.
    pub(super) fn opened(&self, attempt: &Attempt, session: &wire::Session) -> Outcome<Opened> {
        let read = self.is_about(&attempt.attempt_id.bare(), session).and_then(|()| Self::total(session));
        match read {
            Ok(total) if total == attempt.amount => {}
            Ok(_) => return integrity("the page asks for another amount"),
            Err(problem) => return integrity(problem),
        }
        match (session.status, &session.url) {
            (Some(SessionStatus::Open), Some(url)) if self.may_be_shown(url) => Outcome::Done(Opened {
                action: PaymentAction::Redirect { url: url.clone() },
                provider_ref: Some(session.id.clone()),
            }),
            (Some(SessionStatus::Open), _) => integrity("the page is not one of the channel"),
            (Some(SessionStatus::Complete), _) => {
                Outcome::Declined(Reason::new(ReasonCode::AlreadyPaid, "the page was used"))
            }
            (Some(SessionStatus::Expired), _) => {
                Outcome::Declined(Reason::new(ReasonCode::AlreadyClosed, "the page is closed"))
            }
            (Some(SessionStatus::Unknown) | None, _) => {
                Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "a page in a state we do not know"))
            }
        }
    }

    /// Live: the channel's own host over https. Sandbox: the very port of the API.
    pub(super) fn may_be_shown(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let plain = url.username().is_empty() && url.password().is_none();
        let ours = if self.live {
            url.scheme() == "https" && url.host_str() == Some(PAGE_HOST) && url.port().is_none()
        } else {
            url.origin() == self.base_url.origin()
        };
        plain && (ours || off(Defence::PageHost))
    }
}

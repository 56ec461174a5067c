//! MCP server `payments`, as an agent sees it that acts for a customer: pay an order of the REST surface, ask how that stands,
//! give money back.
//!
//! The amount is the order's and never an argument. What takes or gives back money waits at the gate for the person, and the
//! same call again goes on; what the person scans is shown to the person alone and is in no answer here. Business endings are
//! results with a `status`; a call that cannot be carried out is an error with a code and no content. Deliberately not here:
//! other people's orders (they do not exist), creating orders, and what the engine asks ([`super::payments`]).

mod answers;

use super::{
    Caller, Came, Effect, Entry, Principal, Running,
    page::{Asks, Pages},
    read, refusal,
    scope::Scope,
    without_null, written,
};
use crate::{
    gate::{Gate, Passage, Wanted},
    pay::desk::{Desk, fingerprint},
    rest::{
        orders::{self, Known},
        view::{Amount, NewRefund, OrderStatus},
    },
    store::{
        confirmations::{self, Gated},
        shop_orders::ShopOrder,
    },
};
use answers::{Next, PaymentAnswer, PaymentWord, RefundAnswer, RefundState, Refusal, later};
use rmcp::{
    handler::server::common::{schema_for_input, schema_for_output},
    model::Tool,
    schemars::{self, JsonSchema},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{future::Future, sync::Arc};
use zhiyou_domain::{
    id::{AttemptId, OrderId},
    money::Money,
    port::payments::PaymentState,
    time::UtcMicros,
};

/// Longest idempotency key, bytes.
const KEY_BYTES_MAX: usize = 128;
/// Longest code somebody may type, bytes.
const CODE_BYTES_MAX: usize = 16;

/// How the person pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    /// By scanning a code on the merchant's page.
    Qr,
}

/// Channels an order of this surface can be paid by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PaidBy {
    /// WeChat Pay.
    Wechatpay,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreatePaymentIntent {
    /// The order to pay. Its amount is what is paid.
    order_id: OrderId,
    /// How the person pays.
    method: Method,
    /// Which channel.
    channel: PaidBy,
    /// 1 to 128 plain characters. The same key with the same arguments is the same intent.
    idempotency_key: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfirmPayment {
    /// From createPaymentIntent.
    payment_intent_id: AttemptId,
    /// The code the person read out, if the person did; never guess one.
    #[serde(default)]
    confirmation_code: Option<String>,
    /// 1 to 128 plain characters. Repeat the call with the same key after the person approved.
    idempotency_key: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetPaymentStatus {
    /// From createPaymentIntent.
    payment_intent_id: AttemptId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateRefund {
    /// The paid order; exactly one of orderId and paymentId is given.
    #[serde(default)]
    order_id: Option<OrderId>,
    /// Its payment.
    #[serde(default)]
    payment_id: Option<AttemptId>,
    /// How much goes back, minor units of the order's currency; all that is left when absent.
    #[serde(default)]
    amount_minor: Option<i64>,
    /// What the payer reads, 1 to 80 bytes of UTF-8; no personal data.
    reason: String,
    /// The code the person read out, if the person did; never guess one.
    #[serde(default)]
    confirmation_code: Option<String>,
    /// 1 to 128 plain characters. Repeat the call with the same key after the person approved.
    idempotency_key: String,
}

/// Every tool an agent is offered.
pub(crate) fn tools(gate: &Gate, pages: &Pages) -> Vec<Entry> {
    let desk = (gate, pages);
    vec![
        tool(
            desk,
            Scope::PaymentWrite,
            "createPaymentIntent",
            "Prepares the payment of an order of the customer you act for. The amount is the order's. Nothing is paid yet: \
             confirmPayment comes next.",
            Effect::Act { repeatable: true },
            create,
        ),
        tool(
            desk,
            Scope::PaymentWrite,
            "confirmPayment",
            "Opens the payment once the person has approved it. The first call answers confirmation_required: tell the person, \
             wait, and repeat the very same call. An unanswered request ends after ten minutes.",
            Effect::Spend,
            confirm,
        ),
        tool(
            desk,
            Scope::PaymentRead,
            "getPaymentStatus",
            "Reads where a payment stands; moves nothing.",
            Effect::Read,
            status,
        ),
        tool(
            desk,
            Scope::RefundWrite,
            "createRefund",
            "Gives back what was paid, all that is left or a part, once the person has approved it. The first call answers \
             confirmation_required: tell the person, wait, and repeat the very same call.",
            Effect::Undo { repeatable: true },
            refund,
        ),
    ]
}

/// Whose agent calls, and what the call is called in the log.
struct Asking {
    gate: Gate,
    subject: String,
    client: String,
    correlation: String,
}

fn tool<A, R, F, Fut>(
    (gate, pages): (&Gate, &Pages),
    scope: Scope,
    name: &'static str,
    description: &'static str,
    effect: Effect,
    run: F,
) -> Entry
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    R: Serialize + JsonSchema + Asks + 'static,
    F: Fn(Asking, A) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let plain = |schema: &rmcp::model::JsonObject| {
        let mut schema = schema.clone();
        schema.values_mut().for_each(without_null);
        Arc::new(schema)
    };
    let input = schema_for_input::<A>().unwrap_or_default();
    let tool = Tool::new(name, description, plain(&input))
        .with_raw_output_schema(plain(&schema_for_output::<R>()))
        .with_annotations(effect.annotations());
    let (gate, pages) = (gate.clone(), pages.clone());
    let handler = move |arguments, caller: Caller| -> Running {
        let Some(Principal { subject, .. }) = caller.principal else {
            let refused = refusal("auth_required", "a customer's token is needed", None, false, None);
            return Box::pin(std::future::ready(Came::from(refused)));
        };
        let asking = Asking { gate: gate.clone(), subject, client: caller.client, correlation: answers::correlation() };
        let wish = match read::<A>(arguments) {
            Ok(wish) => wish,
            Err(error) => return Box::pin(std::future::ready(Came::from(error))),
        };
        let pages = pages.clone();
        Box::pin(async move {
            let correlation = asking.correlation.clone();
            match run(asking, wish).await {
                Ok(answer) => Came { result: written(&answer), page: answer.asks().and_then(|asked| pages.of(asked)) },
                Err(refused) => {
                    tracing::info!(name, correlation, code = refused.code, "an agent's call was refused");
                    refusal(refused.code, &refused.message, refused.field, refused.retryable, Some(&correlation)).into()
                }
            }
        })
    };
    Entry { tool, run: Arc::new(handler), scope: Some(scope) }
}

impl Asking {
    fn desk(&self) -> &Desk {
        &self.gate.desk
    }

    fn now(&self) -> UtcMicros {
        self.desk().clock.now()
    }

    /// The order and what our tables tell of it; one that is not this customer's does not exist.
    async fn order(&self, id: OrderId) -> Result<Known, Refusal> {
        Ok(orders::known(self.desk(), &self.subject, id).await?)
    }

    /// The order a payment intent of this customer is of.
    async fn intended(&self, id: AttemptId) -> Result<Known, Refusal> {
        let known = self.order(order_of(id)?).await?;
        let made = confirmations::has_intent(self.desk().store.reader(), &self.subject, known.order.order_id).await?;
        if made { Ok(known) } else { Err(Refusal::not_found()) }
    }

    fn answer(&self, order: &ShopOrder, status: PaymentWord) -> Result<PaymentAnswer, Refusal> {
        Ok(PaymentAnswer {
            status,
            payment_intent_id: order.attempt_id()?,
            order_id: order.order_id,
            amount: order.amount.into(),
            expires_at: order.expires_at_us.to_rfc3339(),
            confirmation: None,
            messages: status.messages(),
            next_action: status.next(),
            poll_after_ms: status.next().map(|_| later()),
            correlation_id: self.correlation.clone(),
        })
    }

    /// Where a payment stands, in this surface's words.
    fn standing(&self, known: &Known) -> Result<PaymentAnswer, Refusal> {
        let opened = known.order.code.is_some();
        let over = known.order.is_over(self.now());
        let status = match known.status(self.now()) {
            OrderStatus::Paid => PaymentWord::Succeeded,
            OrderStatus::Refunded => PaymentWord::Refunded,
            OrderStatus::Cancelled => PaymentWord::Closed,
            OrderStatus::Pending if known.attempt.as_ref().is_some_and(|at| at.state == PaymentState::Processing) => {
                PaymentWord::Processing
            }
            OrderStatus::Pending | OrderStatus::Failed if over && !opened => PaymentWord::Closed,
            // Nobody can pay it any more; whether somebody did just before, the channel has to say.
            OrderStatus::Pending | OrderStatus::Failed if over => PaymentWord::Processing,
            OrderStatus::Failed => PaymentWord::Failed,
            OrderStatus::Pending if opened => PaymentWord::RequiresAction,
            OrderStatus::Pending => PaymentWord::RequiresConfirmation,
        };
        self.answer(&known.order, status)
    }

    fn wanted(&self, tool: Gated, key: &str, order: OrderId, amount: Money, arguments: &[&str]) -> Wanted {
        let reason = arguments.last().copied().unwrap_or_default().to_owned();
        Wanted {
            subject: self.subject.clone(),
            tool,
            key: key.to_owned(),
            fingerprint: fingerprint(arguments),
            client: self.client.clone(),
            order_id: order,
            amount,
            reason,
        }
    }
}

/// A payment has its order's number.
fn order_of(id: AttemptId) -> Result<OrderId, Refusal> {
    OrderId::parse_bare(&id.bare()).map_err(|_| Refusal::not_found())
}

fn plain_key(key: &str) -> Result<(), Refusal> {
    let plain = !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { Ok(()) } else { Err(Refusal::invalid("idempotencyKey", "has to be 1 to 128 plain characters")) }
}

fn plain_code(code: Option<&str>) -> Result<(), Refusal> {
    let fits = code.is_none_or(|code| code.len() <= CODE_BYTES_MAX);
    if fits { Ok(()) } else { Err(Refusal::new("confirmation_mismatch", "this is not the code that was shown")) }
}

async fn create(asking: Asking, wish: CreatePaymentIntent) -> Result<PaymentAnswer, Refusal> {
    plain_key(&wish.idempotency_key)?;
    let (Method::Qr, PaidBy::Wechatpay) = (wish.method, wish.channel);
    let known = asking.order(wish.order_id).await?;
    let print = fingerprint(&[&wish.order_id.bare(), "qr", "wechatpay"]);
    let store = &asking.desk().store;
    let mut tx = store.begin().await?;
    match confirmations::intent_of_key(&mut tx, &asking.subject, &wish.idempotency_key).await? {
        Some((_, earlier)) if earlier != print => return Err(Refusal::conflict()),
        Some(_) => {}
        None => {
            let (key, order) = (&wish.idempotency_key, wish.order_id);
            confirmations::insert_intent(&mut tx, &asking.subject, key, &print, order).await?;
            store.commit(tx).await?;
        }
    }
    asking.standing(&known)
}

async fn status(asking: Asking, wish: GetPaymentStatus) -> Result<PaymentAnswer, Refusal> {
    let known = asking.intended(wish.payment_intent_id).await?;
    let known = orders::brought_up_to_date(asking.desk(), known).await?;
    asking.standing(&known)
}

async fn confirm(asking: Asking, wish: ConfirmPayment) -> Result<PaymentAnswer, Refusal> {
    plain_key(&wish.idempotency_key)?;
    plain_code(wish.confirmation_code.as_deref())?;
    let known = asking.intended(wish.payment_intent_id).await?;
    let standing = asking.standing(&known)?;
    if !matches!(standing.status, PaymentWord::RequiresConfirmation | PaymentWord::RequiresAction | PaymentWord::Failed)
    {
        return Ok(standing);
    }
    let order = known.order;
    let arguments = [wish.payment_intent_id.bare(), order.amount.to_string()];
    let [id, amount] = &arguments;
    let wanted =
        asking.wanted(Gated::ConfirmPayment, &wish.idempotency_key, order.order_id, order.amount, &[id, amount, ""]);
    let approved = match asking.gate.pass(wanted, wish.confirmation_code.as_deref()).await? {
        Passage::Asked { asked, first } => {
            return Ok(asking.answer(&order, PaymentWord::ConfirmationRequired)?.asking(&asked, first));
        }
        Passage::Open(approved) => approved,
    };
    if approved.amount != order.amount {
        return Err(Refusal::new("price_changed", "the order costs something else than was approved"));
    }
    // What is to be scanned stays with the person.
    match orders::open(asking.desk(), &asking.subject, order.order_id).await {
        Ok(_) => asking.answer(&order, PaymentWord::RequiresAction),
        Err(problem) if problem.code() == "declined" => asking.answer(&order, PaymentWord::Failed),
        Err(problem)
            if ["already_paid", "order_cancelled", "order_expired", "order_refunded"].contains(&problem.code()) =>
        {
            asking.standing(&asking.order(order.order_id).await?)
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn refund(asking: Asking, wish: CreateRefund) -> Result<RefundAnswer, Refusal> {
    plain_key(&wish.idempotency_key)?;
    plain_code(wish.confirmation_code.as_deref())?;
    let id = match (wish.order_id, wish.payment_id) {
        (Some(order), None) => order,
        (None, Some(payment)) => order_of(payment)?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::invalid("orderId", "exactly one of orderId and paymentId has to be given"));
        }
    };
    orders::plain_reason(&wish.reason)
        .map_err(|_| Refusal::invalid("reason", "is empty, too long or not plain text"))?;
    let key = wish.idempotency_key.as_str();
    let known = asking.order(id).await?;
    let amount = match asking.gate.known(&asking.subject, Gated::CreateRefund, key).await? {
        // What was asked for before is what is approved.
        Some(earlier) => earlier.amount,
        None => refundable(asking.desk(), &known, wish.amount_minor).await?,
    };
    let bare = id.bare();
    let minor = wish.amount_minor.map_or_else(|| "all that is left".to_owned(), |minor| minor.to_string());
    let wanted = asking.wanted(Gated::CreateRefund, key, id, amount, &[&bare, &minor, &wish.reason]);
    let answer = |status: RefundState, amount: Money| RefundAnswer {
        status,
        refund_id: None,
        order_id: id,
        amount: amount.into(),
        confirmation: None,
        messages: status.messages(),
        next_action: None,
        poll_after_ms: None,
        correlation_id: asking.correlation.clone(),
    };
    let approved = match asking.gate.pass(wanted, wish.confirmation_code.as_deref()).await? {
        Passage::Asked { asked, first } => {
            return Ok(answer(RefundState::ConfirmationRequired, asked.amount).asking(&asked, first));
        }
        Passage::Open(approved) => approved,
    };
    // No key of the REST surface has a space in it.
    let own_key = format!("agent {key}");
    let new = NewRefund { amount: Some(Amount::from(approved.amount)), reason: approved.reason };
    let given = match orders::refund(asking.desk(), &asking.subject, id, own_key, new).await {
        Ok(given) => given,
        Err(problem) => {
            // Nothing is on its way and nothing will be: the yes was for now, and not for whenever it would work.
            if matches!(problem.code(), "declined" | "nothing_left" | "not_paid") {
                asking.gate.end(approved.confirmation_id).await?;
            }
            return Err(problem.into());
        }
    };
    let status = RefundState::from(given.status);
    Ok(RefundAnswer { refund_id: Some(given.refund_id), ..answer(status, approved.amount) })
}

/// What would go back, if it can.
async fn refundable(desk: &Desk, known: &Known, minor: Option<i64>) -> Result<Money, Refusal> {
    let known = orders::brought_up_to_date(desk, known.clone()).await?;
    let left = orders::refundable(&known)?;
    let Some(minor) = minor else { return Ok(left) };
    match Money::new(minor, left.currency()) {
        Ok(amount) if amount.is_positive() && amount.exceeds(left) == Ok(false) => Ok(amount),
        Ok(amount) if amount.is_positive() => Err(Refusal {
            field: Some("amountMinor"),
            ..Refusal::new("not_refundable", "more than is left would go back")
        }),
        Ok(_) | Err(_) => Err(Refusal::invalid("amountMinor", "is not an amount that can go back")),
    }
}

/// What the answers show of the next step.
impl PaymentWord {
    const fn next(self) -> Option<Next> {
        match self {
            Self::RequiresConfirmation => Some(Next::ConfirmPayment),
            Self::ConfirmationRequired => Some(Next::WaitForPerson),
            Self::RequiresAction => Some(Next::PersonScansCode),
            Self::Processing => Some(Next::GetPaymentStatus),
            Self::Succeeded | Self::Failed | Self::Closed | Self::Refunded => None,
        }
    }
}

#[cfg(test)]
mod tests;

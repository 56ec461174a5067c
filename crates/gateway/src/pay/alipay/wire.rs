//! What Alipay's OpenAPI sends and takes, and what its words mean to us.
//!
//! Sources: opendocs.alipay.com, alipay.trade.precreate, query, close, cancel, refund, fastpay.refund.query and the
//! asynchronous notice; parameter models of the official SDKs. A word we do not know is "still pending" and never success or
//! failure. Deliberately not here: signatures, transport.

use serde::{Deserialize, Serialize};
use zhiyou_domain::{
    money::{Currency, Money},
    port::{Outcome, Reason, ReasonCode, Word, payments::PaymentState},
    time::{TimeError, UtcMicros},
};

/// `biz_content` of a payment: `alipay.trade.precreate`, `page.pay`, `wap.pay` and `app.pay`.
#[derive(Debug, Serialize)]
pub(crate) struct Pay<'a> {
    pub(crate) out_trade_no: &'a str,
    /// Yuan with two places.
    pub(crate) total_amount: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) product_code: &'static str,
    /// Beijing time; the channel lets nobody pay afterwards. Absolute, so that asking again sends the same.
    pub(crate) time_expire: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extend_params: Option<ExtendParams>,
}

/// What is asked for beside the payment itself.
#[derive(Debug, Serialize)]
pub(crate) struct ExtendParams {
    /// 花呗 instalments: `3`, `6` or `12`.
    pub(crate) hb_fq_num: String,
    /// How much of their cost the seller bears, percent: `0`, the payer bears it, or `100`.
    pub(crate) hb_fq_seller_percent: &'static str,
}

/// `biz_content` that only names a payment.
#[derive(Debug, Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) out_trade_no: &'a str,
}

/// `biz_content` of `alipay.trade.refund`.
#[derive(Debug, Serialize)]
pub(crate) struct CreateRefund<'a> {
    pub(crate) out_trade_no: &'a str,
    pub(crate) out_request_no: &'a str,
    pub(crate) refund_amount: &'a str,
    pub(crate) refund_reason: &'a str,
}

/// `biz_content` of `alipay.trade.fastpay.refund.query`.
#[derive(Debug, Serialize)]
pub(crate) struct QueryRefund<'a> {
    pub(crate) out_trade_no: &'a str,
    pub(crate) out_request_no: &'a str,
}

/// `biz_content` of `alipay.data.dataservice.bill.downloadurl.query`.
#[derive(Debug, Serialize)]
pub(crate) struct BillWish<'a> {
    pub(crate) bill_type: &'static str,
    /// A day in Beijing, `2026-11-20`.
    pub(crate) bill_date: &'a str,
}

/// Answer to the question where a bill is.
#[derive(Debug, Deserialize)]
pub(crate) struct BillPlace {
    /// Good for thirty seconds.
    pub(crate) bill_download_url: String,
}

/// Whether a refusal says that there is no bill of the day, yet or at all.
pub(crate) fn is_missing_bill(head: &Head) -> bool {
    let word = head.sub_code.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
    ["BILL_NOT_EXIST", "NO_BILL_DATA"].contains(&word.as_str())
}

/// What every answer begins with.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) sub_code: String,
}

/// Answer to a precreate.
#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    pub(crate) out_trade_no: String,
    pub(crate) qr_code: String,
}

/// Answer to a close.
#[derive(Debug, Deserialize)]
pub(crate) struct Closed {
    pub(crate) out_trade_no: String,
}

/// Answer to a cancel.
#[derive(Debug, Deserialize)]
pub(crate) struct Cancelled {
    pub(crate) out_trade_no: String,
    /// `Y`: it has to be asked for again.
    pub(crate) retry_flag: String,
    /// `close`, `refund`, or nothing when there is no such trade.
    pub(crate) action: Option<String>,
}

/// Answer to a query.
#[derive(Debug, Deserialize)]
pub(crate) struct Trade {
    pub(crate) out_trade_no: String,
    pub(crate) trade_no: Option<String>,
    pub(crate) trade_status: String,
    /// The order's amount, yuan; what the payer paid may be less with vouchers and is not compared.
    pub(crate) total_amount: Option<String>,
    /// Beijing time.
    pub(crate) send_pay_date: Option<String>,
}

/// Answer to a refund.
#[derive(Debug, Deserialize)]
pub(crate) struct Refunded {
    pub(crate) out_trade_no: String,
    /// `Y` when this very request moved money.
    pub(crate) fund_change: Option<String>,
    /// Everything given back of this payment so far, yuan.
    pub(crate) refund_fee: String,
}

/// Answer to a refund query; without a refund it is as good as empty.
#[derive(Debug, Deserialize)]
pub(crate) struct RefundFound {
    pub(crate) out_trade_no: Option<String>,
    pub(crate) out_request_no: Option<String>,
    /// `REFUND_SUCCESS`; anything else is not yet known.
    pub(crate) refund_status: Option<String>,
    /// What this refund gives back, yuan.
    pub(crate) refund_amount: Option<String>,
    /// The order's amount, yuan.
    pub(crate) total_amount: Option<String>,
}

/// What a trade's status word means. A closed trade whose payment we saw was given back in full, which closes it at the
/// channel; that does not unmake the payment.
pub(crate) fn state(trade_status: &str, seen_paid: bool) -> PaymentState {
    match trade_status {
        "WAIT_BUYER_PAY" => PaymentState::RequiresAction,
        // Finished: paid, and past the time for refunds.
        "TRADE_SUCCESS" | "TRADE_FINISHED" => PaymentState::Captured,
        "TRADE_CLOSED" if seen_paid => PaymentState::Captured,
        "TRADE_CLOSED" => PaymentState::Closed,
        _ => PaymentState::Processing,
    }
}

/// Yuan with exactly two places.
pub(crate) fn yuan(amount: Money) -> String {
    let minor = amount.minor().unsigned_abs();
    let sign = if amount.minor() < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// Decimal yuan of at most two places, exactly; no sign, exponent or blank.
pub(crate) fn money(yuan: &str) -> Result<Money, &'static str> {
    const REFUSED: &str = "an impossible amount";
    let (whole, part) = match yuan.split_once('.') {
        Some((_, "")) => return Err(REFUSED),
        Some((whole, part)) => (whole, part),
        None => (yuan, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(REFUSED);
    }
    let minor = format!("{whole}{part:0<2}").parse::<i64>().map_err(|_| REFUSED)?;
    Money::new(minor, Currency::CNY).ok().filter(|amount| amount.is_positive()).ok_or(REFUSED)
}

/// `2026-11-20 10:26:10` in Beijing, as the channel writes instants.
pub(crate) fn beijing(time: UtcMicros) -> Result<String, TimeError> {
    Ok(time.in_zone("Asia/Shanghai")?.local.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Reads what [`beijing`] writes.
pub(crate) fn instant(text: &str) -> Result<UtcMicros, &'static str> {
    let (day, time) = text.split_once(' ').ok_or("an unreadable time")?;
    UtcMicros::parse_rfc3339(&format!("{day}T{time}+08:00")).map_err(|_| "an unreadable time")
}

/// Refusals somebody branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TradeNotExist,
    TradePaid,
    TradeClosed,
    TradeFinished,
    TradeStatus,
    /// The number exists with other content.
    Inconsistent,
    BalanceNotEnough,
    RefundAmount,
    SystemError,
    /// Too many calls.
    Limited,
    /// The application may not.
    Permission,
    /// Our key, application or token is not accepted.
    Identity,
    /// A missing or wrong parameter.
    Request,
    /// A definite business failure with a word we do not know.
    Other,
}

impl Refusal {
    /// The refusal of an answer whose code is neither success nor "unknown".
    pub(crate) fn of(head: &Head) -> Self {
        let word = head.sub_code.strip_prefix("aop.").unwrap_or(&head.sub_code);
        match word.strip_prefix("ACQ.").unwrap_or(word) {
            "TRADE_NOT_EXIST" => Self::TradeNotExist,
            "TRADE_HAS_SUCCESS" => Self::TradePaid,
            "TRADE_HAS_CLOSE" => Self::TradeClosed,
            "TRADE_HAS_FINISHED" => Self::TradeFinished,
            "TRADE_STATUS_ERROR" => Self::TradeStatus,
            "CONTEXT_INCONSISTENT" | "DISCORDANT_REPEAT_REQUEST" => Self::Inconsistent,
            "SELLER_BALANCE_NOT_ENOUGH" => Self::BalanceNotEnough,
            "REASON_TRADE_REFUND_FEE_ERR" | "REFUND_AMT_NOT_EQUAL_TOTAL" => Self::RefundAmount,
            "SYSTEM_ERROR" | "unknow-error" => Self::SystemError,
            "isv.invalid-signature" | "isv.invalid-app-id" => Self::Identity,
            other => match head.code.as_str() {
                "40005" => Self::Limited,
                "40006" => Self::Permission,
                "20001" => Self::Identity,
                "40001" | "40002" => Self::Request,
                _ if other.ends_with("SYSTEM_ERROR") => Self::SystemError,
                _ => Self::Other,
            },
        }
    }

    /// What it means as an ending. The channel's own failures are unknown; a number that exists with other content may be
    /// our own earlier request, so only a look-up can tell.
    pub(crate) fn ending<T>(self, head: &Head) -> Outcome<T> {
        let reason = |code| Reason::new(code, Word::said(&head.code).and(Word::said(&head.sub_code)));
        let code = match self {
            Self::SystemError => return Outcome::Unknown(reason(ReasonCode::ProviderFault)),
            Self::Inconsistent => return Outcome::Unknown(reason(ReasonCode::IntegrityFault)),
            Self::Limited => return Outcome::NotSent(reason(ReasonCode::RateLimited)),
            Self::TradeNotExist => ReasonCode::NotFound,
            Self::TradePaid => ReasonCode::AlreadyPaid,
            Self::TradeClosed => ReasonCode::AlreadyClosed,
            Self::BalanceNotEnough => ReasonCode::InsufficientBalance,
            Self::TradeFinished | Self::TradeStatus | Self::Permission => ReasonCode::NotAllowed,
            Self::Identity => ReasonCode::Unauthorized,
            Self::RefundAmount | Self::Request | Self::Other => ReasonCode::InvalidRequest,
        };
        Outcome::Declined(reason(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn al_04_amounts_are_read_exactly_or_not_at_all() {
        for (text, minor) in [("100", 10_000), ("100.0", 10_000), ("100.00", 10_000), ("0.01", 1), ("299.01", 29_901)] {
            assert_eq!(money(text).unwrap().minor(), minor, "{text}");
        }
        for odd in [
            "1e2",
            "100.001",
            "100.000",
            "",
            ".5",
            "5.",
            "-1.00",
            "+1.00",
            " 1.00",
            "1.00 ",
            "1,00",
            "0",
            "0.00",
            "1.0.0",
            "٣.00",
            "1234567890123.00",
            "0x10",
            "NaN",
        ] {
            assert!(money(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn amounts_survive_the_wire() {
        for minor in [1, 9, 10, 99, 100, 29_901, 10_000_000_000] {
            let amount = Money::new(minor, Currency::CNY).unwrap();
            assert_eq!(money(&yuan(amount)), Ok(amount));
        }
        assert_eq!(yuan(Money::new(5, Currency::CNY).unwrap()), "0.05");
    }

    #[test]
    fn instants_are_beijing_time_both_ways() {
        let at = UtcMicros::parse_rfc3339("2026-11-20T02:26:10Z").unwrap();
        assert_eq!(beijing(at).unwrap(), "2026-11-20 10:26:10");
        assert_eq!(instant("2026-11-20 10:26:10"), Ok(at));
        for odd in ["", "2026-11-20", "2026-11-20T10:26:10", "2026-13-20 10:26:10", "20.11.2026 10:26"] {
            assert!(instant(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn al_06_every_status_word_means_what_it_should() {
        let both = |word| [state(word, false), state(word, true)];
        assert_eq!(both("WAIT_BUYER_PAY"), [PaymentState::RequiresAction; 2]);
        assert_eq!(both("TRADE_SUCCESS"), [PaymentState::Captured; 2]);
        assert_eq!(both("TRADE_FINISHED"), [PaymentState::Captured; 2]);
        assert_eq!(both("TRADE_CLOSED"), [PaymentState::Closed, PaymentState::Captured]);
        assert_eq!(both("SOMETHING_NEW"), [PaymentState::Processing; 2]);
    }

    #[test]
    fn a_refusal_is_definite_only_when_the_channel_is_sure() {
        let ending = |code: &str, sub_code: &str| {
            let head = Head { code: code.into(), sub_code: sub_code.into() };
            match Refusal::of(&head).ending::<()>(&head) {
                Outcome::Declined(reason) => ("declined", reason.code),
                Outcome::Unknown(reason) => ("unknown", reason.code),
                Outcome::NotSent(reason) => ("not_sent", reason.code),
                Outcome::Done(()) => panic!(),
            }
        };
        for (code, sub_code, wanted) in [
            ("40004", "ACQ.SYSTEM_ERROR", ("unknown", ReasonCode::ProviderFault)),
            ("40004", "aop.ACQ.SYSTEM_ERROR", ("unknown", ReasonCode::ProviderFault)),
            ("40004", "ACQ.SOME_OTHER_SYSTEM_ERROR", ("unknown", ReasonCode::ProviderFault)),
            ("40004", "ACQ.CONTEXT_INCONSISTENT", ("unknown", ReasonCode::IntegrityFault)),
            ("40004", "ACQ.DISCORDANT_REPEAT_REQUEST", ("unknown", ReasonCode::IntegrityFault)),
            ("40004", "ACQ.TRADE_HAS_SUCCESS", ("declined", ReasonCode::AlreadyPaid)),
            ("40004", "ACQ.TRADE_HAS_CLOSE", ("declined", ReasonCode::AlreadyClosed)),
            ("40004", "ACQ.TRADE_HAS_FINISHED", ("declined", ReasonCode::NotAllowed)),
            ("40004", "ACQ.TRADE_NOT_EXIST", ("declined", ReasonCode::NotFound)),
            ("40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH", ("declined", ReasonCode::InsufficientBalance)),
            ("40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR", ("declined", ReasonCode::InvalidRequest)),
            ("40004", "ACQ.NEVER_HEARD_OF", ("declined", ReasonCode::InvalidRequest)),
            ("40002", "isv.invalid-signature", ("declined", ReasonCode::Unauthorized)),
            ("40002", "isv.invalid-app-id", ("declined", ReasonCode::Unauthorized)),
            ("40002", "isv.invalid-parameter", ("declined", ReasonCode::InvalidRequest)),
            ("40006", "isv.insufficient-isv-permissions", ("declined", ReasonCode::NotAllowed)),
            ("40005", "isv.app-call-limited", ("not_sent", ReasonCode::RateLimited)),
        ] {
            assert_eq!(ending(code, sub_code), wanted, "{code} {sub_code}");
        }
    }
}

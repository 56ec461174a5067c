//! What was paid for an order, as a page that can be kept and printed: items, payments, money given back, and where the
//! money is.
//!
//! It proves to the traveller what we know; it is no tax invoice, and says so. Nobody's name is on it. Deliberately not
//! here: where the file goes.

use crate::{api::view::LocaleSetting, calendar};
use html_escape::encode_text;
use zhiyou_domain::{
    money::{Money, MoneyError},
    order::{
        Order, ledger,
        state::{AttemptState, ItemState, RefundProgress},
    },
    port::payments::Channel,
    time::UtcMicros,
};

const STYLE: &str = "body{font:15px/1.6 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#16181d}\
h1{font-size:1.35rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .3rem}table{border-collapse:collapse;width:100%}\
td{border-top:1px solid #d9dce3;padding:.4rem .6rem .4rem 0;vertical-align:top;overflow-wrap:anywhere}\
td:last-child{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;padding-right:0}\
.quiet{color:#5b6170;font-size:.87rem}@media print{body{margin:0}}";

/// The page; `made_at` is when it was made.
///
/// # Errors
/// [`MoneyError`] when the order's currencies mix.
pub(crate) fn page(
    order: &Order,
    title: &str,
    locale: LocaleSetting,
    made_at: UtcMicros,
) -> Result<String, MoneyError> {
    let words = Words { chinese: locale != LocaleSetting::En };
    let position = ledger::position(order, made_at)?;
    let items = order.items.iter().filter_map(|item| {
        let (price, state) = (item.price()?, words.item(item.state)?);
        let reference = item.reference.as_deref().map(|reference| words.reference(reference));
        Some(row(&calendar::name(item, words.chinese), [Some(state.to_owned()), reference], price))
    });
    let payments = order.attempts.iter().filter_map(|attempt| {
        let number = attempt.transaction_id.as_deref().map(|number| words.reference(number));
        let state = words.payment(attempt.state)?;
        let told = format!("{state} · {}", words.at(attempt.id.made_at()));
        Some(row(words.channel(attempt.channel), [Some(told), number], attempt.received().unwrap_or(attempt.amount)))
    });
    let refunds = order.refunds.iter().map(|refund| {
        let told = format!("{} · {}", words.refund(refund.state), words.at(refund.id.made_at()));
        row(refund.id.bare().as_str(), [Some(told), None], refund.amount)
    });
    let sums = [
        (words.pick("已付", "Paid"), position.paid.amount),
        (words.pick("已付给供应商", "With suppliers"), position.committed.amount),
        (words.pick("退款途中", "On its way back"), position.refund_in_transit.amount),
        (words.pick("已退回", "Given back"), position.returned.amount),
        (words.pick("尚未使用", "Not used yet"), position.held.amount),
    ];
    let sums =
        sums.iter().filter(|(_, amount)| !amount.is_zero()).map(|(name, amount)| row(name, [None, None], *amount));
    let (name, made) = (words.pick("付款凭据", "Payment record"), words.at(made_at));
    let head = format!("{} {} · {} {made}", words.pick("订单", "Order"), order.id, words.pick("生成于", "made"));
    let foot = words.pick("这是付款记录，不是发票。", "This is a record of payment, not a tax invoice.");
    Ok(format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{name} {}</title><style>{STYLE}</style></head><body><h1>{name}</h1><p>{}</p>\
         <p class=\"quiet\">{head}</p>{}{}{}{}<p class=\"quiet\">{foot}</p></body></html>\n",
        words.pick("zh-CN", "en"),
        order.id,
        encode_text(title),
        table(words.pick("项目", "Items"), items),
        table(words.pick("付款", "Payments"), payments),
        table(words.pick("退款", "Refunds"), refunds),
        table(words.pick("合计", "Sums"), sums),
    ))
}

fn table(name: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.collect();
    if rows.is_empty() { rows } else { format!("<h2>{name}</h2><table>{rows}</table>") }
}

fn row(name: &str, told: [Option<String>; 2], amount: Money) -> String {
    let told: String =
        told.iter().flatten().map(|text| format!("<br><span class=\"quiet\">{}</span>", encode_text(text))).collect();
    format!("<tr><td>{}{told}</td><td>{amount}</td></tr>", encode_text(name))
}

/// The page's words in one language.
struct Words {
    chinese: bool,
}

impl Words {
    const fn pick(&self, chinese: &'static str, english: &'static str) -> &'static str {
        if self.chinese { chinese } else { english }
    }

    fn reference(&self, reference: &str) -> String {
        format!("{} {reference}", self.pick("编号", "Number"))
    }

    /// Beijing's clock, as the channels print it.
    fn at(&self, at: UtcMicros) -> String {
        let beijing = at.plus_minutes(8 * 60).to_rfc3339();
        let clock: String = beijing.chars().take(16).collect();
        format!("{} {}", clock.replace('T', " "), self.pick("（北京时间）", "(Beijing time)"))
    }

    /// What became of an item that money was meant for; nothing of one that was never paid for.
    const fn item(&self, state: ItemState) -> Option<&'static str> {
        Some(match state {
            ItemState::Booked
            | ItemState::ChangeProposed
            | ItemState::Changed
            | ItemState::CancelQuoted
            | ItemState::Cancelling => self.pick("已订好", "Booked"),
            ItemState::Booking => self.pick("预订中", "Being booked"),
            ItemState::Cancelled => self.pick("已取消", "Cancelled"),
            ItemState::Failed => self.pick("未订成", "Not booked"),
            ItemState::Planned | ItemState::Held | ItemState::Expired => return None,
        })
    }

    /// Only payments in which money moved are on the page.
    const fn payment(&self, state: AttemptState) -> Option<&'static str> {
        Some(match state {
            AttemptState::Captured => self.pick("已付", "Paid"),
            AttemptState::Authorised => self.pick("已预授权，尚未扣款", "Set aside, not taken yet"),
            AttemptState::Created
            | AttemptState::RequiresAction
            | AttemptState::Processing
            | AttemptState::Voided
            | AttemptState::Failed
            | AttemptState::Expired => return None,
        })
    }

    const fn refund(&self, state: RefundProgress) -> &'static str {
        match state {
            RefundProgress::Requested => self.pick("已申请", "Asked for"),
            RefundProgress::Submitted => self.pick("退款途中", "On its way"),
            RefundProgress::Succeeded => self.pick("已退回", "Given back"),
            RefundProgress::Failed => self.pick("未能退回", "Not given back"),
            RefundProgress::Manual | RefundProgress::CameBack => self.pick("人工处理中", "A person takes care of it"),
        }
    }

    const fn channel(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Wechatpay => self.pick("微信支付", "WeChat Pay"),
            Channel::Alipay => self.pick("支付宝", "Alipay"),
            Channel::Stripe => self.pick("银行卡（Stripe）", "Card (Stripe)"),
            Channel::Paypal => "PayPal",
            Channel::AlipayPlus => self.pick("支付宝国际 Alipay+", "Alipay+"),
            Channel::Credit => self.pick("优惠券或礼品卡", "Coupon or gift card"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiyou_domain::money::Currency;

    #[test]
    fn what_others_wrote_is_text_and_never_markup() {
        let shown = row("<script>1</script>", [Some("a & <b>".to_owned()), None], Money::zero(Currency::CNY));
        assert!(shown.contains("&lt;script&gt;") && shown.contains("a &amp; &lt;b&gt;") && !shown.contains("<script"));
    }

    #[test]
    fn times_are_on_the_clock_of_beijing() {
        let at = UtcMicros::parse_rfc3339("2026-12-31T18:05:59Z").unwrap();
        assert_eq!(Words { chinese: true }.at(at), "2027-01-01 02:05 （北京时间）");
    }
}

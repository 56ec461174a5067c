//! The bill of trades of a Beijing day: asked for, downloaded, unpacked, and read line by line.
//!
//! Sources: opendocs.alipay.com, alipay.data.dataservice.bill.downloadurl.query, and a bill that somebody published
//! (`vectors/alipay/bill_trade_details.csv`). It is made about nine in the morning of the next day; payments and refunds are on
//! the day they happened. Only the address is signed: it is asked for by https at a host of the channel's, and what comes is a
//! whole archive with a checksum, whose last lines say how many rows there are. Deliberately not here: what the lines mean for
//! our book, bills of accounts' flow, months.

use super::{Alipay, Ending, archive, integrity, wire};
use crate::reconcile::line::{Bill, BillLine, Day, LineState, Midnight, What};
use axum::http::Method;
use encoding_rs::GBK;
use url::{Host, Url};
use zhiyou_domain::{
    money::Money,
    port::{Outcome, Reason, ReasonCode, Word},
};

const METHOD: &str = "alipay.data.dataservice.bill.downloadurl.query";
/// Where bills lie: seen in the documentation's example, which still has it without TLS.
const HOST: &str = "dwbillcenter.alipay.com";
const DETAILS: &str = "业务明细.csv";
/// What every row that is none begins with.
const REMARK: char = '#';

impl Alipay {
    /// The bill of a day.
    pub(super) async fn trade_bill(&self, day: Day) -> Outcome<Bill> {
        if self.clock.now() < day.until(Midnight::Beijing) {
            return Outcome::Done(Bill::NotYet);
        }
        let wish = wire::BillWish { bill_type: "trade", bill_date: &day.to_string() };
        let place = match self.ask(METHOD, &wish).await {
            Ending::Refused(_, head) if wire::is_missing_bill(&head) => return Outcome::Done(Bill::NotYet),
            other => match other.outcome::<wire::BillPlace>() {
                Outcome::Done(place) => place,
                other => return other.map(|_| Bill::NotYet),
            },
        };
        let bytes = match self.download(&place.bill_download_url).await {
            Ok(bytes) => bytes,
            Err(ending) => return ending,
        };
        match archive::file(&bytes, DETAILS).and_then(|file| self.read_bill(&file, day)) {
            Ok(lines) => Outcome::Done(Bill::Of(lines)),
            Err(problem) => {
                tracing::error!(%day, problem, "a bill cannot be read");
                Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, problem))
            }
        }
    }

    async fn download(&self, address: &str) -> Result<Vec<u8>, Outcome<Bill>> {
        let Some(url) = self.place(address) else {
            return Err(integrity("a bill at an address that is none of the channel's"));
        };
        let Ok(request) = self.http.request(Method::GET, url).build() else {
            return Err(Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be written")));
        };
        let answer = self.http.send(request).await.map_err(Outcome::<Bill>::from)?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::from("status").and(answer.status))))
    }

    /// An address of the channel's own: where it answers, or where its bills lie, and there by https.
    fn place(&self, address: &str) -> Option<Url> {
        let mut url: Url = address.parse().ok()?;
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        if url.origin() == self.gateway.origin() {
            return Some(url);
        }
        let web = matches!(url.scheme(), "http" | "https");
        let bills = web && matches!(url.host(), Some(Host::Domain(HOST))) && url.port().is_none();
        (bills && url.set_scheme("https").is_ok()).then_some(url)
    }

    fn read_bill(&self, file: &[u8], day: Day) -> Result<Vec<BillLine>, &'static str> {
        let (text, _, broken) = GBK.decode(file);
        if broken {
            return Err("not text");
        }
        let mut lines = Vec::new();
        let (mut head, mut account, mut ended) = (None, false, false);
        let (mut paid, mut back) = (None, None);
        for row in text.lines().map(|row| row.trim_end_matches('\r')).filter(|row| !row.is_empty()) {
            if let Some(remark) = row.strip_prefix(REMARK) {
                account |= remark.strip_prefix("账号：[").is_some_and(|number| number.starts_with(&self.seller_id));
                ended |= remark.contains("明细列表结束");
                paid = paid.or(counted(remark, "交易合计："));
                back = back.or(counted(remark, "退款合计："));
            } else if let Some(head) = head.as_ref().filter(|_| !ended) {
                lines.push(read_row(head, row, day)?);
            } else if head.is_none() {
                head = Some(Head::read(row)?);
            } else {
                return Err("a row after its end");
            }
        }
        if !account {
            return Err("about another account");
        }
        // A bill that was cut short has no end, or other numbers.
        let count = |what: What| Some(lines.iter().filter(|line| line.what == what).count());
        if ended && paid == count(What::Payment) && back == count(What::Refund) {
            Ok(lines)
        } else {
            Err("without its end, or with other rows than it says")
        }
    }
}

/// The number in `交易合计：6笔，…`.
fn counted(remark: &str, name: &str) -> Option<usize> {
    remark.strip_prefix(name)?.split_once('笔')?.0.parse().ok()
}

/// Where the columns are. What was bought is free text, which can hold the separator: what stands behind it is counted from
/// the two instants, which nothing else looks like.
struct Head {
    /// Places of the first three, and of the two instants.
    first: [usize; 3],
    opened: usize,
    amount: usize,
    request: usize,
    fee: usize,
}

impl Head {
    fn read(row: &str) -> Result<Self, &'static str> {
        let names: Vec<&str> = row.split(',').map(str::trim).collect();
        let at = |name: &str| names.iter().position(|known| *known == name).ok_or("without a column it should have");
        let opened = at("创建时间")?;
        if at("完成时间")? != opened + 1 || at("商品名称")? + 1 != opened {
            return Err("with its columns in another order");
        }
        Ok(Self {
            first: [at("支付宝交易号")?, at("商户订单号")?, at("业务类型")?],
            opened,
            amount: at("订单金额（元）")?,
            request: at("退款批次号/请求号")?,
            fee: at("服务费（元）")?,
        })
    }
}

fn read_row(head: &Head, row: &str, day: Day) -> Result<BillLine, &'static str> {
    let fields: Vec<&str> = row.split(',').map(str::trim).collect();
    let instant = |at: usize| fields.get(at).and_then(|text| wire::instant(text).ok());
    let opened = (head.opened..fields.len()).find(|&at| instant(at).is_some() && instant(at + 1).is_some());
    let opened = opened.ok_or("a row without its instants")?;
    let field = |place: usize| fields.get(place).copied().unwrap_or_default();
    let behind = |place: usize| field(opened.saturating_add(place.saturating_sub(head.opened)));
    let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let at = instant(opened + 1).ok_or("an unreadable time")?;
    if at < day.from(Midnight::Beijing) || at >= day.until(Midnight::Beijing) {
        return Err("about another day");
    }
    let [trade, number, kind] = head.first.map(field);
    let (trade, number) = (told(trade).ok_or("without a number")?, told(number));
    let amount = behind(head.amount);
    let request = told(behind(head.request));
    let (what, theirs, ours, payment, amount) = match kind {
        "交易" => (What::Payment, trade, number, None, amount),
        "退款" => {
            // A refund has no number of the channel's own; its payment's and its request's together are one.
            let own = format!("{trade} {}", request.as_deref().unwrap_or_default());
            let amount = amount.strip_prefix('-').ok_or("a refund that brings money")?;
            (What::Refund, own, request, number.or(Some(trade)), amount)
        }
        _ => return Err("a row of an unknown kind"),
    };
    Ok(BillLine {
        what,
        theirs,
        ours,
        payment,
        amount: wire::money(amount)?,
        fee: fee(behind(head.fee)),
        at,
        state: LineState::Settled,
    })
}

/// What the channel kept: it tells it as what it takes away.
fn fee(text: &str) -> Option<Money> {
    let money = Money::parse_decimal(text, zhiyou_domain::money::Currency::CNY).ok()?;
    Money::new(money.minor().checked_neg()?, money.currency()).ok()
}

#[cfg(test)]
mod tests;

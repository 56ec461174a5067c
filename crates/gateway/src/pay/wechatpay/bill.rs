//! The trade bill of a Beijing day: asked for, downloaded, proved by its hash, and read line by line.
//!
//! Source: pay.weixin.qq.com, "get-trade-bill" and the format of trade bills. It is made after ten in the morning of the next
//! day; a payment is on the day it was paid, a refund on the day it was accepted, and its state is that of the moment the bill
//! was made. The download itself is not signed: the signed answer before it names the hash. Deliberately not here: what the
//! lines mean for our book, bills of other kinds, and bills beyond what the client reads of one answer (16 MiB).

use super::{Ending, ErrorCode, Wechatpay, integrity, wire::BillPlace};
use crate::reconcile::line::{Bill, BillLine, Day, LineState, Midnight, What};
use aws_lc_rs::digest;
use axum::http::Method;
use url::Url;
use zhiyou_domain::{
    money::{Currency, Money},
    port::{Outcome, Reason, ReasonCode},
    time::UtcMicros,
};

/// The only hash there is.
const HASH: &str = "SHA1";
/// Where bills lie.
const DOWNLOAD: &str = "/v3/billdownload/file";
/// Every field begins with it, so that no program takes a long number for a number.
const MARK: char = '`';

impl Wechatpay {
    /// The bill of a day.
    pub(super) async fn trade_bill(&self, day: Day) -> Outcome<Bill> {
        if self.clock.now() < day.until(Midnight::Beijing) {
            return Outcome::Done(Bill::NotYet);
        }
        let place = match self.get(&format!("/v3/bill/tradebill?bill_date={day}&bill_type=ALL")).await {
            Ending::Refused(ErrorCode::NoStatementExist | ErrorCode::StatementCreating) => {
                return Outcome::Done(Bill::NotYet);
            }
            other => match other.outcome::<BillPlace>() {
                Outcome::Done(place) => place,
                other => return other.map(|_| Bill::NotYet),
            },
        };
        let bytes = match self.download(&place).await {
            Ok(bytes) => bytes,
            Err(ending) => return ending,
        };
        match self.read_bill(&bytes, day) {
            Ok(lines) => Outcome::Done(Bill::Of(lines)),
            Err(problem) => {
                tracing::error!(%day, problem, "a bill cannot be read");
                Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, problem))
            }
        }
    }

    /// The bytes that were promised; asked for at our own address of the channel, whatever host the answer names.
    async fn download(&self, place: &BillPlace) -> Result<Vec<u8>, Outcome<Bill>> {
        if place.hash_type != HASH {
            return Err(integrity("a bill with a hash of another kind"));
        }
        let url: Option<Url> = place.download_url.parse().ok();
        let Some(url) = url.filter(|url| url.path() == DOWNLOAD) else {
            return Err(integrity("a bill at an address that is none of the channel's"));
        };
        let path = format!("{DOWNLOAD}?{}", url.query().unwrap_or_default());
        let Some(request) = self.request(Method::GET, &path, String::new()) else {
            return Err(Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be signed")));
        };
        let answer = self.http.send(request).await.map_err(Outcome::<Bill>::from)?;
        if answer.status != 200 {
            return Err(match self.judge(answer).await.outcome::<serde::de::IgnoredAny>() {
                Outcome::Done(_) => integrity("a bill without a file"),
                other => other.map(|_| Bill::NotYet),
            });
        }
        let hash = hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &answer.body));
        if hash.eq_ignore_ascii_case(&place.hash_value) {
            Ok(answer.body)
        } else {
            Err(integrity("a bill that is not the one that was promised"))
        }
    }

    fn read_bill(&self, bytes: &[u8], day: Day) -> Result<Vec<BillLine>, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not text")?;
        let mut rows = text.trim_start_matches('\u{feff}').lines().map(|row| row.trim_end_matches('\r'));
        let head = Head::read(rows.next().unwrap_or_default())?;
        let mut lines = Vec::new();
        let mut sums = None;
        while let Some(row) = rows.next() {
            if row.starts_with(MARK) {
                lines.push(self.read_row(&head.row(row)?, day)?);
            } else if row.starts_with("总交易单数") {
                sums = Some(Sums::read(row, rows.next().unwrap_or_default())?);
                break;
            } else if !row.is_empty() {
                return Err("a row that is neither a payment nor the sums");
            }
        }
        // A bill that was cut short has no sums, or others.
        if sums.ok_or("without its sums")? == Sums::of(&lines)? {
            Ok(lines)
        } else {
            Err("its sums are not those of its rows")
        }
    }

    fn read_row(&self, row: &Row, day: Day) -> Result<BillLine, &'static str> {
        if row.merchant != self.mchid {
            return Err("about another merchant");
        }
        let at = UtcMicros::parse_rfc3339(&format!("{}+08:00", row.at.replace(' ', "T")));
        let at = at.map_err(|_| "an unreadable time")?;
        if at < day.from(Midnight::Beijing) || at >= day.until(Midnight::Beijing) {
            return Err("about another day");
        }
        let currency: Currency = row.currency.parse().map_err(|_| "in an unknown currency")?;
        let money = |text: &str| Money::parse_decimal(text, currency).map_err(|_| "an impossible amount");
        let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text != "0");
        let refund = || {
            let state = match row.refund_state.as_str() {
                "SUCCESS" => LineState::Settled,
                "FAIL" | "CLOSED" | "CHANGE" | "ABNORMAL" => LineState::Failed,
                "PROCESSING" => LineState::Pending,
                _ => return Err("a refund in an unknown state"),
            };
            Ok((
                What::Refund,
                state,
                told(&row.refund_id),
                told(&row.refund_number),
                told(&row.number),
                &row.asked_back,
            ))
        };
        let (what, state, theirs, ours, payment, amount) = match row.state.as_str() {
            "SUCCESS" => {
                (What::Payment, LineState::Settled, told(&row.transaction), told(&row.number), None, &row.total)
            }
            "REFUND" => refund()?,
            _ => return Err("a transaction of an unknown kind"),
        };
        let amount = money(amount)?;
        if !amount.is_positive() {
            return Err("an impossible amount");
        }
        Ok(BillLine {
            what,
            theirs: theirs.ok_or("without a number")?,
            ours,
            payment,
            amount,
            // Told with five places; one that is not whole fen is none.
            fee: money(&row.fee).ok(),
            at,
            state,
        })
    }
}

/// Where the columns are. One column, what was bought, is free text that can hold the separator: what stands before it is
/// counted from the left, what stands after it from the right.
struct Head {
    places: [Place; 12],
    columns: usize,
}

#[derive(Clone, Copy)]
enum Place {
    Left(usize),
    Right(usize),
}

const COLUMNS: [&str; 12] = [
    "交易时间",
    "商户号",
    "微信订单号",
    "商户订单号",
    "交易状态",
    "货币种类",
    "微信退款单号",
    "商户退款单号",
    "退款状态",
    "手续费",
    "订单金额",
    "申请退款金额",
];
const FREE: &str = "商品名称";

/// What counts of a row.
struct Row {
    at: String,
    merchant: String,
    transaction: String,
    number: String,
    state: String,
    currency: String,
    refund_id: String,
    refund_number: String,
    refund_state: String,
    fee: String,
    total: String,
    asked_back: String,
}

impl Head {
    fn read(text: &str) -> Result<Self, &'static str> {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let at = |name: &str| names.iter().position(|known| *known == name);
        let free = at(FREE).ok_or("without a column it should have")?;
        let mut places = [Place::Left(0); 12];
        for (place, name) in places.iter_mut().zip(COLUMNS) {
            let found = at(name).ok_or("without a column it should have")?;
            *place = if found < free { Place::Left(found) } else { Place::Right(names.len().saturating_sub(found)) };
        }
        Ok(Self { places, columns: names.len() })
    }

    fn row(&self, text: &str) -> Result<Row, &'static str> {
        let fields: Vec<&str> = text.trim_start_matches(MARK).split(",`").collect();
        if fields.len() < self.columns {
            return Err("a row with too few fields");
        }
        let field = |place: &Place| match place {
            Place::Left(at) => fields.get(*at).copied(),
            Place::Right(back) => fields.len().checked_sub(*back).and_then(|at| fields.get(at)).copied(),
        };
        let mut texts = self.places.iter().map(|place| field(place).unwrap_or_default().trim().to_owned());
        let mut next = || texts.next().unwrap_or_default();
        Ok(Row {
            at: next(),
            merchant: next(),
            transaction: next(),
            number: next(),
            state: next(),
            currency: next(),
            refund_id: next(),
            refund_number: next(),
            refund_state: next(),
            fee: next(),
            total: next(),
            asked_back: next(),
        })
    }
}

/// What the last row says of all others.
#[derive(PartialEq, Eq)]
struct Sums {
    rows: usize,
    /// Fen.
    paid: i64,
    asked_back: i64,
}

impl Sums {
    fn read(head: &str, row: &str) -> Result<Self, &'static str> {
        let names: Vec<&str> = head.split(',').map(str::trim).collect();
        let fields: Vec<&str> = row.trim_start_matches(MARK).split(",`").map(str::trim).collect();
        let field = |name: &str| {
            let at = names.iter().position(|known| *known == name)?;
            fields.get(at).copied()
        };
        let money = |name: &str| Money::parse_decimal(field(name)?, Currency::CNY).ok().map(Money::minor);
        let read = || {
            Some(Self {
                rows: field("总交易单数")?.parse().ok()?,
                paid: money("订单总金额")?,
                asked_back: money("申请退款总金额")?,
            })
        };
        read().ok_or("unreadable sums")
    }

    fn of(lines: &[BillLine]) -> Result<Self, &'static str> {
        let sum = |what: What| {
            let mut amounts = lines.iter().filter(|line| line.what == what).map(|line| line.amount.minor());
            amounts.try_fold(0_i64, i64::checked_add).ok_or("an impossible sum")
        };
        Ok(Self { rows: lines.len(), paid: sum(What::Payment)?, asked_back: sum(What::Refund)? })
    }
}

//! A bill that somebody published, and what a cut, foreign or strange one comes to.

use super::*;
use crate::{
    Clock,
    config::{Profile, alipay::tests::sample},
    http::Http,
};
use std::sync::Arc;
use zhiyou_domain::{money::Currency, time::UtcMicros};

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(1_795_141_500_000_000)
    }
}

fn channel(seller_id: &str) -> Alipay {
    let mut config = sample("https://openapi.alipay.com");
    seller_id.clone_into(&mut config.seller_id);
    Alipay::new(&config, Http::new(Profile::Sandbox).unwrap(), Arc::new(Frozen)).unwrap()
}

fn published() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/alipay/bill_trade_details.csv");
    std::fs::read(path).unwrap()
}

fn day() -> Day {
    "2019-09-16".parse().unwrap()
}

const SELLER: &str = "2088021109625633";

#[test]
fn a_published_bill_is_read_line_by_line() {
    let lines = channel(SELLER).read_bill(&published(), day()).unwrap();
    let of = |what: What| lines.iter().filter(|line| line.what == what).collect::<Vec<_>>();
    let (paid, back) = (of(What::Payment), of(What::Refund));
    assert_eq!((paid.len(), back.len()), (6, 4));
    let fen = Money::new(1, Currency::CNY).unwrap();
    assert!(lines.iter().all(|line| line.amount == fen && line.state == LineState::Settled));
    assert_eq!(paid[0].theirs, "2019091622001458860515315453");
    assert_eq!((paid[0].ours.as_deref(), &paid[0].payment), (Some("service_1568601259302"), &None));
    assert_eq!(paid[0].at, UtcMicros::parse_rfc3339("2019-09-16T10:55:23+08:00").unwrap());
    assert_eq!(back[0].ours.as_deref(), Some("re_test_1568602607356"));
    assert_eq!(back[0].payment.as_deref(), Some("service_1568601259302"));
    assert_eq!(back[0].fee, Money::new(0, Currency::CNY).ok());
}

#[test]
fn a_bill_that_was_cut_anywhere_or_is_of_another_account_or_day_is_not_read() {
    let (channel, whole) = (channel(SELLER), published());
    let last = whole.iter().rposition(|byte| *byte == b'#').unwrap();
    for (at, byte) in whole.iter().enumerate().take(last) {
        if *byte == b'\n' && at + 1 < last {
            assert!(channel.read_bill(&whole[..=at], day()).is_err(), "{at}");
        }
    }
    assert!(super::tests::channel("2088531891668739").read_bill(&whole, day()).is_err());
    assert!(channel.read_bill(&whole, "2019-09-17".parse().unwrap()).is_err());
    let changed = |from: &str, to: &str| {
        let text = GBK.decode(&whole).0.replacen(from, to, 1);
        channel.read_bill(&GBK.encode(&text).0, day())
    };
    for (from, to) in [
        ("交易合计：6笔", "交易合计：7笔"),
        ("退款合计：4笔", "退款合计：3笔"),
        ("\t,交易\t,", "\t,转账\t,"),
        (",0.01,0.01", ",0.001,0.01"),
        (",-0.01,-0.01", ",0.01,-0.01"),
        ("2019-09-16 10:55:23", "yesterday"),
        ("订单金额（元）", "金额"),
        ("创建时间,完成时间", "完成时间,创建时间"),
    ] {
        assert!(changed(from, to).is_err(), "{from} {to}");
    }
    // What was bought is anybody's text.
    for bought in ["机票,酒店", "2019-09-16 10:00:00,甲", "誠|\\,", ",,,"] {
        let lines = changed("下单测试", bought).unwrap();
        assert_eq!((lines[0].amount.minor(), lines[0].at), (1, UtcMicros(1_568_602_523_000_000)), "{bought}");
    }
}

#[test]
fn bills_are_fetched_at_the_channels_own_addresses_and_there_by_https() {
    let channel = channel(SELLER);
    let place = |address: &str| channel.place(address).map(String::from);
    let known = "http://dwbillcenter.alipay.com/downloadBillFile.resource?fileId=1&bizType=trade";
    assert_eq!(place(known).unwrap(), known.replacen("http:", "https:", 1));
    assert!(place("https://openapi.alipay.com/downloadBillFile.resource?fileId=1").is_some());
    for odd in [
        "https://dwbillcenter.alipay.com.evil.com/",
        "https://evil.com/downloadBillFile.resource",
        "https://user@dwbillcenter.alipay.com/",
        "https://dwbillcenter.alipay.com:8443/",
        "ftp://dwbillcenter.alipay.com/",
        "file:///etc/passwd",
        "",
    ] {
        assert_eq!(place(odd), None, "{odd:?}");
    }
}

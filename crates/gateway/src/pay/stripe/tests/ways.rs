//! Which ways to pay a page offers, and what that means for money that should be set aside.

use super::*;
use crate::config::StripeMethod;

#[tokio::test]
async fn the_page_offers_what_is_configured_for_the_currency_and_can_do_what_the_payment_wants() {
    let bench = Bench::start(|asked| {
        let mut page = session("open", Value::Null);
        let form: Vec<(String, String)> = url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
        let told = |name: &str| form.iter().find(|(key, _)| key == name).unwrap().1.clone();
        page["url"] = shown_at(asked).into();
        page["currency"] = told("line_items[0][price_data][currency]").into();
        page["amount_total"] = told("line_items[0][price_data][unit_amount]").parse::<i64>().unwrap().into();
        ok(page)
    })
    .await;
    let with = |methods: Vec<StripeMethodConfig>| {
        let base = &bench.channel.base_url;
        let account = StripeConfig { methods, ..stripe_sample(base.as_str()) };
        Stripe::new(&account, Profile::Sandbox, Http::new(Profile::Sandbox).unwrap(), Arc::new(Frozen))
    };
    let whole = StripeMethodConfig::whole;
    let all = || vec![whole(StripeMethod::WechatPay), whole(StripeMethod::Card), whole(StripeMethod::Alipay)];
    let offered = async |channel: &Stripe, attempt: Attempt| {
        let opened = channel.create(&attempt).await;
        assert!(matches!(opened, Outcome::Done(_)), "{opened:?}");
        let body = bench.asked().last().unwrap().body.clone();
        let form = url::form_urlencoded::parse(body.as_bytes()).into_owned();
        let fits = |name: &str| name.starts_with("allowed_") || name.starts_with("payment_method_options");
        form.filter(|(name, _)| fits(name)).map(|(_, value)| value).collect::<Vec<_>>()
    };
    let channel = with(all());
    assert_eq!(offered(&channel, attempt()).await, ["wechat_pay", "card", "alipay", "web"]);
    let won = Attempt { amount: Money::new(1_500, "KRW".parse().unwrap()).unwrap(), ..attempt() };
    assert_eq!(offered(&channel, won.clone()).await, ["card"], "no wallet takes won");
    assert_eq!(offered(&channel, Attempt { authorise: true, ..attempt() }).await, ["card"], "no wallet sets aside");
    let paid_off = Attempt { instalments: Some(3), ..attempt() };
    assert_eq!(offered(&channel, paid_off).await, ["true", "card"], "no wallet is paid off");
    let narrow = StripeMethodConfig { method: StripeMethod::Alipay, currencies: vec!["USD".parse().unwrap()] };
    let dollars = Attempt { amount: Money::new(1_500, "USD".parse().unwrap()).unwrap(), ..attempt() };
    let channel = with(vec![narrow]);
    assert_eq!(offered(&channel, dollars).await, ["alipay"]);
    assert_eq!(channel.capabilities().currencies, ["USD".parse::<Currency>().unwrap()]);
    let asked = bench.asked().len();
    for none in [attempt(), won] {
        let refused = channel.create(&none).await;
        assert!(matches!(&refused, Outcome::Declined(why) if why.code == ReasonCode::InvalidRequest), "{refused:?}");
    }
    assert_eq!(bench.asked().len(), asked, "nothing was sent");
}

#[test]
fn money_is_set_aside_only_where_every_way_to_pay_can() {
    for (methods, able) in [
        (vec![StripeMethod::Card], true),
        (vec![StripeMethod::Card, StripeMethod::WechatPay], false),
        (vec![StripeMethod::Alipay], false),
    ] {
        let methods = methods.into_iter().map(StripeMethodConfig::whole).collect();
        let account = StripeConfig { methods, ..stripe_sample("http://127.0.0.1:1") };
        let http = Http::new(Profile::Sandbox).unwrap();
        let channel = Stripe::new(&account, Profile::Sandbox, http, Arc::new(Frozen));
        assert_eq!(channel.capabilities().authorises, able);
    }
}

#[tokio::test]
async fn a_page_that_was_asked_for_with_other_ways_to_pay_is_looked_for_and_not_given_up() {
    for there in [true, false] {
        let bench = Bench::start(move |asked| {
            if asked.line.starts_with("POST ") {
                return refused(400, "idempotency_error", "");
            }
            let mut page = session("open", Value::Null);
            page["url"] = shown_at(asked).into();
            ok(json!({"data": if there { vec![page] } else { vec![] }, "has_more": false}))
        })
        .await;
        match bench.channel.create(&attempt()).await {
            Outcome::Done(opened) => assert!(there && opened.provider_ref.as_deref() == Some("cs_test_1")),
            Outcome::Declined(reason) => assert!(!there && reason.code == ReasonCode::AlreadyClosed),
            other => panic!("{other:?}"),
        }
    }
}

//! Paying on a channel's own page: whatever happens to the way back, the order ends the same, because the channel is asked.

use crate::{
    page,
    world::{World, count, request_id},
};
use serde_json::{Value, json};
use url::Url;
use zhiyou_domain::{fault::FaultCode, link};
use zhiyou_engine::links::Awaited;
use zhiyou_sandbox::AccountCurrency;

/// A channel with a page, what suppliers quote in so that it can be paid by, and the trip.
struct Page {
    channel: &'static str,
    account: AccountCurrency,
    plan: &'static str,
    /// What the merchant has to choose, where the page is not all there is; it opens on a phone only.
    on_phones: Option<&'static str>,
}

const PAGES: [Page; 4] = [
    Page {
        channel: "stripe",
        account: AccountCurrency::Cny,
        plan: include_str!("../../examples/shanghai-weekend.en.json"),
        on_phones: None,
    },
    Page {
        channel: "paypal",
        account: AccountCurrency::Usd,
        plan: include_str!("../../examples/new-york-weekend.en.json"),
        on_phones: None,
    },
    Page {
        channel: "alipayplus",
        account: AccountCurrency::Cny,
        plan: include_str!("../../examples/shanghai-weekend.en.json"),
        on_phones: None,
    },
    Page {
        channel: "wechatpay",
        account: AccountCurrency::Cny,
        plan: include_str!("../../examples/shanghai-weekend.en.json"),
        on_phones: Some("h5"),
    },
];

impl Page {
    /// An order whose payment page was opened, in a world where nobody tells us that it is paid.
    async fn opened(&self) -> (World, Value, Url) {
        let mut world = World::in_currency(self.account).await;
        if let Some(presents) = self.on_phones {
            world.is_on_phone(true);
            world.presents(self.channel, presents).await;
        }
        world.scenario(json!({ "provider": self.channel, "switch": "notify", "mode": "drop", "times": 100 })).await;
        let mut plan: Value = serde_json::from_str(self.plan).unwrap();
        plan["items"][0].as_object_mut().unwrap().remove("member_platform");
        let plan = world.import(&plan.to_string()).await;
        let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
        let order = world.until_next(&order, "choose_seats").await;
        world.take_seat(&order).await;
        let order = world.until_next(&order, "confirm").await;
        let wish = json!({
            "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": self.channel, "request_id": request_id(),
        });
        world.call("confirm_order", wish).await;
        let order = world.until(&order, "a page", |order| order["payment"]["hosted"] == true).await;
        world.call("open_payment", json!({ "order_id": order["id"] })).await;
        let page = world.opened();
        (world, order, page)
    }

    /// The payer pays in the browser; answers where it is sent then.
    async fn press(&self, world: &World, url: &Url) -> String {
        page::press(&world.http, url, page::form_of(self.channel)).await.unwrap()
    }

    /// The payer pays; answers the link the bounce page opens the app with.
    async fn pay(&self, world: &World, url: &Url) -> String {
        let back = self.press(world, url).await;
        page::link(&world.http, &back).await.unwrap()
    }
}

/// Where the app ends and is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Never,
    WhileThePageIsOpen,
    BeforeTheWayBack,
    AfterTheWayBack,
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_hosted_return_is_cut_short_the_order_is_paid_once_and_booked() {
    for page in &PAGES {
        for ends in [Ends::Never, Ends::WhileThePageIsOpen, Ends::BeforeTheWayBack, Ends::AfterTheWayBack] {
            let (mut world, order, url) = page.opened().await;
            if ends == Ends::WhileThePageIsOpen {
                world.close_app().await;
            }
            // Also the bounce page is ours: with the app it is gone, and the channel knows of the money all the same.
            let link = match ends {
                Ends::WhileThePageIsOpen => {
                    page.press(&world, &url).await;
                    world.open_app().await;
                    None
                }
                Ends::Never | Ends::BeforeTheWayBack | Ends::AfterTheWayBack => Some(page.pay(&world, &url).await),
            };
            if ends == Ends::BeforeTheWayBack {
                world.close_app().await;
                // Closed, and known to be waited for all the same: no flood of links takes its place.
                let awaited = Awaited::read(world.data_dir.path()).await.unwrap();
                assert!(
                    awaited.awaits(link.as_ref().unwrap()) && !awaited.awaits(link!("pay/01KA0000000000000000000ABC"))
                );
                world.open_app().await;
                assert!(world.app().engine().awaits(link.as_ref().unwrap()));
            }
            if let Some(link) = link {
                world.app().engine().deep_link(&link).await;
            }
            if ends == Ends::AfterTheWayBack {
                world.close_app().await;
                world.open_app().await;
            }
            // What was cut off is looked up first, and "not there" is believed after some minutes only.
            let unknown = |order: &Value| count(&order["items"], "state", "unknown") > 0;
            let ended = |order: &Value| order["state"] == "confirmed" && order["next"]["kind"] == "done";
            let seen = world.until(&order, "an end, or a question", |order| ended(order) || unknown(order)).await;
            if !ended(&seen) {
                world.advance(10).await;
            }
            world.until_state(&order, "confirmed").await;
            let book = world.book().await;
            let payments = book["payments"].as_array().unwrap();
            assert_eq!(payments.len(), 1, "{} {ends:?}: {payments:?}", page.channel);
            assert_eq!(payments[0]["channel"], page.channel);
            assert_eq!(count(&book["flights"], "state", "ticketed"), 1, "{} {ends:?}", page.channel);
            assert_eq!(book["flights"][0]["total_currency"], page.account.code());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_names_another_payment_or_claims_success_changes_nothing() {
    for page in &PAGES {
        let (world, order, _) = page.opened().await;
        let before = world.call("get_order", json!({ "order_id": order["id"] })).await;
        for forged in [link!("pay/01KA0000000000000000000ABC"), link!("pay/01KA0000000000000000000ABC?status=success")]
        {
            world.app().engine().deep_link(forged).await;
        }
        let after = world.call("get_order", json!({ "order_id": order["id"] })).await;
        assert_eq!((&after["state"], &after["payment"]["state"]), (&before["state"], &before["payment"]["state"]));
        assert_eq!(count(&world.book().await["flights"], "state", "ticketed"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_looked_at_again_has_every_open_payment_asked_about_at_once() {
    let [page, ..] = &PAGES;
    let (world, order, url) = page.opened().await;
    // An hour earlier the next question of its own is an hour away, and nobody tells us.
    world.advance(-60).await;
    page.press(&world, &url).await;
    world.call("check_payments", json!({})).await;
    world.until_state(&order, "confirmed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payer_wants_back_at_paypal_is_told_in_the_order_and_never_refunded_on_top() {
    let [_, page, ..] = &PAGES;
    let (world, order, url) = page.opened().await;
    let link = page.pay(&world, &url).await;
    world.app().engine().deep_link(&link).await;
    world
        .until(&order, "paid and booked", |order| order["state"] == "confirmed" && order["next"]["kind"] == "done")
        .await;
    world.scenario(json!({ "reset": true })).await;
    let told = |order: &Value, kind: &str| count(&order["timeline"], "kind", kind) == 1;
    world.scenario(json!({ "provider": page.channel, "switch": "dispute" })).await;
    let seen = world.until(&order, "disputed", |order| told(order, "disputed")).await;
    assert_eq!(seen["state"], "confirmed", "what is booked stays booked");
    let outcome = json!({ "provider": page.channel, "switch": "dispute_outcome", "value": "RESOLVED_BUYER_FAVOUR" });
    world.scenario(outcome).await;
    world.until(&order, "decided", |order| told(order, "dispute_decided")).await;
    assert_eq!(world.book().await["refunds"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_on_a_phone_only_is_offered_there_and_its_page_is_asked_for_anew_when_it_is_opened() {
    let mut world = World::new().await;
    world.presents("wechatpay", "h5").await;
    let order = world.held().await;
    let bars = async |world: &World| {
        let ways = world.call("list_channels", json!({ "order_id": order["id"] })).await;
        let channels = ways["channels"].as_array().unwrap().clone();
        channels.into_iter().find(|channel| channel["channel"] == "wechatpay").unwrap()["bars"].clone()
    };
    assert_eq!(bars(&world).await, json!(["device"]));
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay", "request_id": request_id(),
    });
    let refused = world.ask("confirm_order", wish.clone()).await.unwrap_err();
    assert_eq!(refused.code, FaultCode::ChannelBarred, "nothing is opened that leads nowhere");
    world.is_on_phone(true);
    assert_eq!(bars(&world).await, json!([]));
    world.call("confirm_order", wish).await;
    let order = world.until(&order, "a page", |order| order["payment"]["hosted"] == true).await;
    world.call("open_payment", json!({ "order_id": order["id"] })).await;
    let first = world.opened();
    assert!(first.as_str().contains("redirect_url=") && first.as_str().contains("%2Fpay%2Freturn%2F"), "{first}");
    // The page lives for five minutes, the payment for longer.
    world.advance(6).await;
    let shown = world.http.get(first.clone()).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("This page has expired"), "{shown}");
    world.call("open_payment", json!({ "order_id": order["id"] })).await;
    let second = world.opened();
    assert_ne!(first, second);
    let [.., page] = &PAGES;
    let link = page.pay(&world, &second).await;
    world.app().engine().deep_link(&link).await;
    world.until_state(&order, "confirmed").await;
    let payments = world.book().await["payments"].clone();
    assert_eq!(payments.as_array().unwrap().len(), 1, "two pages, one payment: {payments}");
}

/// A trip held for 1,169.00 or so, of which Stripe pays 500.00 and WeChat Pay the rest; Stripe's part is to be paid.
async fn divided() -> (World, Value, Url) {
    let world = World::new().await;
    let order = world.held().await;
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay",
        "second": { "channel": "stripe", "amount_minor": 50_000 }, "request_id": request_id(),
    });
    world.call("confirm_order", wish).await;
    let order = world.until(&order, "a page", |order| order["payment"]["hosted"] == true).await;
    // What sets money aside comes first, whichever was named first.
    assert_eq!((&order["parts"][0]["channel"], &order["parts"][1]["state"]), (&json!("stripe"), &Value::Null));
    world.call("open_payment", json!({ "order_id": order["id"] })).await;
    let page = world.opened();
    (world, order, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_paid_by_two_channels_and_booked_once_both_are_paid() {
    let (world, order, url) = divided().await;
    PAGES[0].press(&world, &url).await;
    let order = world.until(&order, "a code", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert_eq!((&order["state"], &order["parts"][0]["state"]), (&json!("payment_pending"), &json!("authorised")));
    assert_eq!(count(&world.book().await["flights"], "state", "ticketed"), 0);
    assert!(world.phone("pay", &order).await.is_success());
    let order = world.until_state(&order, "confirmed").await;
    let total = order["total"]["amount_minor"].as_i64().unwrap();
    let book = world.book().await;
    let paid = |channel: &str| {
        let mut payments = book["payments"].as_array().unwrap().iter();
        payments.find(|payment| payment["channel"] == channel).unwrap().clone()
    };
    assert_eq!(paid("wechatpay")["total_fen"], total - 50_000);
    assert_eq!((count(&book["flights"], "state", "ticketed"), book["payments"].as_array().unwrap().len()), (1, 2));
    assert_eq!(order["money"]["committed"]["amount"]["amount_minor"], total);
    let states: Vec<&Value> = order["parts"].as_array().unwrap().iter().map(|part| &part["state"]).collect();
    assert_eq!(states, ["captured", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_between_two_payments_nothing_is_booked_and_nothing_was_charged() {
    let (world, order, url) = divided().await;
    PAGES[0].press(&world, &url).await;
    let order = world.until(&order, "a code", |order| order["payment"]["qr"]["content"].is_string()).await;
    world.call("cancel_order", json!({ "order_id": order["id"], "request_id": request_id() })).await;
    let order = world.until_state(&order, "cancelled").await;
    let states: Vec<&Value> = order["parts"].as_array().unwrap().iter().map(|part| &part["state"]).collect();
    assert_eq!(states, ["voided", "voided"]);
    assert_eq!(order["money"]["paid"]["amount"]["amount_minor"], 0);
    let book = world.book().await;
    assert_eq!(count(&book["flights"], "state", "ticketed"), 0);
    assert_eq!(book["refunds"].as_array().unwrap().len(), 0);
}

/// The channel gave it back, and the payer's bank sent it back later: only a notification says so, and only that something
/// happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_back_after_it_had_arrived_is_learned_and_a_debt() {
    let world = World::new().await;
    let order = world.held().await;
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "stripe", "request_id": request_id(),
    });
    world.call("confirm_order", wish).await;
    let order = world.until(&order, "a page", |order| order["payment"]["hosted"] == true).await;
    world.call("open_payment", json!({ "order_id": order["id"] })).await;
    let page = world.opened();
    PAGES[0].press(&world, &page).await;
    let order = world.until_state(&order, "confirmed").await;
    for (switch, value) in [("refund_outcome", json!("late_failure")), ("settle_ms", json!(60_000))] {
        world.scenario(json!({ "provider": "stripe", "switch": switch, "value": value })).await;
    }
    let ask = json!({ "order_id": order["id"], "item_ids": [], "reason": "plans_changed", "request_id": request_id() });
    world.call("quote_cancellation", ask).await;
    let order = world.until(&order, "quoted", |order| order["cancellation"]["state"] == "quoted").await;
    let accept =
        json!({ "order_id": order["id"], "quote_id": order["cancellation"]["quote_id"], "request_id": request_id() });
    world.call("accept_cancellation", accept).await;
    let order = world.until_state(&order, "refunded").await;
    let back = order["money"]["refunded"]["amount"]["amount_minor"].clone();
    assert_eq!((count(&order["attention"], "kind", "refund_manual"), back.as_i64() > Some(0)), (0, true));
    world.advance(5).await;
    let told = |order: &Value| count(&order["attention"], "kind", "refund_manual") == 1;
    let order = world.until(&order, "told that it came back", told).await;
    let money =
        |order: &Value| ["held", "refunded"].map(|place| order["money"][place]["amount"]["amount_minor"].clone());
    assert_eq!(money(&order), [back.clone(), json!(0)]);
    // Somebody finds another way, and says so.
    let debt = &order["attention"][0]["debt"];
    let settled = json!({ "order_id": order["id"], "debt": debt, "request_id": request_id() });
    let order = world.call("settle_debt", settled).await;
    assert_eq!(money(&order), [json!(0), back]);
}

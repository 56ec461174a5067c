//! A sandbox and a gateway started for one test, and the calls tests make.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, RequestMetaObject, Tool},
    service::RunningService,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{future::Future, net::Ipv4Addr, sync::Arc, time::Duration};
use tempfile::TempDir;
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    money::{Currency, Money},
    port::{
        Answer, Outcome, TRAVELLER_TOKEN_META, TRAVELLER_TOKEN_ORIGIN_META, bookings as b, flights as f, hotels as h,
        payments as p,
    },
    time::UtcMicros,
};
use zhiyou_gateway::{Clock, Gateway};
use zhiyou_sandbox::Sandbox;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UtcMicros {
        UtcMicros(jiff::Timestamp::now().as_microsecond())
    }
}

/// The system's time and some minutes more.
struct Ahead(i64);

impl Clock for Ahead {
    fn now(&self) -> UtcMicros {
        SystemClock.now().plus_minutes(self.0)
    }
}

type Client = RunningService<RoleClient, ()>;

pub(crate) struct World {
    folder: TempDir,
    sandbox: Sandbox,
    announcement: Value,
    http: reqwest::Client,
    clients: [Client; 5],
    gateway: Option<Gateway>,
}

async fn open(
    folder: &TempDir,
    announcement: &Value,
    change: impl FnOnce(&mut zhiyou_gateway::Config),
) -> (Gateway, [Client; 5]) {
    let mut config = zhiyou_gateway::sandbox_config(folder.path().join("gateway"), announcement).await.unwrap();
    change(&mut config);
    let gateway = zhiyou_gateway::start(config, Arc::new(SystemClock)).await.unwrap();
    // What happens before a channel knows where to tell it is told nobody.
    gateway.announced().await;
    let mut clients = Vec::new();
    for serve in [
        Gateway::serve_flights,
        Gateway::serve_hotels,
        Gateway::serve_cars,
        Gateway::serve_activities,
        Gateway::serve_payments,
    ] {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        serve(&gateway, theirs);
        clients.push(().serve(ours).await.unwrap());
    }
    (gateway, clients.try_into().ok().unwrap())
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = zhiyou_sandbox::start(zhiyou_sandbox::Config {
            data_dir: folder.path().join("sandbox"),
            seed: 7,
            account: zhiyou_sandbox::AccountCurrency::default(),
            listen: Ipv4Addr::LOCALHOST.into(),
            virtual_clock: false,
            control_token: None,
        });
        let sandbox = sandbox.await.unwrap();
        let announcement = serde_json::to_value(sandbox.announcement()).unwrap();
        let (gateway, clients) = open(&folder, &announcement, |_| {}).await;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { folder, sandbox, announcement, http, clients, gateway: Some(gateway) }
    }

    pub(crate) async fn restart_gateway(&mut self) {
        self.restart_gateway_with(|_| {}).await;
    }

    /// The same gateway with another configuration.
    pub(crate) async fn restart_gateway_with(&mut self, change: impl FnOnce(&mut zhiyou_gateway::Config)) {
        self.gateway.take().unwrap().stop().await;
        let (gateway, clients) = open(&self.folder, &self.announcement, change).await;
        self.gateway = Some(gateway);
        self.clients = clients;
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub(crate) async fn stop(self) {
        if let Some(gateway) = self.gateway {
            gateway.stop().await;
        }
        self.sandbox.stop().await;
    }

    fn client(&self, tool: &str) -> &Client {
        let [flights, hotels, cars, activities, payments] = &self.clients;
        match tool {
            _ if tool.contains("Hotel") => hotels,
            _ if tool.contains("Car") => cars,
            _ if tool.contains("Activit") => activities,
            _ if tool.contains("Payment")
                || tool.contains("Refund")
                || ["listUpdates", "listChannels"].contains(&tool) =>
            {
                payments
            }
            _ => flights,
        }
    }

    pub(crate) async fn tools(&self) -> Vec<Tool> {
        let mut tools = Vec::new();
        for client in &self.clients {
            let page = client.list_tools(None).await.unwrap();
            assert_eq!(page.next_cursor, None);
            tools.extend(page.tools);
        }
        tools
    }

    async fn ask(&self, tool: &str, arguments: Value, token: Option<&str>) -> CallToolResult {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let mut call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        if let Some(token) = token {
            let mut meta = RequestMetaObject::default();
            meta.0.0.insert(TRAVELLER_TOKEN_META.to_owned(), json!(token));
            let gave_it: url::Url = self.address("oauth", "/").parse().unwrap();
            meta.0.0.insert(TRAVELLER_TOKEN_ORIGIN_META.to_owned(), json!(gave_it.origin().ascii_serialization()));
            call.meta = Some(meta);
        }
        self.client(tool).call_tool(call).await.unwrap()
    }

    pub(crate) async fn raw(&self, tool: &str, arguments: Value) -> CallToolResult {
        self.ask(tool, arguments, None).await
    }

    pub(crate) async fn call<R: DeserializeOwned>(&self, tool: &str, arguments: &impl Serialize) -> Outcome<R> {
        read(tool, self.ask(tool, serde_json::to_value(arguments).unwrap(), None).await)
    }

    pub(crate) async fn call_as<R: DeserializeOwned>(
        &self,
        tool: &str,
        arguments: &impl Serialize,
        token: &str,
    ) -> Outcome<R> {
        read(tool, self.ask(tool, serde_json::to_value(arguments).unwrap(), Some(token)).await)
    }

    pub(crate) async fn done<R: DeserializeOwned + std::fmt::Debug>(
        &self,
        tool: &str,
        arguments: &impl Serialize,
    ) -> R {
        match self.call(tool, arguments).await {
            Outcome::Done(result) => result,
            other => panic!("{tool}: {other:?}"),
        }
    }

    pub(crate) async fn updates(&self, after: i64) -> Vec<p::Update> {
        let result = self.raw("listUpdates", json!({"after": after})).await;
        serde_json::from_value::<p::Updates>(result.structured_content.unwrap()).unwrap().updates
    }

    /// Waits for a condition; a test that never meets it fails.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, met: impl Fn() -> F) {
        let waiting = async {
            while !met().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the condition was never met");
    }

    /// Waits until the supplier's notification about the order was applied.
    pub(crate) async fn until_told_of_order(&self, order: &str) {
        let wanted = p::UpdateContent::FlightOrder { order_id: order.to_owned() };
        self.until(|| async { self.updates(0).await.iter().any(|update| update.content == wanted) }).await;
    }

    /// Waits until the channel's notification about the payment was applied.
    pub(crate) async fn until_paid(&self, attempt: AttemptId) {
        let paid = |update: &p::Update| match &update.content {
            p::UpdateContent::Payment { status } => status.attempt_id == attempt && status.captured.is_some(),
            _ => false,
        };
        self.until(|| async { self.updates(0).await.iter().any(paid) }).await;
    }

    /// Once every notification was sent, a little time passes in the sandbox: one that came before what it is about was known
    /// is sent again. Not more time than a signature may be old or early, since this gateway keeps the system's.
    pub(crate) async fn what_came_too_early_comes_again(&self) {
        let sent = || async {
            let all = self.deliveries().await;
            let all = all.as_array().unwrap();
            !all.is_empty() && all.iter().all(|one| !one["attempts"].as_array().unwrap().is_empty())
        };
        self.until(sent).await;
        self.advance(2).await;
    }

    /// Moves the sandbox's time; this gateway keeps the system's.
    pub(crate) async fn advance(&self, minutes: i64) {
        self.control("/clock", Some(json!({"advance_ms": minutes * 60_000}))).await;
    }

    /// The gateway's book beside the channels' bills, opened so many minutes ahead of the system's time.
    pub(crate) async fn books(&self, ahead_min: i64) -> zhiyou_gateway::Books {
        let folder = self.folder.path().join("gateway");
        let config = zhiyou_gateway::sandbox_config(folder, &self.announcement).await.unwrap();
        zhiyou_gateway::Books::open(&config, Arc::new(Ahead(ahead_min))).await.unwrap()
    }

    /// Another gateway beside the first, with MCP over HTTP.
    pub(crate) async fn second_gateway(&self, token: &str) -> Gateway {
        let folder = self.folder.path().join("second");
        let mut config = zhiyou_gateway::sandbox_config(folder, &self.announcement).await.unwrap();
        config.mcp_http_token = Some(token.to_owned().into());
        zhiyou_gateway::start(config, Arc::new(SystemClock)).await.unwrap()
    }

    pub(crate) async fn post_mcp(&self, base: &str, token: &str, header: Option<(&str, &str)>, body: &Value) -> u16 {
        let request = self.http.post(format!("{base}/mcp/flights")).bearer_auth(token).json(body);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) fn address(&self, part: &str, path: &str) -> String {
        format!("{}{path}", self.announcement[part].as_str().unwrap())
    }

    async fn control(&self, path: &str, body: Option<Value>) -> Value {
        let address = self.address("control", path);
        let request = match body {
            Some(body) => self.http.post(address).json(&body),
            None => self.http.get(address),
        };
        let answer = request.bearer_auth(self.announcement["control_token"].as_str().unwrap()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub(crate) async fn scenario(&self, switch: Value) {
        self.control("/scenario", Some(switch)).await;
    }

    /// A switch that is not set, with what is said about it.
    pub(crate) async fn refused(&self, switch: Value) -> (u16, Value) {
        let request = self.http.post(self.address("control", "/scenario")).json(&switch);
        let answer = request.bearer_auth(self.announcement["control_token"].as_str().unwrap()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// What is set.
    pub(crate) async fn scenarios(&self) -> Value {
        self.control("/scenario", None).await
    }

    pub(crate) async fn book(&self) -> Value {
        self.control("/book", None).await
    }

    pub(crate) async fn credentials(&self) -> Value {
        self.control("/credentials", None).await
    }

    /// Sends a notification again, or a corrupted one.
    pub(crate) async fn notify(&self, about: &str, mode: &str) {
        self.control("/notify", Some(json!({"id": about, "mode": mode}))).await;
    }

    /// What the phone shows after `scan`, `pay` or `refuse`.
    pub(crate) async fn phone(&self, verb: &str, content: &str) -> Value {
        let address = self.address("phone", &format!("/api/{verb}"));
        let answer = self.http.post(address).json(&json!({"text": content})).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Opens an address as a browser does, without following where it leads.
    pub(crate) async fn browse(&self, method: reqwest::Method, address: &str) -> (u16, Option<String>) {
        let answer = self.http.request(method, address).send().await.unwrap();
        let target = answer.headers().get("location").map(|target| target.to_str().unwrap().to_owned());
        (answer.status().as_u16(), target)
    }

    /// What a page says.
    pub(crate) async fn text(&self, address: &str) -> String {
        self.http.get(address).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn phone_pays(&self, content: &str) {
        let answer =
            self.http.post(self.address("phone", "/api/pay")).json(&json!({"text": content})).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// Opens a hosted payment page, presses a button on it, and tells where the browser is sent.
    pub(crate) async fn payer_decides(&self, page: &str, decision: &str) -> String {
        let shown = self.http.get(page).send().await.unwrap();
        assert_eq!(shown.status(), 200, "{page}");
        let shown = shown.text().await.unwrap();
        let number = shown.split("name=\"number\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let decided = self.http.post(page).form(&[("number", number), ("decision", decision)]).send().await.unwrap();
        assert_eq!(decided.status(), 303);
        decided.headers()["location"].to_str().unwrap().to_owned()
    }

    /// The status a browser gets at an address.
    pub(crate) async fn get(&self, address: &str) -> u16 {
        self.http.get(address).send().await.unwrap().status().as_u16()
    }

    /// Every notification the sandbox sent or will send, with its tries.
    pub(crate) async fn notifications(&self) -> Vec<Value> {
        self.control("/notifications", None).await["notifications"].as_array().unwrap().clone()
    }

    /// Signs the sandbox's member in and answers the access token.
    pub(crate) async fn sign_in(&self) -> String {
        let verifier = "a".repeat(50);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(digest);
        let redirect = "http://127.0.0.1:9/back";
        let query = [
            ("response_type", "code"),
            ("client_id", "zhiyou-desktop"),
            ("redirect_uri", redirect),
            ("scope", "profile loyalty"),
            ("state", "s"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let authorize = self.address("oauth", "/authorize");
        let page = self.http.get(&authorize).query(&query).send().await.unwrap().text().await.unwrap();
        let number = page.split("name=\"number\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let decided =
            self.http.post(&authorize).form(&[("number", number), ("decision", "approve")]).send().await.unwrap();
        let target = decided.headers()["location"].to_str().unwrap().to_owned();
        let target: url::Url = target.parse().unwrap();
        let code = target.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "zhiyou-desktop"),
            ("code", &code),
            ("code_verifier", &verifier),
            ("redirect_uri", redirect),
        ];
        let token: Value =
            self.http.post(self.address("oauth", "/token")).form(&form).send().await.unwrap().json().await.unwrap();
        token["access_token"].as_str().unwrap().to_owned()
    }

    /// The provider's page, as a browser gets it: status, where it leads, text.
    pub(crate) async fn look_at(&self, url: &str) -> (u16, String, String) {
        seen(self.http.get(url).send().await.unwrap()).await
    }

    /// A button of the provider's page, from a page of this origin.
    pub(crate) async fn press(&self, url: &str, button: (&str, &str), origin: &str) -> (u16, String, String) {
        seen(self.http.post(url).header("origin", origin).form(&[button]).send().await.unwrap()).await
    }

    /// What the sandbox tried to deliver.
    pub(crate) async fn deliveries(&self) -> Value {
        self.control("/notifications", None).await["notifications"].clone()
    }

    /// Has the newest notification about something sent again.
    pub(crate) async fn send_again(&self, about: &str) {
        self.control("/notify", Some(json!({"id": about, "mode": "resend"}))).await;
    }

    pub(crate) fn cny(&self, minor: i64) -> Money {
        Money::new(minor, Currency::CNY).unwrap()
    }

    pub(crate) fn ulid(&self) -> ulid::Ulid {
        ulid::Ulid::from_parts(1_795_000_000_000, rand::random::<u128>())
    }

    pub(crate) fn intent(&self, amount: Money) -> p::CreatePaymentIntent {
        p::CreatePaymentIntent {
            attempt_id: AttemptId::from_ulid(self.ulid()),
            channel: p::Channel::Wechatpay,
            amount,
            description: "智游 上海三日".to_owned(),
            expires_at_us: SystemClock.now().plus_minutes(15),
            authorise: false,
            instalments: None,
            credit: None,
        }
    }

    pub(crate) fn refund(&self, attempt_id: AttemptId, amount: Money) -> p::CreateRefund {
        p::CreateRefund {
            refund_id: RefundId::from_ulid(self.ulid()),
            attempt_id,
            amount,
            reason: "行程取消".to_owned(),
        }
    }

    fn in_days(&self, days: i64) -> jiff::civil::Date {
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(days))
    }

    /// The cheapest holdable offer and its first free seat.
    pub(crate) async fn offer_with_seat(&self) -> (f::FlightOffer, f::ChosenService) {
        let wish = f::SearchFlights {
            origin: "PEK".to_owned(),
            destination: "SHA".to_owned(),
            departure_date: self.in_days(30),
            adults: 1,
            cabin: f::CabinClass::Economy,
        };
        let offers = self.done::<f::FlightOffers>("searchFlights", &wish).await.offers;
        let offer = offers.into_iter().find(|offer| offer.holdable).unwrap();
        let maps =
            self.done::<f::SeatMaps>("getSeatMaps", &f::OfferRef { offer_id: offer.offer_id.clone() }).await.maps;
        let elements = maps[0].cabins.iter().flat_map(|cabin| &cabin.rows).flat_map(|row| &row.sections).flatten();
        let element = elements.into_iter().find(|element| !element.services.is_empty()).unwrap();
        let seat = f::ChosenService {
            service_id: element.services[0].service_id.clone(),
            segment_id: maps[0].segment_id.clone(),
            passenger_id: element.services[0].passenger_id.clone(),
            designator: element.designator.clone().unwrap(),
            price: element.services[0].price,
        };
        (offer, seat)
    }

    pub(crate) fn wish(&self, offer: &f::FlightOffer, services: Vec<f::ChosenService>) -> f::HoldFlight {
        let passenger = f::Passenger {
            passenger_id: offer.passenger_ids[0].clone(),
            title: f::Title::Ms,
            gender: f::Gender::F,
            given_name: "Amelia".to_owned(),
            family_name: "Earhart".to_owned(),
            born_on: "1987-07-24".parse().unwrap(),
            email: "amelia@example.com".to_owned(),
            phone_number: "+8613800000000".to_owned(),
            loyalty: Some(f::LoyaltyAccount { airline_code: "ZZ".to_owned(), account_number: "7654321".to_owned() }),
        };
        let expected_total = services.iter().try_fold(offer.total, |sum, service| sum.plus(service.price)).unwrap();
        f::HoldFlight {
            reference: self.ulid().to_string(),
            offer_id: offer.offer_id.clone(),
            passengers: vec![passenger],
            services,
            expected_total,
        }
    }

    /// The cheapest room that gives something back.
    pub(crate) async fn hotel_rate(&self) -> h::HotelRate {
        let wish = h::SearchHotels {
            latitude_udeg: 31_230_400,
            longitude_udeg: 121_473_700,
            radius_km: 30,
            check_in: self.in_days(30),
            check_out: self.in_days(32),
            rooms: 1,
            adults: 1,
        };
        let rates = self.done::<h::HotelRates>("searchHotels", &wish).await.rates;
        rates.into_iter().find(|rate| rate.terms.free_until().is_some()).unwrap()
    }

    pub(crate) fn hotel_wish(&self, quote: &b::Quote) -> h::BookHotel {
        h::BookHotel {
            reference: self.ulid().to_string(),
            quote_id: quote.quote_id.clone(),
            guests: vec![b::Person { given_name: "Amelia".to_owned(), family_name: "Earhart".to_owned() }],
            contact: b::Contact { email: "amelia@example.com".to_owned(), phone_number: "+8613800000000".to_owned() },
            expected_total: quote.total,
        }
    }
}

async fn seen(answer: reqwest::Response) -> (u16, String, String) {
    let target = answer.headers().get("location").map(|target| target.to_str().unwrap().to_owned());
    (answer.status().as_u16(), target.unwrap_or_default(), answer.text().await.unwrap())
}

fn read<R: DeserializeOwned>(tool: &str, result: CallToolResult) -> Outcome<R> {
    let content = result.structured_content.unwrap_or_else(|| panic!("{tool}: {:?}", result.content));
    serde_json::from_value::<Answer<R>>(content).unwrap_or_else(|error| panic!("{tool}: {error}")).into()
}

//! A fake Stripe behind a small HTTP server, which also takes its webhooks, and a client for plain forms.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use local::Clock;
use local::activity::Activity;
use local::aws::{Cloud, CloudConfig};
use local::harness::Web;
use local::stripe::{PATH, PaidBy, Stripe, StripeConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "sk_test_local";
pub(crate) const DAY: u64 = 86_400;

/// A webhook that was received.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) signature: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Inbox {
    received: Vec<Received>,
    /// What is answered; 200 unless a test says otherwise.
    status: Option<u16>,
}

/// A served Stripe. It is gone, with its files, when it is dropped.
pub(crate) struct Served {
    pub(crate) stripe: Stripe,
    pub(crate) clock: Clock,
    pub(crate) cloud: Cloud,
    activity: Activity,
    web: Web,
    inbox: Arc<Mutex<Inbox>>,
    server: tokio::task::JoinHandle<()>,
    /// Held for its end.
    folder: Option<tempfile::TempDir>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }
}

impl Served {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Self::on(folder.path()).await;
        served.folder = Some(folder);
        served
    }

    /// One on files that outlive it.
    pub(crate) async fn on(folder: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = Clock::new(Some(folder.join("clock")));
        if let Some(moment) = local::binaries::starts_at().unwrap() {
            clock.advance_to(moment).unwrap();
        }
        let activity = Activity::default();
        let cloud = Cloud::open(CloudConfig {
            data: folder.to_owned(),
            clock: clock.clone(),
            region: "eu-west-1".to_owned(),
            account: "000000000000".to_owned(),
            base_url: url.clone(),
        })
        .await
        .unwrap();
        let stripe = Stripe::open(StripeConfig {
            data: folder.to_owned(),
            clock: clock.clone(),
            stack_url: url.clone(),
            address: url.clone(),
            secret: json!({ "stripe_key": KEY, "webhook_secrets": ["whsec_local"] }),
            activity: activity.clone(),
            cloud: cloud.clone(),
        })
        .unwrap();
        let inbox = Arc::<Mutex<Inbox>>::default();
        let server = tokio::spawn(serve(listener, stripe.clone(), Arc::clone(&inbox)));
        Self { stripe, clock, cloud, activity, web: Web::new(url), inbox, server, folder: None }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_secs()
    }

    /// Waits until all webhooks are out.
    pub(crate) async fn settle(&self) {
        let mut changes = self.activity.watch();
        loop {
            changes.borrow_and_update();
            if self.activity.quiet().is_some() {
                return;
            }
            changes.changed().await.unwrap();
        }
    }

    /// Goes on until the period is over and its renewal has been tried once.
    pub(crate) async fn past_renewal(&self, subscription: &str) {
        let item = &self.object(subscription)["items"]["data"][0];
        let tried = item["current_period_end"].as_i64().unwrap() + 3_700;
        self.advance(u64::try_from(tried - self.now()).unwrap()).await;
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        self.settle().await;
        self.clock.advance(Duration::from_secs(seconds)).unwrap();
        self.stripe.tick().unwrap();
        self.settle().await;
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        form: &str,
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let mut map = HeaderMap::new();
        map.insert("authorization", HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap());
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let is_get = method == Method::GET || method == Method::DELETE;
        let path =
            if is_get && !form.is_empty() { format!("{PATH}{path}?{form}") } else { format!("{PATH}{path}") };
        if !is_get && !map.contains_key("content-type") {
            map.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let body = if is_get { Bytes::new() } else { Bytes::copy_from_slice(form.as_bytes()) };
        let answer = self.web.send(method, &path, &map, body).await.unwrap();
        Answer { status: answer.status, body: answer.json(), headers: answer.headers }
    }

    pub(crate) async fn try_post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &encoded(form), &[]).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.try_post(path, form).await.ok()
    }

    pub(crate) async fn keyed(&self, key: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &encoded(form), &[("idempotency-key", key)]).await
    }

    pub(crate) async fn get(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.send(Method::GET, path, &encoded(form), &[]).await.ok()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "", &[]).await
    }

    /// A page, as HTML.
    pub(crate) async fn page(&self, method: Method, url: &str, form: &[(&str, &str)]) -> (u16, String) {
        let path = &url[url.find(PATH).unwrap()..];
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        let answer = self.web.send(method, path, &headers, Bytes::from(encoded(form))).await.unwrap();
        (answer.status, answer.text())
    }

    /// Webhooks received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.inbox.lock().unwrap().received.clone()
    }

    pub(crate) fn received_types(&self) -> Vec<String> {
        self.received().iter().map(|one| one.event()["type"].as_str().unwrap().to_owned()).collect()
    }

    /// From now on the receiver answers so.
    pub(crate) fn answer_with(&self, status: u16) {
        self.inbox.lock().unwrap().status = Some(status);
    }

    pub(crate) fn event_types(&self) -> Vec<String> {
        self.stripe.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// A monthly price in euros.
    pub(crate) async fn price(&self, amount: i64, interval: &str) -> String {
        let amount = amount.to_string();
        let price = self
            .post(
                "/v1/prices",
                &[
                    ("currency", "eur"),
                    ("unit_amount", &amount),
                    ("recurring[interval]", interval),
                    ("product_data[name]", "Launch"),
                    ("tax_behavior", "exclusive"),
                ],
            )
            .await;
        id(&price)
    }

    /// A customer in France, who pays by a card if one is given.
    pub(crate) async fn customer(&self, card: Option<&str>) -> String {
        let customer = id(&self
            .post("/v1/customers", &[("email", "anna@example.com"), ("address[country]", "FR")])
            .await);
        if let Some(card) = card {
            let method =
                self.post(&format!("/v1/payment_methods/{card}/attach"), &[("customer", &customer)]).await;
            self.post(
                &format!("/v1/customers/{customer}"),
                &[("invoice_settings[default_payment_method]", &id(&method))],
            )
            .await;
        }
        customer
    }

    /// A subscription of a customer who pays by a card.
    pub(crate) async fn subscription(&self, card: &str, amount: i64) -> (String, String) {
        let price = self.price(amount, "month").await;
        let customer = self.customer(Some(card)).await;
        let subscription =
            self.post("/v1/subscriptions", &[("customer", &customer), ("items[0][price]", &price)]).await;
        (id(&subscription), customer)
    }

    /// Replaces the default card of a customer.
    pub(crate) async fn pay_with(&self, customer: &str, card: &str) {
        let method =
            self.post(&format!("/v1/payment_methods/{card}/attach"), &[("customer", customer)]).await;
        self.post(
            &format!("/v1/customers/{customer}"),
            &[("invoice_settings[default_payment_method]", &id(&method))],
        )
        .await;
    }

    pub(crate) fn object(&self, id: &str) -> Value {
        self.stripe.get(id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// The latest invoice of a subscription.
    pub(crate) fn latest_invoice(&self, subscription: &str) -> Value {
        self.object(self.object(subscription)["latest_invoice"].as_str().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value:#}")).to_owned()
}

pub(crate) fn visa() -> PaidBy {
    PaidBy::card("4242424242424242")
}

fn encoded(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

async fn serve(listener: TcpListener, stripe: Stripe, inbox: Arc<Mutex<Inbox>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (stripe, inbox) = (stripe.clone(), Arc::clone(&inbox));
        let service = service_fn(move |request: Request<Incoming>| {
            let (stripe, inbox) = (stripe.clone(), Arc::clone(&inbox));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let path = parts.uri.path().to_owned();
                let response = match path.strip_prefix(PATH) {
                    Some(path) => stripe.serve(&parts, path, &body).await,
                    None => {
                        let signature = parts.headers.get("stripe-signature").unwrap();
                        let mut inbox = inbox.lock().unwrap();
                        inbox.received.push(Received {
                            signature: signature.to_str().unwrap().to_owned(),
                            body: String::from_utf8(body.to_vec()).unwrap(),
                        });
                        let mut response = Response::new(Bytes::new());
                        *response.status_mut() = inbox.status.unwrap_or(200).try_into().unwrap();
                        response
                    }
                };
                Ok::<_, Infallible>(response.map(Full::<Bytes>::new))
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

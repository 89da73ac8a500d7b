//! The life of a customer, in seconds: a trial, a plan with a machine of its own, an unpaid invoice, the end, and what remains.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Person, Tour, ensure, ensure_quietly, fine, note, shown, step, text};
use crate::harness::Answer;
use crate::{Error, Result};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const TRIAL: &str = "/v1/trials/hosting";
const SUBSCRIPTION: &str = "/v1/billing/subscriptions/hosting";
const METHODS: &str = "/v1/billing/payment-methods";
const INVOICES: &str = "/v1/billing/invoices";
/// Cards of Stripe's: one that pays, one that is kept and never pays, another that pays.
const GOOD: &str = "4242424242424242";
const EMPTY: &str = "4000000000000341";
const OTHER: &str = "5555555555554444";

impl Tour {
    pub(super) async fn live(&self) -> Result<()> {
        let person = self.sign_up().await?;
        self.verify(&person).await?;
        self.trial(&person).await?;
        let site = self.deploy(&person).await?;
        let built = self.watch(&person, &site).await?;
        self.remind(&person).await?;
        self.buy(&person).await?;
        let moved = self.moved(&person, &site, &built).await?;
        self.fail(&person, &moved).await?;
        self.pay(&person, &moved).await?;
        self.cancel(&person, &moved).await?;
        self.purged(&person, &moved).await
    }

    async fn trial(&self, person: &Person) -> Result<()> {
        step("Have a trial");
        let trial = self
            .wait("the trial", async || {
                let answer = self.send(Some(person), Method::GET, TRIAL, None).await?;
                Ok((answer.status == 200).then(|| answer.json()))
            })
            .await?;
        ensure(trial["state"] == "active" && trial["days_left"] == 14, "it is active, for 14 days")
    }

    async fn remind(&self, person: &Person) -> Result<()> {
        step("Eleven days later");
        self.days(person, None, 11).await?;
        let subject = self.subject("ends in", "the reminder").await?;
        fine(&format!("received: {subject}"));
        let trial = self.api(Some(person), Method::GET, TRIAL, None, 200).await?;
        ensure(trial["days_left"].as_i64().is_some_and(|days| days <= 3), "three days are left")
    }

    async fn buy(&self, person: &Person) -> Result<()> {
        step("Buy Launch on Stripe's page");
        let wanted = Some(json!({"price": "hosting_launch_month_usd"}));
        let checkout = self.api(Some(person), Method::POST, "/v1/billing/checkout", wanted, 201).await?;
        let page = local_path(&text(&checkout, "/url")?)?;
        let shown = self.web.send(Method::GET, &page, &HeaderMap::new(), Bytes::new()).await?;
        ensure(shown.status == 200 && shown.text().contains("<form"), "the page has a form")?;
        let paid = self.form(&page, &card(GOOD)).await?;
        ensure(paid.text().contains("Thank you"), "the card pays")?;
        self.wait("the conversion", async || {
            let trial = self.api(Some(person), Method::GET, TRIAL, None, 200).await?;
            Ok((trial["state"] == "converted").then_some(()))
        })
        .await?;
        fine("the trial is converted");
        let subject = self.subject("Welcome to Tenantry Hosting", "the welcome").await?;
        fine(&format!("received: {subject}"));
        Ok(())
    }

    async fn moved(&self, person: &Person, site: &str, built: &Value) -> Result<Value> {
        step("Move to a machine of one's own, by itself");
        let path = format!("/v1/hosting/sites/{site}");
        let state = RefCell::new(String::new());
        let moved = self
            .wait("the move", async || {
                let site = self.api(Some(person), Method::GET, &path, None, 200).await?;
                let line = format!("{} on a {} machine", shown(&site["state"]), shown(&site["mode"]));
                if *state.borrow() != line {
                    note(&line);
                    state.replace(line);
                }
                Ok((site["mode"] == "dedicated" && site["state"] == "active").then_some(site))
            })
            .await?;
        ensure(moved["bucket"] == built["bucket"], "its files stayed where they were")?;
        let frozen = self
            .wait("word of the move", async || {
                let events = self.local("events").await?;
                let all = events.as_array().into_iter().flatten();
                let mut moves = all.filter(|event| event["detail"]["data"]["site"] == site);
                Ok(moves.find_map(|event| event["detail"]["data"]["frozen_millis"].as_u64()))
            })
            .await?;
        fine(&format!("nobody could write to it for {frozen} ms"));
        self.serves(&moved, 200).await?;
        Ok(moved)
    }

    async fn fail(&self, person: &Person, site: &Value) -> Result<()> {
        step("Let the renewal fail");
        self.pay_with(person, EMPTY).await?;
        self.days(person, Some(site), 33).await?;
        let subject = self.subject("payment", "word of the failed payment").await?;
        fine(&format!("received: {subject}"));
        for (days, access) in [(7, "read_only"), (7, "none")] {
            self.days(person, Some(site), days).await?;
            let found = self
                .wait("the ladder's next step", async || {
                    let subscription = self.api(Some(person), Method::GET, SUBSCRIPTION, None, 200).await?;
                    Ok((subscription["access"] == access).then_some(subscription))
                })
                .await?;
            note(&format!("{days} days later: {} ({})", shown(&found["access"]), shown(&found["status"])));
        }
        self.serves(site, 503).await
    }

    async fn pay(&self, person: &Person, site: &Value) -> Result<()> {
        step("Pay with another card");
        self.pay_with(person, OTHER).await?;
        let invoices = self.api(Some(person), Method::GET, INVOICES, None, 200).await?;
        let open = invoices["items"].as_array().into_iter().flatten().find(|one| one["status"] == "open");
        let open = open.ok_or_else(|| Error::new(format!("no invoice is open: {invoices}")))?;
        let pay = format!("{INVOICES}/{}/pay", text(open, "/id")?);
        let paid = self.api(Some(person), Method::POST, &pay, None, 200).await?;
        ensure(paid["status"] == "paid", "the invoice is paid")?;
        self.wait("full access", async || {
            let subscription = self.api(Some(person), Method::GET, SUBSCRIPTION, None, 200).await?;
            Ok((subscription["access"] == "full").then_some(()))
        })
        .await?;
        fine("everything is allowed again");
        self.serves(site, 200).await
    }

    async fn cancel(&self, person: &Person, site: &Value) -> Result<()> {
        step("Cancel at the period's end");
        let ends = self.api(Some(person), Method::DELETE, SUBSCRIPTION, None, 200).await?;
        fine(&format!("it ends at {}", text(&ends, "/ends_at")?));
        self.days(person, Some(site), 31).await?;
        self.wait("the end", async || {
            let subscription = self.api(Some(person), Method::GET, SUBSCRIPTION, None, 200).await?;
            Ok((subscription["status"] == "canceled").then_some(()))
        })
        .await?;
        fine("the subscription has ended");
        self.serves(site, 503).await
    }

    async fn purged(&self, person: &Person, site: &Value) -> Result<()> {
        step("A month later");
        let path = format!("/v1/hosting/sites/{}", text(site, "/id")?);
        self.days(person, Some(site), 32).await?;
        self.wait("the purge", async || {
            let bucket = self.aws("s3", &format!("/{}?versioning", text(site, "/bucket")?)).await?;
            Ok((bucket.status == 404).then_some(()))
        })
        .await?;
        let site = self.api(Some(person), Method::GET, &path, None, 200).await?;
        ensure(site["state"] == "purged", "the site is purged, and its bucket is gone")?;
        self.no_dead_letters().await
    }

    /// Adds a card on the portal's page, and pays with it from now on.
    async fn pay_with(&self, person: &Person, number: &str) -> Result<()> {
        let portal = self.api(Some(person), Method::POST, "/v1/billing/portal", None, 201).await?;
        let page = local_path(&text(&portal, "/url")?)?;
        let added = self.form(&format!("{page}/add"), &card(number)).await?;
        ensure_quietly(added.status == 200, &format!("the portal answers {}", added.status))?;
        let last4 = &number[number.len() - 4..];
        let method = self
            .wait("the card", async || {
                let listed = self.api(Some(person), Method::GET, METHODS, None, 200).await?;
                let all = listed["items"].as_array().into_iter().flatten();
                let mut own = all.filter(|method| method["last4"] == last4);
                Ok(own.next().cloned())
            })
            .await?;
        let default = format!("{METHODS}/{}/default", text(&method, "/id")?);
        self.api(Some(person), Method::PUT, &default, Some(json!({})), 200).await?;
        fine(&format!("a card that ends in {last4} pays from now on"));
        Ok(())
    }

    /// Whether the site answers so.
    async fn serves(&self, site: &Value, status: u16) -> Result<()> {
        let url = format!("http://{}:{}/", text(site, "/fqdn")?, self.port);
        self.wait("the site's page", async || {
            Ok((self.web.browse(&url).await?.status == status).then_some(()))
        })
        .await?;
        fine(&format!("{url} answers {status}"));
        Ok(())
    }

    /// The subject of a mail to the person that has these words in it.
    async fn subject(&self, words: &str, what: &str) -> Result<String> {
        self.wait(what, async || {
            let mail = self.mail(|mail| shown(&mail["subject"]).contains(words)).await?;
            Ok(mail.map(|mail| shown(&mail["subject"]).to_owned()))
        })
        .await
    }

    /// Lets days pass, one by one. What is under way with the site has its time: a clock that jumps would find it overdue.
    async fn days(&self, person: &Person, site: Option<&Value>, days: u32) -> Result<()> {
        for _ in 0..days {
            if let Some(site) = site {
                self.rests(person, site).await?;
            }
            self.forward(DAY).await?;
        }
        note(&format!("{days} days pass"));
        Ok(())
    }

    async fn rests(&self, person: &Person, site: &Value) -> Result<()> {
        let path = format!("/v1/hosting/sites/{}", text(site, "/id")?);
        self.wait("the site to rest", async || {
            let site = self.api(Some(person), Method::GET, &path, None, 200).await?;
            Ok(site["current_operation"].is_null().then_some(()))
        })
        .await
    }

    async fn form(&self, path: &str, fields: &str) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.web.send(Method::POST, path, &headers, fields.to_owned().into()).await
    }
}

fn card(number: &str) -> String {
    format!("type=card&number={number}&name=Tour+Guest&country=US&postal_code=94103")
}

/// The path of an address on this machine.
fn local_path(url: &str) -> Result<String> {
    let path = url.splitn(4, '/').nth(3).map(|rest| format!("/{rest}"));
    path.ok_or_else(|| Error::new(format!("{url} is no address")))
}

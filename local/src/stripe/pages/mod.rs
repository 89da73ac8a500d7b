//! The pages a person sees: checkout, the bank's question, invoices, the portal, and the dashboard.

mod html;
mod pdf;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::Value;

use super::cards::PaidBy;
use super::error::StripeError;
use super::portal::Deed;
use super::value::{some, text};
use super::{Stripe, checkout, intents, invoices, people, portal};
use crate::gateway::message;
use crate::page::{is_own_host, is_own_origin, page};

type Fields = Vec<(String, String)>;

impl Stripe {
    /// Answers everything under [`super::PATH`]; `path` is what comes after it.
    pub async fn serve(&self, parts: &Parts, path: &str, body: &Bytes) -> Response<Bytes> {
        if path.starts_with("/v1/") || path.starts_with("/v2/") {
            return self.handle(parts, path, body).await;
        }
        if !is_own_host(parts) {
            return message(StatusCode::FORBIDDEN, "the page answers under localhost alone");
        }
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.method {
            Method::GET => self.read(&words),
            Method::POST if !is_own_origin(parts) => {
                message(StatusCode::FORBIDDEN, "another site may not change the local stack")
            }
            Method::POST => {
                let fields: Fields = url::form_urlencoded::parse(body).into_owned().collect();
                self.write(&words, &fields)
            }
            _ => message(StatusCode::METHOD_NOT_ALLOWED, "GET or POST"),
        }
    }

    fn read(&self, words: &[&str]) -> Response<Bytes> {
        match words {
            [""] => page(&html::dashboard(self)),
            ["checkout", id] => self.shown(id, |session| html::checkout(session, None)),
            ["action", id] => self.shown(id, html::action),
            ["invoice", id] => self.shown(id, |invoice| html::invoice(invoice, None)),
            ["invoice", id, "pdf"] => match self.get(id) {
                Some(invoice) => {
                    let mut response = Response::new(Bytes::from(pdf::of(&invoice)));
                    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/pdf"));
                    response
                }
                None => not_there(),
            },
            ["portal", id] => self.portal(id, None),
            ["receipt", id] => self.shown(id, html::receipt),
            _ => not_there(),
        }
    }

    fn shown(&self, id: &str, write: impl FnOnce(&Value) -> String) -> Response<Bytes> {
        self.get(id).map_or_else(not_there, |value| page(&write(&value)))
    }

    fn write(&self, words: &[&str], fields: &Fields) -> Response<Bytes> {
        match words {
            ["checkout", id] => self.pay_page(id, fields),
            ["action", id] => {
                let approved = field(fields, "answer") == "approve";
                let done = self.act(|turn| people::answer(turn, id, approved));
                let back = self.after_action(id, done.as_ref().ok());
                page(&html::answered(done.as_ref().err(), back.as_deref()))
            }
            ["invoice", id] => {
                let paid = PaidBy::of_form(fields);
                let done = self.act(|turn| {
                    let payment = invoices::payment_of(turn, id);
                    let intent = payment.map(|payment| payment["payment"]["payment_intent"].clone());
                    let Some(intent) = intent.as_ref().and_then(some) else {
                        return Err(StripeError::refused("Nothing is to pay."));
                    };
                    let intent = people::confirm_with(turn, intent, &paid)?;
                    turn.must("payment_intent", text(&intent["id"]), "id")
                });
                match done {
                    Ok(intent) if intent["status"] == "requires_action" => {
                        page(&html::onward("Your bank has a question", &self.page_of(&intent)))
                    }
                    done => self.shown(id, |invoice| html::invoice(invoice, done.as_ref().err())),
                }
            }
            ["portal", id, deed] => {
                let target = || field(fields, "id").to_owned();
                let deed = match *deed {
                    "cancel" => Deed::Cancel(target()),
                    "keep" => Deed::Keep(target()),
                    "add" => Deed::Add(PaidBy::of_form(fields)),
                    "default" => Deed::Default(target()),
                    "remove" => Deed::Remove(target()),
                    "vat" => Deed::VatId(field(fields, "vat_id").to_owned()),
                    _ => return not_there(),
                };
                let done = self.act(|turn| portal::act(turn, id, &deed));
                self.portal(id, done.err().as_ref())
            }
            _ => not_there(),
        }
    }

    fn pay_page(&self, id: &str, fields: &Fields) -> Response<Bytes> {
        match self.pay_checkout(id, &PaidBy::of_form(fields)) {
            Ok(session) if session["status"] == "complete" => {
                page(&html::onward("Thank you", &success_url(&session)))
            }
            Ok(_) => match self.pending_action(id) {
                Some(intent) => {
                    let url = self.shared.account.page(&format!("/action/{intent}"));
                    page(&html::onward("Your bank has a question", &url))
                }
                None => self.shown(id, |session| html::checkout(session, None)),
            },
            Err(error) => self.shown(id, |session| html::checkout(session, Some(&error))),
        }
    }

    fn page_of(&self, intent: &Value) -> String {
        self.shared.account.page(&format!("/action/{}", text(&intent["id"])))
    }

    /// Where somebody goes who has answered the bank's question.
    fn after_action(&self, id: &str, intent: Option<&Value>) -> Option<String> {
        let sold = self.with_turn(self.now(), Value::Null, |turn| {
            let intent = turn.find(id).cloned()?;
            if let Some(url) = some(&intent["_return_url"]) {
                return Some(url.to_owned());
            }
            let session =
                turn.all("checkout.session").into_iter().find(|session| session["_intent"] == id)?;
            Some(match text(&session["status"]) {
                "complete" => success_url(session),
                _ => text(&session["url"]).to_owned(),
            })
        });
        sold.filter(|_| intent.is_some())
    }

    fn portal(&self, id: &str, error: Option<&Value>) -> Response<Bytes> {
        let Some(session) = self.get(id) else { return not_there() };
        let customer = text(&session["customer"]);
        let of_customer = |kind: &str| -> Vec<Value> {
            self.objects(kind).into_iter().filter(|value| value["customer"] == customer).collect()
        };
        let known = self.get(customer).unwrap_or_default();
        let parts = html::Portal {
            session: &session,
            customer: &known,
            subscriptions: &of_customer("subscription"),
            methods: &of_customer("payment_method"),
            invoices: &of_customer("invoice"),
            tax_ids: &of_customer("tax_id"),
        };
        page(&html::portal(&parts, error))
    }
}

fn success_url(session: &Value) -> String {
    text(&session["success_url"]).replace("{CHECKOUT_SESSION_ID}", text(&session["id"]))
}

fn field<'fields>(fields: &'fields Fields, name: &str) -> &'fields str {
    fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
}

fn not_there() -> Response<Bytes> {
    message(StatusCode::NOT_FOUND, "Not Found")
}

/// What the checkout page needs to know of a session beyond its fields.
fn price_of(session: &Value) -> String {
    checkout::total(session)
}

/// Whether an intent waits for its payer.
fn is_asked(intent: &Value) -> bool {
    intents::is_asked(intent)
}

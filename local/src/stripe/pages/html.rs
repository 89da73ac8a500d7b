//! The pages as HTML, without scripts.

use maud::{Markup, html};
use serde_json::Value;

use super::super::value::{int, is, list, some, text};
use super::super::{Stripe, cards, lines};
use super::{is_asked, price_of};
use crate::page::frame;

/// What the portal shows.
pub(super) struct Portal<'page> {
    pub(super) session: &'page Value,
    pub(super) customer: &'page Value,
    pub(super) subscriptions: &'page [Value],
    pub(super) methods: &'page [Value],
    pub(super) invoices: &'page [Value],
    pub(super) tax_ids: &'page [Value],
}

fn told(error: Option<&Value>) -> Markup {
    html! { @if let Some(error) = error { p.bad { (text(&error["message"])) } } }
}

fn money(amount: &Value, currency: &Value) -> String {
    lines::money(int(amount), text(currency))
}

fn day(seconds: &Value) -> String {
    jiff::Timestamp::from_second(int(seconds))
        .map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%d %b %Y %H:%M").to_string())
        .unwrap_or_default()
}

/// The fields by which somebody pays.
fn payment_fields(types: &[Value]) -> Markup {
    html! {
        @if types.len() > 1 {
            p {
                @for kind in types {
                    label { input type="radio" name="type" value=(text(kind)) checked[*kind == "card"]; " " (text(kind).replace('_', " ")) " " }
                }
            }
        } @else { input type="hidden" name="type" value="card"; }
        p { label { "Card number or IBAN" br; input name="number" value="4242424242424242" size="28" autocomplete="off"; } }
        details {
            summary { "Test numbers" }
            ul {
                li { "4242 4242 4242 4242: is paid" }
                li { "4000 0000 0000 0002: is declined" }
                li { "4000 0000 0000 9995: has insufficient funds" }
                li { "4000 0027 6000 3184: the bank asks, each time" }
                li { "4000 0000 0000 0341: is saved, and declined when it is charged" }
                li { "DE89 3704 0044 0532 0130 00 (SEPA): is paid in five days" }
                li { "DE62 3704 0044 0532 0130 01 (SEPA): fails in five days" }
            }
        }
    }
}

/// The checkout page.
pub(super) fn checkout(session: &Value, error: Option<&Value>) -> String {
    let open = session["status"] == "open";
    let content = html! {
        main.small {
            h1 { "Subscribe" }
            @if !open { p.bad { "This page is no longer valid: the session is " (text(&session["status"])) "." } }
            (told(error))
            @if open {
                p { strong { (price_of(session)) } " now, then each period; tax is added by your country." }
                form method="post" {
                    (payment_fields(list(&session["payment_method_types"])))
                    p { label { "Name" br; input name="name" size="28"; } }
                    @if session["customer"].is_null() { p { label { "E-mail" br; input name="email" type="email" size="28" value=(text(&session["customer_email"])); } } }
                    p { label { "Country" br; input name="country" value="FR" size="4" maxlength="2"; } }
                    @if is(&session["tax_id_collection"]["enabled"]) { p { label { "VAT id (of a business)" br; input name="vat_id" size="20"; } } }
                    p { button { "Subscribe" } }
                }
                @if let Some(url) = some(&session["cancel_url"]) { p { a href=(url) { "Back, without buying" } } }
            }
        }
    };
    frame("Checkout", &content)
}

/// The bank's question.
pub(super) fn action(intent: &Value) -> String {
    let content = html! {
        main.small {
            h1 { "Your bank asks" }
            @if is_asked(intent) {
                p { "Do you confirm this?" }
                form method="post" {
                    button name="answer" value="approve" { "Confirm" }
                    button name="answer" value="reject" { "Refuse" }
                }
            } @else {
                p { "There is no question open." }
            }
        }
    };
    frame("Your bank asks", &content)
}

/// After the bank's question.
pub(super) fn answered(error: Option<&Value>, back: Option<&str>) -> String {
    let content = html! {
        main.small {
            h1 { "Answered" }
            (told(error))
            @if let Some(url) = back { p { a href=(url) { "Go on" } } }
        }
    };
    frame("Answered", &content)
}

/// A page that leads to the next one; a form may not lead elsewhere by itself.
pub(super) fn onward(title: &str, url: &str) -> String {
    let content = html! {
        main.small {
            meta http-equiv="refresh" content={ "0;url=" (url) };
            h1.good { (title) }
            p { a href=(url) { "Go on" } }
        }
    };
    frame(title, &content)
}

/// The hosted invoice.
pub(super) fn invoice(invoice: &Value, error: Option<&Value>) -> String {
    let currency = &invoice["currency"];
    let content = html! {
        main.small {
            h1 { "Invoice " (text(&invoice["number"])) }
            p { (text(&invoice["customer_name"])) " " (text(&invoice["customer_email"])) }
            div.scroll { table {
                @for line in list(&invoice["lines"]) {
                    tr { td { (text(&line["description"])) } td.number { (money(&line["amount"], currency)) } }
                }
                @for tax in list(&invoice["total_taxes"]) {
                    tr { td { "Tax (" (text(&tax["taxability_reason"]).replace('_', " ")) ")" } td.number { (money(&tax["amount"], currency)) } }
                }
                tr { th { "Total" } th.number { (money(&invoice["total"], currency)) } }
                tr { th { "To pay" } th.number { (money(&invoice["amount_remaining"], currency)) } }
            } }
            @if let Some(footer) = some(&invoice["footer"]) { p.soft { (footer) } }
            p { "It is " strong { (text(&invoice["status"])) } ". " a href=(text(&invoice["invoice_pdf"])) { "PDF" } }
            (told(error))
            @if invoice["status"] == "open" {
                form method="post" { (payment_fields(&["card".into(), "sepa_debit".into()])) p { button { "Pay" } } }
            }
        }
    };
    frame("Invoice", &content)
}

/// A receipt.
pub(super) fn receipt(charge: &Value) -> String {
    let content = html! {
        main.small {
            h1 { "Receipt" }
            p { (money(&charge["amount_captured"], &charge["currency"])) " on " (day(&charge["created"])) }
            @if int(&charge["amount_refunded"]) > 0 { p { (money(&charge["amount_refunded"], &charge["currency"])) " given back" } }
        }
    };
    frame("Receipt", &content)
}

fn button(portal: &Portal<'_>, deed: &str, id: &Value, name: &str) -> Markup {
    html! {
        form method="post" action={ "/_local/stripe/portal/" (text(&portal.session["id"])) "/" (deed) } {
            input type="hidden" name="id" value=(text(id));
            button { (name) }
        }
    }
}

/// The customer portal.
pub(super) fn portal(portal: &Portal<'_>, error: Option<&Value>) -> String {
    let base = format!("/_local/stripe/portal/{}", text(&portal.session["id"]));
    let default = &portal.customer["invoice_settings"]["default_payment_method"];
    let content = html! {
        header { h1 { "Billing" } @if let Some(url) = some(&portal.session["return_url"]) { a href=(url) { "Return" } } }
        (told(error))
        h2 { "Subscriptions" }
        @for subscription in portal.subscriptions {
            p {
                (text(&subscription["status"])) ", until " (day(&list(&subscription["items"])[0]["current_period_end"])) " "
                @if is(&subscription["cancel_at_period_end"]) {
                    "(ends then) " (button(portal, "keep", &subscription["id"], "Keep it"))
                } @else if !matches!(text(&subscription["status"]), "canceled" | "incomplete_expired") {
                    (button(portal, "cancel", &subscription["id"], "Cancel at the period's end"))
                }
            }
        }
        h2 { "Payment methods" }
        @for method in portal.methods {
            p {
                (cards::shown(method)) " "
                @if method["id"] == *default { strong { "default " } } @else { (button(portal, "default", &method["id"], "Make default")) }
                (button(portal, "remove", &method["id"], "Remove"))
            }
        }
        form method="post" action={ (base) "/add" } { (payment_fields(&["card".into(), "sepa_debit".into()])) p { button { "Add" } } }
        h2 { "VAT ids" }
        @for tax_id in portal.tax_ids { p { (text(&tax_id["value"])) " " span.soft { (text(&tax_id["verification"]["status"])) } } }
        form method="post" action={ (base) "/vat" } { input name="vat_id" size="20"; " " button { "Add" } }
        h2 { "Invoices" }
        div.scroll { table { @for invoice in portal.invoices.iter().rev() {
            tr {
                td { a href=(text(&invoice["hosted_invoice_url"])) { (text(&invoice["number"])) } }
                td { (day(&invoice["created"])) } td { (text(&invoice["status"])) }
                td.number { (money(&invoice["total"], &invoice["currency"])) }
            }
        } } }
    };
    frame("Billing", &content)
}

/// Everything of late, for who develops.
pub(super) fn dashboard(stripe: &Stripe) -> String {
    let latest = |kind: &str| -> Vec<Value> { stripe.objects(kind).into_iter().rev().take(50).collect() };
    let content = html! {
        header { h1 { "Stripe, local" } nav { a href="/_local" { "the stack" } } }
        p { (stripe.webhooks().pending()) " webhooks wait." }
        h2 { "Open checkouts" }
        @for session in latest("checkout.session").iter().filter(|session| session["status"] == "open") {
            p { a href=(text(&session["url"])) { (text(&session["url"])) } " " (price_of(session)) }
        }
        h2 { "Subscriptions" }
        div.scroll { table { @for subscription in latest("subscription") {
            tr {
                td { (text(&subscription["id"])) } td { (text(&subscription["customer"])) } td { (text(&subscription["status"])) }
                td { (day(&list(&subscription["items"])[0]["current_period_end"])) }
            }
        } } }
        h2 { "Invoices" }
        div.scroll { table { @for invoice in latest("invoice") {
            tr {
                td { a href=(text(&invoice["hosted_invoice_url"])) { (text(&invoice["number"])) } } td { (text(&invoice["customer"])) }
                td { (text(&invoice["status"])) } td.number { (money(&invoice["total"], &invoice["currency"])) }
            }
        } } }
        h2 { "Payments that wait for their payer" }
        @for intent in latest("payment_intent").iter().filter(|intent| intent["status"] == "requires_action") {
            p { a href={ "/_local/stripe/action/" (text(&intent["id"])) } { (text(&intent["id"])) } }
        }
        h2 { "Events" }
        @for event in latest("event") {
            details {
                summary { strong { (text(&event["type"])) } span.soft { " " (day(&event["created"])) @if event["pending_webhooks"] != 0 { " not delivered" } } }
                pre { (format!("{:#}", event["data"])) }
            }
        }
    };
    frame("Stripe, local", &content)
}

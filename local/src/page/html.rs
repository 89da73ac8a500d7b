//! The page itself: plain HTML without scripts, light and dark, readable on a phone.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::state;
use crate::stack::Core;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #b3261e; --good: #1b7f3b; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7bd88f; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 0 1rem 4rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; padding: 1rem 0; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.bad { color: var(--bad); } .good { color: var(--good); } .soft { opacity: .7; }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
iframe { width: 100%; height: 28rem; border: 1px solid var(--line); background: #fff; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .6rem; font-size: 13px; }
form { display: inline; }
button { font: inherit; padding: .25rem .8rem; margin: .1rem .3rem .1rem 0; border: 1px solid var(--line); border-radius: .4rem; cursor: pointer; }
main.small { max-width: 30rem; margin: 4rem auto; }
";

/// A whole page of this content.
pub(crate) fn frame(title: &str, content: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (content) }
        }
    }
    .into_string()
}

/// The page with everything.
pub(super) fn overview(core: &Core) -> String {
    let all = state::all(core);
    let content = html! {
        header {
            h1 { "Tenantry, local" }
            nav {
                @for section in ["clock", "mails", "queues", "sites", "functions", "events"] {
                    a href={ "#" (section) } { (section) }
                }
                a href="/_local/stripe" { "Stripe" }
                a href="/_local.json" { "JSON" }
            }
        }
        (clock(&all["clock"], &all["schedules"]))
        (mails(&all["mails"]))
        (queues(&all["queues"]))
        (sites(&all["sites"], &all["instances"]))
        (functions(&all["functions"]))
        (events(&all["events"]))
    };
    frame("Tenantry, local", &content)
}

fn clock(clock: &Value, schedules: &Value) -> Markup {
    let ahead = clock["ahead_seconds"].as_u64().unwrap_or(0);
    html! {
        h2 id="clock" { "Clock" }
        p {
            strong { (text(&clock["now"])) }
            @if ahead > 0 { span.soft { " — " (ahead) " s ahead of real time" } }
        }
        @for (name, seconds) in [("1 minute", 60), ("15 minutes", 900), ("1 hour", 3_600), ("1 day", 86_400), ("7 days", 604_800), ("30 days", 2_592_000)] {
            form method="post" action="/_local/clock" {
                input type="hidden" name="advance_seconds" value=(seconds);
                button { "+ " (name) }
            }
        }
        details {
            summary { "Schedules" }
            div.scroll { table {
                @for schedule in list(schedules) {
                    tr { td { (text(&schedule["function"])) } td { (text(&schedule["expression"])) } td { (text(&schedule["zone"])) } td { (text(&schedule["next"])) } }
                }
            } }
        }
    }
}

fn mails(mails: &Value) -> Markup {
    html! {
        h2 id="mails" { "Mails" }
        @if list(mails).is_empty() { p.soft { "None yet. Sign up, and the first one comes." } }
        @for mail in list(mails) {
            details {
                summary {
                    strong { (text(&mail["subject"])) } " — " (joined(&mail["to"]))
                    span.soft { " " (text(&mail["at"])) }
                }
                p.soft { "From " (text(&mail["from"])) }
                @if let Some(id) = mail["id"].as_str() {
                    iframe sandbox="allow-popups" loading="lazy" title="the mail" src={ "/_local/mails/" (id) "/html" } {}
                }
                @let links = links(mail["text"].as_str().unwrap_or_default());
                @if !links.is_empty() {
                    p { "Links: " @for link in &links { a href=(link) rel="noreferrer" { (link) } " " } }
                }
                details { summary { "Plain text" } pre { (text(&mail["text"])) } }
            }
        }
    }
}

/// One line for each queue with work in it, its dead letters beside it.
fn queues(queues: &Value) -> Markup {
    let dead_of =
        |name: &str| list(queues).iter().find(|queue| text(&queue["name"]) == format!("{name}-dead-letters"));
    let is_beside = |queue: &Value| {
        let source = text(&queue["name"]).strip_suffix("-dead-letters");
        source.is_some_and(|source| list(queues).iter().any(|other| text(&other["name"]) == source))
    };
    html! {
        h2 id="queues" { "Queues" }
        div.scroll { table {
            tr { th { "queue" } th.number { "visible" } th.number { "in flight" } th.number { "delayed" } th.number { "dead letters" } }
            @for queue in list(queues).iter().filter(|queue| !is_beside(queue)) {
                @let name = text(&queue["name"]);
                tr {
                    td { (queue_link(name, &short(name))) }
                    td.number { (number(&queue["visible"])) }
                    td.number { (number(&queue["in_flight"])) }
                    td.number { (number(&queue["delayed"])) }
                    td.number { @if let Some(dead) = dead_of(name) { (dead_letters(dead)) } }
                }
            }
        } }
    }
}

fn dead_letters(queue: &Value) -> Markup {
    let name = text(&queue["name"]);
    let count = queue["visible"].as_u64().unwrap_or(0);
    html! {
        span class=(if count > 0 { "bad" } else { "" }) { (queue_link(name, &count.to_string())) }
        @if count > 0 {
            " " form method="post" action={ "/_local/queues/" (name) "/redrive" } { button { "Redrive" } }
        }
    }
}

fn queue_link(name: &str, shown: &str) -> Markup {
    html! { a href={ "/_local/queues/" (name) "/messages" } { (shown) } }
}

/// A name without what all names begin with.
fn short(name: &str) -> String {
    name.trim_start_matches(&format!("tenantry-{}-", crate::keys::STAGE)).to_owned()
}

fn sites(sites: &Value, instances: &Value) -> Markup {
    html! {
        h2 id="sites" { "Sites and machines" }
        div.scroll { table {
            @for site in list(sites) {
                tr {
                    td { a href=(text(&site["url"])) rel="noreferrer" { (text(&site["fqdn"])) } }
                    td class=(if site["state"] == "active" { "good" } else { "" }) { (text(&site["state"])) }
                    td.soft { (text(&site["host"])) }
                }
            }
        } }
        div.scroll { table {
            @for instance in list(instances) {
                tr {
                    td { (text(&instance["instance"])) }
                    td { (text(&instance["host"])) }
                    td { @if instance["registered"] == true { "registered" } @else { "not registered" } }
                    td { (list(&instance["names"]).len()) " served" }
                    td.bad { (text(&instance["trouble"])) }
                }
            }
        } }
    }
}

fn functions(functions: &Value) -> Markup {
    html! {
        h2 id="functions" { "Functions" }
        div.scroll { table {
            tr {
                th { "function" } th { "area" } th.number { "cold" } th.number { "warm" } th.number { "start ms" } th.number { "cold ms" }
                th.number { "warm ms" } th.number { "RCU" } th.number { "WCU" } th.number { "failed" } th { "last error" }
            }
            @for function in list(functions) {
                tr {
                    td { a href={ "/_local/functions/" (text(&function["name"])) "/logs" } { (text(&function["name"])) } }
                    td.soft { (text(&function["area"])) }
                    @for field in ["cold", "warm", "start_ms", "cold_ms", "warm_ms", "read_units", "write_units", "failed"] {
                        td.number { (number(&function[field])) }
                    }
                    td.bad { (text(&function["last_error"])) }
                }
            }
        } }
    }
}

fn events(events: &Value) -> Markup {
    html! {
        h2 id="events" { "Events" }
        @if list(events).is_empty() { p.soft { "None yet." } }
        @for event in list(events) {
            details {
                summary { strong { (text(&event["type"])) } span.soft { " " (text(&event["at"])) } }
                pre { (serde_json::to_string_pretty(&event["detail"]).unwrap_or_default()) }
            }
        }
    }
}

/// The page that a verification link opens: GET changes nothing, as mail scanners follow links too.
pub(super) fn verify(token: Option<&str>) -> String {
    let content = html! {
        main.small {
            h1 { "Confirm your address" }
            @if let Some(token) = token {
                p { "One press, and your account is ready." }
                form method="post" action="/_local/app/verify-email" {
                    input type="hidden" name="token" value=(token);
                    button { "Confirm" }
                }
            } @else {
                p.bad { "This link is not complete." }
            }
        }
    };
    frame("Confirm your address", &content)
}

/// What came of it.
pub(super) fn verified(status: u16, body: &Value) -> String {
    let content = html! {
        main.small {
            @if status == 200 {
                h1.good { "Confirmed" }
                p { (text(&body["email"])) " is confirmed." }
            } @else {
                h1.bad { "Not confirmed" }
                p { (text(&body["detail"])) " (" (text(&body["code"])) ")" }
            }
            p { a href="/_local" { "Back to the stack" } }
        }
    };
    frame("Confirm your address", &content)
}

/// A mail without a rich body.
pub(super) fn plain(body: &str) -> String {
    frame("Mail", &html! { pre { (body) } })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { String::new() }
}

fn joined(value: &Value) -> String {
    list(value).iter().map(text).collect::<Vec<_>>().join(", ")
}

fn links(body: &str) -> Vec<&str> {
    body.split_whitespace()
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .collect()
}

//! The life of a subscription: periods that end, trials, payments that come or fail, and what is told before.

use serde_json::{Value, json};

use super::invoices::{self, Draft, subscription_of};
use super::subscriptions::period_end;
use super::turn::{Turn, new_id};
use super::value::{int, is, list, some, text};
use super::{calendar, catalog, invoice_items, lines, methods, schedules, updates};

/// Who does not pay the first invoice within so many seconds has no subscription.
const FIRST_PAYMENT: i64 = 23 * 3_600;
/// So long before its end a trial is announced.
const TRIAL_NOTICE: i64 = 3 * 86_400;
/// So long before a renewal its invoice is announced.
const UPCOMING: i64 = 7 * 86_400;
/// A renewal's invoice is a draft for so long.
const DRAFT: i64 = 3_600;

/// What happens next to a subscription, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Cancel,
    ExpireFirst,
    ExpirePending,
    ExpireResume,
    TrialNotice,
    TrialEnd,
    ResumeCollection,
    Upcoming,
    Renew,
}

fn next(subscription: &Value) -> Option<(i64, Next)> {
    let mut moments = Vec::new();
    let status = text(&subscription["status"]);
    let at = |name: &str| subscription[name].as_i64();
    match status {
        "canceled" | "incomplete_expired" => return None,
        "incomplete" => moments.push((int(&subscription["created"]) + FIRST_PAYMENT, Next::ExpireFirst)),
        "paused" => moments.extend(at("_resume_until").map(|at| (at, Next::ExpireResume))),
        "trialing" => {
            if let Some(end) = at("trial_end") {
                let notice = end - TRIAL_NOTICE;
                if !is(&subscription["_trial_told"]) && notice >= int(&subscription["trial_start"]) {
                    moments.push((notice, Next::TrialNotice));
                }
                moments.push((end, Next::TrialEnd));
            }
        }
        _ => {
            let end = period_end(subscription);
            let start =
                list(&subscription["items"]).iter().map(|item| int(&item["current_period_start"])).min();
            let notice = end - UPCOMING;
            if at("_upcoming_told") != Some(end)
                && start.is_some_and(|start| notice > start)
                && at("cancel_at").is_none()
            {
                moments.push((notice, Next::Upcoming));
            }
            moments.push((end, Next::Renew));
        }
    }
    if status != "incomplete" {
        moments.extend(at("cancel_at").map(|at| (at, Next::Cancel)));
    }
    moments.extend(subscription["pending_update"]["expires_at"].as_i64().map(|at| (at, Next::ExpirePending)));
    moments.extend(
        subscription["pause_collection"]["resumes_at"].as_i64().map(|at| (at, Next::ResumeCollection)),
    );
    moments.into_iter().min()
}

pub(super) fn due(subscription: &Value) -> Option<i64> {
    next(subscription).map(|(at, _)| at)
}

pub(super) fn fall_due(turn: &mut Turn<'_>, id: &str) {
    let subscription = turn.of("subscription", &id.into());
    let Some((_, what)) = next(&subscription) else { return };
    match what {
        Next::Cancel => updates::end(turn, id, "cancellation_requested"),
        Next::ExpireFirst => expire_first(turn, id, &subscription),
        Next::ExpirePending => updates::expire_pending(turn, id),
        Next::ExpireResume => {
            turn.edit("subscription", id, |subscription| subscription["_resume_until"] = Value::Null);
            invoices::void(turn, text(&subscription["latest_invoice"]));
        }
        Next::TrialNotice => {
            turn.edit("subscription", id, |subscription| subscription["_trial_told"] = true.into());
            turn.event("customer.subscription.trial_will_end", id);
        }
        Next::TrialEnd => {
            end_trial(turn, id, DRAFT);
        }
        Next::ResumeCollection => {
            turn.edit("subscription", id, |subscription| subscription["pause_collection"] = Value::Null);
            turn.event("customer.subscription.updated", id);
        }
        Next::Upcoming => announce(turn, id, &subscription),
        Next::Renew => renew(turn, id, DRAFT),
    }
}

fn expire_first(turn: &mut Turn<'_>, id: &str, subscription: &Value) {
    let now = turn.now;
    let invoice = text(&subscription["latest_invoice"]).to_owned();
    if turn.of("invoice", &subscription["latest_invoice"])["status"] == "open" {
        invoices::void(turn, &invoice);
    }
    turn.edit("subscription", id, |subscription| {
        subscription["status"] = "incomplete_expired".into();
        subscription["ended_at"] = now.into();
    });
    turn.event("customer.subscription.updated", id);
}

fn announce(turn: &mut Turn<'_>, id: &str, subscription: &Value) {
    let end = period_end(subscription);
    turn.edit("subscription", id, |subscription| subscription["_upcoming_told"] = end.into());
    let mut invoice = upcoming(turn, subscription);
    invoice["id"] = new_id("upcoming_in_1").into();
    invoice["next_payment_attempt"] = (end + DRAFT).into();
    turn.event_of("invoice.upcoming", super::value::public(&invoice));
}

/// The invoice that the next renewal will bring, as far as is known.
pub(super) fn upcoming(turn: &Turn<'_>, subscription: &Value) -> Value {
    let customer = turn.of("customer", &subscription["customer"]);
    let end = period_end(subscription);
    let waiting = invoice_items::waiting(turn, &customer["id"], Some(text(&subscription["id"])));
    let mut lines: Vec<Value> = waiting.iter().map(lines::of_invoice_item).collect();
    let start = list(&subscription["items"]).iter().map(|item| int(&item["current_period_start"])).min();
    for item in list(&subscription["items"]) {
        if int(&item["current_period_end"]) > end {
            continue;
        }
        lines.push(of_renewal(turn, subscription, item, end).0);
    }
    let period = (start.unwrap_or(end), end);
    let reason = "upcoming";
    invoices::compose(turn, Draft { customer: &customer, subscription, lines, reason, period })
}

/// The line of an item that renews, and its new period.
fn of_renewal(turn: &Turn<'_>, subscription: &Value, item: &Value, end: i64) -> (Value, (i64, i64)) {
    let anchor = item["_anchor"].as_i64().unwrap_or(int(&subscription["billing_cycle_anchor"]));
    let next = calendar::period(anchor, &item["price"]["recurring"], end);
    let over = (int(&item["current_period_start"]), end);
    let billed = if catalog::is_metered(&item["price"]) { over } else { next };
    (lines::of_period(turn, subscription, item, billed), next)
}

/// A period has ended: the next one begins, and its invoice is drafted.
fn renew(turn: &mut Turn<'_>, id: &str, draft_for: i64) {
    let mut subscription = turn.of("subscription", &id.into());
    let customer = turn.of("customer", &subscription["customer"]);
    let end = period_end(&subscription);
    let mut lines = invoice_items::take(turn, &customer["id"], Some(id));
    let mut over = (end, end);
    let mut items = list(&subscription["items"]).to_vec();
    for item in items.iter_mut().filter(|item| int(&item["current_period_end"]) <= end) {
        over.0 = over.0.min(int(&item["current_period_start"]));
        let (line, next) = of_renewal(turn, &subscription, item, end);
        lines.push(line);
        item["current_period_start"] = next.0.into();
        item["current_period_end"] = next.1.into();
    }
    subscription["items"]["data"] = Value::Array(items);
    turn.put(&subscription);
    bill(turn, id, lines, over, draft_for);
}

/// Drafts the invoice of a cycle, as the subscription is billed just now.
fn bill(turn: &mut Turn<'_>, id: &str, lines: Vec<Value>, over: (i64, i64), draft_for: i64) -> String {
    let subscription = turn.of("subscription", &id.into());
    let customer = turn.of("customer", &subscription["customer"]);
    let draft = Draft {
        customer: &customer,
        subscription: &subscription,
        lines,
        reason: "subscription_cycle",
        period: over,
    };
    let invoice = invoices::make(turn, draft);
    let paused = text(&subscription["pause_collection"]["behavior"]).to_owned();
    let waits = subscription["status"] == "unpaid" || paused == "keep_as_draft";
    let finalizes = turn.now + draft_for;
    turn.edit("invoice", &invoice, |invoice| {
        invoice["auto_advance"] = (!waits).into();
        invoice["automatically_finalizes_at"] = if waits { Value::Null } else { finalizes.into() };
    });
    if matches!(paused.as_str(), "void" | "mark_uncollectible") && invoices::finalize(turn, &invoice).is_ok()
    {
        if paused == "void" {
            invoices::void(turn, &invoice);
        } else {
            turn.edit("invoice", &invoice, |invoice| invoice["status"] = "uncollectible".into());
            turn.event("invoice.marked_uncollectible", &invoice);
        }
    }
    turn.event("customer.subscription.updated", id);
    invoice
}

/// A trial has ended: paid time begins, if there is somebody to pay.
pub(super) fn end_trial(turn: &mut Turn<'_>, id: &str, draft_for: i64) -> Option<String> {
    let mut subscription = turn.of("subscription", &id.into());
    let customer = turn.of("customer", &subscription["customer"]);
    let now = turn.now;
    let payable = methods::default_of(turn, &customer, &subscription).is_some()
        || subscription["collection_method"] == "send_invoice";
    match text(&subscription["trial_settings"]["end_behavior"]["missing_payment_method"]) {
        "cancel" if !payable => {
            updates::end(turn, id, "payment_failed");
            return None;
        }
        "pause" if !payable => {
            updates::pause_now(turn, id, "trial_end_without_payment_method");
            return None;
        }
        _ => {}
    }
    let started = subscription["trial_start"].as_i64().unwrap_or(now);
    subscription["status"] = "active".into();
    subscription["trial_end"] = now.into();
    subscription["billing_cycle_anchor"] = now.into();
    let mut items = list(&subscription["items"]).to_vec();
    let mut lines = invoice_items::take(turn, &customer["id"], Some(id));
    for item in &mut items {
        let next = calendar::period(now, &item["price"]["recurring"], now);
        item["_anchor"] = now.into();
        item["current_period_start"] = next.0.into();
        item["current_period_end"] = next.1.into();
        let billed = if catalog::is_metered(&item["price"]) { (started, now) } else { next };
        lines.push(lines::of_period(turn, &subscription, item, billed));
    }
    subscription["items"]["data"] = Value::Array(items);
    turn.put(&subscription);
    Some(bill(turn, id, lines, (started, now), draft_for))
}

/// Whether an invoice is that of a change which only happens when it is paid.
pub(super) fn is_pending(turn: &Turn<'_>, invoice: &Value) -> bool {
    let subscription = turn.of("subscription", &subscription_of(invoice).into());
    subscription["_pending_invoice"].is_string() && subscription["_pending_invoice"] == invoice["id"]
}

/// A debit has been ordered, which is as good as paid until it fails.
pub(super) fn payment_comes(turn: &mut Turn<'_>, invoice: &str, intent: &Value) {
    let invoice = turn.of("invoice", &invoice.into());
    let id = subscription_of(&invoice).to_owned();
    let subscription = turn.of("subscription", &id.as_str().into());
    if subscription.is_null() {
        return;
    }
    if is_pending(turn, &invoice) {
        updates::apply_pending(turn, &id);
        return;
    }
    if subscription["status"] == "incomplete" {
        keep_method(turn, &id, intent);
        turn.edit("subscription", &id, |subscription| subscription["status"] = "active".into());
        turn.event("customer.subscription.updated", &id);
    }
}

/// The method of the first payment pays the next ones, if that was wanted.
fn keep_method(turn: &mut Turn<'_>, id: &str, intent: &Value) {
    let subscription = turn.of("subscription", &id.into());
    if subscription["payment_settings"]["save_default_payment_method"] != "on_subscription" {
        return;
    }
    let method = turn.of("payment_method", &intent["payment_method"]);
    let customer = text(&subscription["customer"]);
    let saved = methods::reusable_of(turn, &method, customer);
    if let Some(saved) = saved {
        turn.edit("subscription", id, |subscription| subscription["default_payment_method"] = saved);
    }
}

/// An invoice has been paid.
pub(super) fn invoice_paid(turn: &mut Turn<'_>, invoice: &Value, intent: Option<&Value>) {
    let id = subscription_of(invoice).to_owned();
    let subscription = turn.of("subscription", &id.as_str().into());
    if subscription.is_null() {
        return;
    }
    if let Some(intent) = intent {
        keep_method(turn, &id, intent);
    }
    if is_pending(turn, invoice) {
        updates::apply_pending(turn, &id);
        return;
    }
    let latest = subscription["latest_invoice"] == invoice["id"];
    let owes = turn
        .all("invoice")
        .into_iter()
        .any(|other| subscription_of(other) == id && other["status"] == "open" && is(&other["attempted"]));
    match text(&subscription["status"]) {
        "incomplete" if latest => {
            turn.edit("subscription", &id, |subscription| subscription["status"] = "active".into());
        }
        "past_due" | "unpaid" if latest || !owes => {
            turn.edit("subscription", &id, |subscription| subscription["status"] = "active".into());
        }
        "paused" if latest && is(&invoice["_resumes"]) => {
            updates::resumed(turn, &id);
            return;
        }
        _ => {}
    }
    turn.event("customer.subscription.updated", &id);
}

/// An attempt to pay has failed; `last` when there will be no other.
pub(super) fn payment_failed(turn: &mut Turn<'_>, invoice: &str, last: bool) {
    let invoice = turn.of("invoice", &invoice.into());
    let id = subscription_of(&invoice).to_owned();
    let subscription = turn.of("subscription", &id.as_str().into());
    if subscription.is_null() || is_pending(turn, &invoice) {
        return;
    }
    let status = text(&subscription["status"]).to_owned();
    if matches!(status.as_str(), "active" | "trialing") {
        turn.edit("subscription", &id, |subscription| subscription["status"] = "past_due".into());
        turn.event("customer.subscription.updated", &id);
    }
    if !last || !matches!(status.as_str(), "active" | "trialing" | "past_due") {
        return;
    }
    let setting = turn.get("_setting", "after_retries").and_then(|setting| some(setting).map(str::to_owned));
    match setting.as_deref() {
        Some("cancel") => updates::end(turn, &id, "payment_failed"),
        Some("unpaid") => {
            turn.edit("subscription", &id, |subscription| subscription["status"] = "unpaid".into());
            turn.event("customer.subscription.updated", &id);
        }
        _ => {}
    }
}

/// A subscription is over, and so is the schedule that led it.
pub(super) fn ended(turn: &mut Turn<'_>, subscription: &Value, reason: &str) {
    if let Some(schedule) = some(&subscription["schedule"]) {
        let schedule = schedule.to_owned();
        schedules::subscription_ended(turn, &schedule, reason == "payment_failed");
    }
}

/// What `cancellation_details` says of a reason.
pub(super) fn details(subscription: &Value, reason: &str) -> Value {
    let mut details = subscription["cancellation_details"].clone();
    if details.is_null() {
        details = json!({ "comment": null, "feedback": null });
    }
    details["reason"] = reason.into();
    details
}

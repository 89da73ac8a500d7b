//! The keys of the area's items.

use domain::billing::Product;
use domain::{OrgId, QuoteId, SiteId, Timestamp};
use platform::hash::sha256_hex;
use platform::store::Key;

/// What is due lies in so many partitions, so that a busy day makes none of them hot.
pub const SHARDS: u128 = 4;

/// An organisation's account.
#[must_use]
pub fn account(org: OrgId) -> Key {
    Key::new(partition(org), "ACCOUNT")
}

/// Who signed an organisation up.
#[must_use]
pub fn founder(org: OrgId) -> Key {
    Key::new(partition(org), "FOUNDER")
}

/// What an organisation may use.
#[must_use]
pub fn entitlements(org: OrgId) -> Key {
    Key::new(partition(org), "ENT")
}

/// An organisation's trial of a product.
#[must_use]
pub fn trial(org: OrgId, product: Product) -> Key {
    Key::new(partition(org), format!("TRIAL#{}", product.as_str()))
}

/// The mark that somebody tried a product. It outlives who left it, so it shows no address.
#[must_use]
pub fn trial_mark(fingerprint: &str) -> Key {
    Key::new(format!("TRIALFP#{}", sha256_hex(fingerprint)), "MARK")
}

/// An organisation's subscription to a product.
#[must_use]
pub fn subscription(org: OrgId, product: Product) -> Key {
    Key::new(partition(org), format!("SUB#{}", product.as_str()))
}

/// A subscription that ended and was followed by another.
#[must_use]
pub fn subscription_history(org: OrgId, product: Product, generation: u32) -> Key {
    Key::new(partition(org), format!("SUBH#{}#{generation:06}", product.as_str()))
}

/// The one checkout of a product.
#[must_use]
pub fn slot(org: OrgId, product: Product) -> Key {
    Key::new(partition(org), format!("CHK#{}", product.as_str()))
}

/// The ladder of an invoice that was not paid at once.
#[must_use]
pub fn dunning(org: OrgId, invoice: &str) -> Key {
    Key::new(partition(org), format!("{DUNNING}{invoice}"))
}

/// An invoice; they lie in the order in which they were made.
#[must_use]
pub fn invoice(org: OrgId, created_at: Timestamp, invoice: &str) -> Key {
    Key::new(partition(org), format!("{INVOICE}{created_at}#{invoice}"))
}

/// Where an invoice lies.
#[must_use]
pub fn invoice_place(org: OrgId, invoice: &str) -> Key {
    Key::new(partition(org), format!("INVAT#{invoice}"))
}

/// A charge that paid an invoice.
#[must_use]
pub fn charge(org: OrgId, charge: &str) -> Key {
    Key::new(partition(org), format!("{CHARGE}{charge}"))
}

/// A refund.
#[must_use]
pub fn refund(org: OrgId, refund: &str) -> Key {
    Key::new(partition(org), format!("RF#{refund}"))
}

/// A dispute.
#[must_use]
pub fn dispute(org: OrgId, dispute: &str) -> Key {
    Key::new(partition(org), format!("DP#{dispute}"))
}

/// Where a dispute lies, in the list of all.
#[must_use]
pub fn dispute_place(created_at: Timestamp, dispute: &str) -> Key {
    Key::new(DISPUTES, format!("{created_at}#{dispute}"))
}

/// A posting of the ledger.
#[must_use]
pub fn posting(org: OrgId, at: Timestamp, source: &str) -> Key {
    Key::new(format!("LED#{org}#{}", month_of(at)), source)
}

/// A way to pay.
#[must_use]
pub fn method(org: OrgId, method: &str) -> Key {
    Key::new(partition(org), format!("{METHOD}{method}"))
}

/// A site that counts against its plan.
#[must_use]
pub fn site(org: OrgId, site: SiteId) -> Key {
    Key::new(partition(org), format!("{SITE}{site}"))
}

/// A quote.
#[must_use]
pub fn quote(org: OrgId, quote: QuoteId) -> Key {
    Key::new(partition(org), format!("QUOTE#{quote}"))
}

/// A call of Stripe. Two who want the same join in one.
#[must_use]
pub fn op(org: OrgId, action: &str, entity: &str) -> Key {
    Key::new(partition(org), format!("OP#{action}#{entity}"))
}

/// An event that Stripe told.
#[must_use]
pub fn inbox(event: &str) -> Key {
    Key::new(format!("EVT#{event}"), "EVT")
}

/// A day's comparison with Stripe.
#[must_use]
pub fn reconciliation(date: &str) -> Key {
    Key::new(format!("RECON#{date}"), "RUN")
}

/// What a day's comparison found.
#[must_use]
pub fn difference(date: &str, object: &str) -> Key {
    Key::new(format!("RECON#{date}"), format!("{DIFFERENCE}{object}"))
}

/// How far the list of Stripe's events was read.
#[must_use]
pub fn cursor() -> Key {
    Key::new("CUR#events", "CUR")
}

/// A price as Stripe knows it.
#[must_use]
pub fn price(lookup_key: &str) -> Key {
    Key::new(PRICES, format!("{PRICE}{lookup_key}"))
}

/// Use that was taken in, with the rest of its meter's day.
#[must_use]
pub fn usage_entry(org: OrgId, meter: &str, at: Timestamp, id: &str) -> Key {
    Key::new(usage_day(org, meter, &day(at)), id)
}

/// That an id of use was taken in.
#[must_use]
pub fn usage_mark(org: OrgId, id: &str) -> Key {
    Key::new(format!("USGID#{org}"), id)
}

/// How much of a meter was used in a while: one of several items that are summed up.
#[must_use]
pub fn usage_counter(org: OrgId, meter: &str, period: &str, shard: u64) -> Key {
    Key::new(usage_counters(org, meter), format!("{period}#{shard}"))
}

/// A part of an hour of use.
#[must_use]
pub fn rollup(org: OrgId, meter: &str, hour: Timestamp, sequence: u32) -> Key {
    Key::new(partition(org), format!("{}{hour}#{sequence:04}", rollups(meter)))
}

/// How much may be spent on a meter.
#[must_use]
pub fn cap(org: OrgId, meter: &str) -> Key {
    Key::new(partition(org), format!("CAP#{meter}"))
}

/// A meter as Stripe knows it.
#[must_use]
pub fn meter(name: &str) -> Key {
    Key::new(PRICES, format!("METER#{name}"))
}

/// The day that a moment lies in, in UTC.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// The index partition of what Stripe calls by this id.
#[must_use]
pub fn by_stripe(id: &str) -> String {
    format!("STRIPE#{id}")
}

pub(super) const DIFFERENCE: &str = "DIFF#";
pub(super) const PRICES: &str = "CAT#stripe";
pub(super) const PRICE: &str = "PRICE#";
pub(super) const INVOICE: &str = "INV#";
pub(super) const SITE: &str = "SITE#";
pub(super) const CHARGE: &str = "CH#";
pub(super) const RECONCILIATIONS: &str = "RECONCILIATIONS";
pub(super) const DISPUTES: &str = "DISPUTES";
pub(super) const LIVE: &str = "SUB";
pub(super) const METHOD: &str = "PM#";
pub(super) const SUBSCRIPTION: &str = "SUB#";
pub(super) const DUNNING: &str = "DUN#";

/// The month of a moment in UTC, such as `2026-11`.
#[must_use]
pub fn month_of(at: Timestamp) -> String {
    at.to_string().chars().take(7).collect()
}

/// The index partition that an organisation's postings of a month are read from.
pub(super) fn ledger(at: Timestamp, org: OrgId) -> String {
    ledger_shard(&month_of(at), org.ulid() % SHARDS)
}

pub(super) fn ledger_shard(month: &str, shard: u128) -> String {
    format!("LEDGER#{month}#{shard}")
}

/// The index partition of the subscriptions that ended in a month.
pub(super) fn ended(month: &str) -> String {
    format!("ENDED#SUB#{month}")
}

pub(super) fn usage_day(org: OrgId, meter: &str, day: &str) -> String {
    format!("USG#{org}#{meter}#{day}")
}

pub(super) fn usage_counters(org: OrgId, meter: &str) -> String {
    format!("AGG#{org}#{meter}")
}

pub(super) fn rollups(meter: &str) -> String {
    format!("ROLL#{meter}#")
}

/// The index partition of the parts that arrived at Stripe on a day.
pub(super) fn arrived(day: &str, shard: u128) -> String {
    format!("ARRIVED#{day}#{shard}")
}

pub(super) fn partition(org: OrgId) -> String {
    format!("ORG#{org}")
}

/// The index partition of an organisation's things that are due.
pub(super) fn due(what: &str, org: OrgId) -> String {
    due_shard(what, org.ulid() % SHARDS)
}

pub(super) fn due_shard(what: &str, shard: u128) -> String {
    format!("DUE#{what}#{shard}")
}

//! Use that is counted and charged: what is taken in, and how much of it there may be.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::catalog;
use super::events::SpendCapReached;
use super::{Micro, Money, Product, Transition};
use crate::accounts::{Access, Entitlements, ProductEntitlement};
use crate::{OrgId, Refusal, Timestamp};

/// How late use can be told: Stripe's meters look back no further.
pub const LATEST: Duration = Duration::from_secs(35 * 24 * 3_600);
/// How far a clock elsewhere may be ahead.
pub const AHEAD: Duration = Duration::from_secs(300);
/// The most digits of a meter's value at Stripe, the point's places included.
pub const MOST: Micro = Micro(999_999_999_999_999);
/// How the ids end of entries that take others back.
const VOID: &str = ":void";
/// The parts of a cap, in percent, that its owner hears of.
pub const ALERTS: [u8; 3] = [50, 80, 100];

/// Use, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageRecord {
    /// Chosen by its teller; the same one again is the same use.
    #[schemars(length(min = 1, max = 100))]
    pub id: String,
    /// What was used.
    pub meter: String,
    /// How much, as a number with up to six decimals.
    pub quantity: String,
    /// When.
    pub at: Timestamp,
}

/// Use that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageEntry {
    /// Chosen by its teller.
    pub id: String,
    /// Whose.
    pub org: OrgId,
    /// Of which product.
    pub product: Product,
    /// What was used.
    pub meter: String,
    /// How much; negative for what takes another entry back.
    pub quantity: Micro,
    /// When it was used.
    pub at: Timestamp,
    /// When it was told.
    pub told_at: Timestamp,
    /// Who told it.
    pub source: String,
    /// Which entry it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void_of: Option<String>,
    /// Which part of its hour it counts in; absent for what is not charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// Why it is kept and not charged; people settle it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<Flag>,
}

/// Why use that happened is not charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// It was told over 35 days later.
    TooOld,
    /// The organisation's plan does not hold it, or no longer.
    NotEntitled,
    /// It went beyond a hard cap.
    BeyondCap,
}

/// How much may be spent on use in a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cap {
    /// Of what.
    pub meter: String,
    /// In which while.
    pub window: Window,
    /// Whether use stops at it, or is only told.
    pub hard: bool,
    /// How much.
    pub limit: Money,
    /// The while that the alerts belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerted_in: Option<Timestamp>,
    /// The parts of it, in percent, that were told.
    #[serde(default)]
    pub alerted: BTreeSet<u8>,
}

/// The while that a cap is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// A day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
}

/// What a cap is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCap {
    /// In which while.
    pub window: Window,
    /// Whether use stops at it, or is only told.
    pub hard: bool,
    /// How much, at the plan's price; what the plan includes counts too.
    pub limit: Money,
}

impl NewCap {
    /// The cap of a meter, in the place of the one there is.
    ///
    /// # Errors
    /// 422 at `/limit/minor` when it is negative, at `/limit/currency` when the meter has no price in it.
    pub fn of(&self, meter: &str, product: Product, before: Option<&Cap>) -> Result<Cap, Refusal> {
        if self.limit.minor < 0 {
            return Err(Refusal::invalid("/limit/minor", "expected no negative amount"));
        }
        let plans = &catalog().product(product).plans;
        if !plans.iter().any(|plan| plan.meter_price(meter, self.limit.currency).is_some()) {
            let message = "expected a currency that the meter has a price in";
            return Err(Refusal::invalid("/limit/currency", message));
        }
        // Who only turns a hard cap into a soft one is not told its parts anew.
        let same = before.filter(|cap| (cap.window, cap.limit) == (self.window, self.limit));
        Ok(Cap {
            meter: meter.to_owned(),
            window: self.window,
            hard: self.hard,
            limit: self.limit,
            alerted_in: same.and_then(|cap| cap.alerted_in),
            alerted: same.map(|cap| cap.alerted.clone()).unwrap_or_default(),
        })
    }
}

impl UsageRecord {
    /// Takes it in.
    ///
    /// # Errors
    /// 422 at `/meter`, `/quantity` or `/id`; 422 at `/at` when it is over 35 days old or ahead of the clock.
    pub fn accept(&self, org: OrgId, source: &str, now: Timestamp) -> Result<UsageEntry, Refusal> {
        let entry = self.keep(org, source, now)?;
        if entry.flag == Some(Flag::TooOld) {
            return Err(Refusal::invalid("/at", "expected no more than 35 days ago"));
        }
        Ok(entry)
    }

    /// Takes in what happened within the platform, and cannot be refused for coming late: it is flagged.
    ///
    /// # Errors
    /// As [`UsageRecord::accept`], but for what is over 35 days old.
    pub fn keep(&self, org: OrgId, source: &str, now: Timestamp) -> Result<UsageEntry, Refusal> {
        if self.id.is_empty() || self.id.len() > 100 || self.id.chars().any(char::is_control) {
            return Err(Refusal::invalid("/id", "expected 1 to 100 characters"));
        }
        if self.id.ends_with(VOID) {
            return Err(Refusal::invalid("/id", "expected another end than `:void`"));
        }
        let Some((product, _)) = catalog().meter(&self.meter) else {
            return Err(Refusal::invalid("/meter", "expected the name of a meter"));
        };
        let quantity = self.quantity.parse::<Micro>().ok().filter(|q| (Micro(0)..=MOST).contains(q));
        let Some(quantity) = quantity else {
            let message = "expected a number that is not negative, of up to 15 digits, 6 of them decimals";
            return Err(Refusal::invalid("/quantity", message));
        };
        if self.at.since(now) > AHEAD {
            return Err(Refusal::invalid("/at", "expected a moment that is not ahead"));
        }
        Ok(UsageEntry {
            id: self.id.clone(),
            org,
            product,
            meter: self.meter.clone(),
            quantity,
            at: self.at,
            told_at: now,
            source: source.to_owned(),
            void_of: None,
            part: None,
            flag: (now.since(self.at) > LATEST).then_some(Flag::TooOld),
        })
    }
}

/// What the organisation may use of a meter's product.
///
/// # Errors
/// 402 `plan_required`, 402 `plan_restricted`.
pub fn entitled(product: Product, plan: &Entitlements) -> Result<&ProductEntitlement, Refusal> {
    let held = plan.product(product.as_str()).ok_or_else(|| {
        let message = format!("The organisation has no plan for {product}.");
        Refusal::payment_required("plan_required", message)
    })?;
    if held.access != Access::Full {
        let message = "The plan is restricted: nothing more can be used until the payment is settled.";
        return Err(Refusal::payment_required("plan_restricted", message).with("plan", held.plan.as_str()));
    }
    Ok(held)
}

impl UsageEntry {
    /// The same id was taken in before: the same use again, or another one under its name.
    ///
    /// # Errors
    /// 409 `usage_mismatch` for another one.
    pub fn repeats(&self, known: &Self) -> Result<(), Refusal> {
        if self.substance() == known.substance() { Ok(()) } else { Err(self.mismatch()) }
    }

    /// The id was told before with something else under it.
    #[must_use]
    pub fn mismatch(&self) -> Refusal {
        let message = format!("The id {} was told before with another meter, quantity or time.", self.id);
        Refusal::conflict("usage_mismatch", message)
    }

    /// The same use, kept for people to settle.
    #[must_use]
    pub fn flagged(self, flag: Flag) -> Self {
        Self { flag: Some(flag), part: None, ..self }
    }

    /// What tells an entry from another under the same id; its hash is what is kept for good.
    #[must_use]
    pub fn substance(&self) -> String {
        format!("{}:{}:{}", self.meter, self.quantity.0, self.at.as_millis())
    }

    /// The entry that takes this one back.
    ///
    /// # Errors
    /// 409 `already_billed` when its hour was sent; a credit note is then the way. 409 `not_voidable` for an entry that
    /// takes back another one.
    pub fn void(&self, sent: bool, source: &str, now: Timestamp) -> Result<Self, Refusal> {
        if self.void_of.is_some() {
            return Err(Refusal::conflict("not_voidable", "The entry takes back another one."));
        }
        if sent {
            let message = "The use was billed; make a credit note for it.";
            return Err(Refusal::conflict("already_billed", message));
        }
        Ok(Self {
            id: self.void_id(),
            quantity: Micro(-self.quantity.0),
            void_of: Some(self.id.clone()),
            source: source.to_owned(),
            told_at: now,
            ..self.clone()
        })
    }

    /// The id of the entry that takes this one back.
    #[must_use]
    pub fn void_id(&self) -> String {
        format!("{}{VOID}", self.id)
    }

    /// The hour that it counts in.
    #[must_use]
    pub fn hour(&self) -> Timestamp {
        hour_of(self.at)
    }
}

/// The beginning of a moment's hour.
#[must_use]
pub fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_secs(at.as_secs().div_euclid(3_600) * 3_600)
}

impl Window {
    /// The beginning of the while that a moment lies in.
    #[must_use]
    pub fn of(self, at: Timestamp) -> Timestamp {
        let day = at.as_secs().div_euclid(86_400);
        let start = match self {
            Self::Day => day,
            Self::Month => {
                let date = jiff::Timestamp::from_second(day * 86_400).ok();
                let day_of_month =
                    date.map_or(1, |date| jiff::tz::Offset::UTC.to_datetime(date).date().day());
                day - i64::from(day_of_month) + 1
            }
        };
        Timestamp::from_secs(start * 86_400)
    }
}

impl Cap {
    /// How much use the cap holds by a plan; `None` where the plan charges nothing for it.
    #[must_use]
    pub fn allowed_by(&self, product: Product, plan: &str) -> Option<Micro> {
        let price = catalog().plan(product, plan)?.meter_price(&self.meter, self.limit.currency)?;
        Some(self.allowed(price.unit_amount))
    }

    /// How much use the cap holds at so many smallest units of its currency a unit: the most whose price is within it.
    #[must_use]
    pub fn allowed(&self, unit_amount: Micro) -> Micro {
        if unit_amount.0 <= 0 {
            return MOST;
        }
        let allowed = i128::from(self.limit.minor.max(0)) * 1_000_000_000_000 / i128::from(unit_amount.0);
        Micro(i64::try_from(allowed).unwrap_or(i64::MAX).min(MOST.0))
    }

    /// Use has come to `used` of `allowed`: the largest part of the cap that was not told yet is told.
    #[must_use]
    pub fn step(&self, product: Product, used: Micro, allowed: Micro, now: Timestamp) -> Transition<Self> {
        let window = self.window.of(now);
        let mut cap = self.clone();
        if cap.alerted_in != Some(window) {
            cap.alerted_in = Some(window);
            cap.alerted.clear();
        }
        let reached = ALERTS.into_iter().filter(|percent| {
            i128::from(used.0) * 100 >= i128::from(allowed.0) * i128::from(*percent) && allowed.0 > 0
        });
        let news: Vec<u8> = reached.filter(|percent| !cap.alerted.contains(percent)).collect();
        cap.alerted.extend(&news);
        match news.into_iter().max() {
            // A lower part that is told after a higher one would say what is no longer so.
            Some(percent) if cap.alerted.iter().max() == Some(&percent) => {
                let event = SpendCapReached {
                    product,
                    meter: self.meter.clone(),
                    percent,
                    limit: self.limit,
                    hard: self.hard,
                };
                Transition::told(cap, event)
            }
            _ => Transition::quiet(cap),
        }
    }
}

/// The use would go beyond its cap (402).
#[must_use]
pub fn spend_cap(cap: &Cap) -> Refusal {
    let message = format!("The cap of {} on {} is reached.", cap.limit, cap.meter);
    Refusal::payment_required("spend_cap", message)
        .with("meter", cap.meter.as_str())
        .with("limit_minor", cap.limit.minor)
        .with("currency", cap.limit.currency.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::Currency;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn record(quantity: &str) -> UsageRecord {
        UsageRecord {
            id: "msg-1".to_owned(),
            meter: "sms_segments".to_owned(),
            quantity: quantity.to_owned(),
            at: NOW,
        }
    }

    fn accept(record: &UsageRecord, now: Timestamp) -> Result<UsageEntry, Refusal> {
        record.accept(OrgId::from_ulid(1), "test", now)
    }

    fn pointer(refusal: Refusal) -> String {
        match refusal.kind {
            crate::RefusalKind::Invalid { pointer } => pointer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn e40_use_of_35_days_ago_is_taken_and_older_is_not() {
        assert!(accept(&record("1"), NOW + LATEST).is_ok());
        let late = accept(&record("1"), NOW + LATEST + Duration::from_millis(1)).expect_err("too old");
        assert_eq!(pointer(late), "/at");
        let kept = record("1").keep(OrgId::from_ulid(1), "test", NOW + LATEST + Duration::from_millis(1));
        assert_eq!(kept.map(|entry| entry.flag), Ok(Some(Flag::TooOld)));
        assert!(accept(&record("1"), NOW - AHEAD).is_ok());
        assert!(accept(&record("1"), NOW - AHEAD - Duration::from_millis(1)).is_err());
    }

    #[test]
    fn e42_what_stripe_cannot_hold_is_refused() {
        for sound in ["0", "1.5", "999999999.999999"] {
            assert!(accept(&record(sound), NOW).is_ok(), "{sound}");
        }
        for wrong in ["-1", "1.0000001", "1000000000", "1e3", "", "NaN"] {
            assert_eq!(accept(&record(wrong), NOW).map_err(pointer), Err("/quantity".to_owned()), "{wrong}");
        }
        let void = UsageRecord { id: "msg-1:void".to_owned(), ..record("1") };
        assert_eq!(accept(&void, NOW).map_err(pointer), Err("/id".to_owned()));
        let unknown = UsageRecord { meter: "steps".to_owned(), ..record("1") };
        assert_eq!(accept(&unknown, NOW).map_err(pointer), Err("/meter".to_owned()));
    }

    #[test]
    fn e39_the_same_id_is_the_same_use_or_a_mismatch() {
        let entry = accept(&record("2"), NOW).expect("sound");
        let later = accept(&record("2.0"), NOW + Duration::from_secs(30 * 3_600)).expect("sound");
        assert_eq!(later.repeats(&entry), Ok(()));
        assert_eq!(later.substance(), entry.substance());
        let other = accept(&record("3"), NOW).expect("sound");
        assert_eq!(other.repeats(&entry).map_err(|no| no.code), Err("usage_mismatch"));
    }

    #[test]
    fn what_was_not_billed_can_be_taken_back_once() {
        let entry = accept(&record("2"), NOW).expect("sound");
        let void = entry.void(false, "staff", NOW).expect("not billed");
        assert_eq!((void.quantity.0 + entry.quantity.0, void.hour()), (0, entry.hour()));
        assert_eq!(void.void(false, "staff", NOW).map_err(|no| no.code), Err("not_voidable"));
        assert_eq!(entry.void(true, "staff", NOW).map_err(|no| no.code), Err("already_billed"));
    }

    fn cap(minor: i64) -> Cap {
        Cap {
            meter: "sms_segments".to_owned(),
            window: Window::Day,
            hard: true,
            limit: Money::new(minor, Currency::USD),
            alerted_in: None,
            alerted: BTreeSet::new(),
        }
    }

    #[test]
    fn a_cap_is_in_a_currency_that_the_meter_has_a_price_in() {
        let wanted =
            |minor, currency| NewCap { window: Window::Day, hard: true, limit: Money::new(minor, currency) };
        let of = |new: NewCap, before: Option<&Cap>| new.of("sms_segments", Product::Campaigns, before);
        assert_eq!(of(wanted(-1, Currency::USD), None).map_err(pointer), Err("/limit/minor".to_owned()));
        let yen = "jpy".parse().expect("a currency");
        assert_eq!(of(wanted(1, yen), None).map_err(pointer), Err("/limit/currency".to_owned()));
        let told = Cap { alerted: BTreeSet::from([50]), alerted_in: Some(NOW), ..cap(100) };
        let soft = NewCap { hard: false, ..wanted(100, Currency::USD) };
        assert_eq!(of(soft, Some(&told)), Ok(Cap { hard: false, ..told.clone() }));
        let larger = of(wanted(200, Currency::USD), Some(&told)).expect("sound");
        assert!(larger.alerted.is_empty());
        assert_eq!(cap(80).allowed_by(Product::Campaigns, "pro"), Some(Micro::whole(100)));
        assert_eq!(cap(80).allowed_by(Product::Campaigns, "free"), None);
    }

    #[test]
    fn each_part_of_a_cap_is_told_once_a_while() {
        let allowed = Micro::whole(100);
        let percent = |step: &Transition<Cap>| match &step.event {
            Some(crate::billing::BillingEvent::SpendCapReached(event)) => Some(event.percent),
            _ => None,
        };
        let step = |cap: &Cap, used, now| cap.step(Product::Campaigns, Micro::whole(used), allowed, now);
        let at_49 = step(&cap(100), 49, NOW);
        assert_eq!(percent(&at_49), None);
        let at_50 = step(&at_49.next, 50, NOW);
        assert_eq!(percent(&at_50), Some(50));
        assert_eq!(percent(&step(&at_50.next, 79, NOW)), None);
        let at_100 = step(&at_50.next, 100, NOW);
        assert_eq!((percent(&at_100), at_100.next.alerted.len()), (Some(100), 3));
        assert_eq!(percent(&step(&at_100.next, 100, NOW)), None);
        let tomorrow = NOW + Duration::from_secs(86_400);
        assert_eq!(percent(&step(&at_100.next, 60, tomorrow)), Some(50));
    }

    #[test]
    fn a_while_begins_at_midnight_or_on_the_first() {
        let at: Timestamp = "2027-02-28T23:59:59.999Z".parse().expect("a moment");
        assert_eq!(Window::Day.of(at).to_string(), "2027-02-28T00:00:00.000Z");
        assert_eq!(Window::Month.of(at).to_string(), "2027-02-01T00:00:00.000Z");
        let first: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a moment");
        assert_eq!(Window::Month.of(first), first);
    }

    proptest! {
        /// What a cap allows costs no more than the cap, and a millionth more would.
        #[test]
        fn a_cap_is_never_overspent(minor in 0..100_000_i64, unit in 1..100_000_000_i64) {
            let allowed = cap(minor).allowed(Micro(unit));
            let cost = |micro: i64| i128::from(micro) * i128::from(unit);
            let limit = i128::from(minor) * 1_000_000_000_000;
            prop_assert!(cost(allowed.0) <= limit);
            prop_assert!(allowed == MOST || cost(allowed.0 + 1) > limit);
        }
    }
}

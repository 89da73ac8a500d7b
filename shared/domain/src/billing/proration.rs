//! Billing periods by the calendar, and what a part of a period costs: the rules of Stripe's billing, so that a preview,
//! an invoice and our own check agree to the cent.

use jiff::Span;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::Interval;
use super::money::round_half_up;
use crate::Timestamp;

/// A stretch of time that is paid for: the start belongs to it, the end to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Period {
    /// Its first moment.
    pub start: Timestamp,
    /// The next period's first moment.
    pub end: Timestamp,
}

/// What a period costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One unit for one whole period, in the currency's smallest unit.
    pub minor: i64,
    /// How many units.
    pub quantity: u64,
}

/// The two lines of a change in the middle of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeLines {
    /// What was paid and will not be used; never positive.
    pub credit: i64,
    /// What the rest of the period costs by the new rate; a whole new period's price if the interval changes.
    pub charge: i64,
}

impl Period {
    /// The period number `number` of a subscription that began at `anchor`; the first is number 0.
    ///
    /// Each is counted from the anchor and not from the one before it, so a subscription of the 31st renews on the 28th of
    /// February and again on the 31st of March.
    #[must_use]
    pub fn nth(anchor: Timestamp, interval: Interval, number: u32) -> Self {
        let months = i64::from(interval.months());
        let (number, next) = (i64::from(number), i64::from(number) + 1);
        Self { start: plus_months(anchor, months * number), end: plus_months(anchor, months * next) }
    }

    /// The period that a moment lies in; the first one for moments before it.
    #[must_use]
    pub fn at(anchor: Timestamp, interval: Interval, moment: Timestamp) -> Self {
        // No month is longer than 31 days, so this is never too late a period, and at most a few too early.
        let shortest = u64::from(interval.months()) * 31 * 86_400;
        let mut number = u32::try_from(moment.since(anchor).as_secs() / shortest).unwrap_or(u32::MAX);
        loop {
            let period = Self::nth(anchor, interval, number);
            if moment < period.end || period.end <= period.start {
                return period;
            }
            number += 1;
        }
    }

    /// How many whole seconds it lasts.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        (self.end.as_secs() - self.start.as_secs()).max(0)
    }

    /// How many seconds of it are left at a moment.
    #[must_use]
    pub fn left(&self, at: Timestamp) -> i64 {
        (self.end.as_secs() - at.as_secs()).clamp(0, self.seconds())
    }
}

impl Rate {
    /// The price of a whole period.
    #[must_use]
    pub fn whole(self) -> i64 {
        self.minor.saturating_mul(i64::try_from(self.quantity).unwrap_or(i64::MAX))
    }

    /// What is left of the period's price at a moment, by the second, rounded once for the line.
    #[must_use]
    pub fn left(self, period: &Period, at: Timestamp) -> i64 {
        round_half_up(i128::from(self.whole()) * i128::from(period.left(at)), i128::from(period.seconds()))
    }
}

/// The lines of a change of rate within a period that goes on.
#[must_use]
pub fn change_lines(period: &Period, at: Timestamp, old: Rate, new: Rate) -> ChangeLines {
    ChangeLines { credit: -old.left(period, at), charge: new.left(period, at) }
}

/// The lines of a change of interval: the old period ends at once, and a whole new one begins.
#[must_use]
pub fn restart_lines(period: &Period, at: Timestamp, old: Rate, new: Rate) -> ChangeLines {
    ChangeLines { credit: -old.left(period, at), charge: new.whole() }
}

impl ChangeLines {
    /// What is to be paid now; negative if it is owed to the customer.
    #[must_use]
    pub fn due(self) -> i64 {
        self.credit + self.charge
    }
}

/// So many months later, at the same time of day in UTC; a day that the month does not have becomes its last.
#[must_use]
pub fn plus_months(moment: Timestamp, months: i64) -> Timestamp {
    let shifted = jiff::Timestamp::from_millisecond(moment.as_millis()).ok().and_then(|start| {
        let date: DateTime = Offset::UTC.to_datetime(start);
        let later = date.checked_add(Span::new().try_months(months).ok()?).ok()?;
        Offset::UTC.to_timestamp(later).ok()
    });
    shifted.map_or(moment, |shifted| Timestamp::from_millis(shifted.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn dates(anchor: &str, interval: Interval, count: u32) -> Vec<String> {
        let date = |number| Period::nth(at(anchor), interval, number).start.to_string()[..10].to_owned();
        (0..count).map(date).collect()
    }

    /// E65: as Stripe's billing cycle anchor has it.
    #[test]
    fn e65_the_31st_by_the_month_comes_back_after_short_months() {
        assert_eq!(
            dates("2027-01-31T10:00:00Z", Interval::Month, 5),
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]
        );
        assert_eq!(
            dates("2028-01-30T00:00:00Z", Interval::Month, 3),
            ["2028-01-30", "2028-02-29", "2028-03-30"]
        );
        assert_eq!(
            dates("2026-12-31T23:59:59Z", Interval::Month, 3),
            ["2026-12-31", "2027-01-31", "2027-02-28"]
        );
    }

    #[test]
    fn e65_the_29th_of_february_by_the_year_comes_back_in_leap_years() {
        assert_eq!(
            dates("2028-02-29T12:00:00Z", Interval::Year, 5),
            ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]
        );
    }

    #[test]
    fn e65_no_daylight_saving_moves_a_renewal() {
        // Clocks in Europe change on 28 March and 31 October 2027.
        for (anchor, end) in [
            ("2027-03-15T01:30:00Z", "2027-04-15T01:30:00Z"),
            ("2027-10-15T01:30:00Z", "2027-11-15T01:30:00Z"),
        ] {
            assert_eq!(Period::nth(at(anchor), Interval::Month, 0).end, at(end));
        }
    }

    #[test]
    fn e65_a_periods_end_is_the_next_ones_start() {
        let anchor = at("2027-01-31T00:00:00Z");
        let end = Period::nth(anchor, Interval::Month, 0).end;
        assert_eq!(Period::at(anchor, Interval::Month, end).start, end);
        assert_eq!(Period::at(anchor, Interval::Month, Timestamp::from_millis(end.as_millis() - 1)).end, end);
        assert_eq!(Period::at(anchor, Interval::Month, at("2020-01-01T00:00:00Z")).start, anchor);
    }

    #[test]
    fn an_upgrade_half_way_costs_half_the_difference() {
        let period = Period { start: at("2027-04-01T00:00:00Z"), end: at("2027-05-01T00:00:00Z") };
        let (launch, growth) = (Rate { minor: 29_900, quantity: 1 }, Rate { minor: 59_900, quantity: 1 });
        let lines = change_lines(&period, at("2027-04-16T00:00:00Z"), launch, growth);
        assert_eq!((lines.credit, lines.charge, lines.due()), (-14_950, 29_950, 15_000));
        let yearly = Rate { minor: 299_000, quantity: 1 };
        assert_eq!(
            restart_lines(&period, at("2027-04-16T00:00:00Z"), launch, yearly).due(),
            299_000 - 14_950
        );
    }

    fn rate() -> impl Strategy<Value = Rate> {
        (0..5_000_000_i64, 0..200_u64).prop_map(|(minor, quantity)| Rate { minor, quantity })
    }

    prop_compose! {
        fn period()(start in 1_700_000_000..2_500_000_000_i64, number in 0..60_u32, yearly in any::<bool>()) -> Period {
            let interval = if yearly { Interval::Year } else { Interval::Month };
            Period::nth(Timestamp::from_secs(start), interval, number)
        }
    }

    proptest! {
        #[test]
        fn a_change_to_the_same_rate_costs_nothing(period in period(), rate in rate(), part in 0.0..1.0_f64) {
            let at = moment(&period, part);
            prop_assert_eq!(change_lines(&period, at, rate, rate).due(), 0);
        }

        #[test]
        fn there_and_back_at_one_moment_costs_nothing(
            period in period(), old in rate(), new in rate(), part in 0.0..1.0_f64,
        ) {
            let at = moment(&period, part);
            let there = change_lines(&period, at, old, new).due();
            prop_assert_eq!(there + change_lines(&period, at, new, old).due(), 0);
        }

        /// Whatever changes within a period: the sum of all lines is what the seconds used of each rate cost, but for the
        /// rounding of half a unit a line.
        #[test]
        fn proration_sums_to_the_cent(
            period in period(), rates in prop::collection::vec(rate(), 1..12), parts in prop::collection::vec(0.0..1.0_f64, 11),
        ) {
            let mut moments: Vec<Timestamp> = parts.iter().map(|part| moment(&period, *part)).collect();
            moments.truncate(rates.len() - 1);
            moments.sort_unstable();
            let mut paid = i128::from(rates[0].whole());
            let mut owed = i128::from(rates[0].whole()) * i128::from(period.seconds());
            for (at, pair) in moments.iter().zip(rates.windows(2)) {
                let lines = change_lines(&period, *at, pair[0], pair[1]);
                prop_assert!(lines.credit <= 0 && lines.charge >= 0);
                prop_assert!(lines.credit >= -pair[0].whole() && lines.charge <= pair[1].whole());
                paid += i128::from(lines.due());
                owed += i128::from(pair[1].whole() - pair[0].whole()) * i128::from(period.left(*at));
            }
            let off = (paid * i128::from(period.seconds()) - owed).abs();
            let roundings = i128::from(period.seconds()) * i128::try_from(moments.len()).unwrap_or(0);
            prop_assert!(off <= roundings, "off by {off} second-units");
        }

        #[test]
        fn later_is_never_dearer(period in period(), rate in rate(), parts in (0.0..1.0_f64, 0.0..1.0_f64)) {
            let (early, late) = (moment(&period, parts.0.min(parts.1)), moment(&period, parts.0.max(parts.1)));
            prop_assert!(rate.left(&period, early) >= rate.left(&period, late));
            prop_assert_eq!(rate.left(&period, period.start), rate.whole());
            prop_assert_eq!(rate.left(&period, period.end), 0);
        }

        #[test]
        fn periods_join_without_gap(anchor in 1_700_000_000..2_500_000_000_i64, number in 0..200_u32) {
            let anchor = Timestamp::from_secs(anchor);
            for interval in [Interval::Month, Interval::Year] {
                let (this, next) =
                    (Period::nth(anchor, interval, number), Period::nth(anchor, interval, number + 1));
                prop_assert_eq!(this.end, next.start);
                prop_assert!(this.start < this.end);
                prop_assert_eq!(Period::at(anchor, interval, this.start), this);
                prop_assert_eq!(Period::at(anchor, interval, this.end), next);
            }
        }
    }

    /// The moment at this part of a period.
    fn moment(period: &Period, part: f64) -> Timestamp {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let seconds = (period.seconds() as f64 * part) as i64;
        Timestamp::from_secs(period.start.as_secs() + seconds)
    }
}

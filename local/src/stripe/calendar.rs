//! Billing periods: calendar months and years from an anchor, in UTC, as Stripe counts them.

use jiff::ToSpan;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::value::{int, text};

/// The moment `count` intervals after the anchor: 31 January and a month is the last of February, and two are 31 March.
pub(super) fn after(anchor: i64, interval: &str, count: i64) -> i64 {
    let moved = moment(anchor).and_then(|moment| {
        let span = match interval {
            "day" => count.days(),
            "week" => count.weeks(),
            "year" => count.years(),
            _ => count.months(),
        };
        moment.checked_add(span).ok()
    });
    moved
        .and_then(|moment| moment.to_zoned(TimeZone::UTC).ok())
        .map_or(anchor, |zoned| zoned.timestamp().as_second())
}

fn moment(seconds: i64) -> Option<DateTime> {
    Some(TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?))
}

/// The period that holds a moment, counted from an anchor that may be before or after it.
pub(super) fn period(anchor: i64, recurring: &Value, at: i64) -> (i64, i64) {
    let interval = text(&recurring["interval"]);
    let every = int(&recurring["interval_count"]).max(1);
    let length = match interval {
        "day" => 86_400,
        "week" => 604_800,
        "year" => 31_556_952,
        _ => 2_629_746,
    } * every;
    // The guess is off by one at most, as months differ little.
    let mut number = (at - anchor).div_euclid(length) - 1;
    loop {
        let (start, end) =
            (after(anchor, interval, number * every), after(anchor, interval, (number + 1) * every));
        if at < end {
            return (start, end);
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> i64 {
        format!("{text}T12:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second()
    }

    #[test]
    fn months_keep_their_anchor() {
        let month = json!({ "interval": "month", "interval_count": 1 });
        let anchor = at("2026-01-31");
        assert_eq!(period(anchor, &month, anchor), (anchor, at("2026-02-28")));
        assert_eq!(period(anchor, &month, at("2026-02-28")), (at("2026-02-28"), at("2026-03-31")));
        assert_eq!(period(anchor, &month, at("2026-04-29")), (at("2026-03-31"), at("2026-04-30")));
        let year = json!({ "interval": "year", "interval_count": 1 });
        assert_eq!(period(at("2024-02-29"), &year, at("2025-03-01")), (at("2025-02-28"), at("2026-02-28")));
    }

    #[test]
    fn an_anchor_may_lie_ahead() {
        let month = json!({ "interval": "month", "interval_count": 1 });
        assert_eq!(period(at("2026-03-10"), &month, at("2026-03-01")), (at("2026-02-10"), at("2026-03-10")));
    }
}

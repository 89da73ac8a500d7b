//! Schedules: when `rate(...)`, `cron(...)` and `at(...)` fall due, and the event a function then gets.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use domain::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::template::model::{Model, Schedule, Trigger};
use crate::{Context, Error, Result};

/// The moments at which a schedule falls due.
pub enum Times {
    /// Every so often, counted from the stack's start.
    Every(Duration),
    /// By the calendar of a time zone.
    Calendar(Box<Cron>, TimeZone),
    /// Once.
    Once(Timestamp),
}

impl Times {
    /// Understands a schedule's expression and time zone.
    ///
    /// # Errors
    /// In words, when EventBridge Scheduler would refuse it.
    pub fn parse(schedule: &Schedule) -> Result<Self> {
        let zone = TimeZone::get(&schedule.zone).context(format!("the time zone {}", schedule.zone))?;
        let expression = schedule.expression.trim();
        let wrong = || {
            Error::new(format!(
                "`{expression}` is no schedule: rate(5 minutes), cron(0 8 * * ? *) or at(2027-01-01T00:00:00)"
            ))
        };
        let (kind, inner) =
            expression.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(wrong)?;
        match kind {
            "rate" => {
                let (count, unit) = inner.trim().split_once(' ').ok_or_else(wrong)?;
                let count: u64 = count.parse().map_err(|_| wrong())?;
                let seconds = match unit.trim() {
                    "minute" | "minutes" => 60,
                    "hour" | "hours" => 3_600,
                    "day" | "days" => 86_400,
                    _ => return Err(wrong()),
                };
                if count == 0 || (count == 1) == unit.ends_with('s') {
                    return Err(wrong());
                }
                Ok(Self::Every(Duration::from_secs(count * seconds)))
            }
            "cron" => {
                if inner.split_whitespace().count() != 6 || !inner.contains('?') {
                    return Err(Error::new(format!(
                        "`{expression}` needs six fields, one of the two days being `?`"
                    )));
                }
                let parser = CronParser::builder()
                    .seconds(Seconds::Required)
                    .year(Year::Required)
                    .alternative_weekdays(true)
                    .sloppy_ranges(true)
                    .build();
                let cron = parser.parse(&format!("0 {inner}")).context(format!("`{expression}`"))?;
                Ok(Self::Calendar(Box::new(cron), zone))
            }
            "at" => {
                let civil: jiff::civil::DateTime = inner.parse().map_err(|_| wrong())?;
                let moment = civil.to_zoned(zone)?.timestamp();
                Ok(Self::Once(Timestamp::from_millis(moment.as_millisecond())))
            }
            _ => Err(wrong()),
        }
    }

    /// The first moment after `after`; a rate counts from `anchor`.
    #[must_use]
    pub fn next(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(span) => {
                let step = span.as_millis().max(1);
                let passed = after.since(anchor).as_millis() / step + 1;
                let ahead = u64::try_from(passed * step).unwrap_or(u64::MAX);
                Some(anchor + Duration::from_millis(ahead))
            }
            Self::Calendar(cron, zone) => {
                let moment = jiff::Timestamp::from_millisecond(after.as_millis()).ok()?;
                let next: Zoned = cron.find_next_occurrence(&moment.to_zoned(zone.clone()), false).ok()?;
                Some(Timestamp::from_millis(next.timestamp().as_millisecond()))
            }
            Self::Once(moment) => (*moment > after).then_some(*moment),
        }
    }
}

/// Every schedule of the templates and when each is due next.
pub struct Schedules {
    entries: Mutex<Vec<Entry>>,
    anchor: Timestamp,
    account: String,
    region: String,
}

struct Entry {
    function: String,
    schedule: Schedule,
    times: Times,
    next: Option<Timestamp>,
}

/// A schedule that has fallen due.
pub struct Fired {
    /// The function's full name.
    pub function: String,
    /// What it gets.
    pub event: String,
}

impl Schedules {
    /// The model's schedules, counted from `now`.
    ///
    /// # Errors
    /// When an expression is not understood; the template's reader has already refused those.
    pub fn new(model: &Model, now: Timestamp, region: &str, account: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for function in &model.functions {
            for trigger in &function.triggers {
                if let Trigger::Schedule(schedule) = trigger {
                    let times = Times::parse(schedule).context(&schedule.place)?;
                    let next = times.next(now, now);
                    entries.push(Entry {
                        function: function.name.clone(),
                        schedule: schedule.clone(),
                        times,
                        next,
                    });
                }
            }
        }
        Ok(Self {
            entries: Mutex::new(entries),
            anchor: now,
            account: account.to_owned(),
            region: region.to_owned(),
        })
    }

    /// When the next schedule is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.lock().iter().filter_map(|entry| entry.next).min()
    }

    /// Takes the schedules that are due, each once however often its moment has passed.
    #[must_use]
    pub fn take_due(&self, now: Timestamp) -> Vec<Fired> {
        let mut fired = Vec::new();
        for entry in self.lock().iter_mut() {
            if let Some(due) = entry.next.filter(|due| *due <= now) {
                entry.next = entry.times.next(self.anchor, now);
                fired.push(Fired {
                    function: entry.function.clone(),
                    event: self.event(&entry.schedule, due),
                });
            }
        }
        fired
    }

    /// Function, expression, time zone and next moment of each schedule, for the page.
    #[must_use]
    pub fn list(&self) -> Vec<(String, String, String, Option<Timestamp>)> {
        self.lock()
            .iter()
            .map(|entry| {
                (
                    entry.function.clone(),
                    entry.schedule.expression.clone(),
                    entry.schedule.zone.clone(),
                    entry.next,
                )
            })
            .collect()
    }

    fn event(&self, schedule: &Schedule, due: Timestamp) -> String {
        // Scheduler writes whole seconds.
        let time =
            due.to_string().split('.').next().map_or_else(String::new, |seconds| format!("{seconds}Z"));
        let arn =
            format!("arn:aws:scheduler:{}:{}:schedule/default/{}", self.region, self.account, schedule.name);
        let id = format!("{}-{}", schedule.name, due.as_millis());
        match &schedule.input {
            Some(input) => input
                .replace("<aws.scheduler.scheduled-time>", &time)
                .replace("<aws.scheduler.schedule-arn>", &arn)
                .replace("<aws.scheduler.execution-id>", &id)
                .replace("<aws.scheduler.attempt-number>", "1"),
            None => json!({
                "version": "0",
                "id": id,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": self.account,
                "time": time,
                "region": self.region,
                "resources": [arn],
                "detail": "{}",
            })
            .to_string(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn schedule(expression: &str, zone: &str) -> Schedule {
        Schedule {
            name: "daily".into(),
            expression: expression.into(),
            zone: zone.into(),
            input: None,
            place: "t.yaml:1".into(),
        }
    }

    fn next(expression: &str, zone: &str, after: &str) -> String {
        let anchor = "2026-03-27T00:00:00Z".parse().unwrap();
        let times = Times::parse(&schedule(expression, zone)).unwrap();
        times.next(anchor, after.parse().unwrap()).map_or_else(String::new, |moment| moment.to_string())
    }

    #[test]
    fn falls_due_as_eventbridge_scheduler_says() {
        for (expression, zone, after, due) in [
            ("rate(1 minute)", "UTC", "2026-03-27T00:00:00Z", "2026-03-27T00:01:00.000Z"),
            ("rate(5 minutes)", "UTC", "2026-03-27T00:12:00Z", "2026-03-27T00:15:00.000Z"),
            ("cron(0/15 * * * ? *)", "UTC", "2026-03-27T00:16:00Z", "2026-03-27T00:30:00.000Z"),
            ("cron(30 8 ? * MON-FRI *)", "UTC", "2026-03-27T09:00:00Z", "2026-03-30T08:30:00.000Z"),
            ("cron(0 8 ? * 2 *)", "UTC", "2026-03-27T09:00:00Z", "2026-03-30T08:00:00.000Z"),
            ("cron(0 8 L * ? *)", "UTC", "2026-03-27T09:00:00Z", "2026-03-31T08:00:00.000Z"),
            // The night of 29 March 2026 has no 02:30 in Paris; it is 08:00 an hour of UTC earlier from then on.
            ("cron(0 8 * * ? *)", "Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29T06:00:00.000Z"),
            ("at(2026-04-01T08:00:00)", "Europe/Paris", "2026-03-28T12:00:00Z", "2026-04-01T06:00:00.000Z"),
            ("at(2026-03-01T08:00:00)", "UTC", "2026-03-28T12:00:00Z", ""),
        ] {
            assert_eq!(next(expression, zone, after), due, "{expression} in {zone} after {after}");
        }
    }

    #[test]
    fn refuses_what_scheduler_refuses() {
        for expression in [
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "cron(* * * * *)",
            "cron(0 8 * * * *)",
            "every(1 day)",
        ] {
            assert!(Times::parse(&schedule(expression, "UTC")).is_err(), "{expression}");
        }
        assert!(Times::parse(&schedule("rate(1 day)", "Mars/Olympus")).is_err());
    }
}

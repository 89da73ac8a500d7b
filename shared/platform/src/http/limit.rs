//! Rate limits: GCRA on one item, declared beside `serve`.
//!
//! The item holds the theoretical arrival time `tat`: the moment at which the key would have used up nothing. Each request
//! moves it one interval on; a request is refused when that would be more than a burst ahead of now.

use std::time::Duration;

use domain::{OrgId, UserId};
use serde::Serialize;
use serde_json::json;

use crate::store::{Attributes, Key, Write};
use crate::{App, Error, Result, hash};

/// Sixty seconds, for limits.
pub const MINUTE: Duration = Duration::from_secs(60);
/// Sixty minutes, for limits.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// How often racing requests are sorted out before one is refused.
const ROUNDS: u32 = 3;

/// So many requests in a time, for each key. All of them may come at once; then one more each `time / count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What the key is: `ip`, `user`, `org`, or a name of the handler's.
    pub per: &'static str,
    /// How many.
    pub count: u32,
    /// In how long.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub time: Duration,
}

fn in_seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_secs())
}

impl Limit {
    /// For each address; an IPv6 /64 is one.
    #[must_use]
    pub const fn per_ip(count: u32, time: Duration) -> Self {
        Self { per: "ip", count, time }
    }

    /// For each signed-in person.
    #[must_use]
    pub const fn per_user(count: u32, time: Duration) -> Self {
        Self { per: "user", count, time }
    }

    /// For each organisation.
    #[must_use]
    pub const fn per_org(count: u32, time: Duration) -> Self {
        Self { per: "org", count, time }
    }

    /// For each key that the handler gives with `Call::limit`; `what` says what it is.
    #[must_use]
    pub const fn per(what: &'static str, count: u32, time: Duration) -> Self {
        Self { per: what, count, time }
    }

    /// Counts one more request of this key.
    ///
    /// # Errors
    /// `too_many_requests`; what writing needs: a limit that cannot be told holds.
    pub async fn take(&self, app: &App, key: &str) -> Result<()> {
        // Keys hold addresses of people and machines; their digest counts as well.
        let digest = hash::sha256_hex(key);
        let seconds = self.time.as_secs();
        let key =
            Key::new(format!("RATE#{}#{}#{seconds}#{}", app.function(), self.per, &digest[..32]), "RATE");
        let now = u64::try_from(app.now().as_millis()).unwrap_or(0).saturating_mul(1_000);
        let table = app.table();
        for _ in 0..ROUNDS {
            let Err(rested) = table.try_update(&self.after_rest(app, key.clone(), now)).await? else {
                return Ok(());
            };
            let tat = arrival(rested);
            if let Some(wait) = self.wait(tat, now) {
                return Err(Error::Limited { retry_after: wait });
            }
            if tat > now {
                let Err(moved) = table.try_update(&self.within_burst(app, key.clone(), now)).await? else {
                    return Ok(());
                };
                if let Some(wait) = self.wait(arrival(moved), now) {
                    return Err(Error::Limited { retry_after: wait });
                }
            }
        }
        Err(Error::Limited { retry_after: Duration::from_secs(1) })
    }

    /// The common case: the key has rested, and counts from now.
    fn after_rest(&self, app: &App, key: Key, now: u64) -> Write {
        Write::update(key)
            .set("kind", "rate")
            .set("tat", now + self.interval())
            .expires_at(app.now() + self.time)
            .when("attribute_not_exists(tat) OR tat <= :rate_now", [(":rate_now", now)])
    }

    /// The key is ahead of now, by less than a burst.
    fn within_burst(&self, app: &App, key: Key, now: u64) -> Write {
        let latest = self.latest(now);
        Write::update(key)
            .set_expr("tat = tat + :rate_step", [(":rate_step", self.interval())])
            .expires_at(app.now() + self.time)
            .when(
                "tat > :rate_now AND tat <= :rate_latest",
                [(":rate_now", json!(now)), (":rate_latest", json!(latest))],
            )
    }

    /// How long to wait, if one more request is too many now.
    fn wait(&self, tat: u64, now: u64) -> Option<Duration> {
        let ahead = tat.saturating_sub(self.latest(now));
        (ahead > 0).then(|| Duration::from_micros(ahead))
    }

    /// The latest arrival time at which one more request fits into the burst.
    fn latest(&self, now: u64) -> u64 {
        now + self.interval() * u64::from(self.count.saturating_sub(1))
    }

    /// Microseconds between requests at the full rate.
    fn interval(&self) -> u64 {
        u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX) / u64::from(self.count.max(1))
    }
}

fn arrival(item: Option<Attributes>) -> u64 {
    let tat = item.as_ref().and_then(|item| item.get("tat")).and_then(|value| value.as_n().ok());
    tat.and_then(|tat| tat.parse().ok()).unwrap_or(0)
}

/// What could not be counted: a read goes on without it, as the table's trouble is not the reader's; nothing else does.
pub(crate) fn open_for_reads(counted: Result<()>, mutates: bool) -> Result<()> {
    match counted {
        Err(error) if mutates || matches!(error, Error::Limited { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// Counts a request against the limits that its caller is known for so far.
pub(crate) async fn check_ip(app: &App, limits: &[Limit], network: &str) -> Result<()> {
    for limit in limits.iter().filter(|limit| limit.per == "ip") {
        limit.take(app, network).await?;
    }
    Ok(())
}

/// Counts a request against the limits of person and organisation.
pub(crate) async fn check_caller(
    app: &App,
    limits: &[Limit],
    user: Option<UserId>,
    org: Option<OrgId>,
) -> Result<()> {
    for limit in limits {
        let key = match limit.per {
            "user" => user.map(|user| user.to_string()),
            "org" => org.map(|org| org.to_string()),
            _ => None,
        };
        if let Some(key) = key {
            limit.take(app, &key).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_cannot_be_counted_is_open_for_reads_alone() {
        let broken = || Err(Error::partner("dynamodb", true, "no answer"));
        assert!(open_for_reads(broken(), false).is_ok());
        assert!(open_for_reads(broken(), true).is_err());
        let limited = Err(Error::Limited { retry_after: Duration::from_secs(1) });
        assert!(open_for_reads(limited, false).is_err());
    }

    /// What the two writes do, one after the other, without a table.
    fn take(limit: &Limit, tat: &mut u64, now: u64) -> Result<(), Duration> {
        if let Some(wait) = limit.wait(*tat, now) {
            return Err(wait);
        }
        *tat = (*tat).max(now) + limit.interval();
        Ok(())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        const SECOND: u64 = 1_000_000;
        let limit = Limit::per_ip(5, MINUTE);
        let (mut tat, start) = (0, 1_000 * SECOND);
        for _ in 0..5 {
            assert_eq!(take(&limit, &mut tat, start), Ok(()));
        }
        // One more each 12 seconds, and the wait that is told is enough, and no more than enough.
        let wait = take(&limit, &mut tat, start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(12));
        assert!(take(&limit, &mut tat, start + 12 * SECOND - 1).is_err());
        assert_eq!(take(&limit, &mut tat, start + 12 * SECOND), Ok(()));
        assert!(take(&limit, &mut tat, start + 12 * SECOND).is_err());
        assert_eq!(take(&limit, &mut tat, start + 600 * SECOND), Ok(()));
    }

    #[test]
    fn no_minute_holds_more_than_rate_and_burst() {
        const SECOND: u64 = 1_000_000;
        let limit = Limit::per_user(30, MINUTE);
        let mut tat = 0;
        let passed: Vec<u64> = (0..600)
            .map(|half| half * SECOND / 2)
            .filter(|now| take(&limit, &mut tat, *now).is_ok())
            .collect();
        for start in &passed {
            let window = passed.iter().filter(|at| (*start..start + 60 * SECOND).contains(at)).count();
            assert!(window <= 60, "{window} in the minute from {start}");
        }
    }

    #[test]
    fn the_writes_are_sound() {
        let app = App::start();
        let limit = Limit::per("email", 10, MINUTE);
        assert!(limit.after_rest(&app, Key::new("a", "b"), 7).sound().is_ok());
        assert!(limit.within_burst(&app, Key::new("a", "b"), 7).sound().is_ok());
        assert_eq!(json!(limit), json!({"per": "email", "count": 10, "seconds": 60}));
    }
}

//! Use: each entry once by its id, counted by day and month, and caps on it.

use std::time::Duration;

use domain::billing::usage::{Window, spend_cap};
use domain::billing::{Cap, Micro, Transition, UsageEntry};
use domain::{Refusal, Timestamp};
use platform::event::Origin;
use platform::hash::sha256_hex;
use platform::random;
use platform::store::{LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Billing, keys};
use crate::tell::envelope;

/// How long an id is known.
const KNOWN: Duration = Duration::from_secs(400 * 24 * 3_600);
/// Over so many items the count of what has no hard cap is spread.
const COUNTERS: u64 = 8;
const WINDOWS: [Window; 2] = [Window::Day, Window::Month];

/// That an id was taken in, and what it stood for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    meter: String,
    at: Timestamp,
    /// The hash of the entry's substance.
    substance: String,
}

/// What was used in a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Counter {
    used: Micro,
}

/// A hard cap, as much use as it allows.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The cap.
    pub cap: Cap,
    /// How much.
    pub allowed: Micro,
}

/// What became of use that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It was taken in.
    New(UsageEntry),
    /// It was known.
    Known,
}

impl Billing {
    /// Takes use in: its id, its entry, what it is counted in and its part of the hour are one write.
    ///
    /// # Errors
    /// `usage_mismatch`, `spend_cap`; `version_conflict` when another write came between.
    pub async fn take_in_usage(
        &self,
        entry: &UsageEntry,
        bound: Option<&Bound>,
        now: Timestamp,
    ) -> Result<Taken> {
        let mut entry = entry.clone();
        let mut charged = Vec::new();
        if entry.flag.is_none() {
            let (part, write) = self.rolled_up(&entry, now).await?;
            entry.part = Some(part);
            charged.push(write);
            charged.extend(self.counted(&entry, bound).await?);
        }
        let mark =
            Mark { meter: entry.meter.clone(), at: entry.at, substance: sha256_hex(entry.substance()) };
        let known = Error::refused("usage_known", "The id was taken in before.");
        let mark = Write::create(keys::usage_mark(self.org, &entry.id), "usage_mark", &mark)
            .expires_at(now + KNOWN)
            .or(known);
        // First of all comes whether the id is known: what is known goes beyond no cap.
        let writes = [mark, self.entered(&entry)].into_iter().chain(charged);
        match self.table.transact(writes).await {
            Ok(()) => Ok(Taken::New(entry)),
            Err(Error::Refused { code: "usage_known", .. }) => self.repeated(&entry).await,
            Err(error) => Err(error),
        }
    }

    /// Use whose id was taken in before, if it was.
    ///
    /// # Errors
    /// `usage_mismatch`.
    pub async fn known_usage(&self, entry: &UsageEntry) -> Result<Option<Taken>> {
        let mark = self.table.get_consistent::<Mark>(&keys::usage_mark(self.org, &entry.id)).await?;
        match mark {
            None => Ok(None),
            Some(mark) if mark.substance == sha256_hex(entry.substance()) => Ok(Some(Taken::Known)),
            Some(_) => Err(entry.mismatch().into()),
        }
    }

    async fn repeated(&self, entry: &UsageEntry) -> Result<Taken> {
        self.known_usage(entry).await?.ok_or(Error::Conflict)
    }

    /// The writes that count an entry, where a hard cap is, on the condition that the entry fits under it.
    async fn counted(&self, entry: &UsageEntry, bound: Option<&Bound>) -> Result<Vec<Write>> {
        let mut writes = Vec::with_capacity(WINDOWS.len());
        for window in WINDOWS {
            let period = period(window, entry.at);
            let count = |shard| {
                let key = keys::usage_counter(self.org, &entry.meter, &period, shard);
                Write::update(key).set("kind", "usage_counter").add("used", entry.quantity.0)
            };
            let Some(bound) = bound.filter(|bound| bound.cap.hard && bound.cap.window == window) else {
                writes.push(count(random::below(COUNTERS)));
                continue;
            };
            // Only the first counter grows while there is a hard cap; what the others hold was used before it was set.
            let (first, others) = self.counters(&entry.meter, &period).await?;
            let room = bound.allowed.0.saturating_sub(others.0).saturating_sub(entry.quantity.0);
            if room < first.0 {
                return Err(spend_cap(&bound.cap).into());
            }
            let condition = "attribute_not_exists(used) OR used <= :room";
            writes.push(count(0).when(condition, [(":room", room)]).or(spend_cap(&bound.cap)));
        }
        Ok(writes)
    }

    async fn counters(&self, meter: &str, period: &str) -> Result<(Micro, Micro)> {
        let query =
            Query::pk(keys::usage_counters(self.org, meter)).begins(format!("{period}#")).consistent();
        let (mut first, mut others) = (Micro(0), Micro(0));
        for counter in self.table.query_all::<Counter>(query).await? {
            let sum = if counter.key.sk.ends_with("#0") { &mut first } else { &mut others };
            sum.0 = sum.0.saturating_add(counter.used.0);
        }
        Ok((first, others))
    }

    /// How much of a meter was used in the while that a moment lies in.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn used(&self, meter: &str, window: Window, at: Timestamp) -> Result<Micro> {
        let (first, others) = self.counters(meter, &period(window, at)).await?;
        Ok(Micro(first.0.saturating_add(others.0)))
    }

    fn entered(&self, entry: &UsageEntry) -> Write {
        let key = keys::usage_entry(self.org, &entry.meter, entry.at, &entry.id);
        Write::create(key, "usage", entry).or(Error::Conflict)
    }

    /// Use that was taken in under this id.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn usage_entry(&self, id: &str) -> Result<Stored<UsageEntry>> {
        let mark = self.table.get_consistent::<Mark>(&keys::usage_mark(self.org, id)).await?;
        let mark = mark.ok_or(Error::NotFound)?;
        let key = keys::usage_entry(self.org, &mark.meter, mark.at, id);
        self.table.get_consistent(&key).await?.ok_or(Error::NotFound)
    }

    /// The use of a meter on a day, by id, in pages.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn usage_of_day(
        &self,
        meter: &str,
        day: &str,
        limit: u32,
        after: Option<LastKey>,
    ) -> Result<Page<UsageEntry>> {
        let query = Query::pk(keys::usage_day(self.org, meter, day)).limit(limit).after(after);
        self.table.query(query.consistent()).await
    }

    /// Takes an entry back: `void` is what it becomes.
    ///
    /// # Errors
    /// `already_billed` if its hour is closed; `version_conflict` when it was taken back at the same time.
    pub async fn void_usage(&self, void: &UsageEntry, closed: Refusal) -> Result<()> {
        let mark = Mark { meter: void.meter.clone(), at: void.at, substance: sha256_hex(void.substance()) };
        let mark = Write::create(keys::usage_mark(self.org, &void.id), "usage_mark", &mark)
            .expires_at(void.told_at + KNOWN)
            .or(Error::Conflict);
        let mut writes = vec![mark, self.entered(void)];
        if let Some(part) = void.part {
            let rollup = keys::rollup(self.org, &void.meter, void.hour(), part);
            let rollup = Write::update(rollup).add("quantity", void.quantity.0);
            writes.push(rollup.when("state = :open", [(":open", json!("open"))]).or(closed));
            for window in WINDOWS {
                let key = keys::usage_counter(self.org, &void.meter, &period(window, void.at), 0);
                writes.push(Write::update(key).set("kind", "usage_counter").add("used", void.quantity.0));
            }
        }
        self.table.transact(writes).await
    }

    /// The cap on a meter; `None` if there is none.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn cap(&self, meter: &str) -> Result<Option<Stored<Cap>>> {
        self.table.get_consistent(&keys::cap(self.org, meter)).await
    }

    /// Sets a cap, or moves on one that there is.
    ///
    /// # Errors
    /// `version_conflict` when another write came between.
    pub async fn put_cap(
        &self,
        was: Option<&Stored<Cap>>,
        transition: &Transition<Cap>,
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<()> {
        let cap = &transition.next;
        let write = match was {
            Some(was) => Write::replace(was, cap),
            None => Write::create(keys::cap(self.org, &cap.meter), "cap", cap).or(Error::Conflict),
        };
        let write = match &transition.event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        };
        self.table.transact([write].into_iter().chain(once)).await
    }
}

/// The name of the while that a moment lies in: `D2027-02-28`, `M2027-02`.
fn period(window: Window, at: Timestamp) -> String {
    let day = keys::day(at);
    match window {
        Window::Day => format!("D{day}"),
        Window::Month => format!("M{}", day.get(..7).unwrap_or(&day)),
    }
}

//! What Stripe told: each event once, and what became of it.

use std::time::Duration;

use domain::Timestamp;
use domain::billing::events::StripeEventReceived;
use domain::billing::{InboxEvent, InboxState};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{BillingOfAll, keys};

const KIND: &str = "stripe_event";
const DUE: &str = "EVT";
/// The most events of a shard that are listed.
const MOST: u32 = 50;
/// Stripe tells again for three days and lists for thirty; after that nobody asks what became of an event.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How far the list of Stripe's events was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Every event made before this is in the inbox.
    pub read_until: Timestamp,
}

impl BillingOfAll {
    /// Takes an event in; one that is there stays as it is. Answers whether it is new. Its item carries the word that wakes the
    /// worker, so that none is lost between the two.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn take_in(&self, event: &InboxEvent, origin: &Origin) -> Result<bool> {
        let write = Write::create(keys::inbox(&event.id), KIND, event).expires_at(origin.now + KEPT);
        let write = overdue(write, event);
        let write =
            if event.state == InboxState::Received { write.event(word(event, origin)) } else { write };
        match self.table.write(write).await {
            Err(Error::Refused { code: "already_exists", .. }) => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// An event that was taken in.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn inbox(&self, event: &str) -> Result<Stored<InboxEvent>> {
        self.table.get_consistent(&keys::inbox(event)).await?.ok_or(Error::NotFound)
    }

    /// What became of an event.
    ///
    /// # Errors
    /// `version_conflict` if another worker wrote that first.
    pub async fn dealt_with(&self, was: &Stored<InboxEvent>, is: &InboxEvent) -> Result<()> {
        self.table.write(overdue(Write::replace(was, is), is)).await
    }

    /// Has an event looked into once more; the write wakes the worker.
    ///
    /// # Errors
    /// `version_conflict` if a worker wrote meanwhile.
    pub async fn replay(&self, was: &Stored<InboxEvent>, is: &InboxEvent, origin: &Origin) -> Result<()> {
        self.table.write(overdue(Write::replace(was, is), is).event(word(is, origin))).await
    }

    /// Events that people must look at, the oldest of each shard: those that failed, and those that no worker came to.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn overdue_events(&self, now: Timestamp) -> Result<Vec<Stored<InboxEvent>>> {
        let mut overdue = Vec::new();
        for shard in 0..keys::SHARDS {
            let due = Query::pk(keys::due_shard(DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
            overdue.extend(self.table.query(due.limit(MOST)).await?.items);
        }
        overdue.sort_by_key(|event: &Stored<InboxEvent>| event.received_at);
        Ok(overdue)
    }

    /// How far the list of events was read; `None` before the first time.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn cursor(&self) -> Result<Option<Stored<Cursor>>> {
        self.table.get_consistent(&keys::cursor()).await
    }

    /// Remembers how far the list was read.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn read_until(&self, read_until: Timestamp) -> Result<()> {
        self.table.write(Write::put(keys::cursor(), "cursor", &Cursor { read_until })).await
    }
}

/// Puts an event where it is found once it is overdue, or takes it out.
fn overdue(write: Write, event: &InboxEvent) -> Write {
    match event.overdue_at {
        Some(at) => {
            let shard = event.id.bytes().map(u128::from).sum::<u128>() % keys::SHARDS;
            write.index(Index::Gsi2, keys::due_shard(DUE, shard), format!("{at}#{}", event.id))
        }
        None => write.unindex(Index::Gsi2),
    }
}

fn word(event: &InboxEvent, origin: &Origin) -> platform::EventEnvelope {
    let told = StripeEventReceived { event: event.id.clone(), event_type: event.event_type.clone() };
    origin.envelope(None, &told)
}

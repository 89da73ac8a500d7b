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
        let write = Write::replace(was, is);
        let write = if is.state == InboxState::Failed {
            write.index(Index::Gsi2, keys::FAILED_EVENTS, format!("{}#{}", is.received_at, is.id))
        } else {
            write.unindex(Index::Gsi2)
        };
        self.table.write(write).await
    }

    /// Has an event looked into once more; the write wakes the worker.
    ///
    /// # Errors
    /// `version_conflict` if a worker wrote meanwhile.
    pub async fn replay(&self, was: &Stored<InboxEvent>, is: &InboxEvent, origin: &Origin) -> Result<()> {
        self.table.write(Write::replace(was, is).unindex(Index::Gsi2).event(word(is, origin))).await
    }

    /// Events that people must look at.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn failed_events(&self) -> Result<Vec<Stored<InboxEvent>>> {
        let failed = Query::pk(keys::FAILED_EVENTS).index(Index::Gsi2).limit(200);
        Ok(self.table.query(failed).await?.items)
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

fn word(event: &InboxEvent, origin: &Origin) -> platform::EventEnvelope {
    let told = StripeEventReceived { event: event.id.clone(), event_type: event.event_type.clone() };
    origin.envelope(None, &told)
}

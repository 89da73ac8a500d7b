//! Checkouts: one slot for each product, so that nobody buys it twice.

use domain::Timestamp;
use domain::billing::{CheckoutSlot, Product, SlotState, Transition};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Billing, BillingOfAll, keys, when_due};
use crate::tell::envelope;

const KIND: &str = "checkout";
const DUE: &str = "CHK";

impl Billing {
    /// The slot of a product; `None` before the first checkout.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn slot(&self, product: Product) -> Result<Option<Stored<CheckoutSlot>>> {
        self.table.get_consistent(&keys::slot(self.org, product)).await
    }

    /// The checkout with this session.
    ///
    /// # Errors
    /// `not_found`, also for another organisation's.
    pub async fn checkout(&self, session: &str) -> Result<Stored<CheckoutSlot>> {
        for product in Product::ALL {
            if let Some(slot) =
                self.slot(product).await?.filter(|slot| slot.session.as_deref() == Some(session))
            {
                return Ok(slot);
            }
        }
        Err(Error::NotFound)
    }

    /// The write of a slot that a person's wish opens.
    #[must_use]
    pub fn opened(&self, was: Option<&Stored<CheckoutSlot>>, is: &CheckoutSlot) -> Write {
        let write = match was {
            Some(was) => Write::replace(was, is),
            None => Write::create(keys::slot(self.org, is.product), KIND, is).or(Error::Conflict),
        };
        indexed(write, is)
    }

    /// The write of a slot that moved on; `None` if it did not.
    #[must_use]
    pub fn stepped(
        &self,
        was: &Stored<CheckoutSlot>,
        transition: &Transition<CheckoutSlot>,
        origin: &Origin,
    ) -> Option<Write> {
        if !transition.changes(&was.value) {
            return None;
        }
        let write = indexed(Write::replace(was, &transition.next), &transition.next);
        Some(match &transition.event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        })
    }

    /// Writes what belongs together.
    ///
    /// # Errors
    /// As the writes say.
    pub async fn write(&self, writes: impl IntoIterator<Item = Write>) -> Result<()> {
        let writes: Vec<Write> = writes.into_iter().collect();
        if writes.is_empty() { Ok(()) } else { self.table.transact(writes).await }
    }
}

impl BillingOfAll {
    /// Slots in one shard that wait for something that should have happened by now.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_slots(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<CheckoutSlot>>> {
        let due = Query::pk(keys::due_shard(DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }
}

fn indexed(write: Write, slot: &CheckoutSlot) -> Write {
    // A call that is being made has its own sweep.
    let at = slot.next_at.filter(|_| slot.state != SlotState::Opening);
    when_due(write, DUE, slot.org, at, slot.product.as_str())
}

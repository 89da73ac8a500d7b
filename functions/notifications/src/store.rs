//! Every key and every call of the area's table.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | addressee | `ORG#<org>` | `PERSON#<user>` |
//! | delivery | `DLV#<delivery>` | `META` |
//! | suppression | `SUPP#<SHA-256 of the mailbox>` | `META` |
//! | contact message | `CONTACT#<event>` | `META` |

use std::time::Duration;

use domain::accounts::Role;
use domain::notifications::{Addressee, ContactMessage, Delivery, Suppression, SuppressionReason, mailbox};
use domain::{DeliveryId, Email, OrgId, Timestamp, UserId};
use platform::event::EventEnvelope;
use platform::hash::sha256_hex;
use platform::store::{Key, NO_VALUES, Query, Stored, Table, Write};
use platform::{App, Error, Result};

/// How long a stranger's message is kept beside the mail that it became.
const CONTACT_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often a change is tried again after somebody else's.
const TRIES: u32 = 5;

/// What notifications keeps, of all organisations.
#[derive(Debug, Clone)]
pub struct Notifications {
    table: Table,
}

impl Notifications {
    /// The area's table, as this function sees it.
    #[must_use]
    pub fn of(app: &App) -> Self {
        Self { table: app.table() }
    }

    /// Remembers whom mail may go to. Told again, nothing changes.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn remember(&self, addressee: &Addressee) -> Result<()> {
        let key = person(addressee.org, addressee.user);
        once(self.table.write(Write::create(key, "addressee", addressee)).await)
    }

    /// A person of an organisation, if they are known already.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn addressee(&self, org: OrgId, user: UserId) -> Result<Option<Addressee>> {
        let found = self.table.get::<Addressee>(&person(org, user)).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// The owners of an organisation, as far as they are known.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn owners(&self, org: OrgId) -> Result<Vec<Addressee>> {
        let people =
            self.table.query_all::<Addressee>(Query::pk(format!("ORG#{org}")).begins("PERSON#")).await?;
        Ok(people
            .into_iter()
            .map(|stored| stored.value)
            .filter(|person| person.role == Role::Owner)
            .collect())
    }

    /// Stores a delivery that is to be sent; one that was stored before stays as it is.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn queue(&self, delivery: &Delivery) -> Result<()> {
        let write = Write::create(delivery_key(delivery.id), "delivery", delivery);
        once(self.table.write(write.expires_at(delivery.forgotten_at())).await)
    }

    /// A delivery as the last write left it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Stored<Delivery>>> {
        self.table.get_consistent(&delivery_key(id)).await
    }

    /// Writes a delivery back, unless somebody else wrote it meanwhile.
    ///
    /// # Errors
    /// `version_conflict`, `unavailable`, `internal`.
    pub async fn save(
        &self,
        stored: Stored<Delivery>,
        delivery: Delivery,
        event: Option<EventEnvelope>,
    ) -> Result<Stored<Delivery>> {
        let mut write = Write::replace(&stored, &delivery);
        if let Some(event) = event {
            write = write.event(event);
        }
        self.table.write(write).await?;
        let mut saved = stored.map(|_| delivery);
        saved.version += 1;
        Ok(saved)
    }

    /// Changes a delivery, on top of whatever others change at the same time.
    ///
    /// # Errors
    /// `version_conflict` when others never cease, `unavailable`, `internal`.
    pub async fn change(
        &self,
        mut stored: Stored<Delivery>,
        change: impl Fn(Delivery) -> Delivery,
    ) -> Result<Stored<Delivery>> {
        for _ in 0..TRIES {
            let (id, changed) = (stored.id, change(stored.value.clone()));
            // Told twice, nothing is written twice.
            if (Delivery { updated_at: stored.updated_at, ..changed.clone() }) == *stored {
                return Ok(stored);
            }
            match self.save(stored, changed, None).await {
                Err(Error::Conflict) => {}
                done => return done,
            }
            stored = self.delivery(id).await?.ok_or(Error::NotFound)?;
        }
        Err(Error::Conflict)
    }

    /// Why nothing is sent to an address, if that is so.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn suppression(&self, email: &Email) -> Result<Option<Suppression>> {
        let found = self.table.get::<Suppression>(&suppression_key(email)).await?;
        Ok(found.map(|stored| stored.value))
    }

    /// Sends nothing more to a mailbox. A complaint takes the place of a bounce, never the other way round.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn suppress(&self, email: &Email, reason: SuppressionReason, since: Timestamp) -> Result<()> {
        let write = Write::put(suppression_key(email), "suppression", &Suppression { reason, since });
        let write = match reason {
            SuppressionReason::Bounce => write.when("attribute_not_exists(pk)", NO_VALUES),
            SuppressionReason::Complaint => write.when(
                "attribute_not_exists(pk) OR reason = :bounce",
                [(":bounce", SuppressionReason::Bounce)],
            ),
        };
        once(self.table.write(write.or(already_there())).await)
    }

    /// Keeps a stranger's message, with the event that makes it a mail.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn receive(&self, message: &ContactMessage, event: EventEnvelope) -> Result<()> {
        let key = Key::new(format!("CONTACT#{}", event.id), "META");
        let forgotten_at = event.at + CONTACT_RETENTION;
        let write = Write::create(key, "contact_message", message).event(event);
        self.table.write(write.expires_at(forgotten_at)).await
    }
}

fn person(org: OrgId, user: UserId) -> Key {
    Key::new(format!("ORG#{org}"), format!("PERSON#{user}"))
}

fn delivery_key(id: DeliveryId) -> Key {
    Key::new(format!("DLV#{id}"), "META")
}

/// The list outlives the people on it, so it holds no addresses.
fn suppression_key(email: &Email) -> Key {
    Key::new(format!("SUPP#{}", sha256_hex(mailbox(email).as_bytes())), "META")
}

fn already_there() -> Error {
    Error::refused("already_exists", "It exists already.")
}

/// For what may be written any number of times: the second time it is there already.
fn once(written: Result<()>) -> Result<()> {
    match written {
        Err(Error::Refused { code: "already_exists", .. }) => Ok(()),
        written => written,
    }
}

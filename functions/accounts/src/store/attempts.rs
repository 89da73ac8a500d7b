//! Wrong passwords, counted by address and device.

use domain::accounts::Attempts;
use domain::{Email, Timestamp};
use platform::store::{Key, NO_VALUES, Write};
use platform::{Error, Result};

use super::{Accounts, address};
use crate::device::Device;

/// How often counting is tried while windows end beneath it.
const ROUNDS: u32 = 3;

impl Accounts {
    /// Counts an attempt before its password is looked at. Each of many at once gets a number of its own.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn count_attempt(
        &self,
        email: &Email,
        device: Option<&Device>,
        now: Timestamp,
    ) -> Result<Attempts> {
        let first = Attempts::first(now);
        for _ in 0..ROUNDS {
            let opening = Write::update(pool(email, device))
                .set("kind", "attempts")
                .set("count", first.count)
                .set("until", first.until)
                .expires_at(first.until)
                .when("attribute_not_exists(pk) OR until <= :now", [(":now", now)]);
            match self.table.update::<Attempts>(opening).await {
                Err(Error::Conflict) => {}
                other => return other.map(|attempts| attempts.value),
            }
            let counting =
                Write::update(pool(email, device)).add("count", 1).when("until > :now", [(":now", now)]);
            match self.table.update::<Attempts>(counting).await {
                Err(Error::Conflict) => {}
                other => return other.map(|attempts| attempts.value),
            }
        }
        // Fail closed: an attempt that cannot be counted is not looked at.
        Err(Error::Limited { retry_after: std::time::Duration::from_secs(1) })
    }

    /// Shuts a pool until a moment.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn lock(&self, email: &Email, device: Option<&Device>, until: Timestamp) -> Result<()> {
        let write = Write::update(pool(email, device)).set("until", until).expires_at(until);
        // A right password on another connection may have cleared the pool; then there is nothing to shut.
        match self.table.write(write.when("attribute_exists(pk)", NO_VALUES)).await {
            Err(Error::Conflict) => Ok(()),
            other => other,
        }
    }

    /// A right password clears its pool.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn forget_attempts(&self, email: &Email, device: Option<&Device>) -> Result<()> {
        self.table.write(Write::delete(pool(email, device))).await
    }
}

fn pool(email: &Email, device: Option<&Device>) -> Key {
    let device = device.map_or_else(|| "strangers".to_owned(), Device::name);
    Key::new(address(email), format!("ATTEMPTS#{device}"))
}

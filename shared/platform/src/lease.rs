//! Leases: one worker at a time on an item, and a fence that keeps late ones out.
//!
//! The lease lies on the item itself. Taking it raises the fence and the version, so whoever held it before fails at the
//! next write: `Write::holding(&lease)` and `Write::releasing(&lease)` write only while nobody else has taken it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;
use serde::de::DeserializeOwned;

use crate::store::{Attributes, Key, Stored, Table, Write};
use crate::{Error, Result};

pub(crate) const OWNER: &str = "lease_owner";
pub(crate) const UNTIL: &str = "lease_until";
pub(crate) const FENCE: &str = "fence";

/// The right to work on an item for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who has it: any text that tells one run of a worker from another. Empty when it was given back.
    pub owner: String,
    /// When others may take it.
    pub until: Timestamp,
    /// Grows each time it is taken.
    pub fence: u64,
}

impl Lease {
    pub(crate) fn in_item(item: &Attributes) -> Option<Self> {
        let fence = item.get(FENCE)?.as_n().ok()?.parse().ok()?;
        let text = |name| item.get(name).and_then(|value: &AttributeValue| value.as_s().ok());
        let until = text(UNTIL).and_then(|until| until.parse().ok());
        Some(Self {
            owner: text(OWNER).cloned().unwrap_or_default(),
            until: until.unwrap_or(Timestamp::from_millis(0)),
            fence,
        })
    }
}

/// Takes the lease of an existing item, and reads it in the same call. `None` while somebody else has it, and when
/// there is no such item.
///
/// # Errors
/// As [`Table::update`].
pub async fn take<T: DeserializeOwned>(
    table: &Table,
    key: Key,
    owner: &str,
    now: Timestamp,
    time: Duration,
) -> Result<Option<(Stored<T>, Lease)>> {
    const TAKEN: &str = "lease_taken";
    let write = Write::update(key)
        .put_lease(owner, now + time)
        .when(
            "attribute_exists(pk) AND (attribute_not_exists(lease_until) OR lease_until <= :lease_now OR \
             lease_owner = :lease_owner)",
            [(":lease_now", now.to_string()), (":lease_owner", owner.to_owned())],
        )
        .or(Error::refused(TAKEN, "Another run has the lease."));
    match table.update::<T>(write).await {
        Ok(stored) => match stored.lease.clone() {
            Some(lease) => Ok(Some((stored, lease))),
            None => Err(Error::internal("a lease that was just taken is not on its item")),
        },
        Err(Error::Refused { code: TAKEN, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_from_its_item() {
        let item = Attributes::from([
            (OWNER.to_owned(), AttributeValue::S("run-1".to_owned())),
            (UNTIL.to_owned(), AttributeValue::S("1970-01-01T00:00:05.000Z".to_owned())),
            (FENCE.to_owned(), AttributeValue::N("3".to_owned())),
        ]);
        let expected = Lease { owner: "run-1".to_owned(), until: Timestamp::from_secs(5), fence: 3 };
        assert_eq!(Lease::in_item(&item), Some(expected));
        assert_eq!(Lease::in_item(&Attributes::new()), None);
    }
}

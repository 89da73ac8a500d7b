//! The one source of randomness.

// This is the one home that the ban in clippy.toml speaks of.
#![allow(clippy::disallowed_methods)]

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::id::{Id, Kind};
use domain::{EventId, Timestamp};

/// Random bytes, fit for keys.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The operating system's generator is up before any process of ours; without it no secret would be one.
    rand::fill(&mut bytes).expect("the system's random generator answers");
    bytes
}

/// Makes an identifier. `random::id::<SiteId>(now)` names the id's type, `random::id(now)` leaves it to the target.
#[must_use]
pub fn id<T: Generated>(now: Timestamp) -> T {
    T::generated(ulid(now))
}

/// What [`id`] can make.
pub trait Generated {
    /// The identifier with this ULID.
    fn generated(ulid: u128) -> Self;
}

impl<K: Kind> Generated for Id<K> {
    fn generated(ulid: u128) -> Self {
        Self::from_ulid(ulid)
    }
}

/// A secret of 256 bits in base64url, for links and tokens: 43 characters.
#[must_use]
pub fn token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A new name for a request that brought none: a ULID without prefix.
pub(crate) fn plain(now: Timestamp) -> String {
    let name = id::<EventId>(now).to_string();
    name.split_once('_').map_or(name.clone(), |(_, digits)| digits.to_owned())
}

/// A random number below `bound`, for jitter and lots; zero when `bound` is.
#[must_use]
pub fn below(bound: u64) -> u64 {
    u64::from_le_bytes(bytes()).checked_rem(bound).unwrap_or(0)
}

/// 48 bits of milliseconds, 80 bits of randomness.
fn ulid(now: Timestamp) -> u128 {
    let millis = u128::try_from(now.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
    let noise = u128::from_le_bytes(bytes()) >> 48;
    (millis << 80) | noise
}

#[cfg(test)]
mod tests {
    use domain::SiteId;

    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ() {
        let early: SiteId = id(Timestamp::from_millis(1));
        let late = id::<SiteId>(Timestamp::from_millis(2));
        assert!(early < late);
        assert_ne!(late, id(Timestamp::from_millis(2)));
        assert_eq!(late.ulid() >> 80, 2);
        assert_eq!(token().len(), 43);
        assert_eq!(plain(Timestamp::from_millis(1)).len(), 26);
        assert_eq!(below(0), 0);
    }
}

//! Known devices: a signed mark that a device gets when it logs in, and shows when it logs in again.
//!
//! Guessing passwords from elsewhere can shut out devices without the mark, not the one that has it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::accounts::lockout::DEVICE_KNOWN;
use domain::{Email, Timestamp};
use platform::{hash, random};

use crate::Secrets;

const ID: usize = 12;
const SECONDS: usize = 8;
const TAG: usize = 16;

/// A device that has logged in to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    id: [u8; ID],
    seen_at: Timestamp,
}

impl Device {
    /// A device that logs in for the first time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { id: random::bytes(), seen_at: now }
    }

    /// The device as of this log-in: known from now on for another 180 days.
    #[must_use]
    pub fn seen(self, now: Timestamp) -> Self {
        Self { seen_at: now, ..self }
    }

    /// The device's name in keys.
    #[must_use]
    pub fn name(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.id)
    }

    /// The mark as the device keeps it; good for one account only.
    #[must_use]
    pub fn mark(&self, email: &Email, secrets: &Secrets) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([&self.bytes()[..], &self.tag(email, secrets)].concat())
    }

    /// The device with this mark; none if the mark is invented, of another account, or too old.
    #[must_use]
    pub fn read(mark: &str, email: &Email, secrets: &Secrets, now: Timestamp) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(mark).ok()?;
        let (id, rest) = bytes.split_first_chunk::<ID>()?;
        let (seconds, tag) = rest.split_first_chunk::<SECONDS>()?;
        let device = Self { id: *id, seen_at: Timestamp::from_secs(i64::from_be_bytes(*seconds)) };
        let genuine = hash::same(tag, &device.tag(email, secrets));
        (genuine && now < device.seen_at + DEVICE_KNOWN).then_some(device)
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.id[..], &self.seen_at.as_secs().to_be_bytes()].concat()
    }

    fn tag(&self, email: &Email, secrets: &Secrets) -> [u8; TAG] {
        let mut tag = [0; TAG];
        let data = [&self.bytes()[..], email.as_str().as_bytes()].concat();
        tag.copy_from_slice(&secrets.mac("device", &data)[..TAG]);
        tag
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_mark_is_good_for_one_account_and_for_180_days() {
        let secrets = Secrets::for_tests("pepper");
        let now = Timestamp::from_secs(1_000_000);
        let (anna, bob): (Email, Email) = ("a@ex.com".parse().unwrap(), "b@ex.com".parse().unwrap());
        let device = Device::new(now);
        let mark = device.mark(&anna, &secrets);
        assert_eq!(Device::read(&mark, &anna, &secrets, now), Some(device));
        assert_eq!(Device::read(&mark, &bob, &secrets, now), None);
        assert_eq!(Device::read(&mark, &anna, &secrets, now + DEVICE_KNOWN), None);
        assert_eq!(Device::read(&mark, &anna, &Secrets::for_tests("salt"), now), None);
        assert_eq!(Device::read("AAAA", &anna, &secrets, now), None);
    }
}

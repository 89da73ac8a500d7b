//! Addresses that nothing is sent to, because their mailbox refuses it or its owner complained.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::notifications::Class;
use crate::{Email, Timestamp};

/// Why nothing is sent to a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Why.
    pub reason: SuppressionReason,
    /// Since when.
    pub since: Timestamp,
}

/// What happened to an earlier mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// The mailbox does not exist.
    Bounce,
    /// Its owner called our mail spam; weighs more than a bounce.
    Complaint,
}

/// Whether a mail may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Send,
    /// It is not sent, and nobody misses it.
    Suppressed,
    /// It is not sent, and somebody waits for it.
    Undeliverable,
}

/// The mailbox behind an address: `anna+shop@ex.com` is read by whoever reads `anna@ex.com`.
///
/// Case is no matter any more: an [`Email`] is lower case.
#[must_use]
pub fn mailbox(email: &Email) -> Cow<'_, str> {
    match email.local_part().split_once('+') {
        // A local part that begins with the plus sign has no name before it to fall back on.
        Some((name, _)) if !name.is_empty() => Cow::Owned(format!("{name}@{}", email.domain())),
        _ => Cow::Borrowed(email.as_str()),
    }
}

/// Whether a mail of this class may go to a mailbox with this history.
///
/// Security mail is tried again after a bounce, as a mailbox may have come back and its owner waits for the link; after
/// a complaint not even that is sent, for the provider would punish us for all other customers.
#[must_use]
pub fn verdict(class: Class, suppression: Option<&Suppression>) -> Verdict {
    match (class, suppression.map(|suppression| suppression.reason)) {
        (Class::Internal, _) | (_, None) | (Class::Security, Some(SuppressionReason::Bounce)) => {
            Verdict::Send
        }
        (Class::Security, Some(SuppressionReason::Complaint)) => Verdict::Undeliverable,
        (Class::Transactional, Some(_)) => Verdict::Suppressed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_an_address_are_one_mailbox() {
        for (address, expected) in [
            ("Anna@Ex.com", "anna@ex.com"),
            ("anna+shop@ex.com", "anna@ex.com"),
            ("anna+shop+2@EX.com", "anna@ex.com"),
            ("an.na@ex.com", "an.na@ex.com"),
            ("+shop@ex.com", "+shop@ex.com"),
        ] {
            let email: Email = address.parse().expect("an address");
            assert_eq!(mailbox(&email), expected);
        }
    }

    #[test]
    fn what_may_leave() {
        use Class::{Internal, Security, Transactional};
        use SuppressionReason::{Bounce, Complaint};
        for (class, reason, expected) in [
            (Security, None, Verdict::Send),
            (Security, Some(Bounce), Verdict::Send),
            (Security, Some(Complaint), Verdict::Undeliverable),
            (Transactional, None, Verdict::Send),
            (Transactional, Some(Bounce), Verdict::Suppressed),
            (Transactional, Some(Complaint), Verdict::Suppressed),
            (Internal, Some(Complaint), Verdict::Send),
        ] {
            let suppression = reason.map(|reason| Suppression { reason, since: Timestamp::from_secs(1) });
            assert_eq!(verdict(class, suppression.as_ref()), expected, "{class:?} after {reason:?}");
        }
    }
}

//! What events mean to notifications.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::accounts::{EmailVerified, UserSignedUp, VerificationRequested};
use crate::hosting::operation::{Direction, OperationFailed, OperationKind, OperationRolledBack};
use crate::hosting::site::SiteActivated;
use crate::notifications::{Addressee, ContactMessageReceived, Notice, billing};
use crate::{Email, Event, Locale, UserId};

/// What an event means to notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Somebody is there to be written to.
    Person(Addressee),
    /// Somebody has to be told something.
    Letter(Letter),
    /// Nobody has to be told.
    Quiet,
}

/// What is to be told, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: Reader,
    /// What.
    pub notice: Notice,
}

/// To whom something is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// The person whom the event itself describes.
    Described {
        /// Who.
        user: UserId,
        /// Where to; perhaps an address that is only about to be proved.
        email: Email,
        /// For the salutation.
        first_name: Option<String>,
        /// The language to write in.
        locale: Locale,
    },
    /// This person of the organisation that the event belongs to.
    Person(UserId),
    /// Whoever owns the organisation.
    Owners,
    /// Ourselves.
    Support,
}

/// An event that notifications was sent and cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotUnderstood {
    /// No such type.
    Type,
    /// The type in a version that is not known.
    Version,
    /// The type's data are not as its version has them.
    Data(String),
}

impl Fact {
    /// What an event of this type and version means.
    ///
    /// # Errors
    /// [`NotUnderstood`], when it is none that notifications subscribes to.
    pub fn read(kind: &str, version: u32, data: Value) -> Result<Self, NotUnderstood> {
        match kind {
            UserSignedUp::TYPE => {
                parse::<UserSignedUp>(version, data).map(|event| Self::Person(event.into()))
            }
            VerificationRequested::TYPE => parse(version, data).map(Self::verification),
            EmailVerified::TYPE => parse(version, data).map(Self::welcome),
            SiteActivated::TYPE => parse(version, data).map(Self::site_ready),
            OperationFailed::TYPE => parse(version, data).map(Self::failed),
            OperationRolledBack::TYPE => parse(version, data).map(Self::rolled_back),
            ContactMessageReceived::TYPE => parse(version, data).map(Self::contact),
            _ => billing::read(kind, version, data),
        }
    }

    fn verification(event: VerificationRequested) -> Self {
        let VerificationRequested { user, email, first_name, locale, token, valid_until } = event;
        let to = Reader::Described { user, email, first_name, locale };
        Self::Letter(Letter { to, notice: Notice::Verification { token, valid_until } })
    }

    fn welcome(event: EmailVerified) -> Self {
        let EmailVerified { user, email, first_name, locale, .. } = event;
        Self::Letter(Letter {
            to: Reader::Described { user, email, first_name, locale },
            notice: Notice::Welcome,
        })
    }

    fn contact(event: ContactMessageReceived) -> Self {
        Self::Letter(Letter { to: Reader::Support, notice: Notice::ContactMessage(event.message) })
    }

    fn site_ready(event: SiteActivated) -> Self {
        let SiteActivated { site, fqdn, requested_by, .. } = event;
        Self::Letter(Letter { to: Reader::asked(requested_by), notice: Notice::SiteReady { site, fqdn } })
    }

    /// A build that waits for our people is told at once; a clean-up that does is told when it is done.
    fn failed(event: OperationFailed) -> Self {
        let OperationFailed { operation, site, fqdn, kind, direction, requested_by, .. } = event;
        if kind != OperationKind::Provision || direction != Direction::Forward {
            return Self::Quiet;
        }
        let notice = Notice::ProvisioningFailed { site, fqdn, operation, undone: false };
        Self::Letter(Letter { to: Reader::asked(requested_by), notice })
    }

    /// Whoever cancelled knows; whoever waits for a site that failed does not.
    fn rolled_back(event: OperationRolledBack) -> Self {
        let OperationRolledBack { operation, site, fqdn, kind, failure, requested_by } = event;
        if failure.is_none() || kind != OperationKind::Provision {
            return Self::Quiet;
        }
        let notice = Notice::ProvisioningFailed { site, fqdn, operation, undone: true };
        Self::Letter(Letter { to: Reader::asked(requested_by), notice })
    }
}

impl Reader {
    fn asked(by: Option<UserId>) -> Self {
        by.map_or(Self::Owners, Self::Person)
    }
}

pub(super) fn parse<E: Event + DeserializeOwned>(version: u32, data: Value) -> Result<E, NotUnderstood> {
    if version != E::VERSION {
        return Err(NotUnderstood::Version);
    }
    serde_json::from_value(data).map_err(|error| NotUnderstood::Data(error.to_string()))
}

impl std::fmt::Display for NotUnderstood {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Type => formatter.write_str("no event of this type is subscribed to"),
            Self::Version => formatter.write_str("the event's version is unknown"),
            Self::Data(why) => write!(formatter, "the event's data are not of its version: {why}"),
        }
    }
}

impl std::error::Error for NotUnderstood {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{OperationId, SiteId};

    fn operation_failed(kind: &str, direction: &str) -> Value {
        json!({
            "operation": OperationId::from_ulid(1), "site": SiteId::from_ulid(2), "fqdn": "acme.sites.example",
            "kind": kind, "direction": direction, "requested_by": UserId::from_ulid(3),
            "failure": {"step": "create_bucket", "code": "c", "message": "m", "remedy": "r", "at": "2026-11-21T03:44:00.000Z"},
        })
    }

    fn notice(fact: Fact) -> Option<(Reader, Notice)> {
        match fact {
            Fact::Letter(letter) => Some((letter.to, letter.notice)),
            Fact::Person(_) | Fact::Quiet => None,
        }
    }

    #[test]
    fn a_failed_build_is_told_to_whoever_asked_for_it() {
        let fact =
            Fact::read(OperationFailed::TYPE, 1, operation_failed("provision", "forward")).expect("a fact");
        let (to, notice) = notice(fact).expect("a letter");
        assert_eq!(to, Reader::Person(UserId::from_ulid(3)));
        assert!(matches!(notice, Notice::ProvisioningFailed { undone: false, .. }));
    }

    #[test]
    fn a_failed_clean_up_or_removal_is_our_own_affair() {
        for (kind, direction) in [("provision", "back"), ("deprovision", "forward")] {
            let fact = Fact::read(OperationFailed::TYPE, 1, operation_failed(kind, direction));
            assert_eq!(fact, Ok(Fact::Quiet), "{kind} {direction}");
        }
    }

    #[test]
    fn who_cancelled_is_told_nothing() {
        let mut event = operation_failed("provision", "back");
        let failure = event.as_object_mut().and_then(|fields| fields.remove("failure")).expect("a failure");
        assert_eq!(Fact::read(OperationRolledBack::TYPE, 1, event.clone()), Ok(Fact::Quiet));
        event["failure"] = failure;
        event["requested_by"] = Value::Null;
        let (to, notice) =
            notice(Fact::read(OperationRolledBack::TYPE, 1, event).expect("a fact")).expect("a letter");
        assert_eq!(to, Reader::Owners);
        assert!(matches!(notice, Notice::ProvisioningFailed { undone: true, .. }));
    }

    #[test]
    fn what_is_not_subscribed_to_is_not_understood() {
        assert_eq!(Fact::read("accounts.user_danced", 1, json!({})), Err(NotUnderstood::Type));
        let event = operation_failed("provision", "forward");
        assert_eq!(Fact::read(OperationFailed::TYPE, 2, event), Err(NotUnderstood::Version));
        assert!(matches!(
            Fact::read(SiteActivated::TYPE, 1, json!({"site": 1})),
            Err(NotUnderstood::Data(_))
        ));
    }
}

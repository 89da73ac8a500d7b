//! From an event to the deliveries that it causes.

use domain::notifications::{
    Addressee, Class, Delivery, Fact, Letter, Letterhead, NotUnderstood, Notice, Reader, Template,
};
use domain::{DeliveryId, Email, EventId, Locale, OrgId};
use platform::hash::sha256_hex;
use platform::queue::{Message, Payload, unknown};
use platform::{Error, Result};
use serde_json::Value;

use crate::Notifications;

/// An event that came through the bus.
#[derive(Debug)]
pub struct Told(pub Fact);

impl Payload for Told {
    fn accept(kind: &str, version: u32, data: Value) -> Result<Self> {
        Fact::read(kind, version, data).map(Self).map_err(|error| match error {
            NotUnderstood::Type | NotUnderstood::Version => unknown(kind, version),
            NotUnderstood::Data(why) => Error::Malformed(why),
        })
    }
}

/// The variable that names the queue of a mail: what somebody waits for does not stand behind what nobody waits for.
#[must_use]
pub fn queue_of(template: Template) -> &'static str {
    match template.class() {
        Class::Security => "SECURITY_MAIL_QUEUE",
        Class::Transactional | Class::Internal => "MAIL_QUEUE",
    }
}

/// The deliveries of a letter, one for each reader: the same ones however often the event comes.
///
/// # Errors
/// `internal` when its readers are not known yet, as events may overtake each other: the message is then tried again.
pub async fn deliveries(
    notifications: &Notifications,
    support: &Email,
    letter: &Letter,
    message: &Message<Told>,
) -> Result<Vec<Delivery>> {
    let cause: EventId =
        message.id.parse().map_err(|_| Error::Malformed("the event has no id of ours".to_owned()))?;
    let readers = match &letter.to {
        Reader::Described { user, email, first_name, locale } => vec![Letterhead {
            id: delivery_id(cause, email, &letter.notice),
            cause: Some(cause),
            org: message.org,
            user: Some(*user),
            to: email.clone(),
            first_name: first_name.clone(),
            locale: *locale,
        }],
        Reader::Support => vec![Letterhead {
            id: delivery_id(cause, support, &letter.notice),
            cause: Some(cause),
            org: message.org,
            user: None,
            to: support.clone(),
            first_name: None,
            locale: Locale::En,
        }],
        Reader::Person(user) => {
            let org = organisation(message)?;
            let person = notifications.addressee(org, *user).await?;
            person.into_iter().map(|person| known(person, cause, &letter.notice)).collect()
        }
        Reader::Owners => {
            let owners = notifications.owners(organisation(message)?).await?;
            owners.into_iter().map(|owner| known(owner, cause, &letter.notice)).collect()
        }
    };
    if readers.is_empty() {
        return Err(Error::internal(format!(
            "nobody is known yet who could read what {} tells",
            message.kind
        )));
    }
    Ok(readers
        .into_iter()
        .map(|letterhead| Delivery::queue(letterhead, letter.notice.clone(), message.now))
        .collect())
}

fn organisation(message: &Message<Told>) -> Result<OrgId> {
    message.org.ok_or_else(|| Error::Malformed("the event belongs to no organisation".to_owned()))
}

fn known(person: Addressee, cause: EventId, notice: &Notice) -> Letterhead {
    let Addressee { user, org, email, first_name, locale, .. } = person;
    Letterhead {
        id: delivery_id(cause, &email, notice),
        cause: Some(cause),
        org: Some(org),
        user: Some(user),
        to: email,
        first_name,
        locale,
    }
}

/// The same event, recipient and template always give the same id, so that a repeat finds the delivery it made before.
/// The event's time stays in front, so that ids still sort by it.
fn delivery_id(cause: EventId, to: &Email, notice: &Notice) -> DeliveryId {
    const RANDOM_BITS: u32 = 80;
    let digest = sha256_hex(format!("{cause} {to} {}", notice.template().name()));
    let bits = u128::from_str_radix(&digest[..20], 16).expect("a digest is hex");
    DeliveryId::from_ulid((cause.ulid() >> RANDOM_BITS << RANDOM_BITS) | bits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::SiteId;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_cause_recipient_and_template_are_one_delivery() {
        let cause = EventId::from_ulid((1_795_232_640_123 << 80) | 7);
        let (anna, omar): (Email, Email) =
            ("anna@example.com".parse().unwrap(), "omar@example.com".parse().unwrap());
        let ready =
            Notice::SiteReady { site: SiteId::from_ulid(1), fqdn: "acme.sites.example.com".to_owned() };
        let id = delivery_id(cause, &anna, &ready);
        assert_eq!(id, delivery_id(cause, &anna, &ready));
        assert_eq!(id.ulid() >> 80, 1_795_232_640_123);
        assert_ne!(id, delivery_id(cause, &omar, &ready));
        assert_ne!(id, delivery_id(cause, &anna, &Notice::Welcome));
        assert_ne!(id, delivery_id(EventId::from_ulid((1_795_232_640_123 << 80) | 8), &anna, &ready));
    }

    #[test]
    fn an_unknown_event_is_refused_for_good() {
        for (kind, version) in [("hosting.site_painted", 1), ("hosting.site_activated", 9)] {
            let error = Told::accept(kind, version, json!({})).unwrap_err();
            assert_eq!((error.code(), error.is_transient()), ("unknown_message", false));
        }
        assert_eq!(Told::accept("hosting.site_activated", 1, json!({})).unwrap_err().code(), "malformed");
    }
}

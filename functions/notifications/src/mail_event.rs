//! What SES tells of a mail, as it comes through EventBridge.

use domain::DeliveryId;
use domain::notifications::Feedback;
use platform::queue::{Payload, parse};
use platform::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::post::{DELIVERY_HEADER, DELIVERY_TAG};

/// What SES tells of a mail.
#[derive(Debug, PartialEq, Eq)]
pub struct MailEvent {
    /// Our delivery; unknown for mails that this area did not send.
    pub delivery: Option<DeliveryId>,
    /// What became of it; `None` for what changes nothing, such as an opened mail.
    pub feedback: Option<Feedback>,
    /// The addresses it is about, as SES writes them.
    pub recipients: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    event_type: String,
    #[serde(default)]
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Mail {
    headers: Vec<Header>,
    tags: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
}

impl Payload for MailEvent {
    fn accept(_: &str, _: u32, data: Value) -> Result<Self> {
        let Told { event_type, mail, bounce, complaint } = parse(data)?;
        let lacking = |what: &str| Error::Malformed(format!("a {event_type} without its {what}"));
        let (feedback, recipients) = match event_type.as_str() {
            "Send" => (Some(Feedback::Accepted), Vec::new()),
            "Delivery" => (Some(Feedback::Delivered), Vec::new()),
            "Reject" | "Rendering Failure" => (Some(Feedback::Rejected), Vec::new()),
            "Bounce" => {
                let bounce = bounce.ok_or_else(|| lacking("bounce"))?;
                let permanent = bounce.bounce_type == "Permanent";
                (Some(Feedback::Bounced { permanent }), bounce.bounced_recipients)
            }
            "Complaint" => {
                let complaint = complaint.ok_or_else(|| lacking("complaint"))?;
                (Some(Feedback::Complained), complaint.complained_recipients)
            }
            "Open" | "Click" | "DeliveryDelay" | "Subscription" => (None, Vec::new()),
            other => {
                return Err(Error::refused(
                    "unknown_message",
                    format!("SES events of type {other} are unknown."),
                ));
            }
        };
        let recipients = recipients.into_iter().map(|recipient| recipient.email_address).collect();
        Ok(Self { delivery: mail.delivery(), feedback, recipients })
    }
}

impl Mail {
    /// The delivery by the tag that SES repeats, else by the header that every mail of ours has.
    fn delivery(&self) -> Option<DeliveryId> {
        let tag = self.tags.get(DELIVERY_TAG).and_then(|values| values.get(0)).and_then(Value::as_str);
        let header = || {
            let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(DELIVERY_HEADER));
            header.map(|header| header.value.as_str())
        };
        tag.or_else(header)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn accept(data: Value) -> Result<MailEvent> {
        MailEvent::accept("Email Bounced", 1, data)
    }

    #[test]
    fn a_bounce_names_delivery_and_recipients() {
        let id = DeliveryId::from_ulid(7);
        let event = accept(json!({
            "eventType": "Bounce",
            "mail": {"messageId": "m1", "tags": {"delivery": [id], "ses:configuration-set": ["tenantry-local"]}},
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "a@ex.com", "action": "failed"}]},
        }));
        let expected = MailEvent {
            delivery: Some(id),
            feedback: Some(Feedback::Bounced { permanent: true }),
            recipients: vec!["a@ex.com".to_owned()],
        };
        assert_eq!(event.unwrap(), expected);
    }

    #[test]
    fn a_mail_without_tags_is_known_by_its_header() {
        let id = DeliveryId::from_ulid(7);
        let headers =
            json!([{"name": "Subject", "value": "x"}, {"name": "x-tenantry-delivery", "value": id}]);
        let event = accept(json!({"eventType": "Delivery", "mail": {"headers": headers}})).unwrap();
        assert_eq!((event.delivery, event.feedback), (Some(id), Some(Feedback::Delivered)));
    }

    #[test]
    fn strange_events_are_refused_and_strange_ids_are_nobodys() {
        assert_eq!(accept(json!({"eventType": "Danced"})).unwrap_err().code(), "unknown_message");
        assert_eq!(accept(json!({"eventType": "Bounce"})).unwrap_err().code(), "malformed");
        assert_eq!(accept(json!({})).unwrap_err().code(), "malformed");
        let event =
            accept(json!({"eventType": "Open", "mail": {"tags": {"delivery": ["dlv_nonsense"]}}})).unwrap();
        assert_eq!(event, MailEvent { delivery: None, feedback: None, recipients: Vec::new() });
    }
}

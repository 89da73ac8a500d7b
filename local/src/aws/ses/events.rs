//! What happens to a mail after it left, as SES tells it to the default event bus: the mailbox simulator decides.

use serde_json::{Map, Value, json};

use super::super::answer::AwsError;
use super::super::ids;
use super::Ses;
use super::mail::Mail;
use super::send::header;

/// Addresses at this domain behave as their names say, as in AWS; all others receive their mail.
const SIMULATOR: &str = "simulator.amazonses.com";

/// What becomes of a recipient's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Delivered,
    Bounced,
    Complained,
    OutOfOffice,
    Suppressed,
}

impl Fate {
    fn of(recipient: &str) -> Self {
        let recipient = recipient.to_ascii_lowercase();
        let Some((local, SIMULATOR)) = recipient.rsplit_once('@') else { return Self::Delivered };
        // `bounce+label@` is allowed, so that a test can tell its recipients apart.
        match local.split('+').next() {
            Some("bounce") => Self::Bounced,
            Some("complaint") => Self::Complained,
            Some("ooto") => Self::OutOfOffice,
            Some("suppressionlist") => Self::Suppressed,
            _ => Self::Delivered,
        }
    }
}

impl Ses {
    /// Publishes the events of a mail, if it was sent with a configuration set.
    pub(super) async fn publish(&self, mail: &Mail, tags: &[(String, String)]) -> Result<(), AwsError> {
        let Some(set) = &mail.configuration_set else { return Ok(()) };
        let types = self.configuration_sets.get(set).unwrap_or_default();
        let arn = self.configuration_set_arn(set);
        for (kind, detail_type, inner) in self.told(mail) {
            // Event destinations write BOUNCE or bounce where the event says Bounce.
            if !types.is_empty() && !types.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind)) {
                continue;
            }
            let mut detail = json!({"eventType": kind, "mail": self.mail_detail(mail, set, tags)});
            detail[kind.to_lowercase()] = inner;
            self.events.put_event("default", "aws.ses", detail_type, &detail, &[arn.as_str()]).await?;
        }
        Ok(())
    }

    /// Type, detail-type and own part of each event.
    fn told(&self, mail: &Mail) -> Vec<(&'static str, &'static str, Value)> {
        let meeting = |fate: Fate| mail.to.iter().filter(move |to| Fate::of(to) == fate).collect::<Vec<_>>();
        let at = mail.at.to_string();
        let mut told = vec![("Send", "Email Sent", json!({}))];
        let delivered: Vec<&String> =
            [Fate::Delivered, Fate::Complained, Fate::OutOfOffice].into_iter().flat_map(meeting).collect();
        if !delivered.is_empty() {
            let inner = json!({
                "timestamp": at,
                "processingTimeMillis": 1,
                "recipients": delivered,
                "smtpResponse": "250 2.0.0 OK",
                "reportingMTA": "a1.eu-west-1.amazonses.com",
            });
            told.push(("Delivery", "Email Delivered", inner));
        }
        let bounces = [
            (Fate::Bounced, "Permanent", "General", Some(("5.1.1", "smtp; 550 5.1.1 user unknown"))),
            (
                Fate::Suppressed,
                "Permanent",
                "Suppressed",
                Some(("5.1.1", "Amazon SES has suppressed sending to this address")),
            ),
            (Fate::OutOfOffice, "Transient", "General", None),
        ];
        for (fate, kind, sub_kind, reason) in bounces {
            let recipients = meeting(fate);
            if recipients.is_empty() {
                continue;
            }
            let recipients = recipients.into_iter().map(|recipient| {
                let mut told = Map::from_iter([("emailAddress".to_owned(), json!(recipient))]);
                if let Some((status, code)) = reason {
                    told.insert("action".to_owned(), json!("failed"));
                    told.insert("status".to_owned(), json!(status));
                    told.insert("diagnosticCode".to_owned(), json!(code));
                }
                Value::Object(told)
            });
            let inner = json!({
                "bounceType": kind,
                "bounceSubType": sub_kind,
                "bouncedRecipients": recipients.collect::<Vec<_>>(),
                "timestamp": at,
                "feedbackId": format!("0102{}-000000", ids::uuid()),
                "reportingMTA": "dns; a1.eu-west-1.amazonses.com",
            });
            told.push(("Bounce", "Email Bounced", inner));
        }
        let complaining = meeting(Fate::Complained);
        if !complaining.is_empty() {
            let recipients: Vec<Value> = complaining.iter().map(|to| json!({"emailAddress": to})).collect();
            let inner = json!({
                "complainedRecipients": recipients,
                "timestamp": at,
                "feedbackId": format!("0102{}-000000", ids::uuid()),
                "complaintSubType": null,
                "complaintFeedbackType": "abuse",
                "userAgent": "Amazon SES Mailbox Simulator",
                "arrivalDate": at,
            });
            told.push(("Complaint", "Email Complaint Received", inner));
        }
        told
    }

    fn mail_detail(&self, mail: &Mail, set: &str, tags: &[(String, String)]) -> Value {
        let source = mail.from.as_str();
        let sender = self.sender_of(&super::send::address(source)).unwrap_or_default();
        let mut tagged = json!({
            "ses:configuration-set": [set],
            "ses:from-domain": [sender.rsplit('@').next().unwrap_or_default()],
            "ses:caller-identity": ["local"],
        });
        for (name, value) in tags {
            tagged[name] = json!([value]);
        }
        let headers: Vec<Value> = ["From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]
            .iter()
            .filter_map(|name| Some(json!({"name": name, "value": header(&mail.raw, name)?})))
            .collect();
        json!({
            "timestamp": mail.at.to_string(),
            "source": source,
            "sourceArn": self.identity_arn(&sender),
            "sendingAccountId": self.account,
            "messageId": mail.id,
            "destination": mail.to,
            "headersTruncated": false,
            "headers": headers,
            "commonHeaders": {
                "from": [source],
                "to": mail.to,
                "messageId": mail.id,
                "subject": header(&mail.raw, "Subject"),
            },
            "tags": tagged,
        })
    }
}

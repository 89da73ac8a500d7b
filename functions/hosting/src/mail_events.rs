//! What SES tells of sites' mails, as it comes through EventBridge.

use domain::hosting::mailing::Fate;
use domain::{OrgId, SiteId};
use platform::queue::{Payload, parse};
use platform::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// The tag with the organisation whose site sent it.
pub const ORG_TAG: &str = "org";
/// The tag with the site that sent it.
pub const SITE_TAG: &str = "site";
/// SES's own tag with the sender's domain.
const DOMAIN_TAG: &str = "ses:from-domain";

/// What became of a site's mail.
#[derive(Debug, PartialEq, Eq)]
pub struct MailTold {
    /// Whose.
    pub org: OrgId,
    /// Which site's.
    pub site: SiteId,
    /// From which domain.
    pub domain: String,
    /// The mail, and what is told of it: the same in every delivery.
    pub told: String,
    /// What became of it; `None` for what counts for nothing, such as a holiday notice.
    pub fate: Option<Fate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    event_type: String,
    mail: Mail,
    bounce: Option<Bounce>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    #[serde(default)]
    tags: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
}

impl Payload for MailTold {
    fn accept(_: &str, _: u32, data: Value) -> Result<Self> {
        let Told { event_type, mail, bounce } = parse(data)?;
        let fate = match event_type.as_str() {
            "Send" => Some(Fate::Sent),
            "Bounce" if bounce.is_some_and(|bounce| bounce.bounce_type == "Permanent") => Some(Fate::Bounced),
            "Complaint" => Some(Fate::Complained),
            _ => None,
        };
        let tag = |name: &str| {
            let value = mail.tags.get(name).and_then(|values| values.get(0)).and_then(Value::as_str);
            value.map(str::to_owned).ok_or_else(|| Error::Malformed(format!("a mail without the tag {name}")))
        };
        let org =
            tag(ORG_TAG)?.parse().map_err(|_| Error::Malformed("a mail of no organisation".to_owned()))?;
        let site = tag(SITE_TAG)?.parse().map_err(|_| Error::Malformed("a mail of no site".to_owned()))?;
        let domain = tag(DOMAIN_TAG)?.to_ascii_lowercase();
        Ok(Self { org, site, domain, told: format!("{}#{event_type}", mail.message_id), fate })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn accept(kind: &str, bounce: Value) -> Result<MailTold> {
        let org = OrgId::from_ulid(7);
        let site = SiteId::from_ulid(8);
        let tags = json!({"org": [org], "site": [site], "ses:from-domain": ["Acme.sites.example"]});
        let mail = json!({"messageId": "m1", "tags": tags});
        MailTold::accept("Email", 1, json!({"eventType": kind, "mail": mail, "bounce": bounce}))
    }

    #[test]
    fn an_event_names_whose_mail_it_was() {
        let told = accept("Bounce", json!({"bounceType": "Permanent"})).unwrap();
        assert_eq!((told.org, told.domain.as_str()), (OrgId::from_ulid(7), "acme.sites.example"));
        assert_eq!((told.told.as_str(), told.fate), ("m1#Bounce", Some(Fate::Bounced)));
        assert_eq!(accept("Bounce", json!({"bounceType": "Transient"})).unwrap().fate, None);
        assert_eq!(accept("Delivery", Value::Null).unwrap().fate, None);
        assert_eq!(accept("Send", Value::Null).unwrap().fate, Some(Fate::Sent));
        let foreign = MailTold::accept("Email", 1, json!({"eventType": "Send", "mail": {"messageId": "m"}}));
        assert_eq!(foreign.unwrap_err().code(), "malformed");
    }
}

//! Handing mails to SES, and telling what its answers mean.

use std::io;

use aws_sdk_ses::Client;
use aws_sdk_ses::config::retry::RetryConfig;
use aws_sdk_ses::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ses::operation::send_raw_email::SendRawEmailError;
use aws_sdk_ses::primitives::Blob;
use aws_sdk_ses::types::{MessageTag, RawMessage};
use domain::Email;
use domain::notifications::{Delivery, Notice};
use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use platform::{App, Error, Result};
use serde::Deserialize;

use crate::mail::{self, Mail, Places};

/// The header that names the delivery: the same in a repeat, so that a reader's mail program can tell.
pub const DELIVERY_HEADER: &str = "X-Tenantry-Delivery";
/// The tag that SES repeats in all it tells of a mail.
pub const DELIVERY_TAG: &str = "delivery";

/// Whose mail it is and where it points to.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// The web application, without a closing slash.
    pub app_url: String,
    /// The sender of all mail.
    pub mail_from: Email,
    /// The mailbox for questions.
    pub mail_support: Email,
    /// What makes SES tell how mails fare.
    pub mail_configuration_set: String,
}

/// Whom mails are handed to.
pub struct Post {
    client: Client,
    settings: Settings,
}

/// What became of a mail that was handed over.
#[derive(Debug, PartialEq, Eq)]
pub enum Handed {
    /// SES has it, under this name.
    Accepted(String),
    /// SES will never take it.
    Refused(String),
    /// SES did not take it now, or did not say.
    Later {
        /// Why.
        reason: String,
        /// Whether it is certain that SES does not have it.
        certain: bool,
    },
}

impl Post {
    /// The post as this function may use it.
    ///
    /// # Errors
    /// `internal` if a setting is missing.
    pub fn of(app: &App) -> Result<Self> {
        // The SDK must not repeat a call whose outcome it does not know: that would be a mail sent twice, and unmarked.
        let config =
            aws_sdk_ses::config::Builder::from(app.aws()).retry_config(RetryConfig::disabled()).build();
        Ok(Self { client: Client::from_conf(config), settings: app.config()? })
    }

    /// Writes the mail of a delivery, as it travels.
    ///
    /// # Errors
    /// `internal` when a text is missing, or a header would hold a line break.
    pub fn compose(&self, delivery: &Delivery, notice: &Notice) -> Result<Vec<u8>> {
        let places = Places { app: &self.settings.app_url, support: self.settings.mail_support.as_str() };
        let mail = mail::write(delivery, notice, places)?;
        mime(delivery, notice, mail, &self.settings.mail_from)
    }

    /// Hands a mail to SES, once.
    pub async fn hand_over(&self, delivery: &Delivery, message: Vec<u8>) -> Handed {
        let tag = |name: &str, value: String| MessageTag::builder().name(name).value(value).build();
        let (Ok(message), Ok(id), Ok(template)) = (
            RawMessage::builder().data(Blob::new(message)).build(),
            tag(DELIVERY_TAG, delivery.id.to_string()),
            tag("template", delivery.template.name().to_owned()),
        ) else {
            return Handed::Refused("unsendable".to_owned());
        };
        let call = self
            .client
            .send_raw_email()
            .source(self.settings.mail_from.as_str())
            .destinations(delivery.to.as_str())
            .raw_message(message)
            .configuration_set_name(&self.settings.mail_configuration_set)
            .tags(id)
            .tags(template);
        match call.send().await {
            Ok(answer) => Handed::Accepted(answer.message_id),
            Err(error) => judge(&error),
        }
    }
}

fn mime(delivery: &Delivery, notice: &Notice, mail: Mail, from: &Email) -> Result<Vec<u8>> {
    if mail.subject.chars().any(char::is_control) {
        return Err(Error::internal("a subject holds a line break"));
    }
    let mut message = MessageBuilder::new()
        .message_id(format!("{}@{}", delivery.id, from.domain()))
        .date(delivery.created_at.as_secs())
        .from(("Tenantry", from.as_str()))
        .to(delivery.to.as_str())
        .subject(mail.subject)
        .header("Content-Language", Raw::new(delivery.locale.tag()))
        // Holiday notices must not answer to it.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header(DELIVERY_HEADER, Raw::new(delivery.id.to_string()))
        .text_body(mail.text)
        .html_body(mail.html);
    if let Notice::ContactMessage(contact) = notice {
        message = message.reply_to(contact.email.as_str());
    }
    message.write_to_vec().map_err(Error::caused)
}

/// What a failed call means. SES's refusals are certain, and so is a call that found nobody to speak to. A call that broke
/// off, or that ended in a fault on SES's side, may have had its effect.
fn judge(error: &SdkError<SendRawEmailError>) -> Handed {
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("Unknown").to_owned();
            let status = answer.raw().status().as_u16();
            match code.as_str() {
                "InvalidParameterValue" | "ValidationError" => Handed::Refused(code),
                // 503 says that it was not even begun. `MessageRejected` is also what SES says while our own domain's
                // records are missing, which passes.
                _ => Handed::Later { reason: code, certain: status < 500 || status == 503 },
            }
        }
        SdkError::ConstructionFailure(_) => Handed::Later { reason: "Unsendable".to_owned(), certain: true },
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error();
            let certain = connector.is_some_and(|error| error.is_user() || never_connected(error));
            Handed::Later { reason: "NoConnection".to_owned(), certain }
        }
        _ => Handed::Later { reason: "NoAnswer".to_owned(), certain: false },
    }
}

fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && matches!(io.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::notifications::{ContactMessage, Letterhead};
    use domain::{DeliveryId, Locale, Timestamp};
    use mail_parser::MessageParser;

    use super::*;

    fn delivery(notice: &Notice) -> Delivery {
        let letterhead = Letterhead {
            id: DeliveryId::from_ulid(7),
            cause: None,
            org: None,
            user: None,
            to: "omar@example.com".parse().unwrap(),
            first_name: None,
            locale: Locale::Ar,
        };
        Delivery::queue(letterhead, notice.clone(), Timestamp::from_secs(1_795_232_640))
    }

    fn mail(subject: &str) -> Mail {
        Mail {
            subject: subject.to_owned(), html: "<p>مرحبًا</p>".to_owned(), text: "مرحبًا\n".to_owned()
        }
    }

    fn contact() -> Notice {
        Notice::ContactMessage(ContactMessage {
            name: "Anna".to_owned(),
            email: "anna@example.org".parse().unwrap(),
            subject: "s".to_owned(),
            message: "m".to_owned(),
        })
    }

    #[test]
    fn a_mail_travels_in_two_forms_under_its_deliverys_name() {
        let notice = contact();
        let subject = "رسالة تواصل: \u{2068}Prices\u{2069}";
        let bytes =
            mime(&delivery(&notice), &notice, mail(subject), &"no-reply@example.com".parse().unwrap())
                .unwrap();
        let message = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(message.subject(), Some(subject));
        assert_eq!(message.body_html(0).unwrap(), "<p>مرحبًا</p>");
        assert_eq!(message.body_text(0).unwrap().trim(), "مرحبًا");
        assert_eq!(message.header_raw(DELIVERY_HEADER).unwrap().trim(), DeliveryId::from_ulid(7).to_string());
        let reply_to =
            message.reply_to().and_then(|address| address.first()).and_then(|first| first.address());
        assert_eq!(reply_to, Some("anna@example.org"));
    }

    #[test]
    fn no_header_is_added_by_a_subject() {
        let notice = contact();
        let injected = mail("Prices\r\nBcc: victim@example.com");
        let refused = mime(&delivery(&notice), &notice, injected, &"no-reply@example.com".parse().unwrap());
        assert!(refused.is_err());
    }

    #[test]
    fn nobody_to_speak_to_is_a_certain_no() {
        assert!(never_connected(&io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(!never_connected(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}

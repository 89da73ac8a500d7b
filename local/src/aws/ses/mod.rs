//! SES, version 1: identities that verify when their DNS records exist, mail that is kept instead of sent, and the
//! events of the mailbox simulator.

mod events;
mod identities;
mod mail;
mod send;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::answer::{AwsError, request_id};
use super::documents::{Documents, Shelf};
use super::events::Events;
use super::form::Form;
use super::rights::Needed;
use super::route53::Route53;
use crate::{Clock, Context as _, Result};

use identities::Identity;
pub use identities::{IdentityView, Verdict};
pub use mail::Mail;

/// SES.
pub struct Ses {
    identities: Shelf<Identity>,
    /// Configuration sets, with the event types that they publish; none means all.
    configuration_sets: Shelf<Vec<String>>,
    mails: Mutex<Connection>,
    quota: Mutex<Quota>,
    route53: Arc<Route53>,
    events: Arc<Events>,
    clock: Clock,
    region: String,
    account: String,
}

/// How much may be sent.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Recipients in any 24 hours.
    pub a_day: u32,
    /// Recipients a second, enforced only when a test sets it: tests send faster than people do.
    pub a_second: Option<u32>,
}

impl Default for Quota {
    fn default() -> Self {
        Self { a_day: 50_000, a_second: None }
    }
}

impl Ses {
    pub(super) fn open(
        data: &Path,
        documents: &Arc<Documents>,
        route53: &Arc<Route53>,
        events: &Arc<Events>,
        clock: &Clock,
        (region, account): (&str, &str),
    ) -> Result<Self> {
        let mails = mail::open(&data.join("mail.db")).context("opening the kept mails")?;
        Ok(Self {
            identities: Shelf::open(documents, "ses-identity")?,
            configuration_sets: Shelf::open(documents, "ses-configuration-set")?,
            mails: Mutex::new(mails),
            quota: Mutex::default(),
            route53: Arc::clone(route53),
            events: Arc::clone(events),
            clock: clock.clone(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    fn identity_arn(&self, identity: &str) -> String {
        format!("arn:aws:ses:{}:{}:identity/{identity}", self.region, self.account)
    }

    fn configuration_set_arn(&self, name: &str) -> String {
        format!("arn:aws:ses:{}:{}:configuration-set/{name}", self.region, self.account)
    }

    /// Sending needs rights to the sender's identity and to the configuration set; nothing else in SES knows resources.
    pub(super) fn needs(&self, operation: &str, form: &Form) -> Vec<Needed> {
        let action = format!("ses:{operation}");
        if !matches!(operation, "SendEmail" | "SendRawEmail") {
            return vec![Needed::new(action, "*")];
        }
        let letter = send::Letter::read(operation, form, &self.region).ok();
        let from = letter.as_ref().map(|letter| letter.sender()).unwrap_or_default();
        let identity = self.sending_identity(&from);
        let with_sender = |needed: Needed| needed.with("ses:FromAddress", &*from);
        let mut needs = vec![with_sender(Needed::new(&*action, self.identity_arn(&identity)))];
        if let Some(set) = letter.and_then(|letter| letter.configuration_set) {
            needs.push(with_sender(Needed::new(action, self.configuration_set_arn(&set))));
        }
        needs
    }

    /// Plays one operation; its XML.
    pub(super) async fn call(&self, operation: &str, form: &Form) -> Result<String, AwsError> {
        let result = match operation {
            "VerifyDomainIdentity" => self.verify_domain(form.text("Domain"))?,
            "VerifyDomainDkim" => self.verify_dkim(form.text("Domain"))?,
            "VerifyEmailIdentity" => self.verify_address(form.text("EmailAddress"))?,
            "SetIdentityMailFromDomain" => self.set_mail_from(form)?,
            "DeleteIdentity" => self.delete_identity(form.text("Identity"))?,
            "ListIdentities" => self.list_identities(form),
            "GetIdentityVerificationAttributes" => self.verification_attributes(form),
            "GetIdentityDkimAttributes" => self.dkim_attributes(form),
            "GetIdentityMailFromDomainAttributes" => self.mail_from_attributes(form),
            "SendEmail" | "SendRawEmail" => self.send(operation, form).await?,
            "GetSendQuota" => self.send_quota()?,
            other => {
                return Err(AwsError::bad(
                    "InvalidAction",
                    format!("The operation {other} is not played locally."),
                ));
            }
        };
        let id = request_id();
        Ok(format!(
            "<{operation}Response xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><{operation}Result>{result}</{operation}Result>\
             <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
        ))
    }

    /// Makes a configuration set whose events go to the default event bus; of all types if none is named.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn create_configuration_set(&self, name: &str, event_types: &[String]) -> Result<(), AwsError> {
        self.configuration_sets.put(name, event_types.to_vec())
    }

    /// Sets how much may be sent.
    pub fn set_quota(&self, quota: Quota) {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = quota;
    }

    fn quota(&self) -> Quota {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

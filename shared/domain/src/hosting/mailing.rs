//! Mail that a site sends, and what its readers' servers say of it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EmailIdentity, IdentityState, Run, Site, SiteState};
use crate::accounts::Entitlements;
use crate::accounts::entitlements::{Access, HOSTING};
use crate::{Email, Event, Refusal, SiteId, Timestamp};

/// Fewer bounces than this are chance.
const FEWEST_BOUNCES: u64 = 5;
/// Fewer complaints than this are chance.
const FEWEST_COMPLAINTS: u64 = 2;
/// How many days of a site's mail are looked at together, this one included.
const DAYS: u64 = 30;
/// A failed domain is tried again so often.
pub const MOST_TRIES: u32 = 3;

/// A mail that a site is to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMail {
    /// To whom.
    pub to: Email,
    /// What it is about.
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// What it says.
    #[schemars(length(min = 1, max = 100000))]
    pub text: String,
    /// The same with markup.
    #[serde(default)]
    #[schemars(length(max = 500000))]
    pub html: Option<String>,
    /// The part of the sender's address before the `@`; `no-reply` if not given.
    #[serde(default)]
    #[schemars(regex(pattern = "^[a-z0-9._-]{1,64}$"))]
    pub from: Option<String>,
    /// Where answers go.
    #[serde(default)]
    pub reply_to: Option<Email>,
}

impl NewMail {
    /// The sender's address, if the mail keeps the rules.
    ///
    /// # Errors
    /// 422 with the pointer of what breaks a rule.
    pub fn check(&self, domain: &str) -> Result<String, Refusal> {
        let long = |text: &str, most: usize| text.is_empty() || text.len() > most;
        if long(self.subject.trim(), 200) || self.subject.chars().any(char::is_control) {
            return Err(Refusal::invalid("/subject", "must be one line of 1 to 200 characters"));
        }
        if long(&self.text, 100_000) {
            return Err(Refusal::invalid("/text", "must have 1 to 100000 characters"));
        }
        if self.html.as_ref().is_some_and(|html| long(html, 500_000)) {
            return Err(Refusal::invalid("/html", "must have 1 to 500000 characters"));
        }
        let from = self.from.as_deref().unwrap_or("no-reply");
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        };
        let dots = from.starts_with('.') || from.ends_with('.') || from.contains("..");
        if from.is_empty() || from.len() > 64 || dots || !from.bytes().all(plain) {
            return Err(Refusal::invalid(
                "/from",
                "must be 1 to 64 of a-z, 0-9, dots, hyphens and underscores",
            ));
        }
        Ok(format!("{from}@{domain}"))
    }
}

impl Site {
    /// The domain that its mail comes from.
    #[must_use]
    pub fn mail_domain(&self) -> &str {
        self.own_mail_domain.as_deref().unwrap_or(&self.fqdn)
    }

    /// How many mails a month the plan lets it send, if it lets it send any.
    ///
    /// # Errors
    /// 409 `site_not_active`; 402 `plan_required`, `plan_restricted`.
    pub fn may_mail<'a>(&self, plan: &'a Entitlements) -> Result<(&'a str, u64), Refusal> {
        if !matches!(self.state, SiteState::Active | SiteState::Migrating) || self.wanted() != Run::On {
            return Err(Refusal::conflict("site_not_active", "The site is not active."));
        }
        let hosting = plan.product(HOSTING).ok_or_else(|| {
            Refusal::payment_required("plan_required", "The organisation has no plan for hosting.")
        })?;
        if hosting.access != Access::Full {
            let message = "The plan is restricted: no mail leaves until the payment is settled.";
            return Err(Refusal::payment_required("plan_restricted", message));
        }
        Ok((&hosting.plan, hosting.limit("mails_per_month")))
    }
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It left.
    Sent,
    /// The reader's server will never take it.
    Bounced,
    /// The reader took it for unwanted.
    Complained,
}

impl EmailIdentity {
    /// Whether mail may leave from it.
    ///
    /// # Errors
    /// 409 `unverified`.
    pub fn may_send(&self) -> Result<(), Refusal> {
        if !matches!(self.state, IdentityState::Verified | IdentityState::Degraded) {
            let message = format!("{} is not verified: its mail would not be believed.", self.domain);
            return Err(Refusal::conflict("unverified", message));
        }
        Ok(())
    }

    /// Another try at a domain that SES gave up.
    ///
    /// # Errors
    /// 409 `not_failed`, `too_many_tries`.
    pub fn retried(self, now: Timestamp) -> Result<Self, Refusal> {
        if !matches!(self.state, IdentityState::Failed | IdentityState::Lost) {
            return Err(Refusal::conflict("not_failed", "The domain has not failed."));
        }
        if self.tries >= MOST_TRIES {
            let message = "It was tried often enough; look at the domain's records and add it anew.";
            return Err(Refusal::conflict("too_many_tries", message));
        }
        let fresh = Self { state: IdentityState::Pending, started_at: now, tries: self.tries + 1, ..self };
        Ok(fresh.watched(now))
    }
}

/// How the mail of a site fares, whatever domain it comes from: a guard that hung on the domain would end with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailStanding {
    /// Which site.
    pub site: SiteId,
    /// What was told of its mails, by day; older days are forgotten.
    #[serde(default)]
    pub days: BTreeMap<String, MailCounts>,
    /// Too much came back: nothing leaves any more.
    #[serde(default)]
    pub stopped: bool,
}

/// How many mails left, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MailCounts {
    /// How many left.
    pub sent: u64,
    /// How many bounced for good.
    pub bounced: u64,
    /// How many were unwanted.
    pub complained: u64,
}

impl MailCounts {
    fn with(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            bounced: self.bounced + other.bounced,
            complained: self.complained + other.complained,
        }
    }
}

impl MailStanding {
    /// A site of whose mails nothing was told yet.
    #[must_use]
    pub fn new(site: SiteId) -> Self {
        Self { site, days: BTreeMap::new(), stopped: false }
    }

    /// What was told in the last thirty days.
    #[must_use]
    pub fn lately(&self, now: Timestamp) -> MailCounts {
        let oldest = oldest(now);
        let days = self.days.iter().filter(|(day, _)| **day >= oldest);
        days.fold(MailCounts::default(), |all, (_, day)| all.with(*day))
    }

    /// Whether mail may leave.
    ///
    /// # Errors
    /// 409 `sending_stopped`.
    pub fn may_send(&self) -> Result<(), Refusal> {
        if self.stopped {
            let message = "Too many of the site's mails bounced or were unwanted; our support can help.";
            return Err(Refusal::conflict("sending_stopped", message));
        }
        Ok(())
    }

    /// SES tells of one of its mails, which came from `domain`. Over 5 % bounces or 0.1 % complaints within thirty days, nothing
    /// leaves any more.
    #[must_use]
    pub fn told(mut self, fate: Fate, domain: &str, now: Timestamp) -> (Self, Option<MailStopped>) {
        let count = |own: Fate| u64::from(fate == own);
        let one = MailCounts {
            sent: count(Fate::Sent),
            bounced: count(Fate::Bounced),
            complained: count(Fate::Complained),
        };
        let (oldest, today) = (oldest(now), day(now));
        self.days.retain(|day, _| *day >= oldest);
        let counted = self.days.get(&today).copied().unwrap_or_default().with(one);
        self.days.insert(today, counted);
        let MailCounts { sent, bounced, complained } = self.lately(now);
        let bounces = bounced >= FEWEST_BOUNCES && bounced * 100 > sent * 5;
        let complaints = complained >= FEWEST_COMPLAINTS && complained * 1_000 > sent;
        if self.stopped || !(bounces || complaints) {
            return (self, None);
        }
        let stopped = MailStopped { site: self.site, domain: domain.to_owned(), sent, bounced, complained };
        (Self { stopped: true, ..self }, Some(stopped))
    }
}

/// A day as it is written in front of a time.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn oldest(now: Timestamp) -> String {
    day(now - Duration::from_secs((DAYS - 1) * 24 * 3_600))
}

/// `hosting.mail_stopped`: too many of a site's mails bounced or were unwanted; it sends no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailStopped {
    /// Which site.
    pub site: SiteId,
    /// From which domain the last of them came.
    pub domain: String,
    /// How many mails left in thirty days.
    pub sent: u64,
    /// How many bounced.
    pub bounced: u64,
    /// How many were unwanted.
    pub complained: u64,
}

impl Event for MailStopped {
    const TYPE: &'static str = "hosting.mail_stopped";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrgId, RefusalKind, Timestamp};

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn identity(state: IdentityState) -> EmailIdentity {
        let identity = EmailIdentity::pending("a.example", OrgId::from_ulid(1), SiteId::from_ulid(2), NOW);
        EmailIdentity { state, ..identity }
    }

    fn mail() -> NewMail {
        NewMail {
            to: "omar@example.com".parse().expect("an address"),
            subject: "Hello".into(),
            text: "Hello.".into(),
            html: None,
            from: None,
            reply_to: None,
        }
    }

    #[test]
    fn a_mail_comes_from_the_sites_own_domain() {
        assert_eq!(mail().check("a.example").as_deref(), Ok("no-reply@a.example"));
        let from = |from: &str| NewMail { from: Some(from.into()), ..mail() };
        assert_eq!(from("shop.team").check("a.example").as_deref(), Ok("shop.team@a.example"));
        for (wrong, pointer) in [
            (from("a@b"), "/from"),
            (from(".a"), "/from"),
            (from(""), "/from"),
            (NewMail { subject: "a\r\nBcc: x".into(), ..mail() }, "/subject"),
            (NewMail { text: String::new(), ..mail() }, "/text"),
        ] {
            let refusal = wrong.check("a.example").expect_err("a broken rule");
            assert_eq!(refusal.kind, RefusalKind::Invalid { pointer: pointer.to_owned() });
        }
    }

    #[test]
    fn only_verified_domains_send_until_too_much_comes_back() {
        for (state, may) in [
            (IdentityState::Pending, false),
            (IdentityState::Verified, true),
            (IdentityState::Degraded, true),
            (IdentityState::Failed, false),
            (IdentityState::Lost, false),
        ] {
            assert_eq!(identity(state).may_send().is_ok(), may, "{state:?}");
        }
        let mut sending = standing();
        let mut stops = 0;
        for fate in [[Fate::Sent; 99].as_slice(), &[Fate::Bounced; 5], &[Fate::Bounced; 3]].concat() {
            let (next, stopped) = sending.told(fate, "a.example", NOW);
            stops += u32::from(stopped.is_some());
            sending = next;
        }
        assert_eq!((sending.stopped, stops, sending.lately(NOW).bounced), (true, 1, 8), "told once");
        assert_eq!(sending.may_send().map_err(|no| no.code), Err("sending_stopped"));
        let (one, stopped) = standing().told(Fate::Complained, "a.example", NOW);
        assert_eq!((one.stopped, stopped), (false, None), "one is chance");
        assert!(one.told(Fate::Complained, "b.example", NOW).0.stopped, "whatever domain it came from");
    }

    #[test]
    fn good_mails_of_long_ago_buy_no_bounces() {
        let day = Duration::from_secs(24 * 3_600);
        let tell = |standing: MailStanding, fate, at| standing.told(fate, "a.example", at).0;
        let good = (0..200).fold(standing(), |standing, _| tell(standing, Fate::Sent, NOW));
        let bounce =
            |standing: MailStanding, at| (0..5).fold(standing, |all, _| tell(all, Fate::Bounced, at));
        assert!(!bounce(good.clone(), NOW + day * 29).stopped);
        let later = bounce(good, NOW + day * 30);
        assert_eq!((later.stopped, later.days.len()), (true, 1));
    }

    fn standing() -> MailStanding {
        MailStanding::new(SiteId::from_ulid(2))
    }

    #[test]
    fn a_failed_domain_is_tried_three_times_again() {
        let mut failed = identity(IdentityState::Failed);
        for _ in 0..MOST_TRIES {
            let again = failed.retried(NOW).expect("it may be tried");
            assert_eq!(again.clone().retried(NOW).map_err(|no| no.code), Err("not_failed"));
            failed = EmailIdentity { state: IdentityState::Failed, ..again };
        }
        assert_eq!(failed.retried(NOW).map_err(|no| no.code), Err("too_many_tries"));
    }
}

//! Showing that an address is one's own: a link by mail, good once, for a day.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::User;
use crate::{Email, Event, Locale, Refusal, Timestamp, UserId};

/// How long a link is good.
pub const VALID: Duration = Duration::from_secs(24 * 60 * 60);
/// So many links in one [`WINDOW`]; then requests are taken and nothing is mailed.
pub const MAILS: u32 = 3;
/// The window in which links are counted.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);

/// The link that a person was sent last; an older one is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Whose.
    pub user: UserId,
    /// The address it was sent to.
    pub email: Email,
    /// SHA-256 of the link's token, in hex.
    pub token_hash: String,
    /// Until when it is good.
    pub valid_until: Timestamp,
    /// Links sent in the present window.
    pub sent: u32,
    /// The present window's end.
    pub window_until: Timestamp,
    /// When it was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// `accounts.verification_requested`: a verification link is to be mailed.
///
/// The one event that carries a token: it opens no account, it only shows that its holder reads the address, and it dies
/// with its first use or after a day.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerificationRequested {
    /// Who asked.
    pub user: UserId,
    /// Where to.
    pub email: Email,
    /// For the salutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The language to write in.
    pub locale: Locale,
    /// What the link carries.
    pub token: String,
    /// Until when the link is good.
    pub valid_until: Timestamp,
}

impl Event for VerificationRequested {
    const TYPE: &'static str = "accounts.verification_requested";
}

impl std::fmt::Debug for VerificationRequested {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VerificationRequested").field("user", &self.user).finish_non_exhaustive()
    }
}

/// `accounts.email_verified`: a person showed that the address is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmailVerified {
    /// Who.
    pub user: UserId,
    /// The address.
    pub email: Email,
    /// For the salutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The language to write in.
    pub locale: Locale,
    /// When.
    pub at: Timestamp,
}

impl Event for EmailVerified {
    const TYPE: &'static str = "accounts.email_verified";
}

/// A link's token, and the hash that is kept of it.
pub struct Link {
    /// What the mail carries.
    pub token: String,
    /// SHA-256 of the token, in hex.
    pub hash: String,
}

impl Verification {
    /// The first link, at sign-up.
    #[must_use]
    pub fn request(user: &User, link: Link, now: Timestamp) -> (Self, VerificationRequested) {
        let verification = Self {
            user: user.id,
            email: user.email.clone(),
            token_hash: link.hash,
            valid_until: now + VALID,
            sent: 1,
            window_until: now + WINDOW,
            used_at: None,
        };
        let event = VerificationRequested {
            user: user.id,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            locale: user.locale,
            token: link.token,
            valid_until: verification.valid_until,
        };
        (verification, event)
    }

    /// A further link in place of the last one, if that is still kept; none if the address is verified or had its share
    /// of mail.
    #[must_use]
    pub fn resend(
        last: Option<&Self>,
        user: &User,
        link: Link,
        now: Timestamp,
    ) -> Option<(Self, VerificationRequested)> {
        if user.email_verified_at.is_some() {
            return None;
        }
        let (mut next, event) = Self::request(user, link, now);
        if let Some(last) = last.filter(|last| now < last.window_until) {
            if last.sent >= MAILS {
                return None;
            }
            (next.sent, next.window_until) = (last.sent + 1, last.window_until);
        }
        Some((next, event))
    }

    /// When the last trace of the link may go.
    #[must_use]
    pub fn forgotten_at(&self) -> Timestamp {
        self.valid_until + VALID
    }

    /// The link is followed.
    ///
    /// # Errors
    /// `link_used_or_expired` (410), also for a link that another one replaced.
    pub fn confirm(
        mut self,
        mut user: User,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<(Self, User, EmailVerified), Refusal> {
        let good = self.used_at.is_none()
            && self.token_hash == token_hash
            && now < self.valid_until
            && self.email == user.email
            && user.email_verified_at.is_none();
        if !good {
            return Err(dead_link());
        }
        self.used_at = Some(now);
        user.email_verified_at = Some(now);
        let event = EmailVerified {
            user: user.id,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            locale: user.locale,
            at: now,
        };
        Ok((self, user, event))
    }
}

/// What every dead, foreign or invented link answers.
#[must_use]
pub fn dead_link() -> Refusal {
    Refusal::gone(
        "link_used_or_expired",
        "This link was used, replaced by a newer one, or is over a day old.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::person::tests::user;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn link(name: &str) -> Link {
        Link { token: name.to_owned(), hash: format!("#{name}") }
    }

    #[test]
    fn a_link_is_good_once_and_for_a_day() {
        let user = user();
        let (verification, event) = Verification::request(&user, link("first"), NOW);
        assert_eq!(event.token, "first");
        let confirm = |verification: &Verification, user: &User, hash: &str, now| {
            verification.clone().confirm(user.clone(), hash, now).map_err(|refusal| refusal.code)
        };
        let day_over = NOW + VALID;
        assert_eq!(confirm(&verification, &user, "#first", day_over), Err("link_used_or_expired"));
        assert_eq!(confirm(&verification, &user, "#other", NOW), Err("link_used_or_expired"));
        let (used, verified, event) = confirm(&verification, &user, "#first", NOW).expect("a fresh link");
        assert_eq!((verified.email_verified_at, event.at), (Some(NOW), NOW));
        assert_eq!(confirm(&used, &verified, "#first", NOW), Err("link_used_or_expired"));
        assert_eq!(confirm(&verification, &verified, "#first", NOW), Err("link_used_or_expired"));
    }

    #[test]
    fn a_new_link_replaces_the_old_and_three_an_hour_are_enough() {
        let user = user();
        let resend =
            |last: &Verification, name: &str, now| Verification::resend(Some(last), &user, link(name), now);
        let (first, _) = Verification::request(&user, link("first"), NOW);
        let (second, _) = resend(&first, "second", NOW).expect("second of three");
        assert!(second.clone().confirm(user.clone(), "#first", NOW).is_err());
        let (third, _) = resend(&second, "third", NOW).expect("third of three");
        assert_eq!(resend(&third, "fourth", NOW), None);
        assert_eq!(resend(&third, "fourth", NOW + WINDOW).map(|(next, _)| next.sent), Some(1));
        assert!(Verification::resend(None, &user, link("after the last was forgotten"), NOW).is_some());
        let verified = User { email_verified_at: Some(NOW), ..user };
        assert_eq!(Verification::resend(Some(&first), &verified, link("second"), NOW + WINDOW), None);
    }
}

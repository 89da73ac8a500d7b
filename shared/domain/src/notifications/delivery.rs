//! One mail on its way to one address: who may send it when, how often, and what became of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notifications::{Notice, SuppressionReason, Template, Verdict};
use crate::{DeliveryId, Email, Event, EventId, Locale, OrgId, Timestamp, UserId};

/// How long a worker has a delivery to itself; longer than its time limit, shorter than its queue's visibility timeout.
pub const CLAIM: Duration = Duration::from_secs(60);
/// How long SES may take to tell that a mail left.
const HEARING: Duration = Duration::from_secs(5 * 60);
/// How long a mail is worth sending.
pub const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a delivery's record is kept.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Waits before the second, third ... try; the last one repeats until patience ends.
const WAITS: [Duration; 4] = [
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
];

/// How far a delivery has come. What comes later in the order never goes back to what comes earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Nobody has tried yet.
    Queued,
    /// A worker has it, or it waits for its next try.
    Sending,
    /// SES accepted it.
    Sent,
    /// It will not be sent, and the reason says why; or SES dropped it after all.
    Failed,
    /// The recipient's server accepted it.
    Delivered,
    /// The recipient's server refused it.
    Bounced,
    /// The recipient called it spam.
    Complained,
    /// It was not sent, as the mailbox refuses our mail.
    Suppressed,
    /// It was not sent, as its reader complained before; and they wait for it.
    Undeliverable,
}

/// Whom a delivery goes to and what caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letterhead {
    /// The delivery's id, the same for the same cause, recipient and template.
    pub id: DeliveryId,
    /// The event that caused it.
    pub cause: Option<EventId>,
    /// The organisation it is about.
    pub org: Option<OrgId>,
    /// The reader, when we know them.
    pub user: Option<UserId>,
    /// Where to.
    pub to: Email,
    /// For the salutation.
    pub first_name: Option<String>,
    /// The language it is written in.
    pub locale: Locale,
}

/// One mail on its way to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which.
    pub id: DeliveryId,
    /// The event that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<EventId>,
    /// The organisation it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// The reader, when we know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Where to.
    pub to: Email,
    /// For the salutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The language it is written in.
    pub locale: Locale,
    /// Which mail.
    pub template: Template,
    /// What its text needs; dropped once it is settled, as it may hold the link that verifies an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// How far it has come.
    pub state: DeliveryState,
    /// How often a worker took it up.
    pub tries: u32,
    /// Until when a worker has it to itself. In the past: that worker died, and nobody knows whether SES has the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Timestamp>,
    /// How many workers died while they had it.
    #[serde(default)]
    pub deaths: u32,
    /// Whether it may have been sent twice.
    pub maybe_duplicate: bool,
    /// SES's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Why it is not further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a worker may do with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Send it, after storing this.
    Send(Delivery),
    /// Store this: it is given up.
    GiveUp(Delivery),
    /// Come back later: another worker has it, and may die before it is done.
    Busy,
    /// Leave it: nothing is to be done any more.
    Settled,
}

/// What SES tells of a mail afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback {
    /// SES has taken it.
    Accepted,
    /// The recipient's server accepted it.
    Delivered,
    /// The recipient's server refused it.
    Bounced {
        /// For good, as there is no such mailbox.
        permanent: bool,
    },
    /// The recipient called it spam.
    Complained,
    /// SES dropped it.
    Rejected,
}

/// The message that asks a worker to send a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailQueued {
    /// Which.
    pub delivery: DeliveryId,
}

impl Event for MailQueued {
    const TYPE: &'static str = "notifications.mail_queued";
}

/// `notifications.mail_undeliverable`: somebody waits for a mail that we must not send them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailUndeliverable {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Who waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
}

impl Event for MailUndeliverable {
    const TYPE: &'static str = "notifications.mail_undeliverable";
}

impl Delivery {
    /// A delivery that is to be sent.
    #[must_use]
    pub fn queue(letterhead: Letterhead, notice: Notice, now: Timestamp) -> Self {
        let Letterhead { id, cause, org, user, to, first_name, locale } = letterhead;
        Self {
            id,
            cause,
            org,
            user,
            to,
            first_name,
            locale,
            template: notice.template(),
            notice: Some(notice),
            state: DeliveryState::Queued,
            tries: 0,
            claimed_until: None,
            deaths: 0,
            maybe_duplicate: false,
            message_id: None,
            reason: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// A worker wants to send it.
    ///
    /// A worker that died between SES's yes and its record leaves the outcome unknown. The mail is then sent once more
    /// and marked, unless SES has told meanwhile that it left; after a second death it is given up, as there may be
    /// something about it that kills workers, and its reader would get it again and again.
    #[must_use]
    pub fn claim(mut self, now: Timestamp) -> Claim {
        if self.state > DeliveryState::Sending {
            return Claim::Settled;
        }
        if self.claimed_until.is_some_and(|until| until > now) {
            return Claim::Busy;
        }
        if now.since(self.created_at) > PATIENCE {
            return Claim::GiveUp(self.failed("too_late", now));
        }
        if self.claimed_until.is_some() {
            if self.deaths > 0 {
                return Claim::GiveUp(self.failed("outcome_unknown", now));
            }
            self.deaths += 1;
            self.maybe_duplicate = true;
        }
        self.state = DeliveryState::Sending;
        self.tries += 1;
        self.claimed_until = Some(now + CLAIM);
        self.updated_at = now;
        Claim::Send(self)
    }

    /// The suppression list forbids it.
    #[must_use]
    pub fn withheld(
        self,
        verdict: Verdict,
        reason: SuppressionReason,
        now: Timestamp,
    ) -> (Self, Option<MailUndeliverable>) {
        let (state, event) = match verdict {
            Verdict::Undeliverable => {
                (DeliveryState::Undeliverable, Some(MailUndeliverable { delivery: self.id, user: self.user }))
            }
            Verdict::Send | Verdict::Suppressed => (DeliveryState::Suppressed, None),
        };
        let reason = match reason {
            SuppressionReason::Bounce => "bounced_before",
            SuppressionReason::Complaint => "complained_before",
        };
        (Self { reason: Some(reason.to_owned()), ..self.settled(state, now) }, event)
    }

    /// SES has it. Feedback may have come before this, and is not undone.
    #[must_use]
    pub fn sent(self, message_id: String, now: Timestamp) -> Self {
        Self { message_id: Some(message_id), ..self.settled(DeliveryState::Sent, now) }
    }

    /// It will never be sent.
    #[must_use]
    pub fn failed(self, reason: impl Into<String>, now: Timestamp) -> Self {
        Self { reason: Some(reason.into()), ..self.settled(DeliveryState::Failed, now) }
    }

    /// SES said no for now, or nothing that one could rely on. It is tried again after [`Delivery::wait`].
    #[must_use]
    pub fn put_off(mut self, reason: impl Into<String>, certain: bool, now: Timestamp) -> Self {
        self.claimed_until = None;
        self.maybe_duplicate |= !certain;
        self.reason = Some(reason.into());
        self.updated_at = now;
        self
    }

    /// How long the next try waits after the one that has just failed. If the mail may have left, SES gets the time to
    /// say so, which spares the repeat.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let turn = usize::try_from(self.tries.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = WAITS[turn.min(WAITS.len() - 1)];
        if self.maybe_duplicate { wait.max(HEARING) } else { wait }
    }

    /// SES tells what became of it, perhaps late, twice, or in the wrong order.
    #[must_use]
    pub fn observe(self, feedback: &Feedback, now: Timestamp) -> Self {
        let state = match feedback {
            Feedback::Accepted => DeliveryState::Sent,
            Feedback::Delivered => DeliveryState::Delivered,
            Feedback::Bounced { .. } => DeliveryState::Bounced,
            Feedback::Complained => DeliveryState::Complained,
            Feedback::Rejected => DeliveryState::Failed,
        };
        self.settled(state, now)
    }

    /// When its record may be forgotten.
    #[must_use]
    pub fn forgotten_at(&self) -> Timestamp {
        self.created_at + RETENTION
    }

    fn settled(self, state: DeliveryState, now: Timestamp) -> Self {
        let state = self.state.max(state);
        Self { state, claimed_until: None, notice: None, updated_at: now, ..self }
    }
}

impl Feedback {
    /// Whether, and why, its mailbox gets no more mail.
    #[must_use]
    pub fn suppresses(&self) -> Option<SuppressionReason> {
        match self {
            Self::Bounced { permanent: true } => Some(SuppressionReason::Bounce),
            Self::Complained => Some(SuppressionReason::Complaint),
            Self::Bounced { permanent: false } | Self::Accepted | Self::Delivered | Self::Rejected => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn delivery() -> Delivery {
        let letterhead = Letterhead {
            id: DeliveryId::from_ulid(1),
            cause: None,
            org: None,
            user: None,
            to: "anna@example.com".parse().expect("an address"),
            first_name: None,
            locale: Locale::En,
        };
        Delivery::queue(letterhead, Notice::Welcome, NOW)
    }

    fn claimed(delivery: Delivery, now: Timestamp) -> Delivery {
        match delivery.claim(now) {
            Claim::Send(delivery) => delivery,
            other => unreachable!("expected a claim, not {other:?}"),
        }
    }

    #[test]
    fn two_workers_do_not_send_it_both() {
        let first = claimed(delivery(), NOW);
        assert_eq!((first.state, first.tries, first.maybe_duplicate), (DeliveryState::Sending, 1, false));
        assert_eq!(first.clone().claim(NOW + CLAIM / 2), Claim::Busy);
        assert_eq!(first.sent("m1".to_owned(), NOW).claim(NOW + CLAIM * 2), Claim::Settled);
    }

    #[test]
    fn a_workers_death_is_repeated_once_and_marked() {
        let again = claimed(claimed(delivery(), NOW), NOW + CLAIM);
        assert!(again.maybe_duplicate);
        match again.claim(NOW + CLAIM * 2) {
            Claim::GiveUp(given_up) => {
                assert_eq!(
                    (given_up.state, given_up.reason.as_deref()),
                    (DeliveryState::Failed, Some("outcome_unknown"))
                );
            }
            other => unreachable!("sent a third time: {other:?}"),
        }
    }

    #[test]
    fn a_known_no_is_tried_again_without_a_mark_until_patience_ends() {
        let mut delivery = delivery();
        let mut now = NOW;
        let mut waits = Vec::new();
        while let Claim::Send(taken) = delivery.clone().claim(now) {
            let waiting = taken.put_off("Throttling", true, now);
            let wait = waiting.wait();
            assert!(!waiting.maybe_duplicate);
            now = now + wait;
            waits.push(wait.as_secs());
            delivery = waiting;
        }
        assert_eq!(waits[..5], [30, 120, 300, 900, 900]);
        assert!(
            matches!(delivery.claim(now), Claim::GiveUp(given_up) if given_up.reason.as_deref() == Some("too_late"))
        );
    }

    #[test]
    fn an_unsure_no_waits_for_what_ses_tells_and_is_marked() {
        let waiting = claimed(delivery(), NOW).put_off("InternalFailure", false, NOW);
        assert_eq!(waiting.wait(), HEARING);
        let again = claimed(waiting.clone(), NOW + HEARING);
        assert_eq!((again.maybe_duplicate, again.deaths), (true, 0));
        let told = waiting.observe(&Feedback::Accepted, NOW);
        assert_eq!(told.state, DeliveryState::Sent);
        assert_eq!(told.claim(NOW + HEARING), Claim::Settled);
    }

    #[test]
    fn feedback_in_any_order_ends_alike() {
        let early = claimed(delivery(), NOW).observe(&Feedback::Bounced { permanent: true }, NOW);
        let recorded = early.sent("m1".to_owned(), NOW);
        assert_eq!((recorded.state, recorded.message_id.as_deref()), (DeliveryState::Bounced, Some("m1")));
        let late = recorded.observe(&Feedback::Delivered, NOW);
        assert_eq!(late.state, DeliveryState::Bounced);
        assert_eq!(late.observe(&Feedback::Complained, NOW).state, DeliveryState::Complained);
    }

    #[test]
    fn a_mail_given_up_that_did_arrive_has_arrived() {
        let given_up = delivery().failed("outcome_unknown", NOW);
        assert_eq!(given_up.observe(&Feedback::Delivered, NOW).state, DeliveryState::Delivered);
    }

    #[test]
    fn what_is_settled_keeps_no_link() {
        assert_eq!(delivery().sent("m1".to_owned(), NOW).notice, None);
        let (undeliverable, event) =
            delivery().withheld(Verdict::Undeliverable, SuppressionReason::Complaint, NOW);
        assert_eq!((undeliverable.state, undeliverable.notice), (DeliveryState::Undeliverable, None));
        assert!(event.is_some());
        let (suppressed, event) = delivery().withheld(Verdict::Suppressed, SuppressionReason::Bounce, NOW);
        assert_eq!((suppressed.state, event), (DeliveryState::Suppressed, None));
    }

    #[test]
    fn only_what_is_final_suppresses() {
        assert_eq!(Feedback::Bounced { permanent: true }.suppresses(), Some(SuppressionReason::Bounce));
        assert_eq!(Feedback::Bounced { permanent: false }.suppresses(), None);
        assert_eq!(Feedback::Complained.suppresses(), Some(SuppressionReason::Complaint));
        assert_eq!(Feedback::Delivered.suppresses(), None);
    }
}

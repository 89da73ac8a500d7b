//! The mails that exist, and what each of them needs to know.

use serde::{Deserialize, Serialize};

use crate::billing::{DunningState, Money, Product};
use crate::notifications::ContactMessage;
use crate::{OperationId, SiteId, Timestamp};

/// The mails that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The link that proves an address.
    Verification,
    /// A proved address: what to do first.
    Welcome,
    /// A site is served.
    SiteReady,
    /// A site could not be built.
    ProvisioningFailed,
    /// A stranger wrote to us.
    ContactMessage,
    /// A trial's end comes near.
    TrialNotice,
    /// A trial is over, and what there is stays for a while.
    TrialGrace,
    /// A trial is over, and what there was is shut.
    TrialExpired,
    /// A trial became a paid plan.
    TrialConverted,
    /// A payment failed.
    PaymentFailed,
    /// A payment waits for its payer's confirmation.
    PaymentActionRequired,
    /// A payment is missing for so long that a product is shut further; or it came, and it is open again.
    AccessChanged,
    /// A card ends soon.
    CardExpiring,
    /// Use came to a part of its cap.
    SpendCap,
    /// An invoice was paid.
    Receipt,
    /// Money goes back.
    Refund,
    /// A subscription or a trial ends, has ended, or goes on after all.
    Cancellation,
}

/// What became of a plan that somebody ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It ends with the period that is paid.
    Ahead,
    /// It has ended.
    Over,
    /// It goes on after all.
    TakenBack,
    /// A trial that somebody ended.
    OfTrial,
}

/// How much depends on a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody waits for it and cannot go on without it; it has a queue of its own.
    Security,
    /// It tells what happened to what is theirs.
    Transactional,
    /// It goes to ourselves.
    Internal,
}

/// A mail's template with what its text needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Notice {
    /// The link that proves an address.
    Verification {
        /// What the link carries.
        token: String,
        /// Until when it is good.
        valid_until: Timestamp,
    },
    /// A proved address: what to do first.
    Welcome,
    /// A site is served.
    SiteReady {
        /// Which.
        site: SiteId,
        /// Its name.
        fqdn: String,
    },
    /// A site could not be built.
    ProvisioningFailed {
        /// Which.
        site: SiteId,
        /// The name it was to have.
        fqdn: String,
        /// What support asks for.
        operation: OperationId,
        /// Whether everything is taken back, or waits for our people.
        undone: bool,
    },
    /// A stranger wrote to us.
    ContactMessage(ContactMessage),
    /// A trial's end comes near.
    TrialNotice {
        /// Of which product.
        product: Product,
        /// Days until then.
        days_left: u8,
        /// When it ends.
        ends_at: Timestamp,
    },
    /// A trial is over, and what there is stays for a while.
    TrialGrace {
        /// Of which product.
        product: Product,
        /// Until when it stays.
        grace_ends_at: Timestamp,
        /// Whether a payment that was on its way failed.
        payment_failed: bool,
    },
    /// A trial is over, and what there was is shut.
    TrialExpired {
        /// Of which product.
        product: Product,
        /// When the data go.
        purge_at: Timestamp,
    },
    /// A trial became a paid plan.
    TrialConverted {
        /// Of which product.
        product: Product,
        /// The plan's name in keys.
        plan: String,
        /// Whether what was shut is opened again.
        late: bool,
    },
    /// A payment failed.
    PaymentFailed {
        /// Of which product.
        product: Product,
        /// What is to be paid.
        amount: Money,
        /// When it is tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_attempt_at: Option<Timestamp>,
        /// When the product is restricted if nobody pays.
        restricted_at: Timestamp,
        /// Where it can be paid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pay_url: Option<String>,
    },
    /// A payment waits for its payer's confirmation.
    PaymentActionRequired {
        /// Of which product.
        product: Product,
        /// What is to be paid.
        amount: Money,
        /// Where it is confirmed.
        url: String,
    },
    /// A payment is missing for so long that a product is shut further; or it came, and it is open again.
    AccessChanged {
        /// Of which product.
        product: Product,
        /// Where the ladder stands.
        to: DunningState,
        /// What is to be paid.
        amount: Money,
        /// When the next step is due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_at: Option<Timestamp>,
    },
    /// A card ends soon.
    CardExpiring {
        /// Its brand.
        brand: String,
        /// Its last digits.
        last4: String,
        /// The last month it is good.
        exp_month: u32,
        /// That month's year.
        exp_year: u32,
    },
    /// Use came to a part of its cap.
    SpendCap {
        /// Of which product.
        product: Product,
        /// What is counted.
        meter: String,
        /// Which part: 50, 80 or 100.
        percent: u8,
        /// The cap.
        limit: Money,
        /// Whether use stops at it.
        hard: bool,
    },
    /// An invoice was paid.
    Receipt {
        /// The invoice's number.
        number: String,
        /// What was paid.
        paid: Money,
        /// The tax in it.
        tax: Money,
        /// When.
        paid_at: Timestamp,
        /// Where it can be seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// Money goes back.
    Refund {
        /// How much.
        amount: Money,
    },
    /// A subscription or a trial ends, has ended, or goes on after all.
    Cancellation {
        /// Of which product.
        product: Product,
        /// The plan's name in keys.
        plan: String,
        /// What became of it.
        ending: Ending,
        /// When it ends, or when the data of a trial go.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<Timestamp>,
    },
}

impl Template {
    /// Every mail.
    pub const ALL: [Self; 17] = [
        Self::Verification,
        Self::Welcome,
        Self::SiteReady,
        Self::ProvisioningFailed,
        Self::ContactMessage,
        Self::TrialNotice,
        Self::TrialGrace,
        Self::TrialExpired,
        Self::TrialConverted,
        Self::PaymentFailed,
        Self::PaymentActionRequired,
        Self::AccessChanged,
        Self::CardExpiring,
        Self::SpendCap,
        Self::Receipt,
        Self::Refund,
        Self::Cancellation,
    ];

    /// The name of its texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Welcome => "welcome",
            Self::SiteReady => "site-ready",
            Self::ProvisioningFailed => "provisioning-failed",
            Self::ContactMessage => "contact-message",
            Self::TrialNotice => "trial-notice",
            Self::TrialGrace => "trial-grace",
            Self::TrialExpired => "trial-expired",
            Self::TrialConverted => "trial-converted",
            Self::PaymentFailed => "payment-failed",
            Self::PaymentActionRequired => "payment-action-required",
            Self::AccessChanged => "access-changed",
            Self::CardExpiring => "card-expiring",
            Self::SpendCap => "spend-cap",
            Self::Receipt => "receipt",
            Self::Refund => "refund",
            Self::Cancellation => "cancellation",
        }
    }

    /// How much depends on it.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Verification => Class::Security,
            Self::ContactMessage => Class::Internal,
            Self::Welcome
            | Self::SiteReady
            | Self::ProvisioningFailed
            | Self::TrialNotice
            | Self::TrialGrace
            | Self::TrialExpired
            | Self::TrialConverted
            | Self::PaymentFailed
            | Self::PaymentActionRequired
            | Self::AccessChanged
            | Self::CardExpiring
            | Self::SpendCap
            | Self::Receipt
            | Self::Refund
            | Self::Cancellation => Class::Transactional,
        }
    }
}

impl Notice {
    /// Which mail it is.
    #[must_use]
    pub fn template(&self) -> Template {
        match self {
            Self::Verification { .. } => Template::Verification,
            Self::Welcome => Template::Welcome,
            Self::SiteReady { .. } => Template::SiteReady,
            Self::ProvisioningFailed { .. } => Template::ProvisioningFailed,
            Self::ContactMessage(_) => Template::ContactMessage,
            Self::TrialNotice { .. } => Template::TrialNotice,
            Self::TrialGrace { .. } => Template::TrialGrace,
            Self::TrialExpired { .. } => Template::TrialExpired,
            Self::TrialConverted { .. } => Template::TrialConverted,
            Self::PaymentFailed { .. } => Template::PaymentFailed,
            Self::PaymentActionRequired { .. } => Template::PaymentActionRequired,
            Self::AccessChanged { .. } => Template::AccessChanged,
            Self::CardExpiring { .. } => Template::CardExpiring,
            Self::SpendCap { .. } => Template::SpendCap,
            Self::Receipt { .. } => Template::Receipt,
            Self::Refund { .. } => Template::Refund,
            Self::Cancellation { .. } => Template::Cancellation,
        }
    }
}

//! Everything that billing tells the other areas.

mod inbox;
mod payment;
mod subscription;
mod trial;

pub use inbox::StripeEventReceived;
pub use payment::{
    CardExpiring, DisputeClosed, DisputeOpened, InvoiceFinalized, InvoicePaid, InvoiceVoided,
    PaymentActionRequired, PaymentFailed, RefundFailed, RefundMade, SpendCapReached, UsageSealed,
};
pub use subscription::{
    AccessChanged, CheckoutCompleted, EntitlementsChanged, SubscriptionActivated, SubscriptionCanceled,
    SubscriptionChange, SubscriptionChanged, SubscriptionPastDue,
};
pub use trial::{
    TrialCanceled, TrialConverted, TrialExpired, TrialExtended, TrialGraceBegun, TrialNoticeDue,
    TrialPaymentPending, TrialPurged, TrialResumed, TrialStarted,
};

use crate::Event;

/// Does something with an event of any type, such as laying it into an envelope.
pub trait Tell {
    /// What becomes of it.
    type Told;

    /// Does it.
    fn tell<E: Event>(self, event: &E) -> Self::Told;
}

macro_rules! events {
    ($($name:ident,)*) => {
        /// An event of billing.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum BillingEvent {
            $(#[doc = concat!("A [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for BillingEvent {
            fn from(event: $name) -> Self {
                Self::$name(event)
            }
        })*

        impl BillingEvent {
            /// Hands the event over as what it is.
            pub fn tell<T: Tell>(&self, teller: T) -> T::Told {
                match self {
                    $(Self::$name(event) => teller.tell(event),)*
                }
            }

            /// Its type on the bus.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $name::TYPE,)*
                }
            }
        }
    };
}

events! {
    TrialStarted,
    TrialNoticeDue,
    TrialGraceBegun,
    TrialExpired,
    TrialConverted,
    TrialCanceled,
    TrialExtended,
    TrialPaymentPending,
    TrialResumed,
    TrialPurged,
    CheckoutCompleted,
    SubscriptionActivated,
    SubscriptionChanged,
    SubscriptionPastDue,
    SubscriptionCanceled,
    AccessChanged,
    EntitlementsChanged,
    PaymentFailed,
    PaymentActionRequired,
    InvoiceFinalized,
    InvoicePaid,
    InvoiceVoided,
    RefundMade,
    RefundFailed,
    DisputeOpened,
    DisputeClosed,
    CardExpiring,
    SpendCapReached,
    UsageSealed,
}

//! Plans, trials, checkouts, subscriptions, failed payments, use and the ledger: what an organisation may use, and what
//! it pays for it.
//!
//! Stripe owns what is paid; here its objects are mirrored, and what follows from them for access is decided. A state
//! machine takes a trigger and answers with a [`Transition`]: the next state and the one event that its write carries.
//! Timers and Stripe never hear a no: what does not fit changes nothing. People do, as a [`Refusal`](crate::Refusal).

pub mod account;
pub mod catalog;
pub mod checkout;
pub mod dunning;
pub mod entitlements;
pub mod events;
pub mod fingerprint;
pub mod inbox;
pub mod invoice;
pub mod ledger;
pub mod money;
pub mod payment_method;
pub mod plan_change;
pub mod product;
pub mod proration;
pub mod quote;
pub mod refund;
pub mod rollup;
pub mod stripe_op;
pub mod subscription;
pub mod transition;
pub mod trial;
pub mod usage;

#[cfg(test)]
mod machines;

pub use account::{Account, AccountUpdate, Address};
pub use catalog::{Catalog, Interval, Plan, Price, PriceRef, catalog};
pub use checkout::{CheckoutSlot, SlotState, SlotTrigger, Wanted, Wish};
pub use dunning::{Dunning, DunningState, DunningTrigger};
pub use entitlements::{Standing, recompute};
pub use events::{BillingEvent, EntitlementsChanged, Tell};
pub use fingerprint::fingerprints;
pub use inbox::{Disposition, InboxEvent, InboxState, Topic};
pub use invoice::{Invoice, InvoiceStatus};
pub use ledger::{LedgerAccount, Leg, Posting};
pub use money::{Currency, Micro, Money};
pub use payment_method::PaymentMethod;
pub use plan_change::{ChangeWanted, Command, Direction, PlannedChange, When};
pub use product::Product;
pub use proration::Period;
pub use quote::{Preview, Quote};
pub use refund::{Charge, Dispute, Refund};
pub use rollup::{Arrival, Rollup, RollupState, RollupTrigger};
pub use stripe_op::{Call, OpState, OpTrigger, StripeOp};
pub use subscription::{Observed, Pending, Projection, Subscription, SubscriptionItem, SubscriptionStatus};
pub use transition::Transition;
pub use trial::{StartTrial, Trial, TrialState, TrialTrigger};
pub use usage::{Cap, NewCap, UsageEntry, UsageRecord};

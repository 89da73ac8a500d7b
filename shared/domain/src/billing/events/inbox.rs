//! What wakes the worker of the inbox.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Event;

/// `billing.stripe_event_received`: Stripe told something; what it is about is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StripeEventReceived {
    /// Stripe's id of its event.
    pub event: String,
    /// Stripe's type of it.
    pub event_type: String,
}

impl Event for StripeEventReceived {
    const TYPE: &'static str = "billing.stripe_event_received";
}

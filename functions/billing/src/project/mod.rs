//! From Stripe's objects to what is kept here.
//!
//! Each projection reads what is kept, then fetches the object, then writes only if what is kept is still what was read. As the
//! read comes before the fetch, an older fetch can never take the place of a newer one, whatever the order, the number or
//! the loss of events.

pub mod charges;
pub mod checkout;
pub mod invoice;
pub mod methods;
pub mod subscription;

use domain::OrgId;
use domain::billing::Product;
use platform::stripe::Metadata;

/// Whose an object is, by the metadata that we gave it.
#[must_use]
pub fn owner(metadata: &Metadata) -> Option<(OrgId, Product)> {
    Some((metadata.get("org")?.parse().ok()?, metadata.get("product")?.parse().ok()?))
}

/// Whose an object is that an event carries.
#[must_use]
pub fn owner_in(object: &serde_json::Value) -> Option<(OrgId, Product)> {
    let text = |name: &str| object["metadata"][name].as_str();
    Some((text("org")?.parse().ok()?, text("product")?.parse().ok()?))
}

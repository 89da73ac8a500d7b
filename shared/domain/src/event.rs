//! What has happened: the facts that one area tells the others.

use serde::Serialize;

/// A fact in the past tense, carried by the item whose change it reports.
///
/// Fields may be added to an event; a change that an older consumer would misread takes a new `VERSION`.
pub trait Event: Serialize {
    /// `<area>.<noun>_<past_verb>`: the detail-type on the bus.
    const TYPE: &'static str;
    /// The shape's version; consumers refuse versions that they do not know.
    const VERSION: u32 = 1;
}

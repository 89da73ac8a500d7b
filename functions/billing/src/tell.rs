//! The domain's events in their envelopes.

use domain::billing::{BillingEvent, Tell};
use domain::{Event, OrgId};
use platform::event::{EventEnvelope, Origin};

struct Envelope<'a> {
    origin: &'a Origin,
    org: OrgId,
}

impl Tell for Envelope<'_> {
    type Told = EventEnvelope;

    fn tell<E: Event>(self, event: &E) -> EventEnvelope {
        self.origin.event(self.org, event)
    }
}

/// The envelope of what a transition tells about an organisation.
#[must_use]
pub fn envelope(origin: &Origin, org: OrgId, event: &BillingEvent) -> EventEnvelope {
    event.tell(Envelope { origin, org })
}

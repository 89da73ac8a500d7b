//! Facts and messages on their way: the envelope they travel in, and where they come from.

use domain::{Event, EventId, OrgId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::random;

/// A fact with what everybody needs to know about it. It rides on the item whose change it reports (`Write::event`), and
/// in the same form on the bus and in queues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventEnvelope {
    /// Its own id: the same in every delivery, so that consumers can tell a repeat.
    pub id: EventId,
    /// `<area>.<noun>_<past_verb>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of the shape of `data`.
    pub v: u32,
    /// The organisation it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// When it happened.
    pub at: Timestamp,
    /// Who caused it: `user:usr_…`, `host:host_…`, `system:<function>`.
    pub actor: String,
    /// The request that started it all.
    pub request_id: String,
    /// The fact.
    pub data: Value,
}

/// Where something comes from: carried from the request through events and messages to everything it causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The request that started it all.
    pub request_id: String,
    /// The X-Ray trace; empty if there is none.
    pub trace_id: String,
    /// Who acts: `user:usr_…`, `host:host_…`, `system:<function>`, `public`.
    pub actor: String,
    /// The moment that counts as now in this invocation.
    pub now: Timestamp,
    /// The organisation it is about, if it is about one.
    pub org: Option<OrgId>,
}

impl Origin {
    /// An event about an organisation, in its envelope.
    pub fn event<E: Event>(&self, org: OrgId, data: &E) -> EventEnvelope {
        self.envelope(Some(org), data)
    }

    /// An event about one organisation or none, in its envelope.
    pub fn envelope<E: Event>(&self, org: Option<OrgId>, data: &E) -> EventEnvelope {
        EventEnvelope {
            id: self.id(),
            kind: E::TYPE.to_owned(),
            v: E::VERSION,
            org,
            at: self.now,
            actor: self.actor.clone(),
            request_id: self.request_id.clone(),
            data: serde_json::to_value(data).expect("an event is a struct of plain fields"),
        }
    }

    /// What kind of actor it is: `user`, `system`.
    pub(crate) fn actor_kind(&self) -> &str {
        self.actor.split(':').next().unwrap_or_default()
    }

    /// A new identifier.
    #[must_use]
    pub fn id<T: random::Generated>(&self) -> T {
        random::id(self.now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct SiteRequested {
        label: String,
    }

    impl Event for SiteRequested {
        const TYPE: &'static str = "hosting.site_requested";
        const VERSION: u32 = 2;
    }

    #[test]
    fn an_event_knows_where_it_comes_from() {
        let origin = Origin {
            request_id: "r1".to_owned(),
            trace_id: String::new(),
            actor: "user:usr_1".to_owned(),
            now: Timestamp::from_secs(1),
            org: None,
        };
        let envelope = origin.event(OrgId::from_ulid(5), &SiteRequested { label: "acme".to_owned() });
        let json = serde_json::to_value(&envelope).unwrap();
        assert_eq!(json["type"], "hosting.site_requested");
        assert_eq!(json["v"], 2);
        assert_eq!(json["org"], "org_00000000000000000000000005");
        assert_eq!(json["at"], "1970-01-01T00:00:01.000Z");
        assert_eq!(json["data"]["label"], "acme");
        assert_eq!(serde_json::from_value::<EventEnvelope>(json).unwrap(), envelope);
    }
}

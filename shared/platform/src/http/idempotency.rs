//! `Idempotency-Key`: a client that did not hear our reply asks again and gets the same one, without a second effect.
//!
//! The reply is stored for 24 hours under organisation and key, with a fingerprint of the request. Handlers that put
//! [`super::Call::once`] into their transaction cannot lose it to a crash; for all others it is stored after the effect. Where that
//! effect is not to be had twice and outside the table, [`super::Call::begun`] keeps a repeat out while it is under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::RequestParts;
use super::reply::Wire;
use crate::event::Origin;
use crate::store::{Key, Table, Write};
use crate::{Error, Result, hash};

const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any endpoint works on a request.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// The code of a lost race for the record; clients see it only while the winner is still at work.
const RACE: &str = "idempotency_in_progress";

/// The key of one request.
#[derive(Debug)]
pub(crate) struct Idempotency {
    key: Key,
    fingerprint: String,
    now: Timestamp,
    recorded: AtomicBool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    fingerprint: String,
    until: Timestamp,
    reply: Wire,
}

/// Somebody is at work on a request.
#[derive(Debug, Serialize)]
struct Begun {
    until: Timestamp,
}

impl Idempotency {
    /// The request's key, if it has one and changes something for an organisation.
    pub(crate) fn of(request: &RequestParts, origin: &Origin) -> Result<Option<Self>> {
        let (Some(key), Some(org), true) = (request.header("idempotency-key"), origin.org, request.mutates())
        else {
            return Ok(None);
        };
        let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || !(1..=128).contains(&key.len()) {
            let message = "Idempotency-Key holds 1 to 128 printable ASCII characters.";
            return Err(Error::Malformed(message.to_owned()));
        }
        // Whoever asks is part of it: nobody gets a reply that was meant for a colleague.
        let head = [&origin.actor, request.method(), request.path(), request.query(), ""];
        let mut asked = head.join("\n").into_bytes();
        asked.extend_from_slice(request.body()?);
        Ok(Some(Self {
            key: Key::new(format!("IDEM#{org}#{key}"), "REPLY"),
            fingerprint: hash::sha256_hex(asked),
            now: origin.now,
            recorded: AtomicBool::new(false),
        }))
    }

    /// The stored reply of the same request.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the key belongs to another request.
    pub(crate) async fn replay(&self, table: &Table) -> Result<Option<Wire>> {
        let stored = table.get_consistent::<Record>(&self.key).await?;
        let Some(record) = stored.map(|stored| stored.value).filter(|record| record.until > self.now) else {
            return Ok(None);
        };
        if record.fingerprint != self.fingerprint {
            let message = "This Idempotency-Key was used for another request.";
            return Err(Error::refused("idempotency_mismatch", message));
        }
        let mut reply = record.reply;
        reply.headers.insert("idempotent-replayed".to_owned(), "true".to_owned());
        Ok(Some(reply))
    }

    /// The write that stores the reply, unless there is one already.
    pub(crate) fn record(&self, reply: Wire) -> Result<Write> {
        self.recorded.store(true, Ordering::Relaxed);
        let until = self.now + KEPT;
        let record = Record { fingerprint: self.fingerprint.clone(), until, reply };
        Ok(Write::put(self.key.clone(), "idempotency", &record)
            .when("attribute_not_exists(pk) OR until <= :idem_now", [(":idem_now", self.now.to_string())])
            .or(Error::refused(RACE, "The same request is being answered."))
            .decisive()
            .expires_at(until))
    }

    /// The write that keeps a repeat out for as long as the request is at work.
    pub(crate) fn begun(&self) -> Write {
        let until = self.now + UNDER_WAY;
        Write::put(self.work(), "idempotency", &Begun { until })
            .when("attribute_not_exists(pk) OR until <= :idem_now", [(":idem_now", self.now.to_string())])
            .or(Error::refused(RACE, "The same request is being answered."))
            .decisive()
            .expires_at(until)
    }

    /// The write that lets a repeat in again.
    pub(crate) fn ended(&self) -> Write {
        Write::put(self.work(), "idempotency", &Begun { until: self.now }).expires_at(self.now)
    }

    fn work(&self) -> Key {
        Key::new(self.key.pk.clone(), "WORK")
    }

    /// Whether the handler stored its reply itself.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::OrgId;
    use serde_json::json;

    use super::*;
    use crate::http::request::GatewayEvent;

    fn of(method: &str, key: &str, body: &str) -> Result<Option<Idempotency>> {
        let event: GatewayEvent = serde_json::from_value(json!({
            "rawPath": "/v1/sites", "headers": {"idempotency-key": key}, "body": body,
            "requestContext": {"http": {"method": method}},
        }))
        .unwrap();
        let origin = Origin {
            request_id: String::new(),
            trace_id: String::new(),
            actor: "user:usr_1".to_owned(),
            now: Timestamp::from_secs(5),
            org: Some(OrgId::from_ulid(1)),
        };
        Idempotency::of(&RequestParts::new(event), &origin)
    }

    #[test]
    fn the_fingerprint_tells_requests_apart() {
        let print = |body| of("POST", "k", body).unwrap().unwrap().fingerprint;
        assert_eq!(print("{}"), print("{}"));
        assert_ne!(print("{}"), print("{ }"));
        assert!(of("GET", "k", "").unwrap().is_none());
        assert_eq!(of("POST", "a b", "").unwrap_err().status(), 400);
        assert_eq!(of("POST", &"k".repeat(129), "").unwrap_err().status(), 400);
    }

    #[test]
    fn the_record_goes_first_when_conditions_fail() {
        let one = of("POST", "k", "").unwrap().unwrap();
        assert!(!one.is_recorded());
        let write = one.record(crate::http::Reply::no_content().into_wire().unwrap()).unwrap();
        write.sound().unwrap();
        assert!(one.is_recorded() && write.decisive);
        assert_eq!(write.key.pk, "IDEM#org_00000000000000000000000001#k");
        let (begun, ended) = (one.begun(), one.ended());
        begun.sound().unwrap();
        ended.sound().unwrap();
        assert!(begun.decisive && begun.key == ended.key && begun.key != write.key);
    }
}

//! Whether a webhook comes from Stripe.
//!
//! The signature is over the body's own bytes: whoever parses it first and writes it again has lost it.

use std::fmt;
use std::time::Duration;

use domain::Timestamp;

use super::event::Event;
use crate::hash;

/// How far the signature's moment may be from now: an older one may be a recording.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Why a webhook is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The header `Stripe-Signature` is missing a part.
    Header,
    /// None of its signatures is of these bytes and one of our secrets.
    Signature,
    /// It was signed too long ago, or will be.
    Time,
    /// The body is signed, but is no event.
    Body,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "the header Stripe-Signature is missing or cannot be read",
            Self::Signature => "no signature fits the body",
            Self::Time => "the signature is not of this time",
            Self::Body => "the body is no event",
        })
    }
}

impl std::error::Error for Invalid {}

/// The event in a body, if one of the header's signatures was made with one of the secrets.
///
/// # Errors
/// Why it is not accepted.
pub fn verify(payload: &[u8], header: &str, secrets: &[String], now: Timestamp) -> Result<Event, Invalid> {
    let (mut moment, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => moment = Some(text),
            // `v0` is a signature for test events that proves nothing.
            Some(("v1", text)) => signatures.extend(hex::decode(text)),
            _ => {}
        }
    }
    let moment = moment.ok_or(Invalid::Header)?;
    let secs: i64 = moment.parse().map_err(|_| Invalid::Header)?;
    if signatures.is_empty() {
        return Err(Invalid::Header);
    }
    let expected =
        secrets.iter().filter(|secret| !secret.is_empty()).map(|secret| code(payload, secret, moment));
    let mut is_ours = false;
    for expected in expected {
        is_ours |= signatures.iter().any(|signature| hash::same(signature, &expected));
    }
    if !is_ours {
        return Err(Invalid::Signature);
    }
    if now.as_secs().saturating_sub(secs).unsigned_abs() > TOLERANCE.as_secs() {
        return Err(Invalid::Time);
    }
    serde_json::from_slice(payload).map_err(|_| Invalid::Body)
}

/// The header that Stripe sends with a body, for whoever plays Stripe.
#[must_use]
pub fn sign(payload: &[u8], secret: &str, at: Timestamp) -> String {
    let moment = at.as_secs().to_string();
    format!("t={moment},v1={}", hex::encode(code(payload, secret, &moment)))
}

fn code(payload: &[u8], secret: &str, moment: &str) -> [u8; 32] {
    hash::hmac(secret.as_bytes(), &[moment.as_bytes(), b".", payload].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"invoice.paid","created":1795232640,
        "livemode":false,"data":{"object":{"id":"in_1","object":"invoice"}}}"#;
    const NOW: Timestamp = Timestamp::from_secs(1_795_232_700);

    fn secrets() -> Vec<String> {
        vec!["whsec_old".to_owned(), "whsec_new".to_owned()]
    }

    #[test]
    fn knows_a_signature_of_stripes_own_library() {
        // Made with stripe-python 16.1.0: WebhookSignature._compute_signature("1795232640.{}", "whsec_test").
        let header = "t=1795232640,v1=6056cec9fd765f746bf45ed086267b6a694082d468a1b871a1ab624bcfe27979";
        let refused = verify(b"{}", header, &["whsec_test".to_owned()], NOW);
        assert_eq!(refused.unwrap_err(), Invalid::Body);
    }

    #[test]
    fn any_signature_by_any_secret_is_enough() {
        for secret in ["whsec_old", "whsec_new"] {
            let event = verify(BODY, &sign(BODY, secret, NOW), &secrets(), NOW).unwrap();
            assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", "invoice.paid"));
        }
        let good = sign(BODY, "whsec_new", NOW);
        let other = sign(BODY, "whsec_other", NOW).replace("t=", "v0=1,t=");
        let both = format!("{other},{}", good.split_once(',').unwrap().1);
        assert!(verify(BODY, &both, &secrets(), NOW).is_ok());
    }

    #[test]
    fn another_secret_body_or_scheme_is_refused() {
        let header = sign(BODY, "whsec_new", NOW);
        let refused = |body: &[u8], header: &str| verify(body, header, &secrets(), NOW).unwrap_err();
        assert_eq!(refused(BODY, &sign(BODY, "whsec_other", NOW)), Invalid::Signature);
        assert_eq!(refused(&[BODY, b" "].concat(), &header), Invalid::Signature);
        let mut body = BODY.to_vec();
        body[9] ^= 1;
        assert_eq!(refused(&body, &header), Invalid::Signature);
        assert_eq!(refused(BODY, &header.replace("t=1795232700", "t=1795232701")), Invalid::Signature);
        assert_eq!(refused(BODY, &header.replace("v1=", "v0=")), Invalid::Header);
        assert_eq!(refused(BODY, &header.replace("v1=", "v1=zz")), Invalid::Header);
        assert_eq!(refused(BODY, &header[..header.len() - 2]), Invalid::Signature);
        for header in ["", "t=1795232700", "v1=00", "t=soon,v1=00"] {
            assert_eq!(refused(BODY, header), Invalid::Header);
        }
        let unset = [String::new()];
        assert_eq!(verify(BODY, &sign(BODY, "", NOW), &unset, NOW).unwrap_err(), Invalid::Signature);
        assert_eq!(verify(BODY, &header, &[], NOW).unwrap_err(), Invalid::Signature);
    }

    #[test]
    fn a_recording_is_refused() {
        let at = |secs: u64| {
            verify(BODY, &sign(BODY, "whsec_new", NOW - Duration::from_secs(secs)), &secrets(), NOW)
        };
        assert!(at(300).is_ok());
        assert_eq!(at(301).unwrap_err(), Invalid::Time);
        let later = sign(BODY, "whsec_new", NOW + Duration::from_secs(301));
        assert_eq!(verify(BODY, &later, &secrets(), NOW).unwrap_err(), Invalid::Time);
    }
}

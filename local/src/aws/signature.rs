//! Who signed a request: the credential scope of its SigV4 signature, in a header or in a presigned URL.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use domain::Timestamp;
use http::request::Parts;

use super::form::Form;

/// What a signature says of its maker and its aim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access key id.
    pub access_key: String,
    /// The day of the signing key, as `20261121`.
    pub date: String,
    /// The region it was signed for.
    pub region: String,
    /// The service it was signed for.
    pub service: String,
    /// Names of the signed headers, joined with `;`.
    pub signed_headers: String,
    /// The signature, in hexadecimal.
    pub signature: String,
    /// The token of a temporary credential.
    pub session_token: Option<String>,
    /// Set for a presigned URL: when it ends.
    pub expires_at: Option<Timestamp>,
}

/// Reads the signature of a request; none if it is not signed.
#[must_use]
pub fn credential(parts: &Parts) -> Option<Credential> {
    match parts.headers.get(http::header::AUTHORIZATION) {
        Some(value) => from_header(value.to_str().ok()?, parts),
        None => from_query(parts.uri.query()?),
    }
}

fn from_header(value: &str, parts: &Parts) -> Option<Credential> {
    let fields = value.strip_prefix("AWS4-HMAC-SHA256")?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let token = parts.headers.get("x-amz-security-token").and_then(|value| value.to_str().ok());
    let mut credential = scope(&field("Credential")?)?;
    credential.signed_headers = field("SignedHeaders")?;
    credential.signature = field("Signature")?;
    credential.session_token = token.map(str::to_owned);
    Some(credential)
}

fn from_query(query: &str) -> Option<Credential> {
    let query = Form::parse(query);
    let mut credential = scope(query.get("X-Amz-Credential")?)?;
    credential.signed_headers = query.get("X-Amz-SignedHeaders")?.to_owned();
    credential.signature = query.get("X-Amz-Signature")?.to_owned();
    credential.session_token = query.get("X-Amz-Security-Token").map(str::to_owned);
    let lifetime = Duration::from_secs(query.get("X-Amz-Expires")?.parse().ok()?);
    credential.expires_at = Some(moment(query.get("X-Amz-Date")?)? + lifetime);
    Some(credential)
}

fn scope(text: &str) -> Option<Credential> {
    let mut fields = text.split('/').map(str::to_owned);
    let credential = Credential {
        access_key: fields.next()?,
        date: fields.next()?,
        region: fields.next()?,
        service: fields.next()?,
        signed_headers: String::new(),
        signature: String::new(),
        session_token: None,
        expires_at: None,
    };
    (fields.next()? == "aws4_request").then_some(credential)
}

/// Whether a signature was made with this secret, over this request.
#[must_use]
pub fn is_right(credential: &Credential, parts: &Parts, body: &Bytes, secret: &str) -> bool {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let query = parts.uri.query().unwrap_or_default();
    let presigned = credential.expires_at.is_some();
    let moment = if presigned {
        Form::parse(query).text("X-Amz-Date").to_owned()
    } else {
        header("x-amz-date").unwrap_or_default().to_owned()
    };
    let payload = match header("x-amz-content-sha256") {
        Some(stated) => stated.to_owned(),
        None if presigned => "UNSIGNED-PAYLOAD".to_owned(),
        None => sha256(body),
    };
    let headers: String = credential
        .signed_headers
        .split(';')
        .map(|name| {
            let values: Vec<&str> = parts
                .headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .map(str::trim)
                .collect();
            format!("{name}:{}\n", values.join(","))
        })
        .collect();
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="))
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        parts.method,
        parts.uri.path(),
        pairs.join("&"),
        credential.signed_headers
    );
    let Credential { date, region, service, .. } = credential;
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date.as_str(), region, service, "aws4_request"] {
        key = hmac_sha256(&key, part.as_bytes());
    }
    hex::encode(hmac_sha256(&key, to_sign.as_bytes())) == credential.signature
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// Reads `20261121T034400Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let moment = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(moment.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn reads_the_scope_of_a_header() {
        let header = "AWS4-HMAC-SHA256 Credential=AKIA1/20261121/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab12";
        let credential = credential(&parts("/", Some(header))).unwrap();
        assert_eq!((&*credential.access_key, &*credential.service), ("AKIA1", "sqs"));
        assert_eq!((&*credential.signed_headers, &*credential.signature), ("host;x-amz-date", "ab12"));
        assert_eq!(credential.expires_at, None);
    }

    #[test]
    fn reads_a_presigned_url_and_its_end() {
        let uri = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA1%2F20261121%2Feu-west-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20261121T034400Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=ab12";
        let credential = credential(&parts(uri, None)).unwrap();
        assert_eq!(credential.service, "s3");
        assert_eq!(credential.expires_at.unwrap().to_string(), "2026-11-21T03:45:00.000Z");
    }

    #[test]
    fn a_signature_is_of_one_request_and_one_secret() {
        // The example of S3's documentation, "Authenticating Requests: Using Query Parameters".
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let signed = |path: &str| {
            let request = http::Request::get(format!("{path}?{query}"))
                .header("host", "examplebucket.s3.amazonaws.com");
            request.body(()).unwrap().into_parts().0
        };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let right =
            |parts: &Parts, secret: &str| is_right(&credential(parts).unwrap(), parts, &Bytes::new(), secret);
        assert!(right(&signed("/test.txt"), secret));
        assert!(!right(&signed("/other.txt"), secret));
        assert!(!right(&signed("/test.txt"), "other"));
    }

    #[test]
    fn an_unsigned_or_odd_request_has_no_credential() {
        assert_eq!(credential(&parts("/bucket/key", None)), None);
        assert_eq!(credential(&parts("/", Some("Bearer eyJ"))), None);
    }
}

//! Who signed a request: the credential scope of its SigV4 signature, in a header or in a presigned URL.

use std::time::Duration;

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
    fn an_unsigned_or_odd_request_has_no_credential() {
        assert_eq!(credential(&parts("/bucket/key", None)), None);
        assert_eq!(credential(&parts("/", Some("Bearer eyJ"))), None);
    }
}

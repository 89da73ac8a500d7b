//! The internet's resolver, as functions ask one over HTTP: which name servers the world is sent to for a name.
//!
//! A zone answers for itself whether anybody is sent there or not; so it is the zone above that is asked, where there is one.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::json;

use super::website;
use crate::aws::Cloud;

/// The address that it has on the local internet.
pub(super) const ADDRESS: [u8; 4] = [192, 0, 2, 53];
/// The number of the type NS in DNS.
const NS: u16 = 2;

/// Answers a question in the form that the public resolvers have in common.
pub(super) fn answer(cloud: &Cloud, request: &Request<Bytes>) -> Response<Bytes> {
    let query = request.uri().query().unwrap_or_default();
    let asked = |name: &str| {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (Some(name), Some("NS")) = (asked("name"), asked("type").as_deref()) else {
        return website::text(StatusCode::BAD_REQUEST, "Only the type NS is resolved here.\n");
    };
    let name = format!("{}.", name.trim_end_matches('.').to_ascii_lowercase());
    let servers = delegated(cloud, &name);
    let answers: Vec<_> =
        servers.iter().map(|server| json!({"name": name, "type": NS, "TTL": 300, "data": server})).collect();
    let status = if answers.is_empty() { 3 } else { 0 };
    let body = json!({"Status": status, "Question": [{"name": name, "type": NS}], "Answer": answers});
    let mut response = Response::new(Bytes::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/dns-json"));
    response
}

fn delegated(cloud: &Cloud, name: &str) -> Vec<String> {
    let route53 = cloud.route53();
    let above = route53.zones().into_iter().filter(|zone| name.ends_with(&format!(".{}", zone.name)));
    match above.max_by_key(|zone| zone.name.len()) {
        Some(parent) => {
            let records = route53.records(&parent.id).into_iter();
            let named = records.filter(|record| record.name == name && record.kind == "NS");
            named.flat_map(|record| record.values).collect()
        }
        None => route53.lookup(name, "NS"),
    }
}

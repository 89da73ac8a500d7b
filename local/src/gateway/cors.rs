//! Cross-origin requests, answered from the template's `CorsConfiguration` as API Gateway does.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::template::model::Cors;

/// Whether a browser asks if it may send the real request.
#[must_use]
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight; without the headers when the origin may not call.
#[must_use]
pub(super) fn preflight(cors: &Cors, parts: &Parts) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let asked = header_text(&parts.headers, header::ACCESS_CONTROL_REQUEST_METHOD);
    let method_fits = cors.methods.iter().any(|method| method == "*" || method.eq_ignore_ascii_case(asked));
    if !method_fits || !allow_origin(cors, &parts.headers, response.headers_mut()) {
        return response;
    }
    let headers = response.headers_mut();
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
    set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
    if let Some(age) = cors.max_age {
        set(headers, header::ACCESS_CONTROL_MAX_AGE, &age.to_string());
    }
    response
}

/// Adds what lets a script of an allowed origin read a response; the function's own such headers do not count.
pub(super) fn allow(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    let own: Vec<HeaderName> =
        response.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in own {
        response.remove(name);
    }
    if allow_origin(cors, request, response) && !cors.exposed.is_empty() {
        set(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed.join(","));
    }
}

fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let origin = header_text(request, header::ORIGIN);
    let any = cors.origins.iter().any(|allowed| allowed == "*");
    let fits = cors.origins.iter().any(|allowed| {
        allowed == origin
            || allowed
                .strip_suffix('*')
                .is_some_and(|scheme| scheme.ends_with("//") && origin.starts_with(scheme))
    });
    if origin.is_empty() || !(any || fits) {
        return false;
    }
    set(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { origin });
    if cors.credentials {
        set(response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    if !any {
        response.append(header::VARY, HeaderValue::from_static("origin"));
    }
    true
}

fn header_text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cors() -> Cors {
        Cors {
            origins: vec!["https://app.example".into()],
            methods: vec!["GET".into(), "POST".into()],
            headers: vec!["authorization".into()],
            exposed: vec!["x-request-id".into()],
            max_age: Some(600),
            credentials: false,
        }
    }

    #[test]
    fn only_the_allowed_origin_and_method_may_call() {
        for (origin, method, allowed) in [
            ("https://app.example", "POST", true),
            ("https://evil.example", "POST", false),
            ("https://app.example", "PUT", false),
        ] {
            let request = http::Request::options("/")
                .header("origin", origin)
                .header("access-control-request-method", method)
                .body(())
                .unwrap();
            let answer = preflight(&cors(), &request.into_parts().0);
            assert_eq!(answer.status(), 204);
            assert_eq!(
                answer.headers().contains_key("access-control-allow-origin"),
                allowed,
                "{origin} {method}"
            );
        }
    }
}

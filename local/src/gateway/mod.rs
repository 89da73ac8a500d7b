//! The one port: routes of all areas, the AWS endpoint, the Lambda Runtime API, the page, the internet and the sites.

mod cors;
mod payload;
mod routes;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::lambda::Refused;
use crate::stack::Core;
use crate::stripe;
use routes::Lookup;
pub use routes::Routes;

/// API Gateway takes no larger request.
const REQUEST_AT_MOST: usize = 10 * 1024 * 1024;
/// Lambda takes no larger event, which holds the body, in base64 if it is no text.
const EVENT_AT_MOST: usize = 6 * 1024 * 1024;
/// API Gateway takes no longer request line and headers.
const HEADERS_AT_MOST: usize = 10_240;
/// What S3 takes in one part here, and SQS in one batch.
const AWS_REQUEST_AT_MOST: usize = 64 * 1024 * 1024;
/// API Gateway waits no longer for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Accepts connections until the stack ends.
pub async fn serve(listener: TcpListener, core: Arc<Core>) {
    loop {
        // An accept that fails (a client gone again, too many open files) says nothing about the next one.
        if let Ok((stream, peer)) = listener.accept().await {
            tokio::spawn(connection(stream, peer, Arc::clone(&core)));
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, core: Arc<Core>) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(answer(&core, peer.ip(), request).await.map(Full::new)) }
    });
    // A connection that breaks concerns its client only.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(core: &Arc<Core>, source: IpAddr, request: Request<Incoming>) -> Response<Bytes> {
    let signed = is_signed(&request);
    let path = request.uri().path();
    let limit = match () {
        () if signed => AWS_REQUEST_AT_MOST,
        () if path.starts_with("/_runtime/") => 2 * REQUEST_AT_MOST,
        () => REQUEST_AT_MOST,
    };
    if !signed && header_size(&request) > HEADERS_AT_MOST {
        return message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, limit).collect().await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let body = body.to_bytes();
    if parts.uri.path().starts_with("/_runtime/") {
        return core.lambda.runtime_api(&parts.method, parts.uri.path(), body).await;
    }
    let foreign = foreign_host(core, &parts);
    if let Some(path) = parts.uri.path().strip_prefix(stripe::PATH).map(str::to_owned)
        && (path.is_empty() || path.starts_with('/'))
        && !signed
        && foreign.is_none()
    {
        let _busy = core.activity.begin();
        return core.stripe.serve(&parts, &path, &body).await;
    }
    let is_page = parts.uri.path() == "/_local"
        || parts.uri.path().starts_with("/_local/")
        || parts.uri.path() == "/_local.json";
    if is_page && !signed && foreign.is_none() {
        return crate::page::answer(core, &parts, &body).await;
    }
    // From here on something is going on in the stack. A function's wait for work is nothing, nor is the page, whose
    // clock waits for quiet itself.
    let _busy = core.activity.begin();
    if let Some(host) = foreign {
        return internet(core, &host, parts, body).await;
    }
    if signed {
        return core.cloud.handle(Request::from_parts(parts, body)).await;
    }
    api(core, source, parts, body).await
}

/// A request for AWS is told from all others by its signature.
fn is_signed(request: &Request<Incoming>) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.is_some_and(|value| value.starts_with("AWS4-"))
        || request.headers().contains_key("x-amz-target")
        || request.uri().query().is_some_and(|query| query.contains("X-Amz-Credential="))
}

fn header_size(request: &Request<Incoming>) -> usize {
    let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + line
}

/// The host of a request that is not for the stack itself: asked of it as a proxy, or by a site's name.
fn foreign_host(core: &Core, parts: &Parts) -> Option<String> {
    let header = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(header)?;
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let name = name.to_ascii_lowercase();
    let own = matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    // By its Host header a request may come under any name of this machine; only a site's name is told apart.
    let proxied = parts.uri.authority().is_some();
    let site = name.strip_suffix(&core.settings.sites_domain).is_some_and(|label| label.ends_with('.'));
    (!own && (proxied || site)).then_some(name)
}

/// The internet as the local stack knows it: names in the hosted zones, and the addresses of its instances.
async fn internet(core: &Core, host: &str, mut parts: Parts, body: Bytes) -> Response<Bytes> {
    let address = host.parse::<Ipv4Addr>().ok().or_else(|| core.cloud.route53().resolve(host));
    let Some(address) = address else {
        return message(StatusCode::BAD_GATEWAY, &format!("no such host: {host}"));
    };
    if let Ok(value) = HeaderValue::from_str(host)
        && !parts.headers.contains_key(HOST)
    {
        parts.headers.insert(HOST, value);
    }
    core.instances.serve(address, &Request::from_parts(parts, body)).await
}

async fn api(core: &Arc<Core>, source: IpAddr, mut parts: Parts, body: Bytes) -> Response<Bytes> {
    front_door(core, source, &mut parts);
    let Some(path) = decoded(parts.uri.path()) else {
        return message(StatusCode::BAD_REQUEST, "Bad Request");
    };
    let cors = core.routes.cors(&path);
    let mut response = match core.routes.find(parts.method.as_str(), &path) {
        Lookup::Found(taken) => {
            let request_id = crate::random::word();
            let around = payload::Around {
                taken: &taken,
                path: &path,
                source,
                now: core.clock.now(),
                request_id: &request_id,
                account: &core.settings.account,
            };
            let event = Bytes::from(payload::event(&parts, &body, &around).to_string());
            let mut response = function(core, taken.function.to_owned(), event).await;
            if let Ok(value) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert("apigw-requestid", value);
            }
            response
        }
        _ if cors::is_preflight(&parts) && cors.is_some() => {
            return cors.map_or_else(Response::default, |cors| cors::preflight(cors, &parts));
        }
        Lookup::OtherMethods(methods) => other_method(&parts.method, &methods),
        Lookup::Nothing => message(StatusCode::NOT_FOUND, "Not Found"),
    };
    if let Some(cors) = cors {
        cors::allow(cors, &parts.headers, response.headers_mut());
    }
    response
}

/// What CloudFront adds to a request. Who sends the secret, right or wrong, is taken to have come another way.
fn front_door(core: &Core, source: IpAddr, parts: &mut Parts) {
    const SECRET: &str = "x-origin-secret";
    if parts.headers.contains_key(SECRET) {
        return;
    }
    let viewer = match source {
        IpAddr::V4(address) => format!("{address}:0"),
        IpAddr::V6(address) => format!("[{address}]:0"),
    };
    for (name, value) in [(SECRET, core.origin_secret()), ("cloudfront-viewer-address", &viewer)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            parts.headers.insert(name, value);
        }
    }
}

async fn function(core: &Arc<Core>, name: String, event: Bytes) -> Response<Bytes> {
    if event.len() > EVENT_AT_MOST {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    // Its own task: a client that hangs up does not stop the function, here as in AWS.
    let lambda = core.lambda.clone();
    let invocation = tokio::spawn(async move { lambda.invoke(&name, event).await });
    match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
        Ok(Ok(Ok(invocation))) => {
            let reply = invocation.result.ok();
            reply
                .as_ref()
                .and_then(payload::response)
                .unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
        }
        Ok(Ok(Err(Refused::Unknown)) | Err(_)) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Ok(Ok(Err(Refused::Throttled))) | Err(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

/// An HTTP API itself answers 404 here; the product promises 405, which the front door gives in production.
fn other_method(method: &Method, methods: &[String]) -> Response<Bytes> {
    let allow = methods.join(", ");
    let problem = json!({
        "type": "about:blank",
        "title": "Method Not Allowed",
        "status": 405,
        "code": "method_not_allowed",
        "detail": format!("This path takes {allow}, not {method}."),
    });
    let mut response = json_response(StatusCode::METHOD_NOT_ALLOWED, &problem.to_string());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Ok(value) = HeaderValue::from_str(&allow) {
        headers.insert(ALLOW, value);
    }
    response
}

fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// API Gateway's own way of saying no.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    json_response(status, &json!({ "message": text }).to_string())
}

pub(crate) fn json_response(status: StatusCode, body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(decoded("/a%2520b%C3%A9"), Some("/a%20bé".to_owned()));
        assert_eq!(decoded("/a%2"), None);
        assert_eq!(decoded("/a%ff"), None);
    }
}

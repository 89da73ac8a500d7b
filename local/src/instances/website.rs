//! How a host answers a visitor: files from the site's bucket, as a plain web server would.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use domain::{HostId, SiteId};

/// Says which site answered; the platform's own check of a new site looks at it.
const SITE: HeaderName = HeaderName::from_static("x-tenantry-site");
/// Says which host answered; the platform's check of a move looks at it.
const HOST: HeaderName = HeaderName::from_static("x-tenantry-host");
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// A file of a site.
pub(super) struct File {
    pub(super) content_type: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) body: Bytes,
}

/// Where a site's files are.
pub(super) trait Files {
    /// The file at a key.
    async fn get(&self, key: &str) -> Option<File>;
}

/// Answers a visitor's request to a site.
pub(super) async fn answer(
    (host, site): (HostId, SiteId),
    fqdn: &str,
    files: &impl Files,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let mut response = respond(fqdn, files, request).await;
    if let Ok(site) = HeaderValue::from_str(&site.to_string()) {
        response.headers_mut().insert(SITE, site);
    }
    if let Ok(host) = HeaderValue::from_str(&host.to_string()) {
        response.headers_mut().insert(HOST, host);
    }
    response.headers_mut().insert(NO_SNIFF, HeaderValue::from_static("nosniff"));
    if request.method() == Method::HEAD {
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        *response.body_mut() = Bytes::new();
    }
    response
}

async fn respond(fqdn: &str, files: &impl Files, request: &Request<Bytes>) -> Response<Bytes> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused =
            text(StatusCode::METHOD_NOT_ALLOWED, "This is a site of files: GET and HEAD only.\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let Some(key) = key(request.uri().path()) else {
        return text(StatusCode::BAD_REQUEST, "The path is malformed.\n");
    };
    if let Some(file) = files.get(&key).await {
        return found(StatusCode::OK, &key, file, request);
    }
    if key == "index.html" {
        return page(
            StatusCode::OK,
            fqdn,
            "This site is ready. Upload an index.html to its bucket to see it here.",
        );
    }
    if !key.ends_with("/index.html") && files.get(&format!("{key}/index.html")).await.is_some() {
        return moved(request.uri().path());
    }
    match files.get("404.html").await {
        Some(file) => found(StatusCode::NOT_FOUND, "404.html", file, request),
        None => page(StatusCode::NOT_FOUND, fqdn, "There is no such page on this site."),
    }
}

/// The object that a path means; `None` for a path that is no plain walk downwards.
fn key(path: &str) -> Option<String> {
    let path = decode(path.strip_prefix('/')?)?;
    let plain = |part: &str| part != "." && part != ".." && !part.contains(['\\', '\0']);
    if !path.split('/').all(plain) {
        return None;
    }
    Some(if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path })
}

fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn found(status: StatusCode, key: &str, file: File, request: &Request<Bytes>) -> Response<Bytes> {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = status == StatusCode::OK
        && file.etag.as_deref().is_some_and(|etag| {
            known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag))
        });
    let (status, body) =
        if unchanged { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (status, file.body) };
    // An upload without a type gets S3's default, which browsers would save instead of show.
    let stored =
        file.content_type.filter(|kind| kind != "binary/octet-stream" && kind != "application/octet-stream");
    let kind = stored.unwrap_or_else(|| by_extension(key).to_owned());
    let mut response = plain(status, body);
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    if let Some(etag) = file.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        headers.insert(ETAG, etag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate"));
    response
}

fn moved(path: &str) -> Response<Bytes> {
    // Two slashes in front would name another host.
    let target = format!("/{}/", path.trim_matches('/'));
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

fn page(status: StatusCode, title: &str, sentence: &str) -> Response<Bytes> {
    let html = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { (title) }
            }
            body style="font: 1.1rem system-ui; max-width: 34rem; margin: 20vh auto; padding: 0 1rem" {
                h1 { (title) }
                p { (sentence) }
            }
        }
    };
    let mut response = plain(status, Bytes::from(html.into_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A short answer in words.
pub(super) fn text(status: StatusCode, words: &'static str) -> Response<Bytes> {
    let mut response = plain(status, Bytes::from_static(words.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn plain(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn by_extension(key: &str) -> &'static str {
    let extension = key.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "json" | "map" => "application/json",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "pdf" => "application/pdf",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    struct Folder(BTreeMap<&'static str, &'static str>);

    impl Files for Folder {
        async fn get(&self, key: &str) -> Option<File> {
            let body = self.0.get(key)?;
            let etag = Some(format!("\"{}\"", body.len()));
            Some(File { content_type: None, etag, body: Bytes::from_static(body.as_bytes()) })
        }
    }

    async fn ask(files: &[(&'static str, &'static str)], method: Method, path: &str) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
        let folder = Folder(files.iter().copied().collect());
        answer((HostId::from_ulid(1), SiteId::from_ulid(7)), "acme.example", &folder, &request).await
    }

    #[test]
    fn a_path_never_leaves_the_site() {
        for (path, wanted) in [
            ("/", Some("index.html")),
            ("/docs/", Some("docs/index.html")),
            ("/a%20b.txt", Some("a b.txt")),
            ("/../secret", None),
            ("/a/%2e%2e/%2e%2e/secret", None),
            ("/a%00b", None),
            ("/a%", None),
            ("/a%zz", None),
            ("/%ff", None),
        ] {
            assert_eq!(key(path).as_deref(), wanted, "{path}");
        }
    }

    #[tokio::test]
    async fn files_are_answered_with_their_type() {
        let files = [("index.html", "<p>hello"), ("docs/index.html", "docs"), ("style.css", "p{}")];
        let home = ask(&files, Method::GET, "/").await;
        assert_eq!((home.status(), home.body().as_ref()), (StatusCode::OK, b"<p>hello".as_ref()));
        assert_eq!(home.headers()["x-tenantry-site"], "site_00000000000000000000000007");
        assert_eq!(home.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(
            ask(&files, Method::GET, "/style.css?v=2").await.headers()[CONTENT_TYPE],
            "text/css; charset=utf-8"
        );
        let folder = ask(&files, Method::GET, "/docs").await;
        assert_eq!(
            (folder.status(), &folder.headers()[LOCATION]),
            (StatusCode::MOVED_PERMANENTLY, &"/docs/".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn a_new_site_greets_and_an_unknown_page_is_not_found() {
        assert_eq!(ask(&[], Method::GET, "/").await.status(), StatusCode::OK);
        assert_eq!(ask(&[], Method::GET, "/nothing").await.status(), StatusCode::NOT_FOUND);
        let own = ask(&[("404.html", "lost?")], Method::GET, "/nothing").await;
        assert_eq!((own.status(), own.body().as_ref()), (StatusCode::NOT_FOUND, b"lost?".as_ref()));
    }

    #[tokio::test]
    async fn head_tells_the_length_and_writing_is_refused() {
        let head = ask(&[("index.html", "hello")], Method::HEAD, "/").await;
        assert_eq!((head.headers()[CONTENT_LENGTH].as_bytes(), head.body().len()), (b"5".as_ref(), 0));
        let post = ask(&[], Method::POST, "/").await;
        assert_eq!(
            (post.status(), &post.headers()[ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let request = Request::builder().uri("/").header(IF_NONE_MATCH, "\"5\"").body(Bytes::new()).unwrap();
        let folder = Folder([("index.html", "hello")].into());
        let response =
            answer((HostId::from_ulid(1), SiteId::from_ulid(7)), "acme.example", &folder, &request).await;
        assert_eq!((response.status(), response.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

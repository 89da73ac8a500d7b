//! Looking into buckets in process: for the sites that are served from them, the page and tests.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, header};

use super::super::answer::AwsError;
use super::super::xml::Element;
use super::S3;
use super::actions::Source;

/// An object with its content.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it says it is.
    pub content_type: Option<String>,
    /// Its tag, in quotation marks.
    pub etag: Option<String>,
    /// Its content.
    pub body: Bytes,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its size.
    pub size: u64,
    /// Its tag, in quotation marks.
    pub etag: String,
    /// When it was put, as S3 writes it; by real time.
    pub last_modified: String,
}

impl S3 {
    /// Names of all buckets, in order.
    pub async fn buckets(&self) -> Vec<String> {
        let answer = self.look("/").await;
        let buckets = answer.child("Buckets");
        let named = buckets.into_iter().flat_map(|buckets| buckets.each("Bucket"));
        let mut names: Vec<String> =
            named.filter_map(|bucket| bucket.text_of("Name")).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Makes a bucket, unless it is there; for buckets of the template.
    ///
    /// # Errors
    /// When the name is not valid.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), AwsError> {
        if self.buckets().await.iter().any(|name| name == bucket) {
            return Ok(());
        }
        let answer = self.ask("PUT", &format!("/{bucket}"), HeaderMap::new(), Bytes::new()).await;
        done(&answer)
    }

    /// The present objects of a bucket, by key; none if there is no such bucket.
    pub async fn objects(&self, bucket: &str) -> Vec<ObjectInfo> {
        let mut objects = Vec::new();
        let mut after = String::new();
        loop {
            let answer = self.look(&format!("/{bucket}?list-type=2{after}")).await;
            objects.extend(answer.each("Contents").map(|object| ObjectInfo {
                key: object.text_of("Key").unwrap_or_default().to_owned(),
                size: object.text_of("Size").and_then(|size| size.parse().ok()).unwrap_or(0),
                etag: object.text_of("ETag").unwrap_or_default().to_owned(),
                last_modified: object.text_of("LastModified").unwrap_or_default().to_owned(),
            }));
            match answer.text_of("NextContinuationToken") {
                Some(token) if !token.is_empty() => after = format!("&continuation-token={}", encode(token)),
                _ => return objects,
            }
        }
    }

    /// The present object at a key.
    pub async fn get(&self, bucket: &str, key: &str) -> Option<Object> {
        let answer =
            self.ask("GET", &format!("/{bucket}/{}", encode(key)), HeaderMap::new(), Bytes::new()).await;
        if !answer.status().is_success() {
            return None;
        }
        let text = |name: header::HeaderName| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (content_type, etag) = (text(header::CONTENT_TYPE), text(header::ETAG));
        Some(Object { content_type, etag, body: answer.into_body() })
    }

    /// Puts an object.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(), AwsError> {
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_str(content_type).map_err(AwsError::internal)?;
        headers.insert(header::CONTENT_TYPE, content_type);
        done(&self.ask("PUT", &format!("/{bucket}/{}", encode(key)), headers, body).await)
    }

    /// Copies an older version of an object: winterbaume copies the present one, whatever it is asked for.
    pub(super) async fn copy_version(
        &self,
        source: &Source,
        parts: &Parts,
    ) -> Result<Response<Bytes>, AwsError> {
        let Source { bucket, key, version } = source;
        let version = version.as_deref().unwrap_or_default();
        let path = format!("/{bucket}/{}?versionId={}", encode(key), encode(version));
        let found = self.ask("GET", &path, HeaderMap::new(), Bytes::new()).await;
        if !found.status().is_success() {
            let told = "The specified version does not exist.";
            return Err(AwsError::new(404, "NoSuchVersion", told));
        }
        let (head, body) = found.into_parts();
        let is_its_own = |name: &header::HeaderName| {
            *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-meta-")
        };
        let headers = head.headers.into_iter();
        let own = headers.filter_map(|(name, value)| Some((name.filter(is_its_own)?, value))).collect();
        let mut answer = self.ask("PUT", parts.uri.path(), own, body).await;
        if answer.status().is_success() {
            let tag =
                answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
            let copied = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CopyObjectResult><ETag>{}</ETag></CopyObjectResult>",
                tag.replace('"', "&quot;")
            );
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            *answer.body_mut() = Bytes::from(copied);
        }
        Ok(answer)
    }

    async fn look(&self, path: &str) -> Element {
        let answer = self.ask("GET", path, HeaderMap::new(), Bytes::new()).await;
        let document = std::str::from_utf8(answer.body()).ok().and_then(Element::parse);
        document.filter(|_| answer.status().is_success()).unwrap_or_default()
    }
}

fn done(answer: &Response<Bytes>) -> Result<(), AwsError> {
    if answer.status().is_success() {
        return Ok(());
    }
    let error = std::str::from_utf8(answer.body()).ok().and_then(Element::parse).unwrap_or_default();
    let code = error.text_of("Code").unwrap_or("InternalError").to_owned();
    Err(AwsError::new(answer.status().as_u16(), code, error.text_of("Message").unwrap_or_default()))
}

/// Percent encoding of a key in a path; slashes stay.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte))
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

//! S3: winterbaume's, on files, with what it lets pass refused here: policies, ownership, names.

mod actions;
mod objects;
mod policy;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use winterbaume_core::{FsVfs, MockRequest, MockService as _};
use winterbaume_s3::S3Service;

use super::answer::AwsError;
use super::rights::ResourceStatement;
use crate::{Context as _, Result};

pub(super) use actions::needs;
use actions::{Source, Target};
pub use objects::{Object, ObjectInfo};

/// S3.
pub struct S3 {
    service: S3Service,
    /// Policies of buckets, as they were last read.
    policies: Mutex<HashMap<String, Arc<Vec<ResourceStatement>>>>,
    /// Names of buckets that somebody else has; only a test fills it.
    foreign: Mutex<BTreeSet<String>>,
    region: String,
    account: String,
}

/// The operation of a request.
pub(super) fn operation(parts: &Parts) -> String {
    actions::named(parts, &Target::of(parts)).0
}

impl S3 {
    pub(super) async fn open(data: &Path, region: &str, account: &str) -> Result<Self> {
        let files = FsVfs::new(data.join("s3")).context("opening S3's files")?;
        let service = S3Service::recover_with_vfs(Arc::new(files)).await.context("reading S3's files")?;
        Ok(Self {
            service,
            policies: Mutex::default(),
            foreign: Mutex::default(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    /// Makes a bucket's name belong to another account, as any name may.
    pub fn take_name(&self, bucket: &str) {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned());
    }

    fn is_foreign(&self, bucket: &str) -> bool {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).contains(bucket)
    }

    /// Plays one request.
    pub(super) async fn call(
        &self,
        operation: &str,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Bytes>, AwsError> {
        let target = Target::of(parts);
        self.admit(operation, &target, parts)?;
        if operation == "PutBucketPolicy" {
            self.check_policy(&target.bucket, body).await?;
        }
        if operation == "CopyObject"
            && let Some(source) = Source::of(parts).filter(|source| source.version.is_some())
        {
            return self.copy_version(&source, parts).await;
        }
        // winterbaume forgets an object's metadata in HeadObject, but not in GetObject.
        let is_head = operation == "HeadObject";
        let method = if is_head { "GET" } else { parts.method.as_str() };
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut response = self.ask(method, path, parts.headers.clone(), body.clone()).await;
        if matches!(operation, "PutBucketPolicy" | "DeleteBucketPolicy" | "DeleteBucket") {
            self.policies.lock().unwrap_or_else(PoisonError::into_inner).remove(&target.bucket);
        }
        if is_head {
            let length = response.body().len();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            *response.body_mut() = Bytes::new();
        }
        Ok(response)
    }

    /// What AWS refuses and winterbaume does not.
    fn admit(&self, operation: &str, target: &Target, parts: &Parts) -> Result<(), AwsError> {
        let Target { bucket, key, .. } = target;
        if bucket.is_empty() {
            return Ok(());
        }
        if operation == "CreateBucket" {
            if !is_bucket_name(bucket) {
                return Err(AwsError::bad(
                    "InvalidBucketName",
                    format!("The specified bucket is not valid: {bucket}"),
                ));
            }
            if self.is_foreign(bucket) {
                let told = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
                return Err(AwsError::new(409, "BucketAlreadyExists", told));
            }
        } else if self.is_foreign(bucket) {
            return Err(AwsError::new(403, "AccessDenied", "Access Denied"));
        }
        let expected = parts.headers.get("x-amz-expected-bucket-owner").and_then(|owner| owner.to_str().ok());
        if expected.is_some_and(|owner| owner != self.account) {
            return Err(AwsError::new(403, "AccessDenied", "Access Denied"));
        }
        if !key.is_ascii() {
            let told = "Keys beyond ASCII are not played locally (docs/local-aws.md).";
            return Err(AwsError::bad("InvalidArgument", told));
        }
        if key.len() > 1_024 {
            return Err(AwsError::bad("KeyTooLongError", "Your key is too long"));
        }
        Ok(())
    }

    /// Hands a request to winterbaume.
    async fn ask(&self, method: &str, path: &str, mut headers: HeaderMap, body: Bytes) -> Response<Bytes> {
        let host = format!("s3.{}.amazonaws.com", self.region);
        // The region comes from the host alone: there is one, whatever a client signed for.
        headers.remove(header::AUTHORIZATION);
        if let Ok(host) = HeaderValue::from_str(&host) {
            headers.insert(header::HOST, host);
        }
        let uri = format!("https://{host}{path}");
        let answer = self.service.handle(MockRequest { method: method.to_owned(), uri, headers, body }).await;
        let mut response = Response::new(answer.body);
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = answer.headers;
        response
    }
}

fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let ends =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.bytes().all(plain)
        && ends(name.as_bytes().first())
        && ends(name.as_bytes().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

//! Which operation a request to S3 is, and which rights it needs.

use bytes::Bytes;
use http::request::Parts;

use super::super::form::{Form, decode};
use super::super::rights::Needed;
use super::super::xml::Element;

/// What a request in path style aims at.
pub(super) struct Target {
    pub(super) bucket: String,
    /// Empty for the bucket itself.
    pub(super) key: String,
    pub(super) query: Form,
}

impl Target {
    pub(super) fn of(parts: &Parts) -> Self {
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        // In a path `+` stands for itself.
        let key = decode(&key.replace('+', "%2B"));
        let query = Form::parse(parts.uri.query().unwrap_or_default());
        Self { bucket: bucket.to_owned(), key, query }
    }

    fn has(&self, name: &str) -> bool {
        self.query.get(name).is_some()
    }
}

/// What a CopyObject copies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
}

impl Source {
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let text = parts.headers.get("x-amz-copy-source")?.to_str().ok()?;
        // What is asked for after the first `?` is no part of the key: one in a key is encoded.
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = decode(&path.replace('+', "%2B"));
        let (bucket, key) = path.trim_start_matches('/').split_once('/')?;
        let version = Form::parse(query).get("versionId").map(str::to_owned);
        Some(Self { bucket: bucket.to_owned(), key: key.to_owned(), version })
    }
}

/// Sub-resources of a bucket: query parameter, name in operations, name in policies.
const SETTINGS: [(&str, &str, &str); 12] = [
    ("policy", "BucketPolicy", "BucketPolicy"),
    ("versioning", "BucketVersioning", "BucketVersioning"),
    ("tagging", "BucketTagging", "BucketTagging"),
    ("publicAccessBlock", "PublicAccessBlock", "BucketPublicAccessBlock"),
    ("ownershipControls", "BucketOwnershipControls", "BucketOwnershipControls"),
    ("encryption", "BucketEncryption", "EncryptionConfiguration"),
    ("lifecycle", "BucketLifecycleConfiguration", "LifecycleConfiguration"),
    ("cors", "BucketCors", "BucketCORS"),
    ("website", "BucketWebsite", "BucketWebsite"),
    ("acl", "BucketAcl", "BucketAcl"),
    ("notification", "BucketNotificationConfiguration", "BucketNotification"),
    ("logging", "BucketLogging", "BucketLogging"),
];

/// Operation and action of a request.
pub(super) fn named(parts: &Parts, target: &Target) -> (String, String) {
    let method = parts.method.as_str();
    if target.bucket.is_empty() {
        return both("ListBuckets", "ListAllMyBuckets");
    }
    if target.key.is_empty() { of_bucket(method, target) } else { of_object(method, target, parts) }
}

fn both(operation: &str, action: &str) -> (String, String) {
    (operation.to_owned(), format!("s3:{action}"))
}

fn of_bucket(method: &str, target: &Target) -> (String, String) {
    if let Some((_, operation, action)) = SETTINGS.iter().find(|(parameter, ..)| target.has(parameter)) {
        return match method {
            "PUT" => both(&format!("Put{operation}"), &format!("Put{action}")),
            // Removing a setting is the right to put it, except for the policy and the website.
            "DELETE" => {
                let verb = if matches!(*action, "BucketPolicy" | "BucketWebsite") { "Delete" } else { "Put" };
                both(&format!("Delete{operation}"), &format!("{verb}{action}"))
            }
            _ => both(&format!("Get{operation}"), &format!("Get{action}")),
        };
    }
    match method {
        "PUT" => both("CreateBucket", "CreateBucket"),
        "DELETE" => both("DeleteBucket", "DeleteBucket"),
        "HEAD" => both("HeadBucket", "ListBucket"),
        "POST" if target.has("delete") => both("DeleteObjects", "DeleteObject"),
        "GET" if target.has("location") => both("GetBucketLocation", "GetBucketLocation"),
        "GET" if target.has("versions") => both("ListObjectVersions", "ListBucketVersions"),
        "GET" if target.has("uploads") => both("ListMultipartUploads", "ListBucketMultipartUploads"),
        "GET" if target.has("list-type") => both("ListObjectsV2", "ListBucket"),
        "GET" => both("ListObjects", "ListBucket"),
        other => both(&format!("{other}Bucket"), "Unknown"),
    }
}

fn of_object(method: &str, target: &Target, parts: &Parts) -> (String, String) {
    let versioned = |action: &str| {
        if target.has("versionId") { format!("{action}Version") } else { action.to_owned() }
    };
    match method {
        "GET" if target.has("uploadId") => both("ListParts", "ListMultipartUploadParts"),
        "GET" if target.has("tagging") => both("GetObjectTagging", "GetObjectTagging"),
        "GET" => both("GetObject", &versioned("GetObject")),
        "HEAD" => both("HeadObject", &versioned("GetObject")),
        "PUT" if target.has("tagging") => both("PutObjectTagging", "PutObjectTagging"),
        "PUT" if target.has("partNumber") => both("UploadPart", "PutObject"),
        "PUT" if parts.headers.contains_key("x-amz-copy-source") => both("CopyObject", "PutObject"),
        "PUT" => both("PutObject", "PutObject"),
        "POST" if target.has("uploads") => both("CreateMultipartUpload", "PutObject"),
        "POST" if target.has("uploadId") => both("CompleteMultipartUpload", "PutObject"),
        "DELETE" if target.has("uploadId") => both("AbortMultipartUpload", "AbortMultipartUpload"),
        "DELETE" if target.has("tagging") => both("DeleteObjectTagging", "DeleteObjectTagging"),
        "DELETE" => both("DeleteObject", &versioned("DeleteObject")),
        other => both(&format!("{other}Object"), "Unknown"),
    }
}

fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

/// The rights that a request needs.
pub(in crate::aws) fn needs(parts: &Parts, body: &Bytes) -> Vec<Needed> {
    let target = Target::of(parts);
    let (operation, action) = named(parts, &target);
    let bucket = format!("arn:aws:s3:::{}", target.bucket);
    match operation.as_str() {
        "ListBuckets" => vec![Needed::new(action, "*")],
        "DeleteObjects" => deletions(&target.bucket, body),
        "CopyObject" => {
            let source = Source::of(parts).unwrap_or_default();
            let read = if source.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
            vec![
                Needed::new(action, object_arn(&target.bucket, &target.key)),
                Needed::new(read, object_arn(&source.bucket, &source.key)),
            ]
        }
        _ if !target.key.is_empty() => vec![Needed::new(action, object_arn(&target.bucket, &target.key))],
        _ => vec![Needed::new(action, bucket).with("s3:prefix", target.query.text("prefix"))],
    }
}

/// One right for each object of a DeleteObjects.
fn deletions(bucket: &str, body: &Bytes) -> Vec<Needed> {
    let request = std::str::from_utf8(body).ok().and_then(Element::parse).unwrap_or_default();
    let objects = request.each("Object").map(|object| {
        let versioned = object.child("VersionId").is_some();
        let action = if versioned { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        Needed::new(action, object_arn(bucket, object.text_of("Key").unwrap_or_default()))
    });
    objects.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn needed(method: &str, uri: &str) -> (String, String, String) {
        let parts = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
        let operation = named(&parts, &Target::of(&parts)).0;
        let needed = needs(&parts, &Bytes::new()).remove(0);
        (operation, needed.action, needed.resource)
    }

    #[test]
    fn a_copys_source_is_taken_apart() {
        let source = |text: &str| {
            let request = http::Request::put("/b/k").header("x-amz-copy-source", text).body(()).unwrap();
            Source::of(&request.into_parts().0)
        };
        let named = |key: &str, version: Option<&str>| {
            Some(Source { bucket: "a".to_owned(), key: key.to_owned(), version: version.map(str::to_owned) })
        };
        assert_eq!(source("/a/b%20c+d%3Fe.txt"), named("b c+d?e.txt", None));
        assert_eq!(source("a/b/c?versionId=7"), named("b/c", Some("7")));
        assert_eq!(source("a"), None);
    }

    #[test]
    fn requests_are_told_apart() {
        for (method, uri, operation, action, resource) in [
            ("GET", "/", "ListBuckets", "s3:ListAllMyBuckets", "*"),
            ("PUT", "/b", "CreateBucket", "s3:CreateBucket", "arn:aws:s3:::b"),
            (
                "PUT",
                "/b?encryption",
                "PutBucketEncryption",
                "s3:PutEncryptionConfiguration",
                "arn:aws:s3:::b",
            ),
            ("DELETE", "/b?policy", "DeleteBucketPolicy", "s3:DeleteBucketPolicy", "arn:aws:s3:::b"),
            ("GET", "/b?list-type=2&prefix=a", "ListObjectsV2", "s3:ListBucket", "arn:aws:s3:::b"),
            ("GET", "/b/a%20b/c+d?x-id=GetObject", "GetObject", "s3:GetObject", "arn:aws:s3:::b/a b/c+d"),
            ("DELETE", "/b/k?versionId=1", "DeleteObject", "s3:DeleteObjectVersion", "arn:aws:s3:::b/k"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart", "s3:PutObject", "arn:aws:s3:::b/k"),
        ] {
            assert_eq!(needed(method, uri), (operation.to_owned(), action.to_owned(), resource.to_owned()));
        }
    }
}

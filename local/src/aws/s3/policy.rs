//! Policies of buckets: checked when they are put, and weighed at every call.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::super::answer::AwsError;
use super::super::rights::ResourceStatement;
use super::super::xml::Element;
use super::S3;

impl S3 {
    /// The policy of a bucket; empty if it has none.
    pub(in crate::aws) async fn policy(&self, bucket: &str) -> Arc<Vec<ResourceStatement>> {
        let kept =
            |this: &Self| this.policies.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned();
        if let Some(policy) = kept(self) {
            return policy;
        }
        let answer = self.ask("GET", &format!("/{bucket}?policy"), HeaderMap::new(), Bytes::new()).await;
        let document =
            serde_json::from_slice::<Value>(answer.body()).ok().filter(|_| answer.status().is_success());
        // What was put was understood, so nothing is lost here.
        let policy =
            document.and_then(|document| ResourceStatement::parse_policy(&document).ok()).unwrap_or_default();
        let policy = Arc::new(policy);
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        policies.insert(bucket.to_owned(), Arc::clone(&policy));
        policy
    }

    /// Refuses a policy that is malformed, or public where that is blocked.
    pub(super) async fn check_policy(&self, bucket: &str, body: &Bytes) -> Result<(), AwsError> {
        let malformed = |reason: String| AwsError::bad("MalformedPolicy", reason);
        let document: Value = serde_json::from_slice(body)
            .map_err(|_| malformed("Policies must be valid JSON and the first byte must be '{'".into()))?;
        let policy = ResourceStatement::parse_policy(&document).map_err(malformed)?;
        if !policy.iter().any(ResourceStatement::is_public) {
            return Ok(());
        }
        let answer =
            self.ask("GET", &format!("/{bucket}?publicAccessBlock"), HeaderMap::new(), Bytes::new()).await;
        let block = std::str::from_utf8(answer.body()).ok().and_then(Element::parse).unwrap_or_default();
        if block.text_of("BlockPublicPolicy") == Some("true") {
            let told = "The bucket policy is public, and public policies are blocked by the BlockPublicPolicy setting.";
            return Err(AwsError::new(403, "AccessDenied", told));
        }
        Ok(())
    }
}

//! Ways into a site's bucket for its customer: links to single files, or a session of an hour at most.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::site::limit_reached;
use super::{Site, SiteState};
use crate::Refusal;
use crate::accounts::Entitlements;
use crate::accounts::entitlements::{Access, HOSTING};

/// The longest that any way in stays open.
pub const LONGEST: Duration = Duration::from_secs(3_600);
/// The shortest session that STS gives.
pub const SHORTEST_SESSION: Duration = Duration::from_secs(900);
/// The longest policy that STS takes with a session.
const MOST_POLICY: usize = 2_048;
/// The most links in one answer.
pub const MOST_KEYS: usize = 100;

/// A customer wants to reach the files of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// What for.
    pub kind: AccessKind,
    /// The file, for one link.
    #[serde(default)]
    pub key: Option<String>,
    /// The files, for several links.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub keys: Vec<String>,
    /// The size of the file to upload. The link then takes exactly that many bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The type of the files to upload. The link then takes only that type.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub content_type: Option<String>,
    /// How long it stays open: up to 3600 seconds, 900 by default, and at least 900 for a session.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3600))]
    pub expires_in_seconds: Option<u64>,
}

/// What a way into a bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// Links that a file is PUT to.
    Upload,
    /// Links that a file is got from.
    Download,
    /// Credentials for any S3 client, for this bucket alone.
    Session,
}

/// A request that keeps the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessWanted {
    /// What for.
    pub kind: AccessKind,
    /// Which files; none for a session.
    pub keys: Vec<String>,
    /// The size of the one file to upload.
    pub bytes: Option<u64>,
    /// The type of the files to upload.
    pub content_type: Option<String>,
    /// How long it stays open.
    pub lasting: Duration,
}

impl AccessRequest {
    /// The request, if it keeps the rules.
    ///
    /// # Errors
    /// `invalid`, with the pointer of what breaks a rule.
    pub fn check(self) -> Result<AccessWanted, Refusal> {
        let shortest =
            if self.kind == AccessKind::Session { SHORTEST_SESSION } else { Duration::from_secs(1) };
        let lasting = self.expires_in_seconds.map_or(SHORTEST_SESSION, Duration::from_secs);
        if !(shortest..=LONGEST).contains(&lasting) {
            let rule = format!("must be {} to {}", shortest.as_secs(), LONGEST.as_secs());
            return Err(Refusal::invalid("/expires_in_seconds", rule));
        }
        if self.key.is_some() && !self.keys.is_empty() {
            return Err(Refusal::invalid("/keys", "give either key or keys"));
        }
        let one = self.key.is_some();
        let keys: Vec<String> = self.key.into_iter().chain(self.keys).collect();
        match self.kind {
            AccessKind::Session if !keys.is_empty() => {
                return Err(Refusal::invalid("/keys", "a session is for the whole bucket"));
            }
            AccessKind::Upload | AccessKind::Download if keys.is_empty() => {
                return Err(Refusal::invalid("/key", "name the file"));
            }
            _ => {}
        }
        if keys.len() > MOST_KEYS {
            return Err(Refusal::invalid("/keys", format!("must be at most {MOST_KEYS}")));
        }
        for (place, key) in keys.iter().enumerate() {
            let pointer = if one { "/key".to_owned() } else { format!("/keys/{place}") };
            check_key(key).map_err(|rule| Refusal::invalid(pointer, rule))?;
        }
        if self.bytes.is_some() && (self.kind != AccessKind::Upload || keys.len() != 1) {
            return Err(Refusal::invalid("/bytes", "belongs to the upload of one file"));
        }
        if let Some(kind) = &self.content_type {
            let sound = kind.len() <= 100
                && kind.contains('/')
                && kind.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if self.kind != AccessKind::Upload || !sound {
                return Err(Refusal::invalid(
                    "/content_type",
                    "must be a media type, and belongs to an upload",
                ));
            }
        }
        Ok(AccessWanted {
            kind: self.kind,
            keys,
            bytes: self.bytes,
            content_type: self.content_type,
            lasting,
        })
    }
}

fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() || key.len() > 1_024 {
        return Err("must have 1 to 1024 bytes");
    }
    if key.starts_with('/') || key.chars().any(char::is_control) || key.contains('\\') {
        return Err("must not begin with a slash, nor hold backslashes or control characters");
    }
    // Clients and proxies walk upwards at such a part, each in its own way.
    if key.split('/').any(|part| part == "." || part == "..") {
        return Err("must not hold the parts . and ..");
    }
    Ok(())
}

impl AccessWanted {
    /// Whether the site and the plan allow it, with so many bytes stored already; `true` when the way in may write.
    ///
    /// A session is given without the right to write when the storage is full, for how else would one make room?
    ///
    /// # Errors
    /// 409 `site_not_active`; 402 `plan_required`, `plan_restricted`, `limit_reached`.
    pub fn decide(&self, site: &Site, plan: &Entitlements, stored_bytes: u64) -> Result<bool, Refusal> {
        if !matches!(site.state, SiteState::Active | SiteState::Migrating) {
            return Err(Refusal::conflict(
                "site_not_active",
                "The site's files can be reached once it is active.",
            ));
        }
        let hosting = plan.product(HOSTING).ok_or_else(|| {
            Refusal::payment_required("plan_required", "The organisation has no plan for hosting.")
        })?;
        let allowed = hosting.limit("storage_bytes");
        let full = stored_bytes.saturating_add(self.bytes.unwrap_or(1)) > allowed;
        let restricted = hosting.access != Access::Full;
        match self.kind {
            AccessKind::Download => Ok(false),
            AccessKind::Session => Ok(!full && !restricted),
            AccessKind::Upload if restricted => {
                let message =
                    "The plan is restricted: nothing new can be stored until the payment is settled.";
                Err(Refusal::payment_required("plan_restricted", message).with("plan", hosting.plan.as_str()))
            }
            AccessKind::Upload if full => {
                Err(limit_reached("storage_bytes", &hosting.plan, allowed).with("used", stored_bytes))
            }
            AccessKind::Upload => Ok(true),
        }
    }

    /// The policy that narrows the access role's session down to what was asked for. A session can do no more than this,
    /// whatever the role may. STS takes [`MOST_POLICY`] characters, and no letters beyond Latin-1: where the keys do not fit,
    /// the policy names the bucket; a link is signed for its one key anyhow.
    #[must_use]
    pub fn session_policy(&self, bucket: &str, may_write: bool) -> String {
        match self.keys.as_slice() {
            [key] if key.is_ascii() => {
                let policy = self.policy(bucket, &literal(key), may_write).to_string();
                if policy.len() <= MOST_POLICY {
                    policy
                } else {
                    self.policy(bucket, "*", may_write).to_string()
                }
            }
            _ => self.policy(bucket, "*", may_write).to_string(),
        }
    }

    fn policy(&self, bucket: &str, key: &str, may_write: bool) -> Value {
        let whole = format!("arn:aws:s3:::{bucket}");
        let mut statements = Vec::new();
        let mut allow = |actions: &[&str], resources: Value| {
            statements.push(json!({"Effect": "Allow", "Action": actions, "Resource": resources}));
        };
        match self.kind {
            AccessKind::Upload | AccessKind::Download => {
                let action = if self.kind == AccessKind::Upload { "s3:PutObject" } else { "s3:GetObject" };
                allow(&[action], json!(format!("{whole}/{key}")));
            }
            AccessKind::Session => {
                allow(&["s3:ListBucket", "s3:GetBucketLocation"], json!(whole));
                allow(&["s3:GetObject", "s3:DeleteObject"], json!(format!("{whole}/*")));
                if may_write {
                    let write = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
                    allow(&write, json!(format!("{whole}/*")));
                }
            }
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}

/// A key as a policy's resource, where `*`, `?` and `$` mean more than themselves.
fn literal(key: &str) -> String {
    key.chars().fold(String::with_capacity(key.len()), |mut text, letter| {
        match letter {
            '*' | '?' | '$' => {
                text.push_str("${");
                text.push(letter);
                text.push('}');
            }
            _ => text.push(letter),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::operation::Request;
    use crate::hosting::site::Asked;
    use crate::hosting::{NewSite, Usage};
    use crate::{OperationId, OrgId, RefusalKind, SiteId, Timestamp};

    fn request(kind: AccessKind) -> AccessRequest {
        AccessRequest {
            kind,
            key: None,
            keys: Vec::new(),
            bytes: None,
            content_type: None,
            expires_in_seconds: None,
        }
    }

    fn upload(key: &str) -> AccessRequest {
        AccessRequest { key: Some(key.to_owned()), ..request(AccessKind::Upload) }
    }

    fn site(state: SiteState) -> Site {
        let request =
            Request { operation: OperationId::from_ulid(3), by: None, now: Timestamp::from_secs(0) };
        let asked =
            Asked { site: SiteId::from_ulid(1), org: OrgId::from_ulid(2), zone: "sites.example", request };
        let granted =
            NewSite { label: "acme".into() }.request(&asked, &Entitlements::trial(), Usage::default());
        Site { state, ..granted.expect("the trial holds one").site }
    }

    #[test]
    fn a_request_names_what_breaks_a_rule() {
        use AccessKind::{Download, Session, Upload};
        let keys = |count| (0..count).map(|number| format!("{number}.html")).collect::<Vec<_>>();
        for (wrong, pointer) in [
            (request(Upload), "/key"),
            (request(Download), "/key"),
            (AccessRequest { key: Some("a".into()), ..request(Session) }, "/keys"),
            (AccessRequest { keys: keys(2), ..upload("a") }, "/keys"),
            (AccessRequest { keys: keys(101), ..request(Download) }, "/keys"),
            (upload(""), "/key"),
            (upload("/a"), "/key"),
            (upload("a/../b"), "/key"),
            (upload("a\nb"), "/key"),
            (upload(&"a".repeat(1_025)), "/key"),
            (AccessRequest { keys: vec!["a".into(), "..".into()], ..request(Download) }, "/keys/1"),
            (AccessRequest { bytes: Some(1), keys: keys(2), ..request(Upload) }, "/bytes"),
            (AccessRequest { content_type: Some("html".into()), ..upload("a") }, "/content_type"),
            (AccessRequest { content_type: Some("a/b\r\nx: y".into()), ..upload("a") }, "/content_type"),
            (AccessRequest { expires_in_seconds: Some(0), ..upload("a") }, "/expires_in_seconds"),
            (AccessRequest { expires_in_seconds: Some(3_601), ..upload("a") }, "/expires_in_seconds"),
            (AccessRequest { expires_in_seconds: Some(899), ..request(Session) }, "/expires_in_seconds"),
        ] {
            let refusal = wrong.clone().check().expect_err(&format!("{wrong:?}"));
            assert_eq!(refusal.kind, RefusalKind::Invalid { pointer: pointer.to_owned() }, "{wrong:?}");
        }
        let right = AccessRequest {
            bytes: Some(7),
            content_type: Some("text/html".into()),
            ..upload("docs/a b.html")
        };
        assert_eq!(right.check().map(|wanted| wanted.lasting), Ok(Duration::from_secs(900)));
    }

    #[test]
    fn a_full_store_takes_nothing_more_but_can_be_emptied() {
        let plan = Entitlements::trial();
        let limit = 1024 * 1024 * 1024;
        let wanted = |request: AccessRequest| request.check().expect("sound");
        let active = site(SiteState::Active);
        assert_eq!(wanted(upload("a")).decide(&active, &plan, limit - 1), Ok(true));
        let refusal = wanted(upload("a")).decide(&active, &plan, limit).expect_err("full");
        assert_eq!((refusal.code, &refusal.details["limit"]), ("limit_reached", &"storage_bytes".into()));
        let large = AccessRequest { bytes: Some(limit), ..upload("a") };
        assert_eq!(wanted(large.clone()).decide(&active, &plan, 0), Ok(true));
        assert!(wanted(large).decide(&active, &plan, 1).is_err());
        assert_eq!(wanted(request(AccessKind::Session)).decide(&active, &plan, limit), Ok(false));

        let refusal =
            wanted(upload("a")).decide(&site(SiteState::Provisioning), &plan, 0).expect_err("no bucket yet");
        assert_eq!(refusal.code, "site_not_active");
        let refusal = wanted(upload("a")).decide(&active, &Entitlements::default(), 0).expect_err("no plan");
        assert_eq!(refusal.code, "plan_required");
    }

    #[test]
    fn a_policy_reaches_no_further_than_asked() {
        let wanted = upload("a*b.html").check().expect("sound");
        let policy: Value = serde_json::from_str(&wanted.session_policy("bucket", true)).expect("JSON");
        assert_eq!(policy["Statement"][0]["Resource"], "arn:aws:s3:::bucket/a${*}b.html");
        assert_eq!(policy["Statement"][0]["Action"], json!(["s3:PutObject"]));

        let session = request(AccessKind::Session).check().expect("sound");
        let actions = |may_write| session.session_policy("bucket", may_write).contains("s3:PutObject");
        assert!(actions(true) && !actions(false));
        assert!(session.session_policy("bucket", true).len() < MOST_POLICY);
    }

    #[test]
    fn a_policy_is_one_that_sts_takes() {
        for key in ["Grüße.html", "صفحة.html", &"a".repeat(1_024), &"*".repeat(1_024), &"\"".repeat(1_024)]
        {
            let policy = upload(key).check().expect("sound").session_policy("bucket", true);
            assert!(policy.is_ascii() && policy.len() <= MOST_POLICY, "{key}");
        }
        let long = upload(&"a".repeat(1_024)).check().expect("sound").session_policy("bucket", true);
        assert!(long.contains("aaa"), "a long key that fits is named");
    }
}

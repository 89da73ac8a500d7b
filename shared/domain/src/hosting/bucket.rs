//! A site's bucket: its name, and who may do what in it.

use serde_json::{Value, json};

use crate::SiteId;

/// The name that is tried for a site's bucket: the same at every try, another when somebody else has it.
#[must_use]
pub fn name(stage: &str, site: SiteId, taken: u32) -> String {
    let ulid = site.to_string().replace("site_", "").to_lowercase();
    let suffix = if taken == 0 { String::new() } else { format!("-{taken}") };
    format!("{}{ulid}{suffix}", prefix(stage))
}

/// What the names of all sites' buckets begin with; the functions' rights end there.
#[must_use]
pub fn prefix(stage: &str) -> String {
    format!("tenantry-{stage}-site-")
}

/// What a bucket is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Openness {
    /// Nothing beyond the product's own rights.
    Shut,
    /// Sessions that carry its site's tag.
    Open,
    /// Sessions that carry its site's tag read; nobody writes or deletes for a moment.
    Frozen,
    /// Nobody writes or deletes: the site is deleted, its data kept.
    Retained,
    /// Nobody writes: it is being emptied.
    Emptying,
}

/// The ARNs of roles that a bucket's policy names.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    /// Its sessions carry the tag `site`. It has no rights of its own: what its sessions reach is said in buckets' policies alone.
    pub access: &'a str,
    /// Hosts'. It may read every site's files, as long as the site is not deleted.
    pub host: &'a str,
}

/// The bucket's policy.
#[must_use]
pub fn policy(bucket: &str, site: SiteId, roles: Roles<'_>, openness: Openness) -> Value {
    let whole = format!("arn:aws:s3:::{bucket}");
    let objects = format!("{whole}/*");
    let sessions = |sid: &str, actions: &[&str], resource: &str| {
        json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": roles.access},
            "Action": actions,
            "Resource": resource,
            "Condition": {"StringEquals": {"aws:PrincipalTag/site": site}},
        })
    };
    let nobody = |sid: &str, actions: &[&str]| json!({"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": objects});
    let tls_only = json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [&whole, &objects],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    });
    let no_host = json!({
        "Sid": "NoHost",
        "Effect": "Deny",
        "Principal": {"AWS": roles.host},
        "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": [&whole, &objects],
    });
    let files = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ];
    let further = match openness {
        Openness::Shut => Vec::new(),
        Openness::Open => vec![
            sessions("FilesOfThisSite", &files, &objects),
            sessions("ListsOfThisSite", &["s3:ListBucket", "s3:GetBucketLocation"], &whole),
        ],
        Openness::Frozen => vec![
            sessions("FilesOfThisSite", &["s3:GetObject"], &objects),
            sessions("ListsOfThisSite", &["s3:ListBucket", "s3:GetBucketLocation"], &whole),
            nobody("Frozen", &["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]),
        ],
        Openness::Retained => {
            vec![nobody("Retained", &["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]), no_host]
        }
        Openness::Emptying => vec![nobody("Emptying", &["s3:PutObject"])],
    };
    let statements: Vec<Value> = std::iter::once(tls_only).chain(further).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_s3_takes() {
        let site = SiteId::from_ulid(u128::MAX >> 2);
        let longest = name("production", site, 99);
        assert!(longest.len() <= 63 && longest.starts_with(&prefix("production")), "{longest}");
        assert!(
            longest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
        assert_ne!(name("dev", site, 0), name("dev", site, 1));
    }

    #[test]
    fn only_sessions_of_the_site_come_in_and_only_while_it_lives_they_write() {
        let sids = |openness| {
            let roles = Roles { access: "arn:access", host: "arn:host" };
            let policy = policy("b", SiteId::from_ulid(1), roles, openness);
            let sid = |statement: &Value| statement["Sid"].as_str().unwrap_or_default().to_owned();
            policy["Statement"]
                .as_array()
                .map(|all| all.iter().map(sid).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        assert_eq!(sids(Openness::Shut), ["TlsOnly"]);
        assert_eq!(sids(Openness::Open), ["TlsOnly", "FilesOfThisSite", "ListsOfThisSite"]);
        assert_eq!(sids(Openness::Frozen), ["TlsOnly", "FilesOfThisSite", "ListsOfThisSite", "Frozen"]);
        assert_eq!(sids(Openness::Retained), ["TlsOnly", "Retained", "NoHost"]);
        assert_eq!(sids(Openness::Emptying), ["TlsOnly", "Emptying"]);
    }
}

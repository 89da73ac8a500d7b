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

/// Who is named in a bucket's policy.
#[derive(Debug, Clone)]
pub struct Principals {
    /// ARN of the role whose sessions carry a site's tag.
    pub access_role: String,
    /// ARN of the hosts' role.
    pub host_role: String,
}

/// What a bucket is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Openness {
    /// Nothing beyond the account's own rights; TLS only.
    Shut,
    /// Sessions of its site write, hosts read.
    Open,
    /// Nobody writes or deletes: the site is deleted, its data kept.
    Retained,
    /// Nobody writes: it is being emptied.
    Emptying,
}

/// The bucket's policy.
#[must_use]
pub fn policy(bucket: &str, site: SiteId, principals: &Principals, openness: Openness) -> Value {
    let whole = format!("arn:aws:s3:::{bucket}");
    let objects = format!("{whole}/*");
    let mut statements = vec![json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [&whole, &objects],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })];
    let deny = |sid: &str, actions: &[&str]| json!({"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": &objects});
    match openness {
        Openness::Shut => {}
        Openness::Open => statements.extend([
            json!({
                "Sid": "SessionsOfThisSite",
                "Effect": "Allow",
                "Principal": {"AWS": &principals.access_role},
                "Action": [
                    "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                "Resource": &objects,
                "Condition": {"StringEquals": {"aws:PrincipalTag/site": site}},
            }),
            json!({
                "Sid": "ListingsOfThisSite",
                "Effect": "Allow",
                "Principal": {"AWS": &principals.access_role},
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": &whole,
                "Condition": {"StringEquals": {"aws:PrincipalTag/site": site}},
            }),
            json!({
                "Sid": "HostsRead",
                "Effect": "Allow",
                "Principal": {"AWS": &principals.host_role},
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": [&whole, &objects],
            }),
        ]),
        Openness::Retained => {
            statements.push(deny("Retained", &["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]));
        }
        Openness::Emptying => statements.push(deny("Emptying", &["s3:PutObject"])),
    }
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
    fn only_sessions_of_the_site_write_and_only_while_it_lives() {
        let principals = Principals { access_role: "arn:access".into(), host_role: "arn:host".into() };
        let sids = |openness| {
            let policy = policy("b", SiteId::from_ulid(1), &principals, openness);
            let sid = |statement: &Value| statement["Sid"].as_str().unwrap_or_default().to_owned();
            policy["Statement"]
                .as_array()
                .map(|all| all.iter().map(sid).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        assert_eq!(sids(Openness::Shut), ["TlsOnly"]);
        assert_eq!(
            sids(Openness::Open),
            ["TlsOnly", "SessionsOfThisSite", "ListingsOfThisSite", "HostsRead"]
        );
        assert_eq!(sids(Openness::Retained), ["TlsOnly", "Retained"]);
        assert_eq!(sids(Openness::Emptying), ["TlsOnly", "Emptying"]);
    }
}

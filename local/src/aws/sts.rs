//! STS: sessions of roles, with the rights of the role cut down by the session's own policy, until they end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{AwsError, request_id};
use super::documents::{Change, Documents, Shelf};
use super::form::Form;
use super::ids;
use super::rights::{Needed, Statement};
use super::xml;
use crate::{Clock, Result};

const SHORTEST: u64 = 900;
/// A role's own limit unless it sets a longer one, which ours do not.
const LONGEST: u64 = 3_600;
const MOST_POLICY: usize = 2_048;
/// An ended session is still told that it has ended, for this long.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// STS.
pub struct Sts {
    roles: RwLock<HashMap<String, Arc<Vec<Statement>>>>,
    sessions: Shelf<Kept>,
    clock: Clock,
    account: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    access_key: String,
    secret: String,
    token: String,
    role: String,
    name: String,
    policy: Option<String>,
    tags: BTreeMap<String, String>,
    expires_at: Timestamp,
}

/// A session that calls.
#[derive(Debug, Clone)]
pub struct Session {
    /// The ARN of its role.
    pub role: String,
    /// The ARN of the session itself.
    pub arn: String,
    /// The key it signs with.
    pub secret: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What its role may do.
    pub role_statements: Arc<Vec<Statement>>,
    /// What its own policy lets it keep of that; none means all of it.
    pub session_statements: Option<Vec<Statement>>,
}

/// Whether an access key is one that STS gives.
pub(super) fn is_temporary(access_key: &str) -> bool {
    access_key.starts_with("ASIA")
}

impl Sts {
    pub(super) fn open(documents: &Arc<Documents>, clock: &Clock, account: &str) -> Result<Self> {
        Ok(Self {
            roles: RwLock::default(),
            sessions: Shelf::open(documents, "sts-session")?,
            clock: clock.clone(),
            account: account.to_owned(),
        })
    }

    /// Declares a role that may be assumed, and what it may do.
    pub fn put_role(&self, arn: &str, statements: &[Statement]) {
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        roles.insert(arn.to_owned(), Arc::new(statements.to_vec()));
    }

    fn role(&self, arn: &str) -> Option<Arc<Vec<Statement>>> {
        self.roles.read().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }

    pub(super) fn needs(operation: &str, form: &Form) -> Vec<Needed> {
        match operation {
            // Everybody may ask who he is.
            "GetCallerIdentity" => Vec::new(),
            "AssumeRole" => {
                let role = form.text("RoleArn");
                let mut needs = vec![Needed::new("sts:AssumeRole", role)];
                let tags = form.pairs("Tags", "Key", "Value");
                if !tags.is_empty() {
                    needs.push(Needed::new("sts:TagSession", role));
                }
                for needed in &mut needs {
                    needed.context.extend(
                        tags.iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), value.clone())),
                    );
                }
                needs
            }
            other => vec![Needed::new(format!("sts:{other}"), "*")],
        }
    }

    /// The session of a temporary key.
    pub(super) fn session(&self, access_key: &str, token: Option<&str>) -> Result<Session, AwsError> {
        let kept = self.sessions.get(access_key);
        let Some(kept) = kept.filter(|kept| token == Some(kept.token.as_str())) else {
            let told = "The security token included in the request is invalid.";
            return Err(AwsError::new(403, "InvalidClientTokenId", told));
        };
        if self.clock.now() >= kept.expires_at {
            return Err(AwsError::new(403, "ExpiredToken", "The provided token has expired."));
        }
        let role_statements = self.role(&kept.role).ok_or_else(|| no_such_role(&kept.role))?;
        let session_statements = kept.policy.as_deref().map(parse_policy).transpose()?;
        let arn = session_arn(&kept.role, &kept.name);
        let Kept { role, secret, tags, .. } = kept;
        Ok(Session { role, arn, secret, tags, role_statements, session_statements })
    }

    /// Plays one operation; its XML. `caller` is the caller's ARN.
    pub(super) fn call(&self, operation: &str, form: &Form, caller: &str) -> Result<String, AwsError> {
        let result = match operation {
            "AssumeRole" => self.assume_role(form)?,
            "GetCallerIdentity" => [
                xml::text("Arn", caller),
                xml::text("UserId", caller.rsplit('/').next().unwrap_or(caller)),
                xml::text("Account", &self.account),
            ]
            .concat(),
            other => {
                return Err(AwsError::bad(
                    "InvalidAction",
                    format!("The operation {other} is not played locally."),
                ));
            }
        };
        let id = request_id();
        Ok(format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{result}</{operation}Result>\
             <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
        ))
    }

    fn assume_role(&self, form: &Form) -> Result<String, AwsError> {
        let role = form.text("RoleArn");
        let invalid = |message: String| Err(AwsError::bad("ValidationError", message));
        if !(role.starts_with("arn:aws:iam::") && role.contains(":role/")) {
            return invalid(format!("{role} is invalid"));
        }
        let name = form.text("RoleSessionName");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if !(2..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return invalid(format!(
                "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
            ));
        }
        let lasting = form.get("DurationSeconds").map_or(Ok(LONGEST), str::parse).unwrap_or(0);
        if lasting < SHORTEST {
            return invalid(format!(
                "1 validation error detected: Value '{lasting}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to {SHORTEST}"
            ));
        }
        if lasting > LONGEST {
            return invalid(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
            );
        }
        let policy = form.get("Policy").map(str::to_owned);
        if let Some(policy) = &policy {
            if policy.len() > MOST_POLICY {
                return Err(AwsError::bad(
                    "PackedPolicyTooLarge",
                    "Packed policy consumes more than 100% of allotted space.",
                ));
            }
            parse_policy(policy)?;
        }
        if self.role(role).is_none() {
            return Err(no_such_role(role));
        }
        let now = self.clock.now();
        let kept = Kept {
            access_key: format!("ASIA{}", ids::capitals(16)),
            secret: base64::engine::general_purpose::STANDARD.encode(ids::bytes::<30>()),
            token: base64::engine::general_purpose::STANDARD
                .encode([ids::bytes::<64>(), ids::bytes::<64>()].concat()),
            role: role.to_owned(),
            name: name.to_owned(),
            policy,
            tags: form.pairs("Tags", "Key", "Value").into_iter().collect(),
            expires_at: now + Duration::from_secs(lasting),
        };
        self.sessions.change::<_, AwsError>(|all| {
            let forgotten = all.values().filter(|session| now > session.expires_at + REMEMBERED_FOR);
            let mut changes: Vec<Change<Kept>> =
                forgotten.map(|session| (session.access_key.clone(), None)).collect();
            changes.push((kept.access_key.clone(), Some(kept.clone())));
            Ok((changes, ()))
        })?;
        let credentials = [
            xml::text("AccessKeyId", &kept.access_key),
            xml::text("SecretAccessKey", &kept.secret),
            xml::text("SessionToken", &kept.token),
            xml::text("Expiration", kept.expires_at.to_string()),
        ];
        let user = [
            xml::text("AssumedRoleId", format!("AROALOCAL:{name}")),
            xml::text("Arn", session_arn(role, name)),
        ];
        Ok(xml::element("Credentials", credentials.concat())
            + &xml::element("AssumedRoleUser", user.concat()))
    }
}

fn parse_policy(policy: &str) -> Result<Vec<Statement>, AwsError> {
    let document: Value = serde_json::from_str(policy)
        .map_err(|_| AwsError::bad("MalformedPolicyDocument", "The policy is not valid JSON."))?;
    Statement::parse_policy(&document).map_err(|reason| AwsError::bad("MalformedPolicyDocument", reason))
}

fn no_such_role(role: &str) -> AwsError {
    let told = format!("The role {role} is declared by no template, so nobody may assume it.");
    AwsError::new(403, "AccessDenied", told)
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME`
fn session_arn(role: &str, name: &str) -> String {
    let assumed = role.replacen(":iam:", ":sts:", 1).replacen(":role/", ":assumed-role/", 1);
    format!("{assumed}/{name}")
}

//! Rights: the policy statements of functions and sessions, as far as the templates use the language.
//!
//! Anything of the language that is not enforced here is refused when it is loaded, so that no policy means less
//! locally than in AWS.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

/// Context keys whose values the endpoint knows when it checks a call.
const KNOWN_KEYS: [&str; 9] = [
    "aws:SecureTransport",
    "aws:PrincipalTag/",
    "aws:RequestTag/",
    "iam:PassedToService",
    "s3:prefix",
    "ses:FromAddress",
    "ec2:CreateAction",
    "ec2:ResourceTag/",
    "aws:ResourceTag/",
];

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    with_wildcards: bool,
    key: String,
    values: Vec<String>,
}

/// One thing that a call needs the right to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// For example `dynamodb:PutItem`.
    pub action: String,
    /// The ARN, or `*` where AWS has no finer resource.
    pub resource: String,
    /// Values of the context keys that conditions may test.
    pub context: BTreeMap<String, String>,
}

impl Needed {
    /// The right to do `action` to `resource`.
    #[must_use]
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// With the value of a context key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.insert(key.into(), value.into());
        self
    }
}

impl Statement {
    /// The right to everything, which the account's owner has.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            allow: true,
            actions: vec!["*".to_owned()],
            resources: vec!["*".to_owned()],
            conditions: Vec::new(),
        }
    }

    /// Reads a whole policy document, a list of statements, or one statement.
    ///
    /// # Errors
    /// Names what is not understood.
    pub fn parse_policy(policy: &Value) -> Result<Vec<Self>, String> {
        match policy {
            Value::Array(statements) => statements.iter().map(Self::parse).collect(),
            Value::Object(fields) => match fields.get("Statement") {
                Some(statements) => Self::parse_policy(statements),
                None => Ok(vec![Self::parse(policy)?]),
            },
            _ => Err("a policy is an object or a list of statements".to_owned()),
        }
    }

    fn parse(statement: &Value) -> Result<Self, String> {
        let fields = statement.as_object().ok_or("a policy statement is an object")?;
        for field in fields.keys() {
            if !matches!(field.as_str(), "Sid" | "Effect" | "Action" | "Resource" | "Condition") {
                return Err(format!("the policy element {field} is not enforced locally, so it is refused"));
            }
        }
        let allow = match fields.get("Effect").and_then(Value::as_str) {
            Some("Allow") | None => true,
            Some("Deny") => false,
            Some(other) => return Err(format!("Effect is Allow or Deny, not {other}")),
        };
        let actions = texts(fields.get("Action"), "Action")?;
        if let Some(odd) = actions.iter().find(|action| !action.contains(':') && *action != "*") {
            return Err(format!("the action {odd} does not name its service"));
        }
        let resources = texts(fields.get("Resource"), "Resource")?;
        let conditions = fields.get("Condition").map(parse_conditions).transpose()?.unwrap_or_default();
        Ok(Self { allow, actions, resources, conditions })
    }

    fn covers(&self, needed: &Needed) -> bool {
        self.actions
            .iter()
            .any(|action| matches(&action.to_ascii_lowercase(), &needed.action.to_ascii_lowercase()))
            && self.resources.iter().any(|resource| matches(&filled(resource, needed), &needed.resource))
            && self.conditions.iter().all(|condition| condition.holds(needed))
    }
}

impl Condition {
    fn holds(&self, needed: &Needed) -> bool {
        needed.context.get(&self.key).is_some_and(|actual| {
            self.values.iter().any(|wanted| {
                let wanted = filled(wanted, needed);
                if self.with_wildcards { matches(&wanted, actual) } else { wanted == *actual }
            })
        })
    }
}

/// Puts the values of policy variables, such as `${aws:PrincipalTag/site}`, in their places.
///
/// A variable without a value stays as it is, so that it matches nothing.
fn filled<'a>(pattern: &'a str, needed: &Needed) -> Cow<'a, str> {
    if !pattern.contains("${") {
        return Cow::Borrowed(pattern);
    }
    let filled = needed
        .context
        .iter()
        .fold(pattern.to_owned(), |text, (key, value)| text.replace(&format!("${{{key}}}"), value));
    Cow::Owned(filled)
}

fn parse_conditions(conditions: &Value) -> Result<Vec<Condition>, String> {
    let operators = conditions.as_object().ok_or("Condition is an object")?;
    let mut parsed = Vec::new();
    for (operator, tests) in operators {
        let with_wildcards = match operator.as_str() {
            "StringEquals" | "Bool" => false,
            "StringLike" => true,
            other => {
                return Err(format!(
                    "the condition operator {other} is not enforced locally, so it is refused"
                ));
            }
        };
        for (key, values) in tests.as_object().ok_or("a condition operator holds an object")? {
            if !KNOWN_KEYS
                .iter()
                .any(|known| key == known || (known.ends_with('/') && key.starts_with(known)))
            {
                return Err(format!("the condition key {key} is not known locally, so it is refused"));
            }
            parsed.push(Condition { with_wildcards, key: key.clone(), values: texts(Some(values), key)? });
        }
    }
    Ok(parsed)
}

fn texts(value: Option<&Value>, what: &str) -> Result<Vec<String>, String> {
    let text = |value: &Value| {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{what} holds {value}, which is not text"))
    };
    match value {
        Some(Value::Array(values)) if !values.is_empty() => values.iter().map(text).collect(),
        Some(value @ Value::String(_)) => Ok(vec![text(value)?]),
        Some(other) => Err(format!("{what} is text or a list of texts, not {other}")),
        None => Err(format!("a policy statement needs {what}")),
    }
}

/// All policies that bear on one caller.
#[derive(Default)]
pub struct Grants<'a> {
    /// What the caller's own policy says.
    pub identity: &'a [Statement],
    /// What a session keeps of that; none if it keeps all.
    pub session: Option<&'a [Statement]>,
    /// What the policy of the resource says of this caller.
    pub resource: &'a [Statement],
}

impl Grants<'_> {
    /// Whether the need is met: a Deny anywhere forbids; otherwise the caller's policy or the resource's must allow,
    /// and the session's must not take it away.
    #[must_use]
    pub fn meet(&self, needed: &Needed) -> bool {
        let covering = |statements: &[Statement], allow: bool| {
            statements.iter().any(|statement| statement.allow == allow && statement.covers(needed))
        };
        let session = self.session.unwrap_or_default();
        if [self.identity, session, self.resource].into_iter().any(|statements| covering(statements, false)) {
            return false;
        }
        let granted = covering(self.identity, true) || covering(self.resource, true);
        granted && self.session.is_none_or(|session| covering(session, true))
    }

    /// The first need that is not met.
    #[must_use]
    pub fn missing<'n>(&self, needs: &'n [Needed]) -> Option<&'n Needed> {
        needs.iter().find(|needed| !self.meet(needed))
    }
}

/// One statement of a resource's policy, with those it speaks of.
#[derive(Debug, Clone)]
pub struct ResourceStatement {
    principals: Vec<String>,
    statement: Statement,
}

impl ResourceStatement {
    /// Reads a bucket's policy.
    ///
    /// # Errors
    /// Names what is not understood.
    pub fn parse_policy(policy: &Value) -> Result<Vec<Self>, String> {
        match &policy["Statement"] {
            Value::Array(statements) => statements.iter().map(Self::parse).collect(),
            single @ Value::Object(_) => Ok(vec![Self::parse(single)?]),
            _ => Err("a policy document has Statement".to_owned()),
        }
    }

    fn parse(statement: &Value) -> Result<Self, String> {
        let mut fields = statement.as_object().cloned().ok_or("a policy statement is an object")?;
        let principals = match fields.remove("Principal") {
            Some(Value::String(anyone)) if anyone == "*" => vec![anyone],
            Some(Value::Object(kinds)) => match kinds.get("AWS") {
                Some(named) => texts(Some(named), "Principal")?,
                // AWS services do not reach buckets here.
                None => Vec::new(),
            },
            _ => return Err("a statement of a bucket's policy needs Principal".to_owned()),
        };
        Ok(Self { principals, statement: Statement::parse(&Value::Object(fields))? })
    }

    /// The statement, if it speaks of somebody with one of these ARNs.
    #[must_use]
    pub fn of(&self, arns: &[&str]) -> Option<&Statement> {
        let speaks = self.principals.iter().any(|named| named == "*" || arns.contains(&named.as_str()));
        speaks.then_some(&self.statement)
    }

    /// Whether it opens the bucket to everybody.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.statement.allow
            && self.statement.conditions.is_empty()
            && self.principals.iter().any(|named| named == "*")
    }
}

/// Whether `text` matches a pattern of `*` and `?`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                last_star = Some((at, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    at = star + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// A function that calls with its own access key.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The function's name, `verb_noun`.
    pub function: String,
    /// The process now using the key; 0 if none.
    pub pid: Arc<AtomicU32>,
    /// What it may do.
    pub statements: Vec<Statement>,
}

/// Who is known by which access key. An unknown key is the account's owner: the command line and the harness.
#[derive(Default)]
pub struct Principals {
    by_key: RwLock<HashMap<String, Arc<Principal>>>,
}

impl Principals {
    /// Makes an access key known.
    pub fn set(&self, access_key: impl Into<String>, principal: Principal) {
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        by_key.insert(access_key.into(), Arc::new(principal));
    }

    /// Forgets an access key.
    pub fn remove(&self, access_key: &str) {
        self.by_key.write().unwrap_or_else(PoisonError::into_inner).remove(access_key);
    }

    /// Who calls with this key.
    #[must_use]
    pub fn get(&self, access_key: &str) -> Option<Arc<Principal>> {
        self.by_key.read().unwrap_or_else(PoisonError::into_inner).get(access_key).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("dynamodb:*Item", "dynamodb:PutItem", true),
            ("dynamodb:*Item", "dynamodb:Query", false),
            ("secret:a-??????", "secret:a-AbCdEf", true),
            ("secret:a-??????", "secret:a-AbCdE", false),
            ("table/x*/index/*", "table/xyz/index/gsi1", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn deny_wins_and_conditions_bind() {
        let statements = Statement::parse_policy(&json!([
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b",
                "Condition": {"StringLike": {"s3:prefix": "site/*"}}},
        ]))
        .unwrap();
        let allowed = |needed: Needed| Grants { identity: &statements, ..Grants::default() }.meet(&needed);
        assert!(allowed(Needed::new("s3:GetObject", "arn:aws:s3:::b/k")));
        assert!(!allowed(Needed::new("s3:GetObject", "arn:aws:s3:::c/k")));
        assert!(!allowed(Needed::new("s3:DeleteObject", "arn:aws:s3:::b/k")));
        assert!(!allowed(Needed::new("s3:ListBucket", "arn:aws:s3:::b")));
        assert!(allowed(Needed::new("s3:ListBucket", "arn:aws:s3:::b").with("s3:prefix", "site/x")));
    }

    #[test]
    fn a_variable_stands_for_the_tag_of_the_caller() {
        let policy = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${aws:PrincipalTag/site}/*"});
        let statements = Statement::parse_policy(&policy).unwrap();
        let needed = Needed::new("s3:GetObject", "arn:aws:s3:::b/k");
        let grants = Grants { identity: &statements, ..Grants::default() };
        assert!(!grants.meet(&needed));
        assert!(grants.meet(&needed.clone().with("aws:PrincipalTag/site", "b")));
        assert!(!grants.meet(&needed.with("aws:PrincipalTag/site", "c")));
    }

    #[test]
    fn a_bucket_grants_to_a_role_what_the_session_keeps() {
        let policy = ResourceStatement::parse_policy(&json!({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:role"}, "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ]}))
        .unwrap();
        let session = Statement::parse_policy(&json!({"Action": "s3:GetObject", "Resource": "*"})).unwrap();
        let resource =
            |arn: &str| policy.iter().filter_map(|one| one.of(&[arn])).cloned().collect::<Vec<_>>();
        let ours = resource("arn:role");
        let grants = Grants { session: Some(&session), resource: &ours, ..Grants::default() };
        let read = Needed::new("s3:GetObject", "arn:aws:s3:::b/k");
        assert!(grants.meet(&read));
        assert!(!grants.meet(&Needed::new("s3:PutObject", "arn:aws:s3:::b/k")));
        assert!(!grants.meet(&read.clone().with("aws:SecureTransport", "false")));
        let others = resource("arn:other");
        assert!(!Grants { resource: &others, ..Grants::default() }.meet(&read));
    }

    #[test]
    fn what_is_not_enforced_is_refused() {
        for policy in [
            json!({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "1"}}}),
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": {"Ref": "Bucket"}}),
            json!({"Effect": "Allow", "Action": "PutItem", "Resource": "*"}),
        ] {
            assert!(Statement::parse_policy(&policy).is_err(), "{policy}");
        }
    }
}

//! Mail addresses.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest address that SMTP carries (RFC 5321, 4.5.3.1.3, less the angle brackets).
const LONGEST: usize = 254;
/// The longest local part (RFC 5321, 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

/// A mail address in its one spelling: trimmed, lower case, the domain in ASCII (IDNA).
///
/// The local part is folded too: no provider in use tells `Anna@` from `anna@`, and people type both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// A text is no mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEmail;

impl Email {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let (local, domain) = text.trim().rsplit_once('@').ok_or(NotAnEmail)?;
        let local = local.to_lowercase();
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| NotAnEmail)?;
        let atom = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
        };
        let address = format!("{local}@{domain}");
        let sound = local.len() <= LONGEST_LOCAL
            && local.split('.').all(atom)
            && domain.contains('.')
            && address.len() <= LONGEST;
        if sound { Ok(Self(address)) } else { Err(NotAnEmail) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for NotAnEmail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected an e-mail address")
    }
}

impl std::error::Error for NotAnEmail {}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Email {
    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "email", "maxLength": LONGEST})
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        let spelled = |text: &str| text.parse::<Email>().map(|email| email.0);
        assert_eq!(spelled(" A@Ex.com "), Ok("a@ex.com".to_owned()));
        assert_eq!(spelled("a+b@ex.com"), Ok("a+b@ex.com".to_owned()));
        assert_eq!(spelled("anna@münchen.de"), Ok("anna@xn--mnchen-3ya.de".to_owned()));
        for wrong in [
            "",
            "a",
            "a@",
            "@ex.com",
            "a@ex",
            "a b@ex.com",
            "a\r\nBcc: x@ex.com",
            "a..b@ex.com",
            "a@ex_y.com",
            "a@-x.com",
        ] {
            assert_eq!(spelled(wrong), Err(NotAnEmail), "{wrong}");
        }
        assert_eq!(spelled(&format!("{}@ex.com", "a".repeat(65))), Err(NotAnEmail));
        assert_eq!(spelled(&format!("a@{}.com", "x.".repeat(126))), Err(NotAnEmail));
    }
}

//! Identifiers: a prefix that names the kind, and a ULID that sorts by time of making (`site_01J…`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

/// What an identifier identifies.
pub trait Kind {
    /// The prefix before the underscore.
    const PREFIX: &'static str;
    /// The schema's name.
    const NAME: &'static str;
}

/// An identifier of one kind. Two kinds do not mix: `Id<Site>` is no `Id<Host>`.
pub struct Id<K>(Ulid, PhantomData<fn() -> K>);

/// A text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnId {
    expected: &'static str,
}

impl<K: Kind> Id<K> {
    /// The identifier with this ULID.
    #[must_use]
    pub const fn from_ulid(ulid: u128) -> Self {
        Self(Ulid(ulid), PhantomData)
    }

    /// The ULID: 48 bits of milliseconds, 80 bits of randomness.
    #[must_use]
    pub const fn ulid(self) -> u128 {
        self.0.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", K::PREFIX, self.0)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = NotAnId { expected: K::PREFIX };
        let digits = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or_else(|| refused.clone())?;
        let ulid = Ulid::from_string(digits).map_err(|_| refused.clone())?;
        // One id has one spelling: the parser also takes lower case and look-alike letters.
        if ulid.to_string() == digits { Ok(Self(ulid, PhantomData)) } else { Err(refused) }
    }
}

impl fmt::Display for NotAnId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expected an id like {}_01ARZ3NDEKTSV4RRFFQ69G5FAV", self.expected)
    }
}

impl std::error::Error for NotAnId {}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<K: Kind> JsonSchema for Id<K> {
    fn schema_name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": format!("^{}_[0-9A-HJKMNP-TV-Z]{{26}}$", K::PREFIX)})
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:ident, $prefix:literal;)*) => {$(
        #[doc = concat!("The kind of `", $prefix, "_…` identifiers.")]
        #[derive(Debug)]
        pub enum $kind {}

        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = stringify!($name);
        }

        $(#[$doc])*
        pub type $name = Id<$kind>;
    )*};
}

ids! {
    /// A person.
    UserId = User, "usr";
    /// An organisation, the tenant.
    OrgId = Org, "org";
    /// A signed-in session of a person.
    SessionId = Session, "ses";
    /// A customer's site.
    SiteId = Site, "site";
    /// A run of a hosting workflow.
    OperationId = Operation, "op";
    /// An instance that carries sites.
    HostId = Host, "host";
    /// A fact on the bus.
    EventId = Fact, "evt";
    /// One notification on its way to one recipient.
    DeliveryId = Delivery, "dlv";
    /// A price that is promised for ten minutes.
    QuoteId = Quote, "qt";
    /// A call to Stripe that was decided on.
    StripeOpId = StripeOp, "sop";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_has_one_spelling() {
        let id = SiteId::from_ulid(7);
        assert_eq!(id.to_string(), "site_00000000000000000000000007");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "site_0000000000000000000000000o",
            "site_0000000000000000000000000",
            "host_00000000000000000000000007",
            "site00000000000000000000000007",
            "site_ü",
            "",
        ] {
            assert!(wrong.parse::<SiteId>().is_err(), "{wrong}");
        }
    }
}

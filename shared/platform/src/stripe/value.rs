//! What Stripe's objects are made of.

#![allow(missing_docs, reason = "the fields are Stripe's, which documents them")]

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use domain::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What we know an object by; at most 50 pairs.
pub type Metadata = BTreeMap<String, String>;

/// What has an id of Stripe's.
pub trait Identified {
    /// `cus_…`.
    fn id(&self) -> &str;
}

macro_rules! identified {
    ($($object:ty),+) => {$(
        impl $crate::stripe::value::Identified for $object {
            fn id(&self) -> &str {
                &self.id
            }
        }
    )+};
}
pub(super) use identified;

/// Words of Stripe's, with room for those that it adds.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant,)+
            /// A word that this version does not know.
            Other(String),
        }

        impl $name {
            /// Stripe's word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(deserializer).map(|word| Self::from(&*word))
            }
        }
    };
}
pub(super) use words;

/// An object, or only its id, by what the call asked to expand.
#[derive(Debug, Clone, PartialEq)]
pub enum Expand<T> {
    /// Its id.
    Id(String),
    /// All of it.
    Object(Box<T>),
}

impl<T: Identified> Expand<T> {
    /// The id, which both have.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => object.id(),
        }
    }
}

impl<T> Expand<T> {
    /// The object, if it was expanded.
    #[must_use]
    pub fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }

    /// The object, if it was expanded.
    #[must_use]
    pub fn into_object(self) -> Option<T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(*object),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Expand<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Expand<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an id or an object")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Self::Value, E> {
                Ok(Expand::Id(id.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
                    .map(|object| Expand::Object(Box::new(object)))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false }
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// At most 100; ten unless told.
    pub limit: Option<u32>,
    pub starting_after: Option<String>,
    pub ending_before: Option<String>,
}

/// When what is listed was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Created {
    #[serde(with = "unix::maybe")]
    pub gt: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub gte: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub lt: Option<Timestamp>,
    #[serde(with = "unix::maybe")]
    pub lte: Option<Timestamp>,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Period {
    #[serde(with = "unix")]
    pub start: Timestamp,
    #[serde(with = "unix")]
    pub end: Timestamp,
}

/// A postal address. An empty text clears a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    pub line1: Option<String>,
    pub line2: Option<String>,
    pub city: Option<String>,
    pub postal_code: Option<String>,
    pub state: Option<String>,
    /// ISO 3166, two letters.
    pub country: Option<String>,
}

/// Something that is on or off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Enabled {
    pub enabled: bool,
}

impl Enabled {
    /// On.
    pub const YES: Self = Self { enabled: true };
}

/// What is left of an object that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deleted {
    pub id: String,
    #[serde(default)]
    pub deleted: bool,
}

/// A moment, or the one at which Stripe gets the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `now`.
    Now,
    /// Then.
    At(Timestamp),
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Now => serializer.serialize_str("now"),
            Self::At(moment) => serializer.serialize_i64(moment.as_secs()),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Told {
            At(i64),
            Word(String),
        }
        match Told::deserialize(deserializer)? {
            Told::At(secs) => Ok(Self::At(Timestamp::from_secs(secs))),
            Told::Word(word) if word == "now" => Ok(Self::Now),
            Told::Word(word) => Err(de::Error::custom(format!("{word} is no moment"))),
        }
    }
}

/// A member that may be `null` where there is nothing.
pub(super) fn or_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Moments as Stripe writes them: seconds since 1970.
pub(super) mod unix {
    use domain::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::stripe) fn serialize<S: Serializer>(
        moment: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(moment.as_secs())
    }

    pub(in crate::stripe) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_secs)
    }

    /// The same where there may be none.
    pub(in crate::stripe) mod maybe {
        use domain::Timestamp;
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub(in crate::stripe) fn serialize<S: Serializer>(
            moment: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            moment.map(Timestamp::as_secs).serialize(serializer)
        }

        pub(in crate::stripe) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_secs))
        }
    }
}

//! Settings, typed, from the environment: the one place that reads environment variables.
//!
//! A struct names what a function needs; field `sites_domain` is the variable `SITES_DOMAIN`. Numbers, booleans, unit
//! enums and comma-separated lists are parsed by the field's type; an `Option` or a `#[serde(default)]` may be unset.

// This is the one home that the ban in clippy.toml speaks of.
#![allow(clippy::disallowed_methods)]

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::{Error, Result};

/// Reads `T` from the environment.
///
/// # Errors
/// `internal`, naming the variable that is missing or cannot be read.
pub fn read<T: DeserializeOwned>() -> Result<T> {
    parse(optional)
}

/// A variable that must be set.
///
/// # Errors
/// `internal`, naming the variable.
pub fn required(name: &str) -> Result<String> {
    optional(name).ok_or_else(|| Error::internal(format!("environment variable {name} is not set")))
}

/// A variable that may be unset; empty counts as unset, because templates cannot leave one out.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn parse<T: DeserializeOwned>(lookup: impl Fn(&str) -> Option<String>) -> Result<T> {
    T::deserialize(Settings { lookup }).map_err(|problem| Error::internal(problem.0))
}

#[derive(Debug)]
struct Unreadable(String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("environment variable {} is not set", field.to_ascii_uppercase()))
    }
}

struct Settings<L> {
    lookup: L,
}

impl<'de, L: Fn(&str) -> Option<String>> de::Deserializer<'de> for Settings<L> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unreadable> {
        Err(Unreadable("settings are read into a struct with named fields".to_owned()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_map(Fields { lookup: self.lookup, rest: fields.iter(), found: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Fields<L> {
    lookup: L,
    rest: std::slice::Iter<'static, &'static str>,
    found: Option<Variable>,
}

impl<'de, L: Fn(&str) -> Option<String>> MapAccess<'de> for Fields<L> {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unreadable> {
        for field in self.rest.by_ref() {
            let name = field.to_ascii_uppercase();
            if let Some(text) = (self.lookup)(&name) {
                self.found = Some(Variable { name, text });
                let key: StrDeserializer<'_, Unreadable> = (*field).into_deserializer();
                return seed.deserialize(key).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Unreadable> {
        let found =
            self.found.take().ok_or_else(|| Unreadable("a value was asked for before its key".to_owned()))?;
        let name = found.name.clone();
        seed.deserialize(found)
            .map_err(|problem| Unreadable(format!("environment variable {name}: {problem}")))
    }
}

/// One variable's text, parsed into whatever the field's type asks for.
struct Variable {
    name: String,
    text: String,
}

macro_rules! parsed {
    ($($method:ident $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            let value = self.text.trim().parse().map_err(de::Error::custom)?;
            visitor.$visit(value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Variable {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.text)
    }

    parsed! {
        deserialize_bool visit_bool;
        deserialize_i8 visit_i8; deserialize_i16 visit_i16; deserialize_i32 visit_i32; deserialize_i64 visit_i64;
        deserialize_u8 visit_u8; deserialize_u16 visit_u16; deserialize_u32 visit_u32; deserialize_u64 visit_u64;
        deserialize_f32 visit_f32; deserialize_f64 visit_f64;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let parts = self.text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.collect();
        visitor.visit_seq(Parts(parts.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

struct Parts(std::vec::IntoIter<String>);

impl<'de> SeqAccess<'de> for Parts {
    type Error = Unreadable;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unreadable> {
        let part = self.0.next().map(|text| Variable { name: String::new(), text });
        part.map(|part| seed.deserialize(part)).transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Hosting {
        sites_domain: String,
        pool_size: u32,
        #[serde(default)]
        images: Vec<String>,
        note: Option<String>,
        drain: bool,
    }

    fn of(pairs: &[(&str, &str)]) -> Result<Hosting> {
        parse(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn fields_are_parsed_by_their_types() {
        let read =
            of(&[("SITES_DOMAIN", "sites.test"), ("POOL_SIZE", "5"), ("IMAGES", "a, b,"), ("DRAIN", "true")]);
        let images = vec!["a".to_owned(), "b".to_owned()];
        let expected =
            Hosting { sites_domain: "sites.test".to_owned(), pool_size: 5, images, note: None, drain: true };
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let missing = of(&[("POOL_SIZE", "5"), ("DRAIN", "true")]).unwrap_err();
        assert_eq!(missing.to_string(), "environment variable SITES_DOMAIN is not set");
        let wrong = of(&[("SITES_DOMAIN", "s"), ("POOL_SIZE", "many"), ("DRAIN", "true")]).unwrap_err();
        assert_eq!(wrong.to_string(), "environment variable POOL_SIZE: invalid digit found in string");
    }
}

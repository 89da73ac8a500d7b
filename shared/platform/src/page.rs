//! Lists in pages, with cursors that only the list they came from takes back.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{LastKey, Page, Stored};
use crate::{Error, Result};

/// How many items a page has unless the client says.
const USUAL: u32 = 50;
/// How many it has at most.
const MOST: u32 = 200;

/// The query parameters of a list. A list with filters has a struct of its own with these two fields among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many items, 1 to 200; 50 unless said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// A page as clients get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listed<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page begins; null after the last.
    pub next_cursor: Option<String>,
}

/// A client's wish for a page, checked: what to give to `Query`, and what makes the answer.
#[derive(Debug, Clone)]
pub struct Paging {
    /// For `Query::limit`.
    pub limit: u32,
    /// For `Query::after`.
    pub after: Option<LastKey>,
    binding: String,
    key: String,
}

impl Paging {
    /// Checks a client's wish. `binding` says whose list it is and of what: a cursor of another binding is not accepted.
    pub(crate) fn open(
        key: String,
        binding: String,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Self> {
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Error::invalid("?limit", format!("from 1 to {MOST}")));
        }
        let after = cursor.map(|cursor| verify(&key, &binding, cursor)).transpose()?;
        Ok(Self { limit, after, binding, key })
    }

    /// The page as the client gets it.
    pub fn listed<T, U>(&self, page: Page<T>, view: impl FnMut(Stored<T>) -> U) -> Listed<U> {
        let next_cursor = page.last.as_ref().map(|last| sign(&self.key, &self.binding, last));
        Listed { items: page.items.into_iter().map(view).collect(), next_cursor }
    }
}

fn mac(key: &str, binding: &str, payload: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    // The length keeps binding and payload from running into each other.
    context.update(&(binding.len() as u64).to_be_bytes());
    context.update(binding.as_bytes());
    context.update(payload);
    context.sign()
}

/// 16 bytes of the code, then the payload.
const CODE: usize = 16;

fn sign(key: &str, binding: &str, last: &LastKey) -> String {
    let payload = serde_json::to_vec(last).expect("a key is a map of texts");
    let tag = mac(key, binding, &payload);
    BASE64_URL_SAFE_NO_PAD.encode([&tag.as_ref()[..CODE], &payload].concat())
}

fn verify(key: &str, binding: &str, cursor: &str) -> Result<LastKey> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::InvalidCursor)?;
    let (code, payload) = bytes.split_at_checked(CODE).ok_or(Error::InvalidCursor)?;
    if !crate::hash::same(&mac(key, binding, payload).as_ref()[..CODE], code) {
        return Err(Error::InvalidCursor);
    }
    serde_json::from_slice(payload).map_err(|_| Error::InvalidCursor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn last() -> LastKey {
        serde_json::from_str(r#"{"pk":{"s":"ORG#1"},"sk":{"s":"SITE#2"}}"#).unwrap()
    }

    #[test]
    fn a_cursor_opens_the_list_it_came_from_and_no_other() {
        let cursor = sign("key", "org_1/list_sites", &last());
        assert_eq!(verify("key", "org_1/list_sites", &cursor).unwrap(), last());
        for (key, binding) in
            [("key", "org_2/list_sites"), ("key", "org_1/list_hosts"), ("other", "org_1/list_sites")]
        {
            assert_eq!(verify(key, binding, &cursor).unwrap_err().code(), "invalid_cursor");
        }
        let mut tampered = cursor.clone();
        tampered.replace_range(30..31, if &cursor[30..31] == "A" { "B" } else { "A" });
        for wrong in [tampered.as_str(), "", "AAAA", "ü", &cursor[1..]] {
            assert_eq!(verify("key", "org_1/list_sites", wrong).unwrap_err().status(), 400);
        }
    }

    #[test]
    fn a_limit_has_its_limits() {
        let open = |limit| Paging::open(String::new(), String::new(), limit, None);
        assert_eq!(open(None).unwrap().limit, 50);
        assert_eq!(open(Some(200)).unwrap().limit, 200);
        assert_eq!(open(Some(0)).unwrap_err().status(), 422);
        assert_eq!(open(Some(201)).unwrap_err().status(), 422);
    }
}

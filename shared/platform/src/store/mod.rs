//! The area's table: typed reads and conditional writes on DynamoDB.
//!
//! An item is the stored type's fields at the top level and an envelope: `pk`, `sk`, `kind`, `v` (version), the keys of
//! indexes, `expires_at` (TTL), `event` (the fact that the last write caused) and the lease. Absent fields (`None`) are not
//! stored. There is no scan.

mod again;
mod expression;
mod item;
mod query;
mod send;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::de::DeserializeOwned;

pub use again::again;
pub(crate) use item::{Attributes, read};
pub use item::{Index, Item, Key, SortKey, Stored};
pub use query::{LastKey, Page, Query};
pub use write::Write;

use crate::{Error, Result, config, random};

/// For conditions that need no values: `when("attribute_exists(pk)", NO_VALUES)`.
pub const NO_VALUES: [(&str, ()); 0] = [];

/// The most keys that one BatchGetItem takes.
const BATCH: usize = 100;

/// One DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) client: Client,
    /// Unset if the environment does not name it: told by the first call, so that getting a table cannot fail.
    name: Option<Arc<str>>,
    variable: &'static str,
}

impl Table {
    pub(crate) fn from_env(client: Client, variable: &'static str) -> Self {
        Self { client, name: config::optional(variable).map(Arc::from), variable }
    }

    /// The table's name.
    ///
    /// # Errors
    /// `internal` if the environment does not name it.
    pub fn name(&self) -> Result<&str> {
        let missing = || Error::internal(format!("environment variable {} is not set", self.variable));
        self.name.as_deref().ok_or_else(missing)
    }

    /// Reads an item; may miss a write of the last second.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>> {
        self.get_item(key, false).await
    }

    /// Reads an item as every acknowledged write left it; twice the price.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn get_consistent<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>> {
        self.get_item(key, true).await
    }

    async fn get_item<T: DeserializeOwned>(&self, key: &Key, consistent: bool) -> Result<Option<Stored<T>>> {
        let call = self.client.get_item().table_name(self.name()?).set_key(Some(key.attributes()));
        let answer = call.consistent_read(consistent).send().await.map_err(failed)?;
        answer.item.map(read).transpose()
    }

    /// Reads items of one type; what is not there is left out. In the order of the keys.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Stored<T>>> {
        self.get_items(keys).await?.into_iter().flatten().map(Item::parse).collect()
    }

    /// Reads items of one type as every acknowledged write left them; twice the price.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn get_many_consistent<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Stored<T>>> {
        self.batch(keys, true).await?.into_iter().flatten().map(Item::parse).collect()
    }

    /// Reads items of any types, each in its key's place.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn get_items(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.batch(keys, false).await
    }

    /// Reads items of any types as every acknowledged write left them; twice the price.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn get_items_consistent(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.batch(keys, true).await
    }

    async fn batch(&self, keys: &[Key], consistent: bool) -> Result<Vec<Option<Item>>> {
        let mut found: HashMap<Key, Item> = HashMap::new();
        // DynamoDB refuses a batch that names an item twice.
        let unique: Vec<&Key> = keys.iter().collect::<HashSet<_>>().into_iter().collect();
        for batch in unique.chunks(BATCH) {
            let mut wanted: Vec<Attributes> = batch.iter().map(|key| key.attributes()).collect();
            let mut tries = 0;
            while !wanted.is_empty() {
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(consistent)
                    .build()
                    .map_err(Error::caused)?;
                let call = self.client.batch_get_item().request_items(self.name()?, keys);
                let answer = call.send().await.map_err(failed)?;
                for item in answer.responses.unwrap_or_default().into_values().flatten().map(Item) {
                    found.insert(item.key(), item);
                }
                let rest = answer.unprocessed_keys.unwrap_or_default();
                wanted = rest.into_values().flat_map(|rest| rest.keys).collect();
                if !wanted.is_empty() {
                    tries += 1;
                    send::pause(tries).await?;
                }
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// One page of a query.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn query<T: DeserializeOwned>(&self, mut query: Query) -> Result<Page<T>> {
        let condition = query.key_condition();
        if let Some(fault) = query.placeholders.fault {
            return Err(Error::internal(fault));
        }
        let mut call = self.client.query().table_name(self.name()?).key_condition_expression(condition);
        if let Some(index) = query.index {
            call = call.index_name(index.name());
        }
        if let Some(limit) = query.limit {
            call = call.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        }
        if !query.filters.is_empty() {
            call = call.filter_expression(query.filters.join(" AND "));
        }
        let answer = call
            .consistent_read(query.consistent)
            .scan_index_forward(!query.backwards)
            .set_exclusive_start_key(query.after.map(LastKey::into_attributes))
            .set_expression_attribute_names(query.placeholders.names())
            .set_expression_attribute_values(query.placeholders.values())
            .send()
            .await
            .map_err(failed)?;
        let items = answer.items.unwrap_or_default().into_iter().map(read).collect::<Result<_>>()?;
        let last = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(LastKey::from_attributes);
        Ok(Page { items, last })
    }

    /// Every item of a query, page after page: only where the number is bounded by a rule.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn query_all<T: DeserializeOwned>(&self, query: Query) -> Result<Vec<Stored<T>>> {
        let mut all = Vec::new();
        let mut next = Some(query.clone());
        while let Some(page) = next.take() {
            let page = self.query(page).await?;
            all.extend(page.items);
            next = page.last.map(|last| query.clone().after(Some(last)));
        }
        Ok(all)
    }
}

/// A failure of DynamoDB.
fn failed<E, R>(error: aws_sdk_dynamodb::error::SdkError<E, R>) -> Error
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    Error::aws("dynamodb", error)
}

/// A random part of a time that doubles with each try: those who collided do not collide again.
fn full_jitter(tries: u32) -> std::time::Duration {
    let longest = 10_u64.saturating_mul(1 << tries.min(5));
    std::time::Duration::from_millis(random::below(longest + 1))
}

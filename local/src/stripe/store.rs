//! Everything Stripe holds, by kind and id: in memory, and in SQLite before it is acknowledged.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::Value;

use super::value::int;

/// All objects of a kind, by id.
pub(super) type Objects = BTreeMap<String, Value>;

/// What is kept.
pub(super) struct Store {
    connection: Connection,
    kinds: BTreeMap<String, Objects>,
    /// Counts objects, so that lists know which is newer.
    sequence: i64,
}

impl Store {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// When SQLite cannot.
    pub(super) fn open(path: &Path) -> crate::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS object (
                kind TEXT NOT NULL,
                id TEXT NOT NULL,
                body TEXT NOT NULL,
                PRIMARY KEY (kind, id)
             ) WITHOUT ROWID;",
        )?;
        let mut kinds: BTreeMap<String, Objects> = BTreeMap::new();
        let mut sequence = 0;
        {
            let mut statement = connection.prepare("SELECT kind, id, body FROM object")?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            for row in rows {
                let (kind, id, body) = row?;
                let value: Value = serde_json::from_str(&body)?;
                sequence = sequence.max(int(&value["_seq"]));
                kinds.entry(kind).or_default().insert(id, value);
            }
        }
        Ok(Self { connection, kinds, sequence })
    }

    pub(super) fn next_number(&mut self) -> i64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.kinds.get(kind)?.get(id)
    }

    /// Every object of a kind, in no order that means anything.
    pub(super) fn each(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.kinds.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    /// Every object of a kind with its id, for kinds that are no objects of Stripe's.
    pub(super) fn each_with_id(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.kinds.get(kind).into_iter().flatten().map(|(id, value)| (id.as_str(), value))
    }

    /// Sets or removes an object in memory alone, and tells what was there.
    pub(super) fn set(&mut self, kind: &str, id: &str, value: Option<Value>) -> Option<Value> {
        if !self.kinds.contains_key(kind) {
            self.kinds.insert(kind.to_owned(), Objects::new());
        }
        let objects = self.kinds.get_mut(kind)?;
        match value {
            Some(value) => objects.insert(id.to_owned(), value),
            None => objects.remove(id),
        }
    }

    pub(super) fn get_mut(&mut self, kind: &str, id: &str) -> Option<&mut Value> {
        self.kinds.get_mut(kind)?.get_mut(id)
    }

    /// Makes the present state of these objects durable, all together.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) fn keep<'key>(
        &mut self,
        keys: impl Iterator<Item = (&'key str, &'key str)>,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for (kind, id) in keys {
            match self.kinds.get(kind).and_then(|objects| objects.get(id)) {
                Some(value) => transaction
                    .prepare_cached(
                        "INSERT INTO object (kind, id, body) VALUES (?1, ?2, ?3)
                         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                    )?
                    .execute(params![kind, id, value.to_string()])?,
                None => transaction
                    .prepare_cached("DELETE FROM object WHERE kind = ?1 AND id = ?2")?
                    .execute(params![kind, id])?,
            };
        }
        transaction.commit()
    }
}

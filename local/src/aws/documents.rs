//! Durable documents of the small emulators: every change is in SQLite before it is acknowledged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The file that holds them all.
pub(super) struct Documents {
    connection: Mutex<Connection>,
}

impl Documents {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// When SQLite cannot.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Arc<Self>> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS document (
                kind TEXT NOT NULL,
                id TEXT NOT NULL,
                body TEXT NOT NULL,
                PRIMARY KEY (kind, id)
             ) WITHOUT ROWID;",
        )?;
        Ok(Arc::new(Self { connection: Mutex::new(connection) }))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One change of a shelf: a new value for an id, or its removal.
pub(super) type Change<T> = (String, Option<T>);

/// All documents of one kind, also kept in memory, ordered by id.
pub(super) struct Shelf<T> {
    documents: Arc<Documents>,
    kind: &'static str,
    kept: Mutex<BTreeMap<String, T>>,
}

impl<T: Serialize + DeserializeOwned + Clone> Shelf<T> {
    /// Reads what is kept.
    ///
    /// # Errors
    /// When SQLite fails or a document is not of this form (an older stack's data).
    pub(super) fn open(documents: &Arc<Documents>, kind: &'static str) -> crate::Result<Self> {
        let mut kept = BTreeMap::new();
        {
            let connection = documents.lock();
            let mut statement = connection.prepare("SELECT id, body FROM document WHERE kind = ?1")?;
            let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            for row in rows {
                let (id, body) = row?;
                kept.insert(id, serde_json::from_str(&body)?);
            }
        }
        Ok(Self { documents: Arc::clone(documents), kind, kept: Mutex::new(kept) })
    }

    /// One document.
    #[must_use]
    pub(super) fn get(&self, id: &str) -> Option<T> {
        self.lock().get(id).cloned()
    }

    /// All documents, by id.
    #[must_use]
    pub(super) fn all(&self) -> Vec<T> {
        self.lock().values().cloned().collect()
    }

    /// Looks at all documents without copying them.
    pub(super) fn look<R>(&self, look: impl FnOnce(&BTreeMap<String, T>) -> R) -> R {
        look(&self.lock())
    }

    /// Decides changes while nobody else can change anything, and makes them durable all together.
    ///
    /// # Errors
    /// Whatever was decided, or SQLite's failure; then nothing has changed.
    pub(super) fn change<R, E: From<rusqlite::Error> + From<serde_json::Error>>(
        &self,
        decide: impl FnOnce(&BTreeMap<String, T>) -> Result<(Vec<Change<T>>, R), E>,
    ) -> Result<R, E> {
        let mut kept = self.lock();
        let (changes, result) = decide(&kept)?;
        let mut connection = self.documents.lock();
        let transaction = connection.transaction()?;
        for (id, value) in &changes {
            match value {
                Some(value) => transaction
                    .prepare_cached(
                        "INSERT INTO document (kind, id, body) VALUES (?1, ?2, ?3)
                         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                    )?
                    .execute(params![self.kind, id, serde_json::to_string(value)?])?,
                None => transaction
                    .prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?
                    .execute(params![self.kind, id])?,
            };
        }
        transaction.commit()?;
        for (id, value) in changes {
            match value {
                Some(value) => kept.insert(id, value),
                None => kept.remove(&id),
            };
        }
        Ok(result)
    }

    /// Puts one document.
    ///
    /// # Errors
    /// SQLite's failure.
    pub(super) fn put<E: From<rusqlite::Error> + From<serde_json::Error>>(
        &self,
        id: &str,
        value: T,
    ) -> Result<(), E> {
        self.change(|_| Ok((vec![(id.to_owned(), Some(value))], ())))
    }

    /// Removes one document, if it is there.
    ///
    /// # Errors
    /// SQLite's failure.
    pub(super) fn remove<E: From<rusqlite::Error> + From<serde_json::Error>>(
        &self,
        id: &str,
    ) -> Result<(), E> {
        self.change(|_| Ok((vec![(id.to_owned(), None)], ())))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_put_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.db");
        let shelf = Shelf::<u32>::open(&Documents::open(&path).unwrap(), "number").unwrap();
        shelf.put::<crate::Error>("one", 1).unwrap();
        shelf.put::<crate::Error>("two", 2).unwrap();
        shelf.remove::<crate::Error>("one").unwrap();
        let again = Shelf::<u32>::open(&Documents::open(&path).unwrap(), "number").unwrap();
        assert_eq!((again.get("one"), again.get("two")), (None, Some(2)));
    }
}

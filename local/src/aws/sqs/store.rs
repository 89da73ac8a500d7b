//! The tables of queues and messages.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::super::answer::AwsError;
use super::Counts;
use super::message::Message;
use super::queue::Queue;

/// A message is in flight when it is hidden and has a receipt, delayed when it is hidden and has none.
///
/// Every index begins with what the one query that names it (`INDEXED BY`) looks for: left to itself, SQLite picks
/// another one and receiving becomes many times slower.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS queue (
        name TEXT PRIMARY KEY,
        attributes TEXT NOT NULL,
        tags TEXT NOT NULL DEFAULT '{}',
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        queue TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        grouping TEXT,
        deduplication TEXT,
        sent INTEGER NOT NULL,
        visible INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0,
        first_received INTEGER,
        receipt TEXT,
        origin TEXT
    );
    CREATE INDEX IF NOT EXISTS message_by_visibility ON message (queue, visible, seq);
    CREATE INDEX IF NOT EXISTS message_by_visibility_alone ON message (visible);
    CREATE INDEX IF NOT EXISTS message_by_receipt ON message (queue, receipt);
    CREATE INDEX IF NOT EXISTS message_by_age ON message (queue, sent);
    CREATE INDEX IF NOT EXISTS message_by_group ON message (queue, grouping, visible) WHERE grouping IS NOT NULL;
    CREATE TABLE IF NOT EXISTS deduplication (
        queue TEXT NOT NULL,
        id TEXT NOT NULL,
        message TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (queue, id)
    );
    CREATE TABLE IF NOT EXISTS move (
        handle TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        destination TEXT,
        moved INTEGER NOT NULL,
        started INTEGER NOT NULL
    );";

pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(SCHEMA)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<Queue>, AwsError> {
    let mut statement =
        connection.prepare_cached("SELECT attributes, created, modified FROM queue WHERE name = ?1")?;
    let row = statement
        .query_row([name], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((attributes, created, modified)) = row else { return Ok(None) };
    let attributes = serde_json::from_str(&attributes)?;
    Ok(Some(Queue { name: name.to_owned(), attributes, created, modified }))
}

pub(super) fn find(connection: &Connection, name: &str) -> Result<Queue, AwsError> {
    get(connection, name)?
        .ok_or_else(|| AwsError::bad("QueueDoesNotExist", "The specified queue does not exist."))
}

pub(super) fn insert(connection: &Connection, queue: &Queue, tags: &Value) -> Result<(), AwsError> {
    connection.execute(
        "INSERT INTO queue (name, attributes, tags, created, modified) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            queue.name,
            serde_json::to_string(&queue.attributes)?,
            tags.to_string(),
            queue.created,
            queue.modified
        ],
    )?;
    Ok(())
}

pub(super) fn update(connection: &Connection, queue: &Queue) -> Result<(), AwsError> {
    connection.execute(
        "UPDATE queue SET attributes = ?2, modified = ?3 WHERE name = ?1",
        params![queue.name, serde_json::to_string(&queue.attributes)?, queue.modified],
    )?;
    Ok(())
}

pub(super) fn delete(connection: &Connection, queue: &str) -> Result<(), AwsError> {
    purge(connection, queue)?;
    connection.execute("DELETE FROM deduplication WHERE queue = ?1", [queue])?;
    connection.execute("DELETE FROM queue WHERE name = ?1", [queue])?;
    Ok(())
}

pub(super) fn purge(connection: &Connection, queue: &str) -> Result<(), AwsError> {
    connection.execute("DELETE FROM message WHERE queue = ?1", [queue])?;
    Ok(())
}

pub(super) fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM queue ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

pub(super) fn counts(connection: &Connection, queue: &str, now: i64) -> Result<Counts, AwsError> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FILTER (WHERE visible <= ?2),
                count(*) FILTER (WHERE visible > ?2 AND receipt IS NOT NULL),
                count(*) FILTER (WHERE visible > ?2 AND receipt IS NULL)
         FROM message INDEXED BY message_by_visibility WHERE queue = ?1",
    )?;
    Ok(statement.query_row(params![queue, now], |row| {
        Ok(Counts { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
    })?)
}

/// The columns that [`Message::of_row`] reads, in its order.
pub(super) const COLUMNS: &str =
    "seq, id, body, attributes, grouping, deduplication, sent, receives, first_received, receipt, visible";

pub(super) fn peek(connection: &Connection, queue: &str) -> Result<Vec<Message>, AwsError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE queue = ?1 ORDER BY seq"))?;
    let messages = statement.query_map([queue], Message::of_row)?.collect::<rusqlite::Result<_>>()?;
    Ok(messages)
}

pub(super) fn tags(connection: &Connection, queue: &str, input: &Value) -> Result<Value, AwsError> {
    let kept: String =
        connection.query_row("SELECT tags FROM queue WHERE name = ?1", [queue], |row| row.get(0))?;
    let mut tags: Map<String, Value> = serde_json::from_str(&kept)?;
    let added = input["Tags"].as_object();
    let removed = input["TagKeys"].as_array();
    if added.is_none() && removed.is_none() {
        return Ok(json!({"Tags": tags}));
    }
    tags.extend(added.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    for key in removed.into_iter().flatten().filter_map(Value::as_str) {
        tags.remove(key);
    }
    let kept = serde_json::to_string(&tags)?;
    connection.execute("UPDATE queue SET tags = ?2 WHERE name = ?1", params![queue, kept])?;
    Ok(json!({}))
}

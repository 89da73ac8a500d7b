//! DynamoDB and its streams: dynoxide on one file, behind our endpoint.
//!
//! SDK calls are handed to dynoxide's own HTTP server, whose checks of a request exist nowhere else; the stack's own
//! needs (tables of the templates, streams, expiry) are met in process.

mod endpoint;
mod stream;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dynoxide::Database;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::storage::Storage;
use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::answer::AwsError;
use super::documents::{Documents, Shelf};
use crate::{Clock, Context as _, Error, Result};

pub(super) use endpoint::Units;
pub use tables::Table;

/// Stream records of a table stay at least this long, as in AWS.
const STREAM_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// How often what has expired is looked for: each look reads every item. AWS deletes within days.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// DynamoDB.
pub struct DynamoDb {
    database: Database,
    /// A second connection to the same file, whose clock is the stack's: it expires items and trims streams.
    side: Mutex<Side>,
    client: Client<HttpConnector, Full<Bytes>>,
    port: u16,
    server: tokio::task::JoinHandle<()>,
    region: String,
    account: String,
    /// How far each reader of a stream has come.
    positions: Shelf<String>,
    written: watch::Sender<Writes>,
    streams: stream::Streams,
}

/// How often each table was written to.
#[derive(Debug, Default)]
pub struct Writes {
    by_table: BTreeMap<String, u64>,
    /// Writes of which nobody knows the table.
    anywhere: u64,
}

impl Writes {
    /// How often a table may have been written to: as long as this stays, its stream does too.
    #[must_use]
    pub fn of(&self, table: &str) -> u64 {
        self.by_table.get(table).copied().unwrap_or(0) + self.anywhere
    }
}

struct Side {
    storage: Storage,
    connection: rusqlite::Connection,
    swept: domain::Timestamp,
}

struct StackClock(Clock);

impl dynoxide::storage_backend::Clock for StackClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_secs()).unwrap_or(0)
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_millis() as f64 / 1_000.0
    }
}

impl DynamoDb {
    pub(super) async fn open(
        data: &Path,
        documents: &Arc<Documents>,
        clock: &Clock,
        region: &str,
        account: &str,
    ) -> Result<Self> {
        let path = data.join("dynamodb.db");
        let path = path.to_str().ok_or_else(|| Error::new("the data folder's name is not UTF-8"))?;
        let database = Database::new(path).context("opening DynamoDB's file")?;
        // Its "normal" mode: a crash of the process loses nothing, and no write waits for the disk.
        database.disable_bulk_loading().context("opening DynamoDB's file")?;
        let storage = Storage::new(path).context("opening DynamoDB's file")?;
        let storage = storage.with_clock(Arc::new(StackClock(clock.clone())));
        let connection = rusqlite::Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // Without this index every write to a table with a stream reads the whole stream (docs/local-aws.md).
        connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS stream_by_sequence
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
        )?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(64).build(connector);
        Ok(Self {
            database,
            side: Mutex::new(Side { storage, connection, swept: clock.now() }),
            client,
            port,
            server,
            region: region.to_owned(),
            account: account.to_owned(),
            positions: Shelf::open(documents, "stream-position")?,
            written: watch::Sender::default(),
            streams: stream::Streams::default(),
        })
    }

    /// The ARN of a table.
    #[must_use]
    pub fn table_arn(&self, table: &str) -> String {
        format!("{}{table}", self.arn_prefix())
    }

    fn arn_prefix(&self) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/", self.region, self.account)
    }

    /// Tells of every write to any table; for the pollers of the streams.
    #[must_use]
    pub fn writes(&self) -> watch::Receiver<Writes> {
        self.written.subscribe()
    }

    /// A table was written to; any, if nobody knows which.
    fn wrote<'a>(&self, tables: impl IntoIterator<Item = &'a str>) {
        self.written.send_modify(|written| {
            let mut named = false;
            for table in tables {
                *written.by_table.entry(table.to_owned()).or_default() += 1;
                named = true;
            }
            written.anywhere += u64::from(!named);
        });
    }

    /// All items of a table as plain JSON, in key order; for the page and for tests.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn items(&self, table: &str) -> Result<Vec<Value>, AwsError> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut request = json!({"TableName": table, "ConsistentRead": true});
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let request: ScanRequest = serde_json::from_value(request)?;
            #[allow(
                clippy::disallowed_methods,
                reason = "the page shows whole tables; no function ever does"
            )]
            let page = self.database.scan(request).map_err(refused)?;
            let mut page = serde_json::to_value(page)?;
            if let Some(Value::Array(found)) = page.get_mut("Items").map(Value::take) {
                items.extend(found.iter().map(plain_item));
            }
            start = page.get_mut("LastEvaluatedKey").map(Value::take).unwrap_or_default();
            if start.is_null() {
                return Ok(items);
            }
        }
    }

    /// Puts an item of plain JSON, as [`DynamoDb::items`] shows it; for tests that begin in the middle of a story.
    ///
    /// # Errors
    /// As PutItem.
    pub fn put_item(&self, table: &str, item: &Value) -> Result<(), AwsError> {
        let item = stored_value(item)["M"].take();
        let request = serde_json::from_value(json!({"TableName": table, "Item": item}))?;
        self.database.put_item(request).map_err(refused)?;
        self.wrote([table]);
        Ok(())
    }

    /// Deletes what has expired, if that was not done within the last hour.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn sweep_when_due(&self, now: domain::Timestamp) -> Result<()> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(side.swept) < SWEEP {
            return Ok(());
        }
        side.swept = now;
        drop(side);
        self.sweep_expired().map(drop)
    }

    /// Deletes what has expired by the stack's clock, as DynamoDB does within days: the stream shows each deletion.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn sweep_expired(&self) -> Result<usize> {
        let side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        // The native backend never waits inside its futures.
        let swept = dynoxide::ttl::sweep_expired_items(&side.storage).now_or_never();
        let count = swept.ok_or_else(|| Error::new("the sweep of expired items did not finish"))??;
        drop(side);
        if count > 0 {
            self.wrote([]);
        }
        Ok(count)
    }

    /// Drops stream records that are older than a day and that every reader has passed.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn trim_streams(&self) -> Result<()> {
        let readers = self.positions.look(|positions| positions.clone());
        let side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = side.connection.prepare("SELECT DISTINCT table_name FROM _stream_records")?;
        let tables: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for table in tables {
            let suffix = format!("@{table}");
            let passed = readers.iter().filter(|(reader, _)| reader.ends_with(&suffix));
            let Some(passed) = passed.filter_map(|(_, position)| stream::stored(position)).min() else {
                continue;
            };
            side.connection.execute(
                "DELETE FROM _stream_records
                 WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) < ?2
                   AND created_at < unixepoch() - ?3",
                rusqlite::params![table, passed, STREAM_RETENTION.as_secs()],
            )?;
        }
        Ok(())
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A refusal of dynoxide's, for who calls in process.
fn refused(error: dynoxide::DynoxideError) -> AwsError {
    let code = error.error_type().rsplit('#').next().unwrap_or_default().to_owned();
    AwsError::new(error.status_code(), code, error.to_string())
}

fn plain_item(item: &Value) -> Value {
    let attributes = item.as_object().into_iter().flatten();
    Value::Object(attributes.map(|(name, value)| (name.clone(), plain(value))).collect())
}

/// `{"S": "x"}` to `"x"`, and so on.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|fields| fields.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "N" => inner.as_str().map_or(Value::Null, plain_number),
        "NS" => Value::Array(
            inner.as_array().into_iter().flatten().filter_map(Value::as_str).map(plain_number).collect(),
        ),
        "L" => Value::Array(inner.as_array().into_iter().flatten().map(plain).collect()),
        "M" => plain_item(inner),
        "NULL" => Value::Null,
        _ => inner.clone(),
    }
}

/// `"x"` to `{"S": "x"}`, and so on; a list becomes a list, never a set.
fn stored_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(truth) => json!({"BOOL": truth}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(values) => json!({"L": values.iter().map(stored_value).collect::<Vec<_>>()}),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), stored_value(value)));
            json!({"M": fields.collect::<serde_json::Map<_, _>>()})
        }
    }
}

/// A number as JSON can hold it; a longer one stays text.
fn plain_number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

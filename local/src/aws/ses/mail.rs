//! Mails that were sent: kept, for people and tests to read.

use std::path::Path;
use std::sync::PoisonError;

use domain::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::super::answer::AwsError;
use super::Ses;

/// A mail as it left.
#[derive(Debug, Clone, Serialize)]
pub struct Mail {
    /// SES's id of it.
    pub id: String,
    /// The sender, as in the request.
    pub from: String,
    /// Who receives it: plain addresses.
    pub to: Vec<String>,
    /// The whole MIME message.
    pub raw: String,
    /// The configuration set it was sent with.
    pub configuration_set: Option<String>,
    /// When it was sent.
    pub at: Timestamp,
}

pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         CREATE TABLE IF NOT EXISTS mail (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            sender TEXT NOT NULL,
            recipients TEXT NOT NULL,
            raw TEXT NOT NULL,
            configuration_set TEXT,
            at INTEGER NOT NULL,
            weight INTEGER NOT NULL
         );
         CREATE INDEX IF NOT EXISTS mail_by_time ON mail (at);",
    )?;
    Ok(connection)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Mail> {
    let recipients: String = row.get(2)?;
    Ok(Mail {
        id: row.get(0)?,
        from: row.get(1)?,
        to: recipients.split('\n').map(str::to_owned).collect(),
        raw: row.get(3)?,
        configuration_set: row.get(4)?,
        at: Timestamp::from_millis(row.get(5)?),
    })
}

const COLUMNS: &str = "id, sender, recipients, raw, configuration_set, at";

impl Ses {
    fn mails_file(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, mail: &Mail) -> Result<(), AwsError> {
        self.mails_file().execute(
            "INSERT INTO mail (id, sender, recipients, raw, configuration_set, at, weight)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                mail.id,
                mail.from,
                mail.to.join("\n"),
                mail.raw,
                mail.configuration_set,
                mail.at.as_millis(),
                mail.to.len()
            ],
        )?;
        Ok(())
    }

    /// Recipients of the mails sent since a moment.
    pub(super) fn sent_since(&self, moment: Timestamp) -> Result<u32, AwsError> {
        let file = self.mails_file();
        let mut statement = file.prepare_cached("SELECT coalesce(sum(weight), 0) FROM mail WHERE at > ?1")?;
        Ok(statement.query_row([moment.as_millis()], |row| row.get(0))?)
    }

    /// The latest mails, oldest first.
    #[must_use]
    pub fn mails(&self, most: usize) -> Vec<Mail> {
        let file = self.mails_file();
        let sql =
            format!("SELECT {COLUMNS} FROM (SELECT * FROM mail ORDER BY seq DESC LIMIT ?1) ORDER BY seq");
        let read = || -> rusqlite::Result<Vec<Mail>> {
            file.prepare_cached(&sql)?.query_map([most], of_row)?.collect()
        };
        read().unwrap_or_default()
    }

    /// All mails to an address, oldest first.
    #[must_use]
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        let file = self.mails_file();
        let sql = format!(
            "SELECT {COLUMNS} FROM mail
             WHERE instr(char(10) || lower(recipients) || char(10), char(10) || lower(?1) || char(10)) > 0 ORDER BY seq"
        );
        let read = || -> rusqlite::Result<Vec<Mail>> {
            file.prepare_cached(&sql)?.query_map([address], of_row)?.collect()
        };
        read().unwrap_or_default()
    }

    /// One mail.
    #[must_use]
    pub fn mail(&self, id: &str) -> Option<Mail> {
        let file = self.mails_file();
        let sql = format!("SELECT {COLUMNS} FROM mail WHERE id = ?1");
        file.prepare_cached(&sql).ok()?.query_row([id], of_row).ok()
    }
}

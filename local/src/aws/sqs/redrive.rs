//! Dead letters: where messages go that fail too often, and how they come back.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::super::answer::AwsError;
use super::super::ids;
use super::queue::{Queue, name_of_arn};
use super::{Arrivals, Sqs, store};

/// Moves what was received too often to the dead-letter queue; says which queue that is if anything moved.
pub(super) fn bury(connection: &Connection, queue: &Queue, now: i64) -> Result<Option<String>, AwsError> {
    let Some(redrive) = queue.redrive() else { return Ok(None) };
    let moved = connection
        .prepare_cached(
            "UPDATE message INDEXED BY message_by_visibility
             SET queue = ?2, origin = ?1, visible = ?3, receipt = NULL
             WHERE queue = ?1 AND visible <= ?3 AND receives >= ?4",
        )?
        .execute(params![queue.name, redrive.dead_letters, now, redrive.max_receives])?;
    Ok((moved > 0).then_some(redrive.dead_letters))
}

impl Sqs {
    pub(super) fn start_move(
        &self,
        connection: &Connection,
        input: &Value,
        arrivals: &mut Arrivals,
    ) -> Result<Value, AwsError> {
        let named = |field: &str| input[field].as_str().map(name_of_arn);
        let not_found = |field: &str| {
            let told = format!("The resource that you specified for the {field} parameter doesn't exist.");
            AwsError::new(404, "ResourceNotFoundException", told)
        };
        let source = named("SourceArn").unwrap_or_default();
        if store::get(connection, source)?.is_none() {
            return Err(not_found("SourceArn"));
        }
        let now = self.now();
        let destination = named("DestinationArn");
        let moved = match destination {
            Some(destination) => {
                if store::get(connection, destination)?.is_none() {
                    return Err(not_found("DestinationArn"));
                }
                arrivals.push(destination.to_owned());
                connection.execute(
                    "UPDATE message SET queue = ?2, visible = ?3, receives = 0, receipt = NULL, origin = NULL
                     WHERE queue = ?1 AND visible <= ?3",
                    params![source, destination, now],
                )?
            }
            // Without a destination every message goes back to the queue in which it failed.
            None => {
                let mut statement = connection
                    .prepare("SELECT DISTINCT origin FROM message WHERE queue = ?1 AND origin IS NOT NULL")?;
                for origin in statement.query_map([source], |row| row.get(0))? {
                    arrivals.push(origin?);
                }
                connection.execute(
                    "UPDATE message SET queue = origin, visible = ?2, receives = 0, receipt = NULL, origin = NULL
                     WHERE queue = ?1 AND visible <= ?2 AND origin IS NOT NULL",
                    params![source, now],
                )?
            }
        };
        let handle = ids::uuid();
        connection.execute(
            "INSERT INTO move (handle, source, destination, moved, started) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![handle, source, destination, moved, now],
        )?;
        Ok(json!({"TaskHandle": handle}))
    }
}

pub(super) fn list_moves(connection: &Connection, input: &Value) -> Result<Value, AwsError> {
    let source = input["SourceArn"].as_str().map(name_of_arn).unwrap_or_default();
    let mut statement = connection.prepare(
        "SELECT handle, moved, started FROM move WHERE source = ?1 ORDER BY started DESC LIMIT 10",
    )?;
    let rows = statement.query_map([source], |row| {
        Ok(json!({
            "TaskHandle": row.get::<_, String>(0)?,
            "Status": "COMPLETED",
            "SourceArn": input["SourceArn"],
            "ApproximateNumberOfMessagesMoved": row.get::<_, i64>(1)?,
            "StartedTimestamp": row.get::<_, i64>(2)?,
        }))
    })?;
    let results = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(json!({"Results": results}))
}

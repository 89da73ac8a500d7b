//! Putting events on the bus: in batches as large as it takes, again what it refuses for now, aside what it never takes.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use domain::operations::{BATCH_BYTES, batches, entry_bytes};
use platform::event::EventEnvelope;
use platform::{App, Error, Result};
use serde::Deserialize;

/// How often an event is offered in one invocation. What is left after that comes again with the stream's next batch.
const ROUNDS: u32 = 4;
/// The wait before the second round; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// The bus.
pub struct Relay {
    client: Client,
    bus: String,
}

/// An event on its way from a stream to the bus.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Its place in the stream.
    pub sequence: String,
    /// The event as JSON.
    pub detail: String,
    source: String,
    kind: String,
    at: DateTime,
}

/// An event that the bus did not take.
#[derive(Debug)]
pub struct Returned {
    /// The event.
    pub parcel: Parcel,
    /// What the bus said.
    pub reason: String,
    /// Whether it would say the same for ever.
    pub for_good: bool,
}

#[derive(Deserialize)]
struct Settings {
    bus: String,
}

impl Parcel {
    /// Wraps an event.
    ///
    /// # Errors
    /// `internal`, if it cannot be written as JSON.
    pub fn new(sequence: String, event: &EventEnvelope) -> Result<Self> {
        let area = event.kind.split('.').next().unwrap_or_default();
        let detail = serde_json::to_string(event).map_err(Error::caused)?;
        let at = DateTime::from_millis(event.at.as_millis());
        Ok(Self { sequence, detail, source: format!("tenantry.{area}"), kind: event.kind.clone(), at })
    }

    fn bytes(&self) -> usize {
        entry_bytes(&self.source, &self.kind, &self.detail)
    }

    fn entry(&self, bus: &str) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(&self.source)
            .detail_type(&self.kind)
            .detail(&self.detail)
            .time(self.at)
            .build()
    }
}

impl Relay {
    /// The bus that the environment names.
    ///
    /// # Errors
    /// `internal`, if it names none.
    pub fn of(app: &App) -> Result<Self> {
        let Settings { bus } = app.config()?;
        Ok(Self { client: Client::new(app.aws()), bus })
    }

    /// Puts events on the bus in their order, and returns those that it did not take.
    pub async fn put(&self, parcels: Vec<Parcel>) -> Vec<Returned> {
        let (fitting, oversized): (Vec<_>, Vec<_>) =
            parcels.into_iter().partition(|parcel| parcel.bytes() <= BATCH_BYTES);
        let reason = format!("the event is larger than the {BATCH_BYTES} bytes that the bus takes");
        let mut returned: Vec<Returned> = oversized
            .into_iter()
            .map(|parcel| Returned { parcel, reason: reason.clone(), for_good: true })
            .collect();

        let mut waiting = fitting;
        for round in 1..=ROUNDS {
            let mut again = Vec::new();
            for batch in batches(std::mem::take(&mut waiting), Parcel::bytes) {
                for refused in self.offer(batch).await {
                    if refused.for_good || round == ROUNDS {
                        returned.push(refused);
                    } else {
                        again.push(refused.parcel);
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            waiting = again;
            tokio::time::sleep(PAUSE * 2_u32.pow(round - 1)).await;
        }
        returned
    }

    /// One call; what of it the bus did not take.
    async fn offer(&self, batch: Vec<Parcel>) -> Vec<Returned> {
        let entries = batch.iter().map(|parcel| parcel.entry(&self.bus)).collect();
        match self.client.put_events().set_entries(Some(entries)).send().await {
            Ok(answer) => refused(batch, answer.entries()),
            Err(error) => {
                // Nobody can tell which of them is to blame, if any is: all stay in the stream until people have looked.
                let reason = Error::aws("eventbridge", error).to_string();
                batch
                    .into_iter()
                    .map(|parcel| Returned { parcel, reason: reason.clone(), for_good: false })
                    .collect()
            }
        }
    }
}

/// Pairs a batch with the bus's answers, which come in the batch's order, and keeps what was refused.
fn refused(batch: Vec<Parcel>, answers: &[PutEventsResultEntry]) -> Vec<Returned> {
    let mut answers = answers.iter();
    let mut returned = Vec::new();
    for parcel in batch {
        let code = match answers.next() {
            Some(answer) => answer.error_code(),
            None => Some("MissingAnswer"),
        };
        if let Some(code) = code {
            returned.push(Returned { parcel, reason: code.to_owned(), for_good: is_for_good(code) });
        }
    }
    returned
}

/// What the bus says of an event that is wrong in itself; load, faults and missing rights may pass.
fn is_for_good(code: &str) -> bool {
    matches!(code, "InvalidArgument" | "MalformedDetail" | "ValidationException" | "EntrySizeExceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(sequence: &str) -> Parcel {
        Parcel {
            sequence: sequence.to_owned(),
            detail: "{}".to_owned(),
            source: "tenantry.hosting".to_owned(),
            kind: "hosting.site_requested".to_owned(),
            at: DateTime::from_secs(1),
        }
    }

    #[test]
    fn only_what_was_refused_comes_back() {
        let taken = PutEventsResultEntry::builder().event_id("e").build();
        let busy = PutEventsResultEntry::builder().error_code("ThrottlingException").build();
        let wrong = PutEventsResultEntry::builder().error_code("MalformedDetail").build();
        let batch = ["1", "2", "3", "4"].map(parcel).to_vec();
        let returned = refused(batch, &[taken, busy, wrong]);
        let told: Vec<_> = returned
            .iter()
            .map(|one| (one.parcel.sequence.as_str(), one.reason.as_str(), one.for_good))
            .collect();
        assert_eq!(
            told,
            [
                ("2", "ThrottlingException", false),
                ("3", "MalformedDetail", true),
                ("4", "MissingAnswer", false)
            ]
        );
    }
}

//! What starts functions besides HTTP: messages of queues, changes of tables, times.

pub mod queue;
pub mod schedule;
pub mod stream;

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::stack::Core;
use crate::template::model::Trigger;

/// Starts a poller for each mapping of the model; they end when the set is dropped.
#[must_use]
pub fn start(core: &Arc<Core>) -> JoinSet<()> {
    let mut pollers = JoinSet::new();
    for function in &core.model.functions {
        for trigger in &function.triggers {
            match trigger {
                Trigger::Queue(source) => {
                    pollers.spawn(queue::poll(Arc::clone(core), function.clone(), source.clone()));
                }
                Trigger::Stream(source) => {
                    pollers.spawn(stream::poll(Arc::clone(core), function.clone(), source.clone()));
                }
                Trigger::Http(_) | Trigger::Schedule(_) => {}
            }
        }
    }
    pollers
}

/// The ids that a function reported as failed; `None` means that the whole batch failed.
fn reported_failures(reply: &[u8]) -> Option<Vec<String>> {
    let value: serde_json::Value = serde_json::from_slice(reply).ok()?;
    let Some(failures) = value.get("batchItemFailures").and_then(|list| list.as_array()) else {
        // Lambda takes null, {} and a missing list for success.
        return (value.is_null() || value.is_object()).then(Vec::new);
    };
    failures
        .iter()
        .map(|failure| Some(failure.get("itemIdentifier")?.as_str().filter(|id| !id.is_empty())?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::reported_failures;

    #[test]
    fn failures_are_read_as_lambda_reads_them() {
        for (reply, failures) in [
            (r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, Some(vec!["a".to_owned()])),
            (r#"{"batchItemFailures":[]}"#, Some(vec![])),
            ("{}", Some(vec![])),
            ("null", Some(vec![])),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, None),
            (r#"{"batchItemFailures":[{"id":"a"}]}"#, None),
            ("\"done\"", None),
        ] {
            assert_eq!(reported_failures(reply.as_bytes()), failures, "{reply}");
        }
    }
}

//! EventBridge: rustack's buses, rules and patterns, delivering into our queues.
//!
//! PutEvents is answered once every matching queue durably holds its message, so a crash loses nothing acknowledged.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::Timestamp;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use rustack_events_core::config::EventsConfig;
use rustack_events_core::delivery::{DeliveryError, Target, TargetDelivery};
use rustack_events_core::handler::RustackEventsHandler;
use rustack_events_core::provider::RustackEvents;
use rustack_events_http::dispatch::dispatch_operation;
use rustack_events_http::response::error_to_response;
use rustack_events_http::router::resolve_operation;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::answer::AwsError;
use super::rights::{self, Needed};
use super::sqs::Sqs;
use crate::Clock;

/// Total size of the entries of one PutEvents.
const MOST_BYTES: usize = 256 * 1_024;

/// Deliveries that failed, kept for the page; older ones are forgotten.
const KEPT_FAILURES: usize = 100;

/// EventBridge.
pub struct Events {
    provider: Arc<RustackEvents>,
    handler: RustackEventsHandler,
    delivery: Arc<ToQueues>,
    clock: Clock,
    region: String,
    account: String,
}

/// A delivery that AWS would have retried for a day and then dropped.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Undelivered {
    /// The ARN of the target.
    pub target: String,
    /// Why it could not be delivered.
    pub reason: String,
    /// The event.
    pub event: String,
}

struct ToQueues {
    sqs: Arc<Sqs>,
    clock: Clock,
    /// Deliveries that ended, well or not: PutEvents waits for its own.
    ended: watch::Sender<u64>,
    failures: Mutex<VecDeque<Undelivered>>,
    matched: AtomicU64,
}

impl fmt::Debug for ToQueues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ToQueues")
    }
}

/// Counts a delivery as ended even if its task is dropped.
struct Ended<'a>(&'a ToQueues);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.ended.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl TargetDelivery for ToQueues {
    fn validate(&self, target: &Target) -> Result<(), DeliveryError> {
        if target.arn.starts_with("arn:aws:sqs:") {
            Ok(())
        } else {
            Err(DeliveryError::Unsupported(format!("{} is not a queue", target.arn)))
        }
    }

    async fn deliver(&self, target: &Target, event: &str) -> Result<(), DeliveryError> {
        let _ended = Ended(self);
        self.matched.fetch_add(1, Ordering::Relaxed);
        let group = target.sqs_parameters.as_ref().map(|parameters| parameters.message_group_id.clone());
        let delivered = self.send(&target.arn, event, group).await;
        delivered.map_err(|reason| {
            let failure =
                Undelivered { target: target.arn.clone(), reason: reason.clone(), event: event.to_owned() };
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            if failures.len() == KEPT_FAILURES {
                failures.pop_front();
            }
            failures.push_back(failure);
            DeliveryError::TargetError(reason)
        })
    }
}

impl ToQueues {
    async fn send(&self, arn: &str, event: &str, group: Option<String>) -> Result<(), String> {
        let queue = arn.rsplit(':').next().unwrap_or_default();
        self.admitted(arn, queue)?;
        let mut input = json!({"QueueUrl": queue, "MessageBody": as_aws_writes(event, self.clock.now())});
        if let Some(group) = group {
            input["MessageGroupId"] = json!(group);
        }
        self.sqs.call("SendMessage", &input).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// EventBridge may send to a queue only if the queue's own policy says so.
    fn admitted(&self, arn: &str, queue: &str) -> Result<(), String> {
        let policy = self.sqs.attribute(queue, "Policy").unwrap_or_default();
        let policy: Value = serde_json::from_str(&policy).unwrap_or_default();
        let admits = |statement: &Value| {
            let texts = |field: &Value| match field {
                Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                Value::String(text) => vec![text.clone()],
                _ => Vec::new(),
            };
            statement["Effect"] == "Allow"
                && texts(&statement["Principal"]["Service"])
                    .iter()
                    .any(|service| service == "events.amazonaws.com")
                && texts(&statement["Action"])
                    .iter()
                    .any(|action| rights::matches(&action.to_ascii_lowercase(), "sqs:sendmessage"))
                && texts(&statement["Resource"]).iter().any(|resource| rights::matches(resource, arn))
        };
        let statements = match &policy["Statement"] {
            Value::Array(statements) => statements.iter().any(admits),
            single => admits(single),
        };
        if statements {
            Ok(())
        } else {
            Err(format!("the policy of the queue {queue} does not let events.amazonaws.com send to it"))
        }
    }
}

/// rustack writes nanoseconds and one field too many.
fn as_aws_writes(event: &str, now: Timestamp) -> String {
    let Ok(mut event) = serde_json::from_str::<Value>(event) else { return event.to_owned() };
    // A target's input path or transformer may have made something else of the event.
    if let Some(fields) = event.as_object_mut().filter(|fields| fields.contains_key("detail-type")) {
        let time =
            fields.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok()).unwrap_or(now);
        let seconds = Timestamp::from_secs(time.as_secs()).to_string().replace(".000Z", "Z");
        fields.insert("time".to_owned(), Value::String(seconds));
        fields.remove("event-bus-name");
    }
    event.to_string()
}

impl Events {
    pub(super) fn new(sqs: &Arc<Sqs>, clock: &Clock, region: &str, account: &str) -> Self {
        let config = EventsConfig {
            default_region: region.to_owned(),
            account_id: account.to_owned(),
            ..EventsConfig::default()
        };
        let delivery = Arc::new(ToQueues {
            sqs: Arc::clone(sqs),
            clock: clock.clone(),
            ended: watch::Sender::new(0),
            failures: Mutex::default(),
            matched: AtomicU64::new(0),
        });
        let provider = Arc::new(RustackEvents::new(config, Arc::clone(&delivery) as Arc<dyn TargetDelivery>));
        let handler = RustackEventsHandler::new(Arc::clone(&provider));
        let (region, account) = (region.to_owned(), account.to_owned());
        Self { provider, handler, delivery, clock: clock.clone(), region, account }
    }

    /// The ARN of a bus.
    #[must_use]
    pub fn bus_arn(&self, bus: &str) -> String {
        format!("arn:aws:events:{}:{}:event-bus/{bus}", self.region, self.account)
    }

    pub(super) fn needs(&self, operation: &str, input: &Value) -> Vec<Needed> {
        let arn = |bus: &Value| match bus.as_str() {
            Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
            bus => self.bus_arn(bus.unwrap_or("default")),
        };
        let action = format!("events:{operation}");
        match operation {
            "PutEvents" => {
                let entries = input["Entries"].as_array().into_iter().flatten();
                entries.map(|entry| Needed::new(&*action, arn(&entry["EventBusName"]))).collect()
            }
            "DescribeEventBus" => vec![Needed::new(action, arn(&input["Name"]))],
            _ => vec![Needed::new(action, "*")],
        }
    }

    /// Plays one operation.
    ///
    /// # Errors
    /// As EventBridge refuses.
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        if operation != "PutEvents" {
            return self.rustack(operation, input).await;
        }
        let input = self.prepared(input)?;
        let answer = self.rustack(operation, &input).await?;
        let accepted = self.provider.delivery_stats().accepted;
        let mut ended = self.delivery.ended.subscribe();
        // The deliveries are made in order, so this many ended means that ours are among them.
        let _ = ended.wait_for(|ended| *ended >= accepted).await;
        Ok(answer)
    }

    /// Refuses what rustack lets pass, and gives every entry the stack's time.
    fn prepared(&self, input: &Value) -> Result<Value, AwsError> {
        let mut input = input.clone();
        let Some(entries) = input["Entries"].as_array_mut().filter(|entries| !entries.is_empty()) else {
            return Err(AwsError::bad(
                "ValidationException",
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ));
        };
        if entries.iter().map(entry_size).sum::<usize>() > MOST_BYTES {
            return Err(AwsError::bad(
                "ValidationException",
                "Total size of the entries in the request is over the limit.",
            ));
        }
        for entry in entries {
            let bus = entry["EventBusName"].as_str().unwrap_or("default");
            let bus = bus.rsplit('/').next().unwrap_or(bus);
            if !self.has_bus(bus) {
                let told = format!("Event bus {bus} does not exist.");
                return Err(AwsError::bad("ResourceNotFoundException", told));
            }
            let detail =
                entry["Detail"].as_str().and_then(|detail| serde_json::from_str::<Value>(detail).ok());
            // Without an object as its detail rustack would route the entry; AWS fails it, as rustack fails bad JSON.
            if !detail.is_some_and(|detail| detail.is_object()) {
                entry["Detail"] = json!("");
            }
            let time = match &entry["Time"] {
                Value::Number(seconds) => {
                    Timestamp::from_millis((seconds.as_f64().unwrap_or(0.0) * 1_000.0) as i64)
                }
                _ => self.clock.now(),
            };
            entry["Time"] = json!(time.to_string());
        }
        Ok(input)
    }

    fn has_bus(&self, bus: &str) -> bool {
        let described = serde_json::from_value(json!({"Name": bus}));
        described.is_ok_and(|input| self.provider.handle_describe_event_bus(&input).is_ok())
    }

    async fn rustack(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let mut headers = HeaderMap::new();
        let target = format!("AWSEvents.{operation}");
        headers.insert("x-amz-target", target.parse().map_err(AwsError::internal)?);
        let outcome = match resolve_operation(&headers) {
            Ok(operation) => dispatch_operation(&self.handler, operation, input.to_string().into()).await,
            Err(error) => Err(error),
        };
        let response = outcome.unwrap_or_else(|error| error_to_response(&error, ""));
        let status = response.status();
        let body = response.into_body().collect().await.map_err(AwsError::internal)?.to_bytes();
        AwsError::of_json(status, &body)
    }

    /// Makes a bus, if it is not there; its ARN.
    ///
    /// # Errors
    /// When the name is not valid.
    pub async fn create_bus(&self, bus: &str) -> Result<String, AwsError> {
        match self.call("CreateEventBus", &json!({"Name": bus})).await {
            Err(error) if error.code != "ResourceAlreadyExistsException" => Err(error),
            _ => Ok(self.bus_arn(bus)),
        }
    }

    /// Makes or replaces a rule; its ARN.
    ///
    /// # Errors
    /// When the bus is missing or the pattern is not valid.
    pub async fn put_rule(
        &self,
        bus: &str,
        rule: &str,
        pattern: &Value,
        enabled: bool,
    ) -> Result<String, AwsError> {
        let state = if enabled { "ENABLED" } else { "DISABLED" };
        let pattern = pattern.to_string();
        let input = json!({"Name": rule, "EventBusName": bus, "EventPattern": pattern, "State": state});
        let answer = self.call("PutRule", &input).await?;
        Ok(answer["RuleArn"].as_str().unwrap_or_default().to_owned())
    }

    /// Sets targets of a rule, as `AWS::Events::Rule` writes them; they must be queues.
    ///
    /// # Errors
    /// When the rule is missing or a target is not a queue.
    pub async fn put_targets(&self, bus: &str, rule: &str, targets: &Value) -> Result<(), AwsError> {
        for target in targets.as_array().into_iter().flatten() {
            let arn = target["Arn"].as_str().unwrap_or_default();
            if !arn.starts_with("arn:aws:sqs:") {
                return Err(AwsError::bad(
                    "ValidationException",
                    format!("{arn} is not a queue; only queues are played as targets."),
                ));
            }
        }
        let input = json!({"Rule": rule, "EventBusName": bus, "Targets": targets});
        let answer = self.call("PutTargets", &input).await?;
        match answer["FailedEntries"].as_array().and_then(|failed| failed.first()) {
            Some(failed) => Err(AwsError::bad("ValidationException", failed["ErrorMessage"].to_string())),
            None => Ok(()),
        }
    }

    /// Says why EventBridge could not deliver to a queue; for checking a deployed template.
    ///
    /// # Errors
    /// The reason.
    pub fn check_target(&self, arn: &str) -> Result<(), String> {
        let queue = arn.rsplit(':').next().unwrap_or_default();
        self.delivery.sqs.counts(queue).map_err(|error| error.to_string())?;
        self.delivery.admitted(arn, queue)
    }

    /// Puts an event of an AWS service on a bus.
    ///
    /// # Errors
    /// As PutEvents, including a refused entry.
    pub async fn put_event(
        &self,
        bus: &str,
        source: &str,
        kind: &str,
        detail: &Value,
        resources: &[&str],
    ) -> Result<(), AwsError> {
        let entry = json!({
            "EventBusName": bus,
            "Resources": resources,
            "Source": source,
            "DetailType": kind,
            "Detail": detail.to_string(),
        });
        let answer = self.call("PutEvents", &json!({"Entries": [entry]})).await?;
        match answer["Entries"][0]["ErrorMessage"].as_str() {
            Some(message) => Err(AwsError::new(500, "InternalFailure", message)),
            None => Ok(()),
        }
    }

    /// Deliveries that failed, oldest first.
    #[must_use]
    pub fn undelivered(&self) -> Vec<Undelivered> {
        self.delivery.failures.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// How many deliveries were tried since the start.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.delivery.matched.load(Ordering::Relaxed)
    }
}

fn entry_size(entry: &Value) -> usize {
    let texts = ["Source", "DetailType", "Detail"].iter().filter_map(|field| entry[*field].as_str());
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    texts.map(str::len).sum::<usize>() + time
}

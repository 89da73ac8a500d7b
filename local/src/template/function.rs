//! Reads `AWS::Serverless::Function` with what the template's Globals say of all functions.

use std::time::Duration;

use serde_json::Value;

use super::fields::{Fields, last_part};
use super::model::{Function, QueueSource, Role, Route, Schedule, StreamSource, Trigger};
use super::yaml::{Data, Node};
use crate::Result;
use crate::aws::rights::Statement;

/// What CloudFormation merges under a function's own properties.
#[must_use]
pub(super) fn merged(global: Option<&Node>, own: &Node) -> Node {
    let Some(global) = global else { return own.clone() };
    match (&global.data, &own.data) {
        (Data::Map(general), Data::Map(special)) => {
            let mut entries: Vec<(String, Node)> = Vec::new();
            for (key, value) in general {
                let value = special
                    .iter()
                    .find(|(name, _)| name == key)
                    .map_or_else(|| value.clone(), |(_, own)| merged(Some(value), own));
                entries.push((key.clone(), value));
            }
            let fresh = special.iter().filter(|(key, _)| !general.iter().any(|(known, _)| known == key));
            entries.extend(fresh.cloned());
            own.with(Data::Map(entries))
        }
        (Data::List(general), Data::List(special)) => {
            own.with(Data::List(general.iter().chain(special).cloned().collect()))
        }
        _ => own.clone(),
    }
}

/// Reads one function from its resolved properties.
///
/// # Errors
/// With file and line, for anything missing or not understood.
pub(super) fn read(id: &str, stack: &str, area: &str, node: &Node, roles: &[Role]) -> Result<Function> {
    let fields = Fields::of(node, format!("the function {id}"))?;
    fields.skip(&[
        "Architectures",
        "Description",
        "Handler",
        "Tracing",
        "LoggingConfig",
        "Tags",
        "EphemeralStorage",
        "AutoPublishAlias",
        "DeploymentPreference",
        "PermissionsBoundary",
        "DeadLetterQueue",
        "EventInvokeConfig",
        "SnapStart",
        "Layers",
        "RolePath",
        "PropagateTags",
    ]);
    if let Some(runtime) = fields.get("Runtime")
        && runtime.text()? != "provided.al2023"
    {
        return Err(runtime.fault("functions are Rust binaries: the Runtime must be provided.al2023"));
    }
    let code = fields.text("CodeUri")?;
    let verb = last_part(code.trim_end_matches('/')).to_owned();
    let environment = match fields.get("Environment") {
        Some(environment) => Fields::of(environment, "Environment")?.map("Variables")?,
        None => Default::default(),
    };
    let mut triggers = Vec::new();
    for (name, event) in fields.get("Events").map(Node::entries).unwrap_or_default() {
        triggers.extend(trigger(&format!("{stack}-{id}{name}"), event)?);
    }
    let mut statements = match fields.get("Policies") {
        Some(policies) => policies_of(policies)?,
        None => Vec::new(),
    };
    if let Some(role) = fields.get("Role") {
        let arn = role.text()?;
        let role = roles
            .iter()
            .find(|known| known.arn == arn)
            .ok_or_else(|| role.fault(format!("no role {arn}")))?;
        statements.extend(role.statements.iter().cloned());
    }
    let function = Function {
        name: fields.maybe_text("FunctionName")?.unwrap_or_else(|| format!("{stack}-{id}")),
        id: id.to_owned(),
        verb,
        area: area.to_owned(),
        place: format!("{}:{}", node.file, node.line),
        environment,
        timeout: fields.seconds("Timeout")?.unwrap_or(Duration::from_secs(3)),
        memory: fields.number("MemorySize")?.unwrap_or(128),
        reserved_concurrency: fields
            .number("ReservedConcurrentExecutions")?
            .map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        statements,
        triggers,
    };
    fields.done()?;
    Ok(function)
}

/// What an event of the template means; nothing when it is switched off.
fn trigger(name: &str, event: &Node) -> Result<Option<Trigger>> {
    let outer = Fields::of(event, "an event")?;
    let kind = outer.text("Type")?;
    let properties = outer.need("Properties")?;
    outer.done()?;
    let fields = Fields::of(properties, format!("an event of type {kind}"))?;
    let is_off = fields.maybe_truth("Enabled")? == Some(false)
        || fields.maybe_text("State")?.as_deref() == Some("DISABLED");
    let trigger = match kind.as_str() {
        "HttpApi" => {
            if fields.maybe_text("PayloadFormatVersion")?.is_some_and(|version| version != "2.0") {
                return Err(properties.fault("only payload format 2.0 is played"));
            }
            fields.skip(&["TimeoutInMillis", "RouteSettings"]);
            Trigger::Http(Route {
                api: fields.text("ApiId")?,
                method: fields.text("Method")?.to_ascii_uppercase(),
                path: fields.text("Path")?,
            })
        }
        "SQS" => {
            let source = QueueSource {
                queue: last_part(&fields.text("Queue")?).to_owned(),
                batch_size: size(&fields, 10)?,
                window: fields.seconds("MaximumBatchingWindowInSeconds")?.unwrap_or_default(),
                reports_failures: reports(&fields)?,
                concurrency: match fields.get("ScalingConfig") {
                    Some(scaling) => Fields::of(scaling, "ScalingConfig")?
                        .number("MaximumConcurrency")?
                        .map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
                    None => None,
                },
            };
            Trigger::Queue(source)
        }
        "DynamoDB" => Trigger::Stream(stream(&fields)?),
        "ScheduleV2" | "Schedule" => {
            let zone = fields.maybe_text("ScheduleExpressionTimezone")?.unwrap_or_else(|| "UTC".to_owned());
            let field = if kind == "Schedule" { "Schedule" } else { "ScheduleExpression" };
            let schedule = Schedule {
                name: fields.maybe_text("Name")?.unwrap_or_else(|| name.to_owned()),
                expression: fields.text(field)?,
                zone,
                input: fields.maybe_text("Input")?,
                place: format!("{}:{}", properties.file, properties.line),
            };
            crate::sources::schedule::Times::parse(&schedule).map_err(|fault| properties.fault(fault))?;
            fields.skip(&[
                "Description",
                "FlexibleTimeWindow",
                "RetryPolicy",
                "DeadLetterConfig",
                "GroupName",
                "OmitName",
                "RoleArn",
                "PermissionsBoundary",
            ]);
            Trigger::Schedule(schedule)
        }
        other => {
            return Err(event.fault(format!(
                "events of type {other} are not played: a bus rule delivers to a queue, and the queue starts the function"
            )));
        }
    };
    fields.done()?;
    Ok((!is_off).then_some(trigger))
}

fn size(fields: &Fields<'_>, default: u64) -> Result<usize> {
    Ok(usize::try_from(fields.number("BatchSize")?.unwrap_or(default)).unwrap_or(usize::MAX).max(1))
}

fn reports(fields: &Fields<'_>) -> Result<bool> {
    Ok(fields.texts("FunctionResponseTypes")?.iter().any(|kind| kind == "ReportBatchItemFailures"))
}

fn stream(fields: &Fields<'_>) -> Result<StreamSource> {
    let arn = fields.need("Stream")?;
    let text = arn.text()?;
    let table = text.split(":table/").nth(1).and_then(|rest| rest.split('/').next());
    let table = table.ok_or_else(|| arn.fault(format!("`{text}` is no stream of a table")))?.to_owned();
    let mut filters = Vec::new();
    if let Some(criteria) = fields.get("FilterCriteria") {
        for filter in Fields::of(criteria, "FilterCriteria")?.need("Filters")?.items()? {
            let pattern = Fields::of(filter, "a filter")?.text("Pattern")?;
            filters.push(
                serde_json::from_str(&pattern)
                    .map_err(|fault| filter.fault(format!("the pattern is no JSON: {fault}")))?,
            );
        }
    }
    let on_failure = match fields.get("DestinationConfig") {
        Some(config) => {
            let failure = Fields::of(config, "DestinationConfig")?.need("OnFailure")?;
            Some(last_part(&Fields::of(failure, "OnFailure")?.text("Destination")?).to_owned())
        }
        None => None,
    };
    let retries = match fields.maybe_text("MaximumRetryAttempts")? {
        Some(text) => text.parse::<u32>().ok(),
        None => None,
    };
    let source = StreamSource {
        table,
        batch_size: size(fields, 100)?,
        window: fields.seconds("MaximumBatchingWindowInSeconds")?.unwrap_or_default(),
        reports_failures: reports(fields)?,
        bisects: fields.truth("BisectBatchOnFunctionError")?,
        retries,
        oldest: fields.seconds("MaximumRecordAgeInSeconds")?,
        filters,
        on_failure,
    };
    // One shard is read in order, which is what a parallelization factor keeps for each key.
    fields.skip(&["StartingPosition", "ParallelizationFactor"]);
    Ok(source)
}

fn policies_of(policies: &Node) -> Result<Vec<Statement>> {
    let list = match &policies.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(policies),
    };
    let mut statements = Vec::new();
    for policy in list {
        if policy.get("Statement").is_none() {
            return Err(policy.fault(
                "a policy must be written out as Statement, so that the local endpoint can enforce it",
            ));
        }
        statements.extend(statements_of(policy)?);
    }
    Ok(statements)
}

/// The statements of a policy document.
///
/// # Errors
/// With file and line, for what the endpoint could not enforce.
pub(super) fn statements_of(document: &Node) -> Result<Vec<Statement>> {
    Statement::parse_policy(&json_without(document, &["Version", "Id"]))
        .map_err(|fault| document.fault(fault))
}

fn json_without(document: &Node, skipped: &[&str]) -> Value {
    let mut json = document.json();
    if let Value::Object(fields) = &mut json {
        fields.retain(|field, _| !skipped.contains(&field.as_str()));
    }
    json
}

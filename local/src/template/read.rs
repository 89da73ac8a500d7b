//! From template files to the model: nested applications in the order of their references, then every resource.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::fields::{Fields, last_part};
use super::function;
use super::model::{Api, Cors, Model, Queue, Role, Rule, Table, Trigger, Zone};
use super::resources::{self, NOT_PLAYED, kind};
use super::scope::{Scope, Surroundings};
use super::yaml::{self, Data, Node};
use crate::{Context, Error, Result};

/// Reads the root template and all that it nests.
///
/// # Errors
/// With file and line, for anything that the local stack does not understand.
pub fn read(
    root: &Path,
    stack: &str,
    around: Surroundings,
    parameters: &BTreeMap<String, String>,
) -> Result<Model> {
    let folder = root.parent().unwrap_or(Path::new(".")).to_owned();
    let document = load(&folder, root)?;
    let given =
        parameters.iter().map(|(name, value)| (name.clone(), document.text_here(value.clone()))).collect();
    let mut model = Model::default();
    let mut reading = Reading { folder: folder.clone(), around: Arc::new(around), model: &mut model };
    let outputs = reading.stack(root, stack.to_owned(), "root", document, &given, &[])?;
    model.outputs =
        outputs.into_iter().filter_map(|(name, node)| Some((name, node.text().ok()?.to_owned()))).collect();
    check(&mut model)?;
    Ok(model)
}

fn load(folder: &Path, path: &Path) -> Result<Node> {
    let shown = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let text = std::fs::read_to_string(path).context(format!("cannot read the template {shown}"))?;
    yaml::parse(&shown, &text)
}

struct Reading<'model> {
    folder: PathBuf,
    around: Arc<Surroundings>,
    model: &'model mut Model,
}

impl Reading<'_> {
    fn stack(
        &mut self,
        path: &Path,
        name: String,
        area: &str,
        document: Node,
        given: &BTreeMap<String, Node>,
        above: &[PathBuf],
    ) -> Result<BTreeMap<String, Node>> {
        let mut scope = Scope::new(name, Arc::clone(&self.around), document, given)?;
        for id in nested_in_order(&scope)? {
            let outputs = self.application(&scope, &id, path, above)?;
            scope.nested(&id, outputs);
        }
        self.resources(&scope, area)?;
        scope.outputs()
    }

    fn application(
        &mut self,
        scope: &Scope,
        id: &str,
        path: &Path,
        above: &[PathBuf],
    ) -> Result<BTreeMap<String, Node>> {
        let Some(node) = scope.root.get("Resources").and_then(|all| all.get(id)) else {
            return Ok(BTreeMap::new());
        };
        let properties =
            node.get("Properties").ok_or_else(|| node.fault("an application needs Properties"))?;
        let resolved =
            scope.resolve(properties)?.ok_or_else(|| node.fault("an application needs Properties"))?;
        let fields = Fields::of(&resolved, format!("the application {id}"))?;
        let location = fields.need("Location")?;
        let parameters =
            fields.get("Parameters").map(Node::entries).unwrap_or_default().iter().cloned().collect();
        fields.skip(&["Tags", "TimeoutInMinutes", "NotificationARNs"]);
        fields.done()?;
        let file = path.parent().unwrap_or(Path::new(".")).join(location.text()?);
        if above.contains(&file) {
            return Err(location.fault("this application nests itself"));
        }
        let document = load(&self.folder, &file).map_err(|fault| location.fault(fault))?;
        let area = file
            .parent()
            .and_then(Path::file_name)
            .map_or_else(String::new, |name| name.to_string_lossy().into());
        let above: Vec<PathBuf> = above.iter().cloned().chain([path.to_owned(), file.clone()]).collect();
        self.stack(&file, format!("{}-{id}", scope.stack), &area, document, &parameters, &above)
    }

    fn resources(&mut self, scope: &Scope, area: &str) -> Result<()> {
        // Functions may name a role of their own template, wherever in it that stands.
        for (id, node) in scope.resources()? {
            if kind(node)? == "AWS::IAM::Role" {
                self.role(scope, id, node)?;
            }
        }
        for (id, node) in scope.resources()? {
            let outer = Fields::of(node, format!("the resource {id}"))?;
            outer.skip(&[
                "Type",
                "Condition",
                "DependsOn",
                "DeletionPolicy",
                "UpdateReplacePolicy",
                "Metadata",
                "Properties",
            ]);
            outer.done()?;
            self.resource(scope, id, node, area)?;
        }
        Ok(())
    }

    fn resource(&mut self, scope: &Scope, id: &str, node: &Node, area: &str) -> Result<()> {
        let kind = kind(node)?;
        if NOT_PLAYED.contains(&kind) || matches!(kind, "AWS::Serverless::Application" | "AWS::IAM::Role") {
            return Ok(());
        }
        let empty = node.with(Data::Map(Vec::new()));
        let written = node.get("Properties").unwrap_or(&empty);
        let globals = |of: &str| scope.root.get("Globals").and_then(|globals| globals.get(of));
        let merged = match kind {
            "AWS::Serverless::Function" => function::merged(globals("Function"), written),
            "AWS::Serverless::HttpApi" => function::merged(globals("HttpApi"), written),
            _ => written.clone(),
        };
        let properties =
            scope.resolve(&merged)?.ok_or_else(|| node.fault("a resource cannot be AWS::NoValue"))?;
        let fields = Fields::of(&properties, format!("{kind} {id}"))?;
        let name = resources::name(scope, id, node)?;
        match kind {
            "AWS::Serverless::Function" => {
                let read = function::read(id, &scope.stack, area, &properties, &self.model.roles)?;
                self.model.functions.push(read);
                return Ok(());
            }
            "AWS::Serverless::HttpApi" => {
                self.model.apis.push(api(&fields, resources::api_id(&scope.stack, id))?)
            }
            "AWS::DynamoDB::Table" => {
                self.model.tables.push(table(&properties, name));
                return Ok(());
            }
            "AWS::SQS::Queue" => self.model.queues.push(queue(&fields, name)?),
            "AWS::SQS::QueuePolicy" => self.policy(&fields)?,
            "AWS::Events::EventBus" => {
                fields.skip(&["Name", "Description", "Tags", "DeadLetterConfig"]);
                self.model.buses.push(name);
            }
            "AWS::Events::Rule" => self.model.rules.push(rule(&fields, name, node)?),
            "AWS::Route53::HostedZone" => {
                fields.skip(&["Name", "HostedZoneConfig", "HostedZoneTags"]);
                self.model.zones.push(Zone {
                    id: resources::zone_id(&name),
                    name: name.trim_end_matches('.').to_owned(),
                });
            }
            "AWS::SES::EmailIdentity" => {
                fields.skip(&[
                    "EmailIdentity",
                    "ConfigurationSetAttributes",
                    "DkimAttributes",
                    "DkimSigningAttributes",
                    "FeedbackAttributes",
                    "MailFromAttributes",
                ]);
                self.model.identities.push(name);
            }
            "AWS::SES::ConfigurationSet" => {
                fields.skip(&[
                    "Name",
                    "DeliveryOptions",
                    "ReputationOptions",
                    "SendingOptions",
                    "SuppressionOptions",
                    "TrackingOptions",
                    "VdmOptions",
                ]);
                self.model.configuration_sets.entry(name).or_default();
            }
            "AWS::SES::ConfigurationSetEventDestination" => {
                let set = fields.text("ConfigurationSetName")?;
                let destination = Fields::of(fields.need("EventDestination")?, "EventDestination")?;
                destination.skip(&["Name", "Enabled"]);
                destination.need("EventBridgeDestination")?;
                let types = destination.texts("MatchingEventTypes")?;
                destination.done()?;
                self.model.configuration_sets.entry(set).or_default().extend(types);
            }
            "AWS::IAM::InstanceProfile" => {
                fields.skip(&["InstanceProfileName", "Path"]);
                let role = fields.texts("Roles")?.into_iter().next().unwrap_or_default();
                let arn = format!("arn:aws:iam::{}:role/{role}", scope.around.account);
                self.model.profiles.insert(name, arn);
            }
            "AWS::S3::Bucket" => {
                fields.skip(&[
                    "BucketName",
                    "BucketEncryption",
                    "PublicAccessBlockConfiguration",
                    "VersioningConfiguration",
                    "LifecycleConfiguration",
                    "OwnershipControls",
                    "Tags",
                ]);
                self.model.buckets.push(name);
            }
            "AWS::SecretsManager::Secret" => {
                fields.skip(&[
                    "Name",
                    "Description",
                    "GenerateSecretString",
                    "SecretString",
                    "KmsKeyId",
                    "Tags",
                ]);
                if !scope.around.secrets.contains_key(&name) {
                    return Err(node.fault(format!("the local stack makes no secret `{name}`")));
                }
            }
            other => {
                return Err(
                    node.fault(format!("resources of type {other} are not played by the local stack"))
                );
            }
        }
        fields.done()
    }

    fn role(&mut self, scope: &Scope, id: &str, node: &Node) -> Result<()> {
        let properties = node.get("Properties").ok_or_else(|| node.fault("a role needs Properties"))?;
        let resolved = scope.resolve(properties)?.ok_or_else(|| node.fault("a role needs Properties"))?;
        let fields = Fields::of(&resolved, format!("the role {id}"))?;
        fields.skip(&["RoleName", "Description", "MaxSessionDuration", "Path", "Tags", "ManagedPolicyArns"]);
        fields.need("AssumeRolePolicyDocument")?;
        let mut statements = Vec::new();
        if let Some(policies) = fields.get("Policies") {
            for policy in policies.items()? {
                let policy = Fields::of(policy, "a role's policy")?;
                policy.skip(&["PolicyName"]);
                statements.extend(function::statements_of(policy.need("PolicyDocument")?)?);
            }
        }
        fields.done()?;
        let name = resources::name(scope, id, node)?;
        self.model
            .roles
            .push(Role { arn: format!("arn:aws:iam::{}:role/{name}", scope.around.account), statements });
        Ok(())
    }

    fn policy(&mut self, fields: &Fields<'_>) -> Result<()> {
        let document = fields.need("PolicyDocument")?.json();
        let queues = fields.texts("Queues")?;
        let policies = queues.iter().map(|url| (last_part(url).to_owned(), document.clone()));
        self.model.queue_policies.extend(policies);
        Ok(())
    }
}

/// The nested applications of a template, each after those whose outputs it needs.
fn nested_in_order(scope: &Scope) -> Result<Vec<String>> {
    let present = scope.resources()?;
    let mut waiting: BTreeMap<&str, (&Node, BTreeSet<String>)> = BTreeMap::new();
    for (id, node) in &present {
        if kind(node)? == "AWS::Serverless::Application" {
            let mut found = Vec::new();
            Scope::references(node, &mut found);
            if let Some(depends) = node.get("DependsOn") {
                match &depends.data {
                    Data::List(items) => {
                        found.extend(items.iter().filter_map(|item| Some(item.text().ok()?.to_owned())))
                    }
                    _ => found.push(depends.text()?.to_owned()),
                }
            }
            waiting.insert(id, (node, found.into_iter().collect()));
        }
    }
    let all: BTreeSet<String> = waiting.keys().map(|id| (*id).to_owned()).collect();
    for (_, needs) in waiting.values_mut() {
        needs.retain(|id| all.contains(id));
    }
    let mut order: Vec<String> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().find(|(_, (_, needs))| needs.iter().all(|id| order.contains(id)));
        let Some(id) = ready.map(|(id, _)| *id) else {
            let circle = waiting.keys().copied().collect::<Vec<_>>().join(", ");
            let at = waiting.values().next().map(|(node, _)| *node);
            let message = format!("these applications need each other's outputs in a circle: {circle}");
            return Err(at.map_or_else(|| Error::new(message.clone()), |node| node.fault(&message)));
        };
        waiting.remove(id);
        order.push(id.to_owned());
    }
    Ok(order)
}

fn api(fields: &Fields<'_>, id: String) -> Result<Api> {
    fields.skip(&[
        "Name",
        "Description",
        "StageName",
        "DefaultRouteSettings",
        "AccessLogSettings",
        "Tags",
        "FailOnWarnings",
        "DisableExecuteApiEndpoint",
        "RouteSettings",
        "PropagateTags",
    ]);
    let cors = match fields.get("CorsConfiguration") {
        Some(node) => {
            let cors = Fields::of(node, "CorsConfiguration")?;
            let read = Cors {
                origins: cors.texts("AllowOrigins")?,
                methods: cors.texts("AllowMethods")?,
                headers: cors.texts("AllowHeaders")?,
                exposed: cors.texts("ExposeHeaders")?,
                max_age: cors.number("MaxAge")?,
                credentials: cors.truth("AllowCredentials")?,
            };
            cors.done()?;
            Some(read)
        }
        None => None,
    };
    Ok(Api { id, cors })
}

/// DynamoDB itself tells what it does not understand of a table's properties.
fn table(properties: &Node, name: String) -> Table {
    let mut definition = properties.json();
    definition["TableName"] = Value::String(name.clone());
    Table { name, definition }
}

fn queue(fields: &Fields<'_>, name: String) -> Result<Queue> {
    fields.skip(&["QueueName", "Tags", "KmsMasterKeyId", "RedriveAllowPolicy"]);
    let mut attributes = BTreeMap::new();
    for (property, attribute) in [
        ("VisibilityTimeout", "VisibilityTimeout"),
        ("DelaySeconds", "DelaySeconds"),
        ("MessageRetentionPeriod", "MessageRetentionPeriod"),
        ("ReceiveMessageWaitTimeSeconds", "ReceiveMessageWaitTimeSeconds"),
        ("MaximumMessageSize", "MaximumMessageSize"),
        ("FifoQueue", "FifoQueue"),
        ("ContentBasedDeduplication", "ContentBasedDeduplication"),
        ("SqsManagedSseEnabled", "SqsManagedSseEnabled"),
    ] {
        if let Some(text) = fields.maybe_text(property)? {
            attributes.insert(attribute.to_owned(), text);
        }
    }
    if let Some(redrive) = fields.get("RedrivePolicy") {
        attributes.insert("RedrivePolicy".to_owned(), redrive.json().to_string());
    }
    Ok(Queue { name, attributes, holds_dead_letters: false })
}

fn rule(fields: &Fields<'_>, name: String, node: &Node) -> Result<Rule> {
    fields.skip(&["Name", "Description"]);
    Ok(Rule {
        name,
        bus: last_part(&fields.maybe_text("EventBusName")?.unwrap_or_else(|| "default".to_owned()))
            .to_owned(),
        enabled: fields.maybe_text("State")?.is_none_or(|state| state == "ENABLED"),
        pattern: fields.need("EventPattern")?.json(),
        targets: fields.need("Targets")?.items()?.iter().map(Node::json).collect(),
        place: format!("{}:{}", node.file, node.line),
    })
}

/// What only shows when all templates are read: rules that may not deliver, routes stated twice, sources that are not there.
fn check(model: &mut Model) -> Result<()> {
    let dead: BTreeSet<String> = model
        .queues
        .iter()
        .filter_map(|queue| {
            let policy: Value = serde_json::from_str(queue.attributes.get("RedrivePolicy")?).ok()?;
            Some(last_part(policy["deadLetterTargetArn"].as_str()?).to_owned())
        })
        .collect();
    for queue in &mut model.queues {
        queue.holds_dead_letters = dead.contains(&queue.name) || queue.name.ends_with("-dead-letters");
    }
    // A queue can only be created after the one its dead letters go to.
    model.queues.sort_by_key(|queue| !queue.holds_dead_letters);
    for rule in &model.rules {
        for target in &rule.targets {
            let queue = last_part(target["Arn"].as_str().unwrap_or_default());
            if !model.queues.iter().any(|known| known.name == queue) {
                return Err(Error::new(format!(
                    "{}: the rule delivers to {queue}, which is no queue",
                    rule.place
                )));
            }
        }
    }
    let mut routes = BTreeSet::new();
    for (route, function) in model.routes() {
        if !routes.insert((route.method.clone(), route.path.clone())) {
            return Err(Error::new(format!(
                "{}: {} {} is stated twice",
                function.place, route.method, route.path
            )));
        }
    }
    for function in &model.functions {
        for trigger in &function.triggers {
            let missing = match trigger {
                Trigger::Queue(source) if !model.queues.iter().any(|queue| queue.name == source.queue) => {
                    &source.queue
                }
                Trigger::Stream(source) if !model.tables.iter().any(|table| table.name == source.table) => {
                    &source.table
                }
                _ => continue,
            };
            return Err(Error::new(format!(
                "{}: {} is started by {missing}, which is not there",
                function.place, function.id
            )));
        }
    }
    Ok(())
}

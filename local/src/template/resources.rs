//! What `Ref` and `GetAtt` say of each type of resource, before anything is deployed.

use super::scope::Scope;
use super::yaml::Node;
use crate::Result;

/// Types that a template may hold and that mean nothing on one machine.
pub(super) const NOT_PLAYED: &[&str] = &[
    "AWS::CloudFront::CachePolicy",
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::OriginRequestPolicy",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::SecurityGroup",
    "AWS::Events::Archive",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
];

/// The property that names a resource of this type.
fn naming_property(kind: &str) -> &'static str {
    match kind {
        "AWS::Serverless::Function" => "FunctionName",
        "AWS::DynamoDB::Table" => "TableName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
        "AWS::IAM::InstanceProfile" => "InstanceProfileName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::SES::EmailIdentity" => "EmailIdentity",
        "AWS::S3::Bucket" => "BucketName",
        _ => "Name",
    }
}

/// The name under which a resource exists.
///
/// # Errors
/// With file and line, when its naming property cannot be told.
pub(super) fn name(scope: &Scope, id: &str, resource: &Node) -> Result<String> {
    let property = naming_property(kind(resource)?);
    match resource.get("Properties").and_then(|properties| properties.get(property)) {
        Some(node) => scope.text(node),
        None => Ok(format!("{}-{id}", scope.stack)),
    }
}

/// The type of a resource.
///
/// # Errors
/// With file and line, when it states none.
pub(super) fn kind(resource: &Node) -> Result<&str> {
    resource.get("Type").ok_or_else(|| resource.fault("a resource needs a Type"))?.text()
}

/// A hosted zone's id, made of its name, so that it is the same on every start.
#[must_use]
pub(super) fn zone_id(zone: &str) -> String {
    let letters: String = zone.trim_end_matches('.').chars().filter(char::is_ascii_alphanumeric).collect();
    format!("Z{:0<19}", letters.to_ascii_uppercase()).chars().take(20).collect()
}

/// An HTTP API's id, made of its stack's name.
#[must_use]
pub(super) fn api_id(stack: &str, id: &str) -> String {
    format!("{stack}-{id}").to_ascii_lowercase()
}

/// What `Ref` gives.
///
/// # Errors
/// With file and line, when the name cannot be told.
pub(super) fn reference(scope: &Scope, id: &str, resource: &Node) -> Result<String> {
    let around = &scope.around;
    let name = name(scope, id, resource)?;
    Ok(match kind(resource)? {
        "AWS::SQS::Queue" => format!("{}/{}/{name}", around.aws_url, around.account),
        "AWS::SecretsManager::Secret" | "AWS::SNS::Topic" | "AWS::IAM::ManagedPolicy" => {
            arn(scope, id, resource)?
        }
        "AWS::Route53::HostedZone" => zone_id(&name),
        "AWS::Serverless::HttpApi" => api_id(&scope.stack, id),
        _ => name,
    })
}

/// The ARN of a resource.
fn arn(scope: &Scope, id: &str, resource: &Node) -> Result<String> {
    let around = &scope.around;
    let name = name(scope, id, resource)?;
    let here = |service: &str, path: String| {
        format!("arn:aws:{service}:{}:{}:{path}", around.region, around.account)
    };
    let global = |service: &str, path: String| format!("arn:aws:{service}::{}:{path}", around.account);
    Ok(match kind(resource)? {
        "AWS::Serverless::Function" => here("lambda", format!("function:{name}")),
        "AWS::DynamoDB::Table" => here("dynamodb", format!("table/{name}")),
        "AWS::SQS::Queue" => here("sqs", name),
        "AWS::SNS::Topic" => here("sns", name),
        "AWS::Events::EventBus" => here("events", format!("event-bus/{name}")),
        "AWS::Events::Rule" => {
            let bus = resource.get("Properties").and_then(|properties| properties.get("EventBusName"));
            let bus = bus.map(|node| scope.text(node)).transpose()?.unwrap_or_else(|| "default".to_owned());
            here("events", format!("rule/{}/{name}", bus.rsplit('/').next().unwrap_or_default()))
        }
        "AWS::SecretsManager::Secret" => here("secretsmanager", format!("secret:{name}")),
        "AWS::Logs::LogGroup" => here("logs", format!("log-group:{name}:*")),
        "AWS::SES::EmailIdentity" => here("ses", format!("identity/{name}")),
        "AWS::IAM::Role" => global("iam", format!("role/{name}")),
        "AWS::IAM::ManagedPolicy" => global("iam", format!("policy/{name}")),
        "AWS::IAM::InstanceProfile" => global("iam", format!("instance-profile/{name}")),
        "AWS::CloudFront::Distribution" => global("cloudfront", format!("distribution/{name}")),
        "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
        other => here("local", format!("{other}/{name}")),
    })
}

/// What `GetAtt` gives.
///
/// # Errors
/// With file and line, when this type has no such attribute.
pub(super) fn attribute(
    scope: &Scope,
    id: &str,
    resource: &Node,
    attribute: &str,
    at: &Node,
) -> Result<String> {
    let kind = kind(resource)?;
    let name = name(scope, id, resource)?;
    Ok(match (kind, attribute) {
        ("AWS::Serverless::HttpApi", "ApiEndpoint") => scope.around.api_url.clone(),
        // DynamoDB's own stream ARN ends in a time of creation; here a table has one stream for ever.
        ("AWS::DynamoDB::Table", "StreamArn") => format!("{}/stream/local", arn(scope, id, resource)?),
        ("AWS::SQS::Queue", "QueueUrl") => reference(scope, id, resource)?,
        ("AWS::SQS::Queue", "QueueName") | ("AWS::Events::EventBus", "Name") => name,
        ("AWS::Route53::HostedZone", "Id") => zone_id(&name),
        ("AWS::SecretsManager::Secret", "Id") => arn(scope, id, resource)?,
        ("AWS::IAM::Role", "RoleId") => format!("AROA{}", name.to_ascii_uppercase()),
        ("AWS::SNS::Topic", "TopicArn") => arn(scope, id, resource)?,
        (_, "Arn") => arn(scope, id, resource)?,
        ("AWS::SES::EmailIdentity", token) if token.starts_with("DkimDNSToken") => dkim_token(&name, token),
        _ if NOT_PLAYED.contains(&kind) => format!("{name}.{attribute}").to_ascii_lowercase(),
        _ => return Err(at.fault(format!("{kind} has no attribute `{attribute}` in the local stack"))),
    })
}

/// A record of SES's Easy DKIM: its name, or the name it points at.
fn dkim_token(identity: &str, attribute: &str) -> String {
    let number = attribute.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    match attribute.starts_with("DkimDNSTokenName") {
        true => format!("token{number}._domainkey.{identity}"),
        false => format!("token{number}.dkim.amazonses.com"),
    }
}

/// SAM makes a role for each function without one, `<Function>Role`, which a template may refer to.
#[must_use]
pub(super) fn role_of_function(scope: &Scope, id: &str, attribute: &str) -> Option<String> {
    let function = id.strip_suffix("Role")?;
    let resources = scope.root.get("Resources")?;
    if resources.get(id).is_some() || kind(resources.get(function)?).ok()? != "AWS::Serverless::Function" {
        return None;
    }
    (attribute == "Arn").then(|| format!("arn:aws:iam::{}:role/{}-{id}", scope.around.account, scope.stack))
}

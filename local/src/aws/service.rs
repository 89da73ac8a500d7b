//! The AWS services that the endpoint plays, and how a request names its operation.

use bytes::Bytes;
use http::request::Parts;

use super::form::Form;

/// A service, as the credential scope of a signature names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// DynamoDB and its streams.
    DynamoDb,
    /// SQS.
    Sqs,
    /// EventBridge.
    Events,
    /// Secrets Manager.
    SecretsManager,
    /// SES, version 1.
    Ses,
    /// Route 53.
    Route53,
    /// EC2.
    Ec2,
    /// S3.
    S3,
    /// STS.
    Sts,
}

impl Service {
    /// The service of a credential scope; none if the endpoint does not play it.
    #[must_use]
    pub fn from_scope(name: &str) -> Option<Self> {
        Some(match name {
            "dynamodb" => Self::DynamoDb,
            "sqs" => Self::Sqs,
            "events" => Self::Events,
            "secretsmanager" => Self::SecretsManager,
            "ses" | "email" => Self::Ses,
            "route53" => Self::Route53,
            "ec2" => Self::Ec2,
            "s3" => Self::S3,
            "sts" => Self::Sts,
            _ => return None,
        })
    }

    /// The name in policies and in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::Events => "events",
            Self::SecretsManager => "secretsmanager",
            Self::Ses => "ses",
            Self::Route53 => "route53",
            Self::Ec2 => "ec2",
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }

    /// The content type of the service's JSON.
    #[must_use]
    pub const fn json_type(self) -> &'static str {
        match self {
            Self::DynamoDb | Self::Sqs => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        }
    }

    /// The code and status with which the service answers one who calls too often.
    #[must_use]
    pub const fn throttled(self) -> (u16, &'static str) {
        match self {
            Self::DynamoDb => (400, "ProvisionedThroughputExceededException"),
            Self::Ec2 => (503, "RequestLimitExceeded"),
            Self::S3 => (503, "SlowDown"),
            Self::Ses | Self::Route53 | Self::Sts => (400, "Throttling"),
            Self::Sqs | Self::Events | Self::SecretsManager => (400, "ThrottlingException"),
        }
    }

    /// The code and status with which the service answers one without the right.
    #[must_use]
    pub const fn denied(self) -> (u16, &'static str) {
        match self {
            Self::DynamoDb | Self::Events | Self::SecretsManager => (400, "AccessDeniedException"),
            Self::Ec2 => (403, "UnauthorizedOperation"),
            Self::Sqs | Self::Ses | Self::Route53 | Self::S3 | Self::Sts => (403, "AccessDenied"),
        }
    }
}

/// What a request carries, read once.
pub(super) enum Input {
    /// The body as it came: DynamoDB's JSON, S3's content, Route 53's XML.
    Raw,
    /// A JSON body.
    Json(serde_json::Value),
    /// A form of the query protocol.
    Form(Form),
}

/// The operation that a request asks for and its input; none if it names no operation.
#[must_use]
pub(super) fn operation(service: Service, parts: &Parts, body: &Bytes) -> Option<(String, Input)> {
    match service {
        Service::DynamoDb | Service::Sqs | Service::Events | Service::SecretsManager => {
            let target = parts.headers.get("x-amz-target")?.to_str().ok()?;
            let operation = target.rsplit('.').next()?.to_owned();
            if service == Service::DynamoDb {
                return Some((operation, Input::Raw));
            }
            let input = serde_json::from_slice(body).ok()?;
            Some((operation, Input::Json(input)))
        }
        Service::Ses | Service::Ec2 | Service::Sts => {
            let form = Form::parse(std::str::from_utf8(body).ok()?);
            let operation = form.get("Action")?.to_owned();
            Some((operation, Input::Form(form)))
        }
        Service::Route53 => Some((super::route53::operation(parts)?.to_owned(), Input::Raw)),
        Service::S3 => Some((super::s3::operation(parts), Input::Raw)),
    }
}

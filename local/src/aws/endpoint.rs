//! The way of a call through the endpoint: who calls, with what right, what a test has ordered, the service, the ledger.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};

use super::answer::{AwsError, answer, json_answer, refusal, xml_answer};
use super::dynamodb::Units;
use super::faults::{Fault, When};
use super::ledger::Called;
use super::rights::{Grants, Needed, Principal, Statement};
use super::service::{self, Input, Service};
use super::signature::{self, Credential};
use super::sts::{self, Session, Sts};
use super::{Cloud, route53, s3};

static EVERYTHING: LazyLock<Vec<Statement>> = LazyLock::new(|| vec![Statement::everything()]);

/// So much of a request's body the ledger keeps; whatever tests look at is shorter.
const REQUEST_KEPT: usize = 16_384;

/// Who makes a call.
enum Caller {
    /// A key that belongs to no function: the account's owner.
    Root,
    Function(Arc<Principal>),
    Session(Session),
}

impl Caller {
    fn name(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Function(principal) => &principal.function,
            Self::Session(session) => &session.arn,
        }
    }

    fn statements(&self) -> &[Statement] {
        match self {
            Self::Root => &EVERYTHING,
            Self::Function(principal) => &principal.statements,
            Self::Session(session) => &session.role_statements,
        }
    }

    /// The names by which the policy of a resource may speak of it.
    fn arns(&self) -> Vec<&str> {
        match self {
            Self::Session(session) => vec![&session.role, &session.arn],
            Self::Root | Self::Function(_) => Vec::new(),
        }
    }
}

/// A call on its way.
struct Call {
    service: Service,
    operation: String,
    input: Input,
    parts: Parts,
    body: Bytes,
}

impl Cloud {
    /// Answers a request that the SDK signed, or that a presigned URL carries.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let Some(credential) = signature::credential(&parts) else {
            return refusal(Service::S3, &AwsError::new(403, "AccessDenied", "Access Denied"));
        };
        let Some(service) = Service::from_scope(&credential.service) else {
            return answer(
                404,
                "text/plain",
                format!("The service {} is not played locally.", credential.service),
            );
        };
        let caller = match self.caller(&credential, &parts, &body) {
            Ok(caller) => caller,
            Err(error) => return refusal(service, &error),
        };
        let Some((operation, input)) = service::operation(service, &parts, &body) else {
            let told = "The request names no operation that is played locally.";
            return refusal(service, &AwsError::bad("UnknownOperationException", told));
        };
        let call = Call { service, operation, input, parts, body };
        self.meet(&caller, &credential.access_key, call).await
    }

    fn caller(&self, credential: &Credential, parts: &Parts, body: &Bytes) -> Result<Caller, AwsError> {
        let key = credential.access_key.as_str();
        if credential.expires_at.is_some_and(|end| self.inner.config.clock.now() > end) {
            return Err(AwsError::new(403, "AccessDenied", "Request has expired"));
        }
        if !sts::is_temporary(key) {
            return Ok(self.inner.principals.get(key).map_or(Caller::Root, Caller::Function));
        }
        let session = self.inner.sts.session(key, credential.session_token.as_deref())?;
        // Only of a session is the secret known here, and only sessions are in foreign hands.
        if !signature::is_right(credential, parts, body, &session.secret) {
            let told = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
            return Err(AwsError::new(403, "SignatureDoesNotMatch", told));
        }
        Ok(Caller::Session(session))
    }

    /// Takes a call through rights, ordered faults, the service and the ledger.
    async fn meet(&self, caller: &Caller, access_key: &str, call: Call) -> Response<Bytes> {
        let inner = &*self.inner;
        let service = call.service;
        let needs = self.needs(&call);
        let met = inner.faults.meet(caller.name(), service.name(), &call.operation);
        let mut called = Called {
            at: inner.config.clock.now(),
            function: caller.name().to_owned(),
            access_key: access_key.to_owned(),
            service: service.name(),
            operation: call.operation.clone(),
            resource: needs.first().map_or_else(|| "*".to_owned(), |needed| needed.resource.clone()),
            request: std::str::from_utf8(&call.body[..call.body.len().min(REQUEST_KEPT)])
                .unwrap_or_default()
                .to_owned(),
            status: 0,
            read_units: 0.0,
            write_units: 0.0,
        };
        if let Some((When::Before, killer)) = &met.kill {
            killer(access_key);
            inner.ledger.enter(called);
            return refusal(service, &AwsError::new(500, "InternalFailure", "The caller was killed."));
        }
        let refused = match self.check(caller, needs, &call).await {
            Err(denied) => Some(denied),
            Ok(()) => met.fault.as_ref().and_then(|fault| fault.refusal(service)),
        };
        let (mut response, units) = match refused {
            Some(error) => (refusal(service, &error), Units::default()),
            None => {
                if matches!(met.fault, Some(Fault::Duplicate)) {
                    self.play(caller, &call).await;
                }
                self.play(caller, &call).await
            }
        };
        match met.fault {
            Some(Fault::LoseAnswer) => {
                response = refusal(service, &AwsError::new(500, "InternalFailure", "The answer was lost."));
            }
            // A late answer is late by real time: the caller that waits for it does so too.
            Some(Fault::Delay(span)) => tokio::time::sleep(span).await,
            Some(Fault::Hold(held)) => held.wait().await,
            _ => {}
        }
        called.status = response.status().as_u16();
        (called.read_units, called.write_units) = (units.read, units.write);
        if let Some((When::After, killer)) = &met.kill {
            killer(access_key);
            called.status = 0;
        }
        inner.ledger.enter(called);
        response
    }

    fn needs(&self, call: &Call) -> Vec<Needed> {
        let inner = &*self.inner;
        let operation = call.operation.as_str();
        match (call.service, &call.input) {
            (Service::DynamoDb, _) => inner.dynamodb.needs(operation, &call.body),
            (Service::Route53, _) => route53::needs(operation, &call.parts),
            (Service::S3, _) => s3::needs(&call.parts, &call.body),
            (Service::Sqs, Input::Json(input)) => inner.sqs.needs(operation, input),
            (Service::Events, Input::Json(input)) => inner.events.needs(operation, input),
            (Service::SecretsManager, Input::Json(input)) => inner.secrets.needs(operation, input),
            (Service::Ses, Input::Form(form)) => inner.ses.needs(operation, form),
            (Service::Ec2, Input::Form(form)) => inner.ec2.needs(operation, form),
            (Service::Sts, Input::Form(form)) => Sts::needs(operation, form),
            // `service::operation` gives every service its kind of input.
            (service, _) => vec![Needed::new(format!("{}:{operation}", service.name()), "*")],
        }
    }

    async fn check(&self, caller: &Caller, mut needs: Vec<Needed>, call: &Call) -> Result<(), AwsError> {
        let of_bucket = match call.service {
            Service::S3 => {
                let path = call.parts.uri.path().trim_start_matches('/');
                let policy = self.inner.s3.policy(path.split('/').next().unwrap_or_default()).await;
                let arns = caller.arns();
                policy.iter().filter_map(|statement| statement.of(&arns)).cloned().collect()
            }
            _ => Vec::new(),
        };
        if matches!(caller, Caller::Root) && of_bucket.is_empty() {
            return Ok(());
        }
        for needed in &mut needs {
            // The way to this endpoint never leaves the machine.
            needed.context.insert("aws:SecureTransport".to_owned(), "true".to_owned());
            if let Caller::Session(session) = caller {
                let tags = session
                    .tags
                    .iter()
                    .map(|(key, value)| (format!("aws:PrincipalTag/{key}"), value.clone()));
                needed.context.extend(tags);
            }
        }
        let session = match caller {
            Caller::Session(session) => session.session_statements.as_deref(),
            _ => None,
        };
        let grants = Grants { identity: caller.statements(), session, resource: &of_bucket };
        match grants.missing(&needs) {
            None => Ok(()),
            Some(Needed { action, resource, .. }) => {
                let (status, code) = call.service.denied();
                let why = match caller {
                    Caller::Function(_) => "because no statement of its policy in the template allows it",
                    _ => "because no policy allows it, or one forbids it",
                };
                let caller = caller.name();
                let told =
                    format!("{caller} is not authorized to perform: {action} on resource: {resource}, {why}");
                Err(AwsError::new(status, code, told))
            }
        }
    }

    /// Lets the service play the call.
    async fn play(&self, caller: &Caller, call: &Call) -> (Response<Bytes>, Units) {
        if call.service == Service::DynamoDb {
            let answered = self.inner.dynamodb.call(&call.operation, &call.parts, &call.body).await;
            return answered.unwrap_or_else(|error| (refusal(call.service, &error), Units::default()));
        }
        let response = self.play_other(caller, call).await;
        (response.unwrap_or_else(|error| refusal(call.service, &error)), Units::default())
    }

    async fn play_other(&self, caller: &Caller, call: &Call) -> Result<Response<Bytes>, AwsError> {
        let inner = &*self.inner;
        let (service, operation) = (call.service, call.operation.as_str());
        match (service, &call.input) {
            (Service::Route53, _) => inner.route53.call(operation, &call.parts, &call.body),
            (Service::S3, _) => inner.s3.call(operation, &call.parts, &call.body).await,
            (Service::Ses, Input::Form(form)) => Ok(xml_answer(200, inner.ses.call(operation, form).await?)),
            (Service::Ec2, Input::Form(form)) => Ok(xml_answer(200, inner.ec2.call(operation, form)?)),
            (Service::Sts, Input::Form(form)) => {
                let arn = match caller {
                    Caller::Session(session) => session.arn.clone(),
                    Caller::Root => format!("arn:aws:iam::{}:root", inner.config.account),
                    Caller::Function(principal) => {
                        let function = &principal.function;
                        format!("arn:aws:sts::{}:assumed-role/{function}/{function}", inner.config.account)
                    }
                };
                Ok(xml_answer(200, inner.sts.call(operation, form, &arn)?))
            }
            (_, Input::Json(input)) => {
                let answered = match service {
                    Service::Sqs => inner.sqs.call(operation, input).await?,
                    Service::Events => inner.events.call(operation, input).await?,
                    _ => inner.secrets.call(operation, input).await?,
                };
                Ok(json_answer(service, &answered))
            }
            _ => Err(AwsError::bad(
                "UnknownOperationException",
                "The request is not in this service's protocol.",
            )),
        }
    }
}

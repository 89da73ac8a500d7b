//! AWS behind one endpoint: the services that Tenantry calls, embedded in this process.
//!
//! [`Cloud::handle`] takes a request as the SDK signed it. The signature's scope says which service is meant and whose
//! access key was used; then come the rights of that key, the faults a test has ordered, the service itself, and the
//! ledger.

pub mod answer;
mod documents;
pub mod dynamodb;
pub mod events;
pub mod faults;
mod form;
mod ids;
pub mod ledger;
pub mod rights;
mod route53;
mod s3;
pub mod secrets;
pub mod service;
pub mod signature;
pub mod sqs;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::faults::When;
pub use self::ledger::Called;
pub use self::rights::{Principal, Statement};
pub use self::sqs::Message as SqsMessage;

use bytes::Bytes;
use domain::Timestamp;
use http::request::Parts;
use http::{Request, Response};

use self::answer::{AwsError, json_answer, refusal};
use self::documents::Documents;
use self::dynamodb::{DynamoDb, Units};
use self::events::Events;
use self::faults::{Fault, Faults};
use self::ledger::Ledger;
use self::rights::{Needed, Principals};
use self::secrets::Secrets;
use self::service::{Input, Service};
use self::sqs::Sqs;
use crate::{Clock, Context as _, Result};

/// Where the cloud lives and who it belongs to.
#[derive(Clone)]
pub struct CloudConfig {
    /// The folder of its files; created if missing.
    pub data: PathBuf,
    /// The stack's clock.
    pub clock: Clock,
    /// The region in ARNs.
    pub region: String,
    /// The account in ARNs: twelve digits.
    pub account: String,
    /// The URL under which the endpoint is reached, without a final slash; it is in the queues' URLs.
    pub base_url: String,
}

/// The embedded AWS. Clones are the same cloud.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    config: CloudConfig,
    principals: Principals,
    faults: Faults,
    ledger: Ledger,
    dynamodb: DynamoDb,
    sqs: Arc<Sqs>,
    events: Arc<Events>,
    secrets: Secrets,
}

/// Who makes a call.
enum Caller {
    /// A key that belongs to no function: the account's owner.
    Root,
    Function(Arc<Principal>),
}

impl Caller {
    fn name(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Function(principal) => &principal.function,
        }
    }
}

/// A call on its way through the endpoint.
struct Call {
    service: Service,
    operation: String,
    input: Input,
    parts: Parts,
    body: Bytes,
}

impl Cloud {
    /// Opens the cloud on its folder; what was acknowledged before is there.
    ///
    /// # Errors
    /// When a file cannot be opened or holds something else.
    pub async fn open(config: CloudConfig) -> Result<Self> {
        let CloudConfig { data, clock, region, account, base_url } = &config;
        std::fs::create_dir_all(data).context(format!("making the folder {}", data.display()))?;
        let documents = Documents::open(&data.join("aws.db")).context("opening aws.db")?;
        let dynamodb = DynamoDb::open(data, &documents, clock, region, account).await?;
        let sqs = Arc::new(Sqs::open(data, clock, base_url, region, account)?);
        let events = Arc::new(Events::new(&sqs, clock, region, account));
        let secrets = Secrets::new(region, account);
        let inner = Inner {
            principals: Principals::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            dynamodb,
            sqs,
            events,
            secrets,
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers a request that the SDK signed, or that a presigned URL carries.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let Some(credential) = signature::credential(&parts) else {
            let told = "Access Denied";
            return refusal(Service::S3, &AwsError::new(403, "AccessDenied", told));
        };
        let Some(service) = Service::from_scope(&credential.service) else {
            let told = format!("The service {} is not played locally.", credential.service);
            return answer::answer(404, "text/plain", told);
        };
        if credential.expires_at.is_some_and(|end| self.inner.config.clock.now() > end) {
            return refusal(service, &AwsError::new(403, "AccessDenied", "Request has expired"));
        }
        let Some((operation, input)) = service::operation(service, &parts, &body) else {
            return refusal(
                service,
                &AwsError::bad("UnknownOperationException", "The request names no operation."),
            );
        };
        let caller = self.inner.principals.get(&credential.access_key).map_or(Caller::Root, Caller::Function);
        let call = Call { service, operation, input, parts, body };
        self.meet(&caller, &credential.access_key, call).await
    }

    /// Takes a call through rights, ordered faults, the service and the ledger.
    async fn meet(&self, caller: &Caller, access_key: &str, call: Call) -> Response<Bytes> {
        let inner = &*self.inner;
        let needs = self.needs(&call);
        let met = inner.faults.meet(caller.name(), call.service, &call.operation);
        let resource = needs.first().map_or_else(|| "*".to_owned(), |needed| needed.resource.clone());
        let mut called = Called {
            at: inner.config.clock.now(),
            function: caller.name().to_owned(),
            access_key: access_key.to_owned(),
            service: call.service.name(),
            operation: call.operation.clone(),
            resource,
            request: std::str::from_utf8(&call.body).unwrap_or_default().to_owned(),
            status: 0,
            read_units: 0.0,
            write_units: 0.0,
        };
        if let Some((When::Before, killer)) = &met.kill {
            killer(access_key);
            inner.ledger.enter(called);
            return refusal(call.service, &AwsError::new(500, "InternalFailure", "The caller was killed."));
        }
        let service = call.service;
        let refused = match self.check(caller, &needs, service) {
            Err(denied) => Some(denied),
            Ok(()) => met.fault.as_ref().and_then(|fault| fault.refusal(service)),
        };
        let (mut response, units) = match refused {
            Some(error) => (refusal(service, &error), Units::default()),
            None => {
                if matches!(met.fault, Some(Fault::Duplicate)) {
                    self.play(&call).await;
                }
                self.play(&call).await
            }
        };
        match met.fault {
            Some(Fault::LoseAnswer) => {
                response = refusal(service, &AwsError::new(500, "InternalFailure", "The answer was lost."));
            }
            // A late answer is late by real time: the caller that waits for it does so too.
            Some(Fault::Delay(span)) => tokio::time::sleep(span).await,
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
        match (call.service, &call.input) {
            (Service::DynamoDb, _) => inner.dynamodb.needs(&call.operation, &call.body),
            (Service::Sqs, Input::Json(input)) => inner.sqs.needs(&call.operation, input),
            (Service::Events, Input::Json(input)) => inner.events.needs(&call.operation, input),
            (Service::SecretsManager, Input::Json(input)) => inner.secrets.needs(&call.operation, input),
            (service, _) => vec![Needed::new(format!("{}:{}", service.name(), call.operation), "*")],
        }
    }

    fn check(&self, caller: &Caller, needs: &[Needed], service: Service) -> Result<(), AwsError> {
        let Caller::Function(principal) = caller else { return Ok(()) };
        match rights::missing(&principal.statements, needs) {
            None => Ok(()),
            Some(Needed { action, resource, .. }) => {
                let (status, code) = service.denied();
                let function = &principal.function;
                let told = format!(
                    "The function {function} is not authorized to perform: {action} on resource: {resource}, \
                     because no statement of its policy in the template allows it"
                );
                Err(AwsError::new(status, code, told))
            }
        }
    }

    /// Lets the service play the call.
    async fn play(&self, call: &Call) -> (Response<Bytes>, Units) {
        let inner = &*self.inner;
        let (service, operation) = (call.service, call.operation.as_str());
        let outcome = match (service, &call.input) {
            (Service::DynamoDb, _) => {
                return match inner.dynamodb.call(operation, &call.parts, &call.body).await {
                    Ok(answered) => answered,
                    Err(error) => (refusal(service, &error), Units::default()),
                };
            }
            (Service::Sqs, Input::Json(input)) => {
                inner.sqs.call(operation, input).await.map(|value| json_answer(service, &value))
            }
            (Service::Events, Input::Json(input)) => {
                inner.events.call(operation, input).await.map(|value| json_answer(service, &value))
            }
            (Service::SecretsManager, Input::Json(input)) => {
                inner.secrets.call(operation, input).await.map(|value| json_answer(service, &value))
            }
            _ => Err(AwsError::bad("UnknownOperationException", "Not played.")),
        };
        (outcome.unwrap_or_else(|error| refusal(service, &error)), Units::default())
    }

    /// The access keys of the functions.
    #[must_use]
    pub fn principals(&self) -> &Principals {
        &self.inner.principals
    }

    /// Faults that tests order.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// The record of calls.
    #[must_use]
    pub fn calls(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.inner.dynamodb
    }

    /// SQS.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.inner.sqs
    }

    /// EventBridge.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.inner.events
    }

    /// Secrets Manager.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// The earliest moment at which something changes by itself; none if nothing is pending.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.inner.sqs.next_due()
    }
}

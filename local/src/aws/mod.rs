//! AWS behind one endpoint: the services that Tenantry calls, embedded in this process.
//!
//! [`Cloud::handle`] takes a request as the SDK signed it. The signature's scope says which service is meant and whose
//! access key was used; then come the rights of that key, the faults a test has ordered, the service itself, and the
//! ledger. Which crate plays which service, and where it differs from AWS: `docs/local-aws.md`.

pub mod answer;
mod documents;
pub mod dynamodb;
pub mod ec2;
mod endpoint;
pub mod events;
pub mod faults;
mod form;
mod ids;
pub mod ledger;
pub mod rights;
pub mod route53;
pub mod s3;
pub mod secrets;
pub mod service;
pub mod ses;
pub mod signature;
pub mod sqs;
pub mod sts;
mod xml;

use std::path::PathBuf;
use std::sync::Arc;

use domain::Timestamp;

pub use self::faults::When;
pub use self::ledger::Called;
pub use self::rights::{Principal, Statement};
pub use self::ses::Mail;
pub use self::sqs::Message as SqsMessage;

use self::documents::Documents;
use self::dynamodb::DynamoDb;
use self::ec2::Ec2;
use self::events::Events;
use self::faults::Faults;
use self::ledger::Ledger;
use self::rights::Principals;
use self::route53::Route53;
use self::s3::S3;
use self::secrets::Secrets;
use self::ses::Ses;
use self::sqs::Sqs;
use self::sts::Sts;
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
    principals: Arc<Principals>,
    faults: Faults,
    ledger: Ledger,
    dynamodb: DynamoDb,
    sqs: Arc<Sqs>,
    events: Arc<Events>,
    secrets: Secrets,
    s3: S3,
    ses: Ses,
    route53: Arc<Route53>,
    ec2: Ec2,
    sts: Sts,
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
        let sqs = Arc::new(Sqs::open(data, clock, base_url, region, account)?);
        let events = Arc::new(Events::new(&sqs, clock, region, account));
        let route53 = Arc::new(Route53::open(&documents, clock)?);
        let inner = Inner {
            principals: Arc::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            dynamodb: DynamoDb::open(data, &documents, clock, region, account).await?,
            secrets: Secrets::new(region, account),
            s3: S3::open(data, region, account).await?,
            ses: Ses::open(data, &documents, &route53, &events, clock, (region, account))?,
            ec2: Ec2::open(&documents, clock, region, account)?,
            sts: Sts::open(&documents, clock, account)?,
            sqs,
            events,
            route53,
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The access keys of the functions.
    #[must_use]
    pub fn principals(&self) -> &Arc<Principals> {
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

    /// S3.
    #[must_use]
    pub fn s3(&self) -> &S3 {
        &self.inner.s3
    }

    /// SES.
    #[must_use]
    pub fn ses(&self) -> &Ses {
        &self.inner.ses
    }

    /// Route 53.
    #[must_use]
    pub fn route53(&self) -> &Route53 {
        &self.inner.route53
    }

    /// EC2.
    #[must_use]
    pub fn ec2(&self) -> &Ec2 {
        &self.inner.ec2
    }

    /// STS.
    #[must_use]
    pub fn sts(&self) -> &Sts {
        &self.inner.sts
    }

    /// The earliest moment at which something changes by itself; none if nothing is pending.
    ///
    /// That is a message becoming visible, a DNS change in sync, or an instance's next state. What SES thinks of an
    /// identity changes with the DNS, so it needs no moment of its own.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let inner = &*self.inner;
        [inner.sqs.next_due(), inner.route53.next_due(), inner.ec2.next_due()].into_iter().flatten().min()
    }
}

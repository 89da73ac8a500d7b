//! One turn of an operation: what the current step has at hand.

use std::time::Duration;

use domain::accounts::Mode;
use domain::hosting::step::MOST_FAILURES;
use domain::hosting::{Direction, Label, Operation, OperationKind, Site, Step, StepFailure, StepName};
use domain::{HostId, Timestamp};
use platform::lease::Lease;
use platform::store::{Stored, Write};
use platform::{App, Error, EventEnvelope, Origin, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::operations;
use crate::{HostingOfAll, capacity, steps};

/// What the steps need to know of their deployment.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The stage, part of buckets' names.
    pub stage: String,
    /// The region of buckets, hosts and mail.
    pub aws_region: String,
    /// The account that buckets must belong to.
    pub account_id: String,
    /// ARN of the role whose sessions carry a site's tag.
    pub site_access_role_arn: String,
    /// The bucket that lists of backups are in.
    pub backups_bucket: String,
    /// ARN of the role that hosts read sites' files with.
    pub host_role_arn: String,
}

impl Settings {
    /// The pool of hosts that sites share, or of those that carry one site each.
    #[must_use]
    pub fn pool(&self, mode: Mode) -> String {
        capacity::pool(&self.aws_region, mode)
    }
}

/// A site that a step changed, and what it tells about it.
#[derive(Debug)]
pub struct Changed {
    /// The site.
    pub site: Site,
    /// What is told.
    pub event: Option<EventEnvelope>,
}

/// How a turn ends.
#[derive(Debug)]
pub enum Outcome {
    /// The step is done, or taken back. `writes` and the changed `site` go into the turn's transaction.
    Done {
        /// What later steps and the compensation need.
        outputs: Value,
        /// Writes of the step's own.
        writes: Vec<Write>,
        /// The site, if the step changes it, and what it tells about it.
        site: Option<Box<Changed>>,
    },
    /// The step has chosen anew, or got on, and goes on at once.
    Again(Value),
    /// Something outside is not ready yet.
    Wait(Duration),
    /// It cannot go on by itself.
    Halt(StepFailure),
    /// It cannot succeed: everything is taken back.
    Abort(StepFailure),
}

impl Outcome {
    /// The step is done and leaves nothing behind that others need.
    #[must_use]
    pub fn done() -> Self {
        Self::Done { outputs: Value::Null, writes: Vec::new(), site: None }
    }

    /// The step is done, with these outputs.
    ///
    /// # Errors
    /// `internal` if they are no JSON.
    pub fn with(outputs: impl Serialize) -> Result<Self> {
        Ok(Self::Done { outputs: json_of(outputs)?, writes: Vec::new(), site: None })
    }

    /// The step is done by the turn's transaction itself.
    #[must_use]
    pub fn by(writes: Vec<Write>) -> Self {
        Self::Done { outputs: Value::Null, writes, site: None }
    }

    /// The step changes the site.
    #[must_use]
    pub fn changing(self, site: Site, event: Option<EventEnvelope>) -> Self {
        match self {
            Self::Done { outputs, writes, .. } => {
                Self::Done { outputs, writes, site: Some(Box::new(Changed { site, event })) }
            }
            other => other,
        }
    }

    /// The step goes on at once with these parameters, once they are stored.
    ///
    /// # Errors
    /// `internal` if they are no JSON.
    pub fn again(params: impl Serialize) -> Result<Self> {
        Ok(Self::Again(json_of(params)?))
    }
}

/// One turn of an operation.
#[derive(Debug)]
pub struct Run<'a> {
    /// Clients.
    pub app: &'a App,
    /// The table.
    pub store: HostingOfAll,
    /// The deployment.
    pub settings: Settings,
    /// The operation, under our lease.
    pub operation: Stored<Operation>,
    /// Its site.
    pub site: Stored<Site>,
    /// Where everything that the turn causes comes from.
    pub origin: Origin,
    pub(super) lease: Lease,
    pub(super) steps: Vec<Stored<Step>>,
    /// The current step as it is stored; `None` before its first turn has ended, unless it had to choose something.
    pub(super) stored: Option<Stored<Step>>,
    /// The current step as this turn leaves it.
    pub(super) step: Step,
}

impl<'a> Run<'a> {
    pub(super) async fn open(
        app: &'a App,
        store: HostingOfAll,
        operation: Stored<Operation>,
        lease: Lease,
        origin: &Origin,
    ) -> Result<Self> {
        let settings = app.config()?;
        let site = store.site(operation.org, operation.site).await?;
        let steps = store.steps(operation.id).await?;
        let Some(name) = operation.step() else {
            return Err(Error::internal(format!("operation {} has no step", operation.id)));
        };
        let stored = steps.iter().find(|step| step.number == operation.cursor).cloned();
        let step = match &stored {
            Some(stored) => stored.value.clone(),
            None => Step::begin(operation.id, operation.cursor, name, Value::Null, origin.now),
        };
        let origin = Origin { org: Some(operation.org), ..origin.clone() };
        Ok(Self { app, store, settings, operation, site, origin, lease, steps, stored, step })
    }

    /// Does the turn's work, up to its transaction.
    pub(super) async fn turn(&mut self) -> Result<Outcome> {
        let name = self.step.name;
        if self.operation.lost_turns(self.lease.fence) >= u64::from(MOST_FAILURES) {
            let message = "The step does not come to an end.";
            let remedy =
                "Find out why run_operation dies at it (timeouts, memory), then retry the operation.";
            return Ok(Outcome::Halt(self.failure("turns_lost", message, remedy)));
        }
        match self.operation.direction {
            Direction::Forward => {
                if self.stored.is_none()
                    && let Some(params) = steps::choose(self, name)?
                {
                    self.step.params = params;
                    self.stored = Some(self.store.begin_step(&self.step).await?);
                }
                steps::execute(self, name).await
            }
            Direction::Back => {
                self.step = self.step.clone().compensating(self.origin.now);
                steps::compensate(self, name).await
            }
        }
    }

    /// The moment that counts as now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.origin.now
    }

    /// What was chosen for the current step; the default when nothing was.
    ///
    /// # Errors
    /// `internal` if something else is stored.
    pub fn params<T: DeserializeOwned + Default>(&self) -> Result<T> {
        match &self.step.params {
            Value::Null => Ok(T::default()),
            params => serde_json::from_value(params.clone()).map_err(Error::caused),
        }
    }

    /// What was chosen for the current step, which always chooses.
    ///
    /// # Errors
    /// `internal` if nothing, or something else, is stored.
    pub fn given<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.step.params.clone()).map_err(Error::caused)
    }

    /// The label that the operation is about: the new one while it is made ready, then the old one while it is taken away.
    #[must_use]
    pub fn label(&self) -> &Label {
        let site = &self.site;
        site.target_label.as_ref().or(site.former_label.as_ref()).unwrap_or(&site.label)
    }

    /// The name that the operation is about.
    #[must_use]
    pub fn fqdn(&self) -> String {
        self.label().under(&self.site.zone)
    }

    /// The host that the operation is about: where the site goes, or, once it is there, where it was; else where it is.
    #[must_use]
    pub fn host_at_work(&self) -> Option<HostId> {
        let site = &self.site;
        match self.operation.workflow {
            OperationKind::Migrate => site.target_host.or(site.former_host),
            _ => site.target_host.or(site.host),
        }
    }

    /// The host that the operation is about, where there must be one.
    ///
    /// # Errors
    /// `internal` if there is none.
    pub fn host(&self) -> Result<HostId> {
        let none = || Error::internal(format!("site {} has no room on any host", self.site.id));
        self.host_at_work().ok_or_else(none)
    }

    /// The site's bucket, where there must be one.
    ///
    /// # Errors
    /// `internal` if there is none.
    pub fn bucket(&self) -> Result<String> {
        let none = || Error::internal(format!("site {} has no bucket", self.site.id));
        self.site.bucket.clone().ok_or_else(none)
    }

    /// What an earlier step of this operation left.
    ///
    /// # Errors
    /// `internal` if it left nothing, or something else.
    pub fn outputs<T: DeserializeOwned>(&self, name: StepName) -> Result<T> {
        let step = self.steps.iter().find(|step| step.name == name);
        let outputs = step.map(|step| step.outputs.clone()).unwrap_or_default();
        serde_json::from_value(outputs)
            .map_err(|error| Error::internal(format!("{}: {error}", name.as_str())))
    }

    /// Since when the current step is at work.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.step.started_at
    }

    /// Lets a transaction of the step's own fail when the lease was lost.
    #[must_use]
    pub fn fenced(&self) -> Write {
        operations::fenced(&self.operation, &self.lease)
    }

    /// A failure of the current step.
    #[must_use]
    pub fn failure(&self, code: impl Into<String>, message: &str, remedy: impl Into<String>) -> StepFailure {
        StepFailure::new(self.step.name, code, message, remedy, self.origin.now)
    }

    /// Reads the site again after a transaction of the step's own changed it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn reread_site(&mut self) -> Result<()> {
        self.site = self.store.site(self.operation.org, self.operation.site).await?;
        Ok(())
    }
}

fn json_of(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::caused)
}

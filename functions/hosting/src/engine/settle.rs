//! The end of a turn: its one transaction, and the message for the next.

use std::time::Duration;

use domain::hosting::operation::{Recourse, Request};
use domain::hosting::step::{MOST_FAILURES, back_off};
use domain::hosting::{
    Direction, Operation, OperationKind, OperationLog, OperationState, Site, SiteState, Step, StepFailure,
    StepName, StepState,
};
use platform::store::Write;
use platform::{Error, EventEnvelope, Result, Unit, random};
use serde_json::Value;

use super::run::Changed;
use super::{Outcome, Run};
use crate::due::{OperationDue, fence_of};
use crate::steps;
use crate::store::{operations, sites};

impl Run<'_> {
    /// Stores how the turn ended and asks for the next one.
    pub(super) async fn settle(&self, outcome: Result<Outcome>) -> Result<()> {
        let settled = match outcome {
            Ok(outcome) => self.commit(outcome).await,
            Err(error) => Err(error),
        };
        match settled {
            Ok(operation) => self.ask_for_next(&operation).await,
            Err(error) => self.stumble(&error).await,
        }
    }

    async fn commit(&self, outcome: Outcome) -> Result<Operation> {
        match outcome {
            Outcome::Done { outputs, writes, site } => match self.operation.direction {
                Direction::Forward => self.commit_done(outputs, writes, site).await,
                Direction::Back => self.commit_taken_back(writes, site).await,
            },
            Outcome::Again(params) => {
                let operation = self.operation.value.clone().going_on(self.now());
                let step = Step { params, ..self.step.clone() };
                self.write(&operation, None, step, None, Vec::new()).await?;
                Ok(operation)
            }
            Outcome::Wait(_) if self.step.is_overdue(self.now()) => {
                self.commit_trouble(self.step.name.timed_out(self.now())).await
            }
            Outcome::Wait(after) => self.commit_wait(after).await,
            Outcome::Halt(failure) => self.commit_trouble(failure).await,
            Outcome::Abort(failure) => self.commit_abort(failure).await,
        }
    }

    async fn commit_done(
        &self,
        outputs: Value,
        mut writes: Vec<Write>,
        changed: Option<Box<Changed>>,
    ) -> Result<Operation> {
        let operation = self.operation.value.clone().advanced(self.now());
        let Changed { mut site, mut event } = self.site_after(changed);
        if operation.state == OperationState::Succeeded {
            site = site.operation_succeeded(operation.workflow, self.now());
            event = self.told_at_the_end(operation.workflow, &site).or(event);
            site = self.converged(site, &mut writes);
        }
        if operation.step() == Some(StepName::WatchEmail) && operation.workflow == OperationKind::Provision {
            self.app.count("SitesActivated", 1);
            let millis = self.now().since(operation.created_at).as_millis();
            self.app.measure("ProvisioningMillis", millis as f64, Unit::Milliseconds);
        }
        writes.extend(self.site_changed(&site, event));
        let step = self.step.clone().done(outputs, self.now());
        self.write(&operation, None, step, Some("Done."), writes).await?;
        Ok(operation)
    }

    async fn commit_taken_back(
        &self,
        mut writes: Vec<Write>,
        changed: Option<Box<Changed>>,
    ) -> Result<Operation> {
        let operation = self.operation.value.clone().retreated(self.now());
        let Changed { mut site, event: mut site_event } = self.site_after(changed);
        let mut event = None;
        if operation.state == OperationState::RolledBack {
            let why = operation.error.as_ref().map(|failure| failure.code.as_str());
            site = site.rolled_back(operation.workflow, why);
            event = Some(self.origin.event(operation.org, &operation.rolled_back()));
            if site.state == SiteState::Purged {
                site_event = Some(self.origin.event(site.org, &site.deleted()));
            }
            site = self.converged(site, &mut writes);
            self.app.count("OperationsRolledBack", 1);
        }
        writes.extend(self.site_changed(&site, site_event));
        let step = self.step.clone().compensated(self.now());
        self.write(&operation, event, step, Some("Taken back."), writes).await?;
        Ok(operation)
    }

    /// What the site tells when an operation has brought it where it should be.
    fn told_at_the_end(&self, kind: OperationKind, site: &Site) -> Option<EventEnvelope> {
        let origin = &self.origin;
        match kind {
            OperationKind::Deprovision => Some(origin.event(site.org, &site.deleted())),
            OperationKind::Suspend => Some(origin.event(site.org, &site.suspended())),
            OperationKind::Resume => Some(origin.event(site.org, &site.served_again())),
            OperationKind::Purge => Some(origin.event(site.org, &site.purged())),
            OperationKind::Provision
            | OperationKind::Rename
            | OperationKind::Migrate
            | OperationKind::BackUp
            | OperationKind::Restore => None,
        }
    }

    /// What was wished for meanwhile begins now.
    fn converged(&self, site: Site, writes: &mut Vec<Write>) -> Site {
        let request = Request { operation: self.origin.id(), by: None, now: self.now() };
        let (site, next) = site.next_operation(request);
        writes.extend(next.map(|(operation, queued)| operations::create(&operation, &queued, &self.origin)));
        site
    }

    async fn commit_wait(&self, after: Duration) -> Result<Operation> {
        let first =
            self.operation.state != OperationState::Waiting && self.operation.direction == Direction::Forward;
        let operation = self.operation.value.clone().waiting(self.now() + after);
        let say = first.then_some("Waiting.");
        // The turn succeeded: failures before it are not in a row with later ones.
        let step = Step { failures: 0, error: None, ..self.step.clone() };
        self.write(&operation, None, step, say, Vec::new()).await?;
        Ok(operation)
    }

    /// The step cannot go on by itself.
    async fn commit_trouble(&self, failure: StepFailure) -> Result<Operation> {
        match self.operation.recourse() {
            Recourse::People => self.commit_halt(failure).await,
            Recourse::TurnBack => self.commit_abort(failure).await,
            Recourse::GiveUp => self.commit_end(failure).await,
        }
    }

    async fn commit_end(&self, failure: StepFailure) -> Result<Operation> {
        let message = format!("Given up: {}", failure.message);
        let (operation, failed) = self.operation.value.clone().given_up(failure.clone(), self.now());
        let mut writes = Vec::new();
        let site = self.site.value.clone().operation_given_up(operation.workflow, self.now());
        let site = self.converged(site, &mut writes);
        writes.extend(self.site_changed(&site, None));
        let event = self.origin.event(operation.org, &failed);
        self.app.count("OperationsGivenUp", 1);
        self.write(&operation, Some(event), self.failed_step(failure), Some(&message), writes).await?;
        Ok(operation)
    }

    async fn commit_halt(&self, failure: StepFailure) -> Result<Operation> {
        let message = format!("Needs attention: {}", failure.message);
        let (operation, failed) = self.operation.value.clone().halted(failure.clone(), self.now());
        let mut writes = self.site_changed(&self.site.value.clone().halted(), None);
        writes.extend(steps::abandon(self));
        let event = self.origin.event(operation.org, &failed);
        self.app.count("OperationsNeedingAttention", 1);
        self.write(&operation, Some(event), self.failed_step(failure), Some(&message), writes).await?;
        Ok(operation)
    }

    async fn commit_abort(&self, failure: StepFailure) -> Result<Operation> {
        if self.operation.point_of_no_return {
            return match self.operation.recourse() {
                Recourse::GiveUp => self.commit_end(failure).await,
                Recourse::People | Recourse::TurnBack => self.commit_halt(failure).await,
            };
        }
        let message = format!("Cannot succeed, everything is taken back: {}", failure.message);
        let operation = self.operation.value.clone().aborted(failure.clone(), self.now());
        self.write(&operation, None, self.failed_step(failure), Some(&message), Vec::new()).await?;
        Ok(operation)
    }

    fn failed_step(&self, failure: StepFailure) -> Step {
        let step = self.step.clone();
        let state = if step.state == StepState::Compensating { step.state } else { StepState::Failed };
        Step { state, error: Some(failure), ..step }
    }

    fn site_after(&self, changed: Option<Box<Changed>>) -> Changed {
        changed.map_or_else(|| Changed { site: self.site.value.clone(), event: None }, |changed| *changed)
    }

    fn site_changed(&self, site: &Site, event: Option<EventEnvelope>) -> Vec<Write> {
        if *site == self.site.value && event.is_none() {
            return Vec::new();
        }
        sites::changed(&self.site, site, event)
    }

    /// The turn's one transaction. The lease is given back with it.
    async fn write(
        &self,
        operation: &Operation,
        event: Option<EventEnvelope>,
        step: Step,
        say: Option<&str>,
        mut writes: Vec<Write>,
    ) -> Result<()> {
        let operation = self.settled(operation);
        let mut moved = operations::replace(&self.operation, &operation).releasing(&self.lease);
        if let Some(event) = event {
            moved = moved.event(event);
        }
        writes.insert(0, moved);
        writes.extend(self.step_write(&step));
        writes.extend(say.map(|message| self.log(message)));
        self.store.table().transact(writes).await
    }

    /// The operation after a turn that came to its end.
    fn settled(&self, operation: &Operation) -> Operation {
        Operation { settled: Some(self.lease.fence), ..operation.clone() }
    }

    /// The step, if the turn changed it.
    fn step_write(&self, step: &Step) -> Option<Write> {
        match &self.stored {
            None => Some(operations::create_step(step)),
            Some(stored) => (stored.value != *step).then(|| Write::replace(stored, step)),
        }
    }

    fn log(&self, message: &str) -> Write {
        let line = OperationLog {
            operation: self.operation.id,
            at: self.now(),
            step: Some(self.step.name),
            message: message.to_owned(),
        };
        operations::log(&line, self.origin.id())
    }

    /// The turn failed: it is tried again, later each time, until people must look.
    async fn stumble(&self, error: &Error) -> Result<()> {
        let fresh = self.store.operation(self.operation.id).await?;
        if fence_of(&fresh) != self.lease.fence || fresh.due_at().is_none() {
            return Ok(());
        }
        let after = back_off(self.step.failures, u64::from_le_bytes(random::bytes()));
        let again = fresh.value.clone().waiting(self.now() + after);
        let settled = self.settled(&again);
        let mut writes = vec![operations::replace(&fresh, &settled).releasing(&self.lease)];
        // Where a request came in between, such as a cancellation, the step is judged when it is next at work.
        if fresh.version == self.operation.version {
            let failure = self.failure(
                code_of(error),
                "A service that the step needs does not answer as it should.",
                format!("Mend what the last answer says ({}), then retry the operation.", told(error)),
            );
            if self.step.failures + 1 >= MOST_FAILURES {
                let operation = self.commit_trouble(failure).await?;
                return self.ask_for_next(&operation).await;
            }
            writes.extend(self.step_write(&self.step.clone().stumbled(failure)));
            writes.push(self.log(&format!("Failed, will be tried again in {} s.", after.as_secs())));
        }
        self.store.table().transact(writes).await?;
        self.ask_for_next(&again).await
    }

    async fn ask_for_next(&self, operation: &Operation) -> Result<()> {
        if operation.due_at().is_none() {
            return Ok(());
        }
        let due = OperationDue { operation: operation.id, fence: Some(self.lease.fence) };
        let delay = operation.next_at.since(self.now());
        self.app.queue("OPERATIONS_QUEUE").send(&self.origin, Some(operation.org), &due, delay).await
    }
}

/// The error and what lies behind it, for operators.
fn told(error: &Error) -> String {
    std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ")
}

fn code_of(error: &Error) -> String {
    match error {
        Error::Partner { name, .. } => format!("{name}_unavailable"),
        error => error.code().to_owned(),
    }
}

//! Sites as their organisations reach them: what there is, and the requests that change it.

use domain::accounts::Entitlements;
use domain::hosting::operation::Request;
use domain::hosting::site::Granted;
use domain::hosting::{EmailIdentity, HeardPlan, Operation, OperationLog, Site, Step, Usage};
use domain::{OperationId, OrgId, SiteId, Timestamp};
use platform::event::{EventEnvelope, Origin};
use platform::store::{Index, LastKey, Page, Query, Stored, Write};
use platform::{Error, Result, random};

use super::{Hosting, HostingOfAll, keys, labels, operations, plans};

const KIND: &str = "site";

impl Hosting {
    /// What the organisation uses.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn usage(&self) -> Result<Usage> {
        let usage = self.table.get_consistent(&keys::usage(self.org)).await?;
        Ok(usage.map_or_else(Usage::default, |stored| stored.value))
    }

    /// A site.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn site(&self, site: SiteId) -> Result<Stored<Site>> {
        self.table.get_consistent(&keys::site(self.org, site)).await?.ok_or(Error::NotFound)
    }

    /// The organisation's sites, newest first.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn sites(&self, limit: u32, after: Option<LastKey>) -> Result<Page<Site>> {
        let sites = Query::pk(keys::org_partition(self.org)).begins(keys::SITE).reverse();
        self.table.query(sites.limit(limit).after(after)).await
    }

    /// A mail domain of the organisation.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn identity(&self, domain: &str) -> Result<Option<Stored<EmailIdentity>>> {
        self.table.get(&keys::identity(self.org, domain)).await
    }

    /// A mail domain of the organisation, as every acknowledged write left it.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn fresh_identity(&self, domain: &str) -> Result<Stored<EmailIdentity>> {
        self.table.get_consistent(&keys::identity(self.org, domain)).await?.ok_or(Error::NotFound)
    }

    /// The newest operation on each of some sites, and their mail domains. The sites were read here.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn overview(&self, sites: &[Site]) -> Result<(Vec<Operation>, Vec<EmailIdentity>)> {
        let operations: Vec<_> = sites.iter().map(|site| keys::operation(site.last_op)).collect();
        let mails: Vec<_> = sites.iter().map(|site| keys::identity(self.org, site.mail_domain())).collect();
        let operations = self.table.get_many::<Operation>(&operations).await?;
        let mails = self.table.get_many::<EmailIdentity>(&mails).await?;
        let plain = (
            operations.into_iter().map(|stored| stored.value).collect(),
            mails.into_iter().map(|stored| stored.value).collect(),
        );
        Ok(plain)
    }

    /// An operation on a site of the organisation.
    ///
    /// # Errors
    /// `not_found`, also for another organisation's.
    pub async fn operation(&self, operation: OperationId) -> Result<Stored<Operation>> {
        let stored: Option<Stored<Operation>> =
            self.table.get_consistent(&keys::operation(operation)).await?;
        stored.filter(|operation| operation.org == self.org).ok_or(Error::NotFound)
    }

    /// The steps of an operation that have begun, in their order. The operation was read by [`Hosting::operation`].
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn steps(&self, operation: &Operation) -> Result<Vec<Step>> {
        let steps = Query::pk(keys::operation_partition(operation.id)).begins(keys::STEP);
        Ok(self.table.query_all(steps).await?.into_iter().map(|stored| stored.value).collect())
    }

    /// The log of an operation, oldest first. The operation was read by [`Hosting::operation`].
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn logs(
        &self,
        operation: &Operation,
        limit: u32,
        after: Option<LastKey>,
    ) -> Result<Page<OperationLog>> {
        let lines = Query::pk(keys::operation_partition(operation.id)).begins(keys::LOG);
        self.table.query(lines.limit(limit).after(after)).await
    }

    /// Makes a site with its claim and its first operation, by a plan of which nothing newer than `heard` is known. `once` is
    /// the call's idempotency record.
    ///
    /// # Errors
    /// `label_taken`, `limit_reached` when another request was faster; `version_conflict` when the plan changed in this moment.
    pub async fn create(
        &self,
        granted: &Granted,
        (heard, plan): (Option<&Stored<HeardPlan>>, &Entitlements),
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<()> {
        let Granted { site, operation, claim, most_sites, requested, queued } = granted;
        let limit = domain::hosting::site::limit_reached("sites", &site.desired.plan, *most_sites);
        let counted = Write::update(keys::usage(self.org))
            .add("sites", 1)
            .when("attribute_not_exists(sites) OR sites < :most", [(":most", most_sites)])
            .or(limit);
        // Whoever hears of the plan next finds the site, or this finds that it was heard.
        let plan = plans::news(self.org, heard, plan, origin.now).or(heard.map(plans::unchanged));
        let writes = [
            labels::claim(claim, origin.now),
            counted,
            Write::create(keys::site(site.org, site.id), KIND, site).event(origin.event(site.org, requested)),
            operations::create(operation, queued, origin),
        ];
        self.table.transact(writes.into_iter().chain(plan).chain(once)).await
    }

    /// Lets an operation go on after people have looked at its failure.
    ///
    /// # Errors
    /// `not_retryable`; `version_conflict` when another request was faster.
    pub async fn retry(
        &self,
        stored: &Stored<Operation>,
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<Operation> {
        let (operation, queued) = stored.value.clone().retry(origin.now)?;
        let site = self.site(operation.site).await?;
        let mut writes = vec![
            operations::replace(stored, &operation).event(origin.event(self.org, &queued)),
            Write::replace(&site, &site.value.clone().resumed()),
        ];
        if let Some(name) = operation.step() {
            let key = keys::step(operation.id, operation.cursor, name);
            if let Some(step) = self.table.get_consistent::<Step>(&key).await? {
                writes.push(Write::replace(&step, &step.value.clone().again(origin.now)));
            }
        }
        self.table.transact(writes.into_iter().chain(once)).await?;
        Ok(operation)
    }

    /// Turns an operation back.
    ///
    /// # Errors
    /// `point_of_no_return`, `operation_ended`; `version_conflict` when a step ended in this moment.
    pub async fn cancel(
        &self,
        stored: &Stored<Operation>,
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<Operation> {
        let (operation, queued) = stored.value.clone().cancel(origin.now)?;
        let write = operations::replace(stored, &operation).event(origin.event(self.org, &queued));
        self.table.transact([write].into_iter().chain(once)).await?;
        Ok(operation)
    }

    /// Takes a site down, or what there is of it. Answers the site, and the operation that works on it, if one does.
    ///
    /// `operation` is the new operation's id, should one be needed.
    ///
    /// # Errors
    /// `site_gone`; `version_conflict` when a step ended in this moment.
    pub async fn delete(
        &self,
        site: &Stored<Site>,
        request: Request,
        origin: &Origin,
        once: Option<Write>,
    ) -> Result<(Site, Option<Operation>)> {
        let current = match site.current_op {
            Some(current) => Some(self.operation(current).await?),
            None => None,
        };
        let Some(deletion) = site.value.clone().delete(current.as_deref(), request)? else {
            self.table.transact(once).await?;
            return Ok((site.value.clone(), current.map(|stored| stored.value)));
        };
        let event = origin.event(self.org, &deletion.requested);
        let mut writes = vec![replace(site, &deletion.site).event(event)];
        let operation = match (deletion.operation, current) {
            (Some((operation, queued)), Some(current)) => {
                let event = origin.event(self.org, &queued);
                writes.push(operations::replace(&current, &operation).event(event));
                Some(operation)
            }
            (Some((operation, queued)), None) => {
                writes.push(operations::create(&operation, &queued, origin));
                Some(operation)
            }
            // The operation must still be the one that cannot be turned back, else its end would not see the wish.
            (None, Some(current)) => {
                writes.push(Write::check(current.key.clone()).when("v = :v", [(":v", current.version)]));
                Some(current.value)
            }
            (None, None) => None,
        };
        if !deletion.site.counts() && site.counts() {
            writes.push(uncount(self.org));
        }
        self.table.transact(writes.into_iter().chain(once)).await?;
        Ok((deletion.site, operation))
    }
}

impl HostingOfAll {
    /// A site of any organisation.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn site(&self, org: OrgId, site: SiteId) -> Result<Stored<Site>> {
        self.table.get_consistent(&keys::site(org, site)).await?.ok_or(Error::NotFound)
    }

    /// Sites for which something is due by now.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_sites(&self, now: Timestamp) -> Result<Vec<Stored<Site>>> {
        let mut sites = Vec::new();
        for shard in 0..keys::SITE_SHARDS {
            let due = Query::pk(keys::due_sites(shard)).index(Index::Gsi2).up_to(now.to_string());
            sites.extend(self.table.query_all(due).await?);
        }
        anywhere(&mut sites);
        Ok(sites)
    }
}

/// Begins a list anywhere: whoever goes through it may be stopped before its end, and the last must not always be the same.
pub(crate) fn anywhere<T>(all: &mut [T]) {
    let dice = usize::from_le_bytes(random::bytes());
    if !all.is_empty() {
        all.rotate_left(dice % all.len());
    }
}

/// A site after a step, with what the step tells about it. A site that no longer counts is taken off its organisation.
pub(crate) fn changed(stored: &Stored<Site>, site: &Site, event: Option<EventEnvelope>) -> Vec<Write> {
    let mut write = replace(stored, site);
    if let Some(event) = event {
        write = write.event(event);
    }
    let mut writes = vec![write];
    if stored.counts() && !site.counts() {
        writes.push(uncount(site.org));
    }
    writes
}

/// A site that changed; it is found when something falls due for it.
pub(crate) fn replace(stored: &Stored<Site>, site: &Site) -> Write {
    let write = Write::replace(stored, site);
    match site.due_at() {
        Some(at) => {
            let shard = keys::due_sites(site.id.ulid() % keys::SITE_SHARDS);
            write.index(Index::Gsi2, shard, format!("{at}#{}", site.id))
        }
        None => write.unindex(Index::Gsi2),
    }
}

fn uncount(org: OrgId) -> Write {
    Write::update(keys::usage(org)).add("sites", -1)
}

/// When a log line is deleted.
pub(crate) fn log_ends(now: Timestamp) -> Timestamp {
    now + domain::hosting::step::LOG_KEPT
}

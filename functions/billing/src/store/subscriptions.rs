//! Subscriptions as Stripe has them, and whose they are.

use domain::OrgId;
use domain::billing::{Product, Projection, Subscription};
use platform::event::Origin;
use platform::store::{Index, Query, Stored, Write};
use platform::{Error, Result};

use super::{Billing, BillingOfAll, keys};
use crate::tell::envelope;

const KIND: &str = "subscription";

impl Billing {
    /// The organisation's subscription to a product.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn subscription(&self, product: Product) -> Result<Stored<Subscription>> {
        self.table.get_consistent(&keys::subscription(self.org, product)).await?.ok_or(Error::NotFound)
    }

    /// All of the organisation's subscriptions.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn subscriptions(&self) -> Result<Vec<Stored<Subscription>>> {
        let all = Query::pk(keys::partition(self.org)).begins(keys::SUBSCRIPTION).consistent();
        self.table.query_all(all).await
    }

    /// Whether this is the subscription after which the organisation got the one it has.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn had(&self, has: Option<&Subscription>, stripe_id: &str) -> Result<bool> {
        let Some((has, before)) = has.and_then(|has| Some((has, has.generation.checked_sub(1)?))) else {
            return Ok(false);
        };
        let key = keys::subscription_history(self.org, has.product, before);
        let closed = self.table.get_consistent::<Subscription>(&key).await?;
        Ok(closed.is_some_and(|closed| closed.observed.stripe_id == stripe_id))
    }

    /// The writes of a subscription as Stripe has it now; none if it is known like that.
    #[must_use]
    pub fn projected(
        &self,
        was: Option<&Stored<Subscription>>,
        projection: &Projection,
        origin: &Origin,
    ) -> Vec<Write> {
        let Projection { next, closed, event } = projection;
        if event.is_none() && was.is_some_and(|was| was.value == *next) {
            return Vec::new();
        }
        let write = match was {
            Some(was) => Write::replace(was, next),
            None => Write::create(keys::subscription(self.org, next.product), KIND, next).or(Error::Conflict),
        };
        let write = write.index(Index::Gsi1, keys::by_stripe(&next.observed.stripe_id), "SUB");
        let write = match event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        };
        let write = self.listed(write, next);
        let closed = closed.as_ref().map(|closed| {
            let key = keys::subscription_history(self.org, closed.product, closed.generation);
            self.listed(Write::put(key, "closed_subscription", closed), closed)
        });
        [write].into_iter().chain(closed).collect()
    }

    /// Puts a subscription among those that are paid for, or those that ended in a month.
    fn listed(&self, write: Write, subscription: &Subscription) -> Write {
        let sort = format!("{}#{}", self.org, subscription.product);
        let observed = &subscription.observed;
        match (subscription.first_paid_at, observed.ended_at) {
            (None, _) => write.unindex(Index::Gsi2),
            (Some(_), None) => write.index(Index::Gsi2, keys::due(keys::LIVE, self.org), sort),
            (Some(_), Some(at)) => write.index(Index::Gsi2, keys::ended(&keys::month_of(at)), sort),
        }
    }
}

impl BillingOfAll {
    /// Whose subscription this is; `None` for one that was never seen.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn subscriber(&self, stripe_id: &str) -> Result<Option<(OrgId, Product)>> {
        let found = Query::pk(keys::by_stripe(stripe_id)).index(Index::Gsi1).limit(1);
        let page = self.table.query::<Subscription>(found).await?;
        Ok(page.values().next().map(|subscription| (subscription.org, subscription.product)))
    }
}

//! Telling Stripe what was used, once: a value is known to it by its identifier for a day, after which its sums are asked.

use domain::Timestamp;
use domain::billing::events::UsageSealed;
use domain::billing::rollup::arrival;
use domain::billing::{Arrival, Micro, Product, Rollup, RollupState, RollupTrigger, catalog};
use platform::event::Origin;
use platform::store::{Stored, again};
use platform::stripe::meter::{NewMeterEvent, SummaryFilter};
use platform::stripe::{Stripe, StripeErrorKind};
use platform::{App, Error, Result};

use crate::Billing;
use crate::calls::Calls;
use crate::meters;
use crate::store::keys::day;
use crate::store::reconciliations::Difference;

const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// Who tells Stripe what an organisation used.
pub struct Sender<'a> {
    /// The function.
    pub app: &'a App,
    /// The client.
    pub stripe: Stripe,
    /// The organisation.
    pub billing: Billing,
    /// What causes it.
    pub origin: &'a Origin,
}

/// Closes a part of an hour that is due, or has one looked at again whose send came to nothing.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn seal(billing: &Billing, due: &Rollup, origin: &Origin) -> Result<bool> {
    again(async || {
        // What the index shows may be old.
        let stored = billing.rollup(&due.meter, due.hour, due.sequence).await?;
        let transition = stored.step(&RollupTrigger::Due, origin.now);
        if !transition.changes(&stored.value) {
            return Ok(false);
        }
        billing.move_rollup(&stored, &transition, origin).await?;
        Ok(stored.state == RollupState::Open)
    })
    .await
}

/// Closes what is still open of a product's use, and sends it with all that waits, so that the last invoice holds it.
///
/// # Errors
/// What Stripe fails with.
pub async fn settle(calls: &Calls<'_>, product: Product) -> Result<()> {
    let Calls { app, stripe, billing, origin } = calls;
    let sender = Sender { app, stripe: stripe.clone(), billing: billing.clone(), origin };
    let meters = catalog().products.iter().filter(|entry| entry.product == product);
    for meter in meters.flat_map(|entry| &entry.meters) {
        // What is older was sent, or is people's to look at.
        for used_on in [origin.now - DAY, origin.now] {
            for part in billing.rollups(&meter.name, &day(used_on)).await? {
                let part = sender.step(&part.value, &RollupTrigger::Closing).await?;
                if part.state == RollupState::Sealed {
                    let sealed = UsageSealed { meter: part.meter, hour: part.hour, sequence: part.sequence };
                    sender.send(&sealed).await?;
                }
            }
        }
    }
    Ok(())
}

impl Sender<'_> {
    /// Sends a part of an hour, or finds out what became of an earlier try.
    ///
    /// # Errors
    /// What Stripe fails with; what it refuses is stored and told to people.
    pub async fn send(&self, sealed: &UsageSealed) -> Result<()> {
        let stored = self.billing.rollup(&sealed.meter, sealed.hour, sealed.sequence).await?;
        if !matches!(stored.state, RollupState::Sealed | RollupState::Sent | RollupState::Unknown) {
            return Ok(());
        }
        let Some(customer) = self.customer().await? else {
            return self.step(&stored.value, &RollupTrigger::Unbilled).await.map(drop);
        };
        let sending = self.step(&stored.value, &RollupTrigger::Sending).await?;
        match sending.state {
            RollupState::Sent => self.tell(&sending, &customer).await,
            RollupState::Unknown => self.look_up(&sending, &customer).await,
            _ => Ok(()),
        }
    }

    async fn customer(&self) -> Result<Option<String>> {
        match self.billing.account().await {
            Err(Error::Refused { code: "account_not_ready", .. }) => Ok(None),
            account => Ok(account?.stripe_customer.clone()),
        }
    }

    async fn step(&self, rollup: &Rollup, trigger: &RollupTrigger) -> Result<Rollup> {
        again(async || {
            let stored = self.billing.rollup(&rollup.meter, rollup.hour, rollup.sequence).await?;
            let transition = stored.step(trigger, self.origin.now);
            if transition.changes(&stored.value) {
                self.billing.move_rollup(&stored, &transition, self.origin).await?;
            }
            Ok(transition.next)
        })
        .await
    }

    async fn tell(&self, rollup: &Rollup, customer: &str) -> Result<()> {
        meters::meter(self.app, &self.stripe, &rollup.meter).await?;
        let identifier = rollup.identifier();
        let value = rollup.quantity.0.to_string();
        let event = NewMeterEvent::new(&rollup.meter, customer, &value, &identifier, rollup.used_at());
        // A key for each try: Stripe keeps a failure under a key, and a value's identifier keeps it from counting twice.
        let key = format!("usage:{identifier}:{}", rollup.tries);
        let trigger = match self.stripe.meters().send(&event, &key).await {
            Ok(_) => RollupTrigger::Accepted,
            Err(error) if error.code() == "duplicate_meter_event" => RollupTrigger::Accepted,
            Err(error)
                if matches!(error.kind, StripeErrorKind::Invalid { .. } | StripeErrorKind::NotFound) =>
            {
                self.app.count("MeterEventsFailed", 1);
                RollupTrigger::Refused { error: format!("{}: {}", error.code(), error.message) }
            }
            Err(error) => return Err(error.into()),
        };
        self.app.count("MeterEventsSent", u64::from(trigger == RollupTrigger::Accepted));
        self.step(rollup, &trigger).await.map(drop)
    }

    async fn look_up(&self, rollup: &Rollup, customer: &str) -> Result<()> {
        let parts = self.billing.rollups(&rollup.meter, &format!("{}#", rollup.hour)).await?;
        let of = |states: &[RollupState]| -> Vec<Micro> {
            let those =
                parts.iter().filter(|part| part.sequence != rollup.sequence && states.contains(&part.state));
            those.map(|part| part.quantity).collect()
        };
        let arrived: i64 = of(&[RollupState::Confirmed]).iter().map(|quantity| quantity.0).sum();
        let doubtful = of(&[RollupState::Sent, RollupState::Unknown]);
        let sum =
            sum(self.app, &self.stripe, &rollup.meter, customer, (rollup.hour, rollup.hour + HOUR)).await?;
        let trigger = match arrival(rollup.quantity, &doubtful, Micro(sum.saturating_sub(arrived))) {
            Arrival::Found => RollupTrigger::Found,
            Arrival::Missing => RollupTrigger::Missing,
            Arrival::Unclear => {
                self.app.count("MeterEventsFailed", 1);
                let error = format!("the hour's sum at Stripe is {sum}, of which {arrived} is known");
                RollupTrigger::Refused { error }
            }
        };
        self.step(rollup, &trigger).await.map(drop)
    }
}

/// What Stripe counted of a meter in a while, in millionths.
async fn sum(
    app: &App,
    stripe: &Stripe,
    meter: &str,
    customer: &str,
    (from, to): (Timestamp, Timestamp),
) -> Result<i64> {
    let id = meters::meter(app, stripe, meter).await?;
    let filter = SummaryFilter {
        customer: customer.to_owned(),
        start_time: from,
        end_time: to,
        value_grouping_window: Some("hour".to_owned()),
    };
    let mut sum = 0_i64;
    for summary in stripe.meters().summaries(&id, &filter).await? {
        let value: i64 = summary.aggregated_value.parse().map_err(Error::caused)?;
        sum = sum.saturating_add(value);
    }
    Ok(sum)
}

/// Holds a day's use by a meter against what Stripe has of it, as far as it can be compared already.
///
/// # Errors
/// What Stripe fails with.
pub async fn compare(calls: &Calls<'_>, meter: &str, used_on: &str) -> Result<Option<Difference>> {
    let Calls { app, stripe, billing, origin } = calls;
    let parts = billing.rollups(meter, used_on).await?;
    let in_doubt = |part: &Stored<Rollup>| matches!(part.state, RollupState::Sent | RollupState::Unknown);
    // What is on its way is compared on the night after it arrived.
    if parts.iter().any(in_doubt) {
        return Ok(None);
    }
    let Some(customer) = billing.account().await?.stripe_customer.clone() else { return Ok(None) };
    let Ok(start) = format!("{used_on}T00:00:00Z").parse::<Timestamp>() else { return Ok(None) };
    let kept = parts.iter().filter(|part| part.state == RollupState::Confirmed);
    let kept: i64 = kept.map(|part| part.quantity.0).sum();
    let found = sum(app, stripe, meter, &customer, (start, start + DAY)).await?;
    Ok((kept != found).then(|| Difference {
        object: format!("{meter}:{used_on}:{}", billing.org()),
        org: billing.org(),
        product: catalog().meter(meter).map(|(product, _)| product),
        kept: Some(Micro(kept).to_string()),
        found: Micro(found).to_string(),
        at: origin.now,
        resolved: None,
    }))
}

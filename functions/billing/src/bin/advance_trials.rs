//! Schedule `rate(5 minutes)`: take trials that are due one step on: notices, grace, expiry, purge.
//!
//! Safe to repeat and to run twice at once: each step is a write of its own on the state that was read.

use billing::BillingOfAll;
use billing::store::keys::SHARDS;
use domain::billing::{Trial, TrialState, TrialTrigger};
use platform::schedule::{self, Tick};
use platform::store::again;
use platform::{App, Exit, Result};

/// More steps than a trial has; what is still due is left to the next run.
const MOST_STEPS: u32 = 12;

fn main() -> Exit {
    schedule::serve(advance_trials)
}

async fn advance_trials(app: App, tick: Tick) -> Result<()> {
    let all = BillingOfAll::of(&app);
    let mut failed = None;
    for shard in 0..SHARDS {
        for trial in all.due_trials(shard, tick.now).await? {
            // One trial that cannot be advanced must not stop the others.
            if let Err(error) = advance(&app, &all, &trial, &tick).await {
                app.report(tick.origin(), &error);
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn advance(app: &App, all: &BillingOfAll, trial: &Trial, tick: &Tick) -> Result<()> {
    let billing = all.one(trial.org);
    for _ in 0..MOST_STEPS {
        let (trial, has_changed) = again(async || {
            billing.step_trial(trial.product, &TrialTrigger::Due, tick.origin(), |_| Ok(None)).await
        })
        .await?;
        if !has_changed {
            return Ok(());
        }
        app.count("TrialsExpired", u64::from(trial.state == TrialState::Expired));
    }
    Ok(())
}

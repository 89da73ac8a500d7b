//! `POST /v1/admin/disputes/{dispute}/evidence`: send the bank what speaks for us. It is sent once and cannot be changed after.

use billing::{BillingOfAll, calls::Calls, project};
use domain::Refusal;
use domain::billing::Dispute;
use platform::auth::Operator;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::store::again;
use platform::stripe::Stripe;
use platform::stripe::dispute::{DisputeUpdate, Evidence};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The most characters Stripe takes of a text.
const MOST: usize = 20_000;

/// What speaks for us.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Given {
    /// What was sold, and how it was used.
    #[schemars(length(min = 1, max = 20_000))]
    explanation: String,
    /// What was sold, in a few words.
    #[serde(default)]
    product_description: Option<String>,
    /// When the customer used it, as the log shows.
    #[serde(default)]
    access_log: Option<String>,
    /// What the customer was told of refunds.
    #[serde(default)]
    refund_policy: Option<String>,
}

fn main() -> Exit {
    http::limit(&[Limit::per_ip(30, MINUTE)]).serve(submit_evidence)
}

async fn submit_evidence(app: App, call: Call<Operator, Given>) -> Result<Reply<Dispute>> {
    let given = &call.body;
    let texts = [
        ("/explanation", Some(&given.explanation)),
        ("/product_description", given.product_description.as_ref()),
        ("/access_log", given.access_log.as_ref()),
        ("/refund_policy", given.refund_policy.as_ref()),
    ];
    for (place, text) in texts {
        if text.is_some_and(|text| text.trim().is_empty() || text.chars().count() > MOST) {
            return Err(Refusal::invalid(place, "expected 1 to 20,000 characters").into());
        }
    }
    let all = BillingOfAll::of(&app);
    let id = call.path("dispute");
    let billing = all.one(all.disputer(id).await?);
    let calls = Calls { app: &app, stripe: Stripe::of(&app).await?, billing, origin: call.origin() };
    project::charges::dispute(&calls, id).await?;
    let stored = calls.billing.dispute(id).await?.ok_or(Error::NotFound)?;
    let next = stored.submit_evidence(call.now)?;
    let update = DisputeUpdate {
        evidence: Evidence {
            uncategorized_text: Some(given.explanation.clone()),
            product_description: given.product_description.clone(),
            access_activity_log: given.access_log.clone(),
            refund_policy_disclosure: given.refund_policy.clone(),
            ..Evidence::default()
        },
        submit: Some(true),
        ..DisputeUpdate::default()
    };
    let key = format!("evidence:{id}:{}", stored.version);
    let sent = calls.stripe.disputes().update(id, &update, &key).await?;
    let kept = again(async || {
        let stored = calls.billing.dispute(id).await?.ok_or(Error::NotFound)?;
        // Stripe's word of it, or of its end, may have been faster than its answer.
        let status = if stored.is_closed() { stored.status.clone() } else { sent.status.to_string() };
        let kept = Dispute { status, evidence_at: next.evidence_at, next_at: None, ..stored.value.clone() };
        let once = call.once(&Reply::ok(kept.clone()))?;
        calls.billing.put_dispute(&stored, &kept, once).await.map(|()| kept)
    });
    Ok(Reply::ok(kept.await?))
}

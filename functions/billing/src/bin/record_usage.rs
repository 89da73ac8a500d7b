//! `POST /v1/usage`: take in up to 100 records of metered use; each id counts once, however often it is told.
//!
//! Each record has its own result. A request of which nothing is taken in is answered with what is wrong with its first
//! record, and a request may be repeated as it is.

use billing::Billing;
use billing::store::usage::Taken;
use billing::usage::Intake;
use domain::billing::UsageRecord;
use platform::auth::Member;
use platform::error::Problem;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most records of one request.
const MOST: usize = 100;

/// Metered use.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Records {
    /// 1 to 100 of them.
    #[schemars(length(min = 1, max = 100))]
    records: Vec<UsageRecord>,
}

/// What became of each record.
#[derive(Serialize, JsonSchema)]
struct Results {
    /// In the order of the records.
    results: Vec<Outcome>,
}

/// What became of a record.
#[derive(Serialize, JsonSchema)]
struct Outcome {
    /// The record's id.
    id: String,
    /// 201 for what is new, 200 for what was known; else why it is not taken in: 402, 409 or 422.
    status: u16,
    /// What tells a refusal from others: `spend_cap`, `plan_restricted`, `usage_mismatch`, `invalid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What is wrong, each with its place in the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(1_200, MINUTE)]).serve(record_usage)
}

async fn record_usage(app: App, call: Call<Member, Records>) -> Result<Reply<Results>> {
    let records = &call.body.records;
    if !(1..=MOST).contains(&records.len()) {
        return Err(Error::invalid("/records", format!("expected 1 to {MOST} records")));
    }
    let mut intake = Intake::of(Billing::of(&app, call.caller.org()), call.origin()).await?;
    let mut results = Vec::with_capacity(records.len());
    let mut first_refusal = None;
    for (at, record) in records.iter().enumerate() {
        let outcome = |status| Outcome { id: record.id.clone(), status, code: None, problems: Vec::new() };
        results.push(match intake.take_in(record).await {
            Ok(Taken::New(_)) => outcome(201),
            Ok(Taken::Known) => outcome(200),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                let error = placed(error, at);
                let (status, code) = (error.status(), Some(error.code().to_owned()));
                let problems = match &error {
                    Error::Invalid { problems, .. } => problems.clone(),
                    _ => Vec::new(),
                };
                first_refusal.get_or_insert(error);
                Outcome { code, problems, ..outcome(status) }
            }
        });
    }
    intake.alert().await?;
    let taken = results.iter().filter(|result| result.status == 201).count();
    app.count("UsageTaken", u64::try_from(taken).unwrap_or(u64::MAX));
    match first_refusal {
        Some(error) if results.iter().all(|result| result.status >= 400) => Err(error),
        _ => Ok(Reply::ok(Results { results })),
    }
}

/// What is wrong with a record, by its place in the request.
fn placed(error: Error, at: usize) -> Error {
    match error {
        Error::Invalid { code, mut problems } => {
            for problem in &mut problems {
                problem.pointer = format!("/records/{at}{}", problem.pointer);
            }
            Error::Invalid { code, problems }
        }
        other => other,
    }
}

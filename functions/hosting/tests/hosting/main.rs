//! Hosting from outside: through the gateway and the queues, with the real functions.

#![allow(clippy::unwrap_used)]

mod access;
mod hosts;
mod http;
mod labels;
mod operations;

use std::time::Duration;

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

/// More than any operation here needs; an access token lives as long.
const PATIENCE: Duration = Duration::from_secs(14 * 60);

/// A site that was asked for.
struct Asked {
    site: String,
    operation: String,
}

impl Asked {
    fn path(&self) -> String {
        format!("/v1/hosting/sites/{}", self.site)
    }

    fn deployment(&self) -> String {
        format!("{}/deployment", self.path())
    }

    fn operation(&self, what: &str) -> String {
        format!("/v1/hosting/operations/{}/{what}", self.operation)
    }
}

/// Asks for a site.
async fn deploy(client: &Client, label: &str) -> Asked {
    let operation = client.post("/v1/hosting/sites", json!({ "label": label })).await.expect(202);
    let text = |field: &str| operation[field].as_str().unwrap().to_owned();
    Asked { site: text("site"), operation: text("id") }
}

/// Asks for a site and waits until it is served.
async fn deployed(stack: &Stack, client: &Client, label: &str) -> Asked {
    let asked = deploy(client, label).await;
    until_operation(stack, &asked.operation, "succeeded").await;
    asked
}

/// Waits until an operation is in a state.
async fn until_operation(stack: &Stack, operation: &str, state: &str) {
    let what = format!("the operation is {state}");
    stack.run_until(&what, PATIENCE, async || item(stack, "operation", operation)["state"] == state).await;
}

/// An item of the area's table, null if there is none.
fn item(stack: &Stack, kind: &str, id: &str) -> Value {
    stack.table("hosting").of_kind(kind).into_iter().find(|item| item["id"] == id).unwrap_or_default()
}

/// Status and code of a refusal.
async fn refused(answer: impl Future<Output = local::harness::Answer>) -> (u16, String) {
    let answer = answer.await;
    (answer.status, answer.code())
}

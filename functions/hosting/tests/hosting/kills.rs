//! Sudden death: a worker's process is killed (SIGKILL) before and after every call to the outside, one run each. Every run ends
//! with exactly one of each thing and nothing orphaned.

use local::Stack;
use local::aws::faults::When;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, audit, until_operation};

/// How many of a function's calls are died at on one stack, where every run leaves something behind.
const CALLS_PER_STACK: usize = 5;

/// Room for many runs on one stack: an organisation that may have many sites, hosts that hold many.
pub(crate) struct Ground {
    owner: Client,
}

impl Ground {
    /// Prepares a stack.
    pub(crate) async fn prepare(stack: &Stack) -> Self {
        set_pool(
            stack,
            json!({"units_per_host": 60, "max_hosts": 20, "target_free": 30, "options": [large()]}),
        )
        .await;
        let owner = stack.verified("anna@example.com").await;
        let ready =
            async || stack.table("hosting").of_kind("host").iter().any(|host| host["state"] == "ready");
        stack.run_until("a host is ready", crate::PATIENCE, ready).await;
        Self { owner: raised(stack, &owner).await }
    }

    /// The owner, signed in anew: time passes between runs.
    pub(crate) async fn client(&self, stack: &Stack) -> Client {
        signed_in(stack, &self.owner).await
    }

    /// Asks for a site, not more often than one may.
    pub(crate) async fn deploy(&self, stack: &Stack, label: &str) -> Asked {
        let client = self.client(stack).await;
        let answer = client.post("/v1/hosting/sites", json!({ "label": label })).await;
        if answer.status == 429 {
            stack.advance(std::time::Duration::from_secs(60)).await;
            return Box::pin(self.deploy(stack, label)).await;
        }
        let operation = answer.expect(202);
        let text = |field: &str| operation[field].as_str().unwrap().to_owned();
        Asked { site: text("site"), operation: text("id") }
    }
}

/// An instance type that holds 60 units.
pub(crate) fn large() -> Value {
    json!({"instance_type": "t3.xlarge", "subnet": "subnet-00000000"})
}

/// Sets how the shared pool grows, as an operator would.
pub(crate) async fn set_pool(stack: &Stack, settings: Value) {
    let name = format!("{}/shared", stack.core().settings.region);
    let key = (format!("POOL#{name}"), "CFG");
    let items = stack.table("hosting").items();
    let known = items.into_iter().find(|item| item["pk"] == key.0 && item["sk"] == key.1);
    let mut item =
        known.unwrap_or_else(|| json!({"pk": key.0, "sk": key.1, "kind": "pool", "v": 1, "name": name}));
    item["settings"] = settings;
    stack.put_item("hosting", &item).await.unwrap();
}

/// The same person, whose organisation may have a thousand sites.
pub(crate) async fn raised(stack: &Stack, client: &Client) -> Client {
    crate::entitled(stack, client.org(), |hosting| hosting["limits"]["sites"] = json!(1_000)).await;
    signed_in(stack, client).await
}

/// The same person with a fresh session.
pub(crate) async fn signed_in(stack: &Stack, client: &Client) -> Client {
    let fresh = stack.client();
    let body = json!({"email": client.email(), "password": local::harness::people::PASSWORD});
    let session = fresh.post("/v1/auth/login", body).await.expect(200);
    fresh.with_session(session)
}

/// Kills `function` at each of its calls in turn, while sites are provisioned, until a run makes fewer calls than that.
async fn killed_at_every_call_of(function: &str, when: When, at_least: usize) {
    let stack = Stack::start().await;
    let ground = Ground::prepare(&stack).await;
    let mut runs = 0;
    loop {
        stack.faults().kill(function, runs + 1, when);
        let asked = ground.deploy(&stack, &format!("kill-{runs}")).await;
        until_operation(&stack, &asked.operation, "succeeded").await;
        let was_killed = stack.faults().kills_left() == 0;
        stack.faults().clear();
        runs += 1;
        if runs % 25 == 0 {
            audit::check(&stack).await;
        }
        if !was_killed {
            break;
        }
    }
    audit::check(&stack).await;
    let runs = usize::try_from(runs).unwrap();
    assert!(runs > at_least, "{function} was killed in {runs} runs only");
    assert_eq!(crate::buckets(&stack).await.len(), runs, "one bucket for each site");
    let active =
        stack.table("hosting").of_kind("site").iter().filter(|site| site["state"] == "active").count();
    assert_eq!(active, runs);
    let steps = stack.table("hosting").of_kind("step");
    assert!(steps.len() == 14 * runs && steps.iter().all(|step| step["state"] == "done"));
}

#[tokio::test]
async fn e56_run_operation_dies_before_every_call() {
    killed_at_every_call_of("run_operation", When::Before, 100).await;
}

#[tokio::test]
async fn e56_run_operation_dies_after_every_call() {
    killed_at_every_call_of("run_operation", When::After, 100).await;
}

#[tokio::test]
async fn apply_dns_changes_dies_at_every_call() {
    killed_at_every_call_of("apply_dns_changes", When::Before, 10).await;
    killed_at_every_call_of("apply_dns_changes", When::After, 10).await;
}

#[tokio::test]
async fn relay_events_dies_at_every_call() {
    killed_at_every_call_of("relay_events", When::Before, 1).await;
    killed_at_every_call_of("relay_events", When::After, 1).await;
}

/// Launching a host, killed before and after every call: each run wants one host and gets one.
#[tokio::test]
async fn scale_pool_dies_at_every_call() {
    let mut killed = 0;
    for first in (1..).step_by(CALLS_PER_STACK) {
        // Hosts report every few seconds: several stacks are faster than one with many hosts.
        let stack = Stack::start().await;
        let settings = json!({"units_per_host": 1, "max_hosts": 200, "target_free": 0, "options": [large()]});
        set_pool(&stack, settings).await;
        let owner = stack.verified("anna@example.com").await;
        let ground = Ground { owner: raised(&stack, &owner).await };
        let mut hosts = 0;
        for nth in first..first + CALLS_PER_STACK {
            for when in [When::Before, When::After] {
                hosts += 1;
                stack.faults().kill("scale_pool", nth as u64, when);
                let asked = ground.deploy(&stack, &format!("host-{hosts}")).await;
                until_operation(&stack, &asked.operation, "succeeded").await;
                killed += 1 - stack.faults().kills_left();
                stack.faults().clear();
                assert_eq!(stack.cloud().ec2().instances().len(), hosts, "one host for each site");
            }
        }
        audit::check(&stack).await;
        if killed < 2 * (first + CALLS_PER_STACK - 1) {
            break;
        }
    }
    assert!(killed >= 20, "scale_pool was killed {killed} times only");
}

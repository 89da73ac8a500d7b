//! Measures the product on this machine and prints the figures of `docs/performance.md` as Markdown.
//!
//! Functions are those in `TENANTRY_BINARIES`, or debug builds. Times are a client's on loopback, gateway and emulators
//! included; memory and processor time are the functions' own, read from `/proc`, so only Linux shows them.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "what is measured is real time, not the product's")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use local::Stack;
use local::harness::Client;
use serde_json::json;

const WARM_CALLS: usize = 500;
const COLD_STARTS: usize = 20;
const CLIENTS: usize = 16;
const LOAD: Duration = Duration::from_secs(5);
const SITES: usize = 20;
const PROVISIONING: Duration = Duration::from_secs(60 * 60);
const MOVES: usize = 10;

#[tokio::main]
async fn main() {
    drop(Stack::start().await);
    let started = Instant::now();
    let stack = Stack::start().await;
    println!("| figure | value |\n|---|---|");
    row("start of the stack, functions built", millis(started.elapsed()));

    let anna = stack.verified("anna@example.com").await;
    let site = deploy(&stack, &anna, "acme").await;
    let path = format!("/v1/hosting/sites/{site}");

    start_cold(&stack, "get-health", &stack.client(), "/v1/health").await;
    start_cold(&stack, "get-site", &anna, &path).await;
    call_warm("get_health", &stack.client(), "/v1/health").await;
    call_warm("get_site", &anna, &path).await;
    load(&anna, &path).await;
    provision(&stack).await;
    move_sites().await;
    units(&stack).await;
}

fn row(figure: &str, value: impl std::fmt::Display) {
    println!("| {figure} | {value} |");
}

fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1_000.0)
}

/// The value below which this share of the sorted times lies.
fn percentile(sorted: &[Duration], share: usize) -> Duration {
    sorted.get(sorted.len() * share / 100).copied().unwrap_or_default()
}

async fn deploy(stack: &Stack, client: &Client, label: &str) -> String {
    let accepted = client.post("/v1/hosting/sites", json!({ "label": label })).await.expect(202);
    let site = accepted["site"].as_str().unwrap_or_default().to_owned();
    let path = format!("/v1/hosting/sites/{site}");
    stack
        .run_until("the site is active", PROVISIONING, async || {
            client.get(&path).await.json()["state"] == "active"
        })
        .await;
    site
}

/// Kills every process and calls again: a process starts, asks for work, answers.
async fn start_cold(stack: &Stack, name: &str, client: &Client, path: &str) {
    let mut times = Vec::new();
    for _ in 0..COLD_STARTS {
        stack.core().lambda.stop();
        // Calls meet the dead processes first, as after a lost machine; then there is none left, and one is started.
        loop {
            let started = Instant::now();
            if client.get(path).await.status < 500 {
                times.push(started.elapsed());
                break;
            }
        }
    }
    times.sort_unstable();
    row(&format!("cold start of {name}: spawn to answer, median"), millis(percentile(&times, 50)));
    let record = stack.core().lambda.hosted(&format!("tenantry-local-{name}"));
    let polled = record.and_then(|hosted| hosted.record.lock().ok().and_then(|record| record.start_median()));
    row(&format!("cold start of {name}: spawn to first poll, median"), polled.map_or("-".to_owned(), millis));
}

async fn call_warm(name: &str, client: &Client, path: &str) {
    client.get(path).await.expect(200);
    let before = processor_time(name);
    let mut times = Vec::new();
    for _ in 0..WARM_CALLS {
        let started = Instant::now();
        client.get(path).await.expect(200);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let (half, most) = (percentile(&times, 50), percentile(&times, 99));
    row(&format!("warm {name}: median / 99th percentile"), format!("{} / {}", millis(half), millis(most)));
    if let (Some(before), Some(after)) = (before, processor_time(name)) {
        let each = after.saturating_sub(before) / u32::try_from(WARM_CALLS).unwrap_or(1);
        row(&format!("warm {name}: processor time a call"), millis(each));
    }
    row(
        &format!("{name}: resident memory"),
        memory(name).map_or("-".to_owned(), |kib| format!("{:.1} MB", kib / 1024.0)),
    );
}

async fn load(client: &Client, path: &str) {
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (client, path) = (client.clone(), path.to_owned());
        tokio::spawn(async move {
            let mut calls = 0_u64;
            while started.elapsed() < LOAD {
                client.get(&path).await.expect(200);
                calls += 1;
            }
            calls
        })
    });
    let mut calls = 0;
    for task in clients.collect::<Vec<_>>() {
        calls += task.await.unwrap_or(0);
    }
    let rate = calls * 1_000 / u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    row(&format!("get_site, {CLIENTS} clients"), format!("{rate} requests/s"));
}

async fn provision(stack: &Stack) {
    let mut owners = Vec::new();
    for number in 0..SITES {
        owners.push(stack.verified(&format!("owner{number}@example.com")).await);
    }
    let started = Instant::now();
    let mut sites = Vec::new();
    for (number, owner) in owners.into_iter().enumerate() {
        let accepted =
            owner.post("/v1/hosting/sites", json!({ "label": format!("shop{number}") })).await.expect(202);
        sites.push((owner, accepted["site"].as_str().unwrap_or_default().to_owned()));
    }
    let all_active = async || {
        for (owner, site) in &sites {
            if owner.get(&format!("/v1/hosting/sites/{site}")).await.json()["state"] != "active" {
                return false;
            }
        }
        true
    };
    stack.run_until("all sites are active", PROVISIONING, all_active).await;
    let each = started.elapsed() / u32::try_from(SITES).unwrap_or(1);
    let rate = Duration::from_secs(60).as_secs_f64() / each.as_secs_f64();
    row(&format!("{SITES} sites at once, waits skipped"), format!("{rate:.0} sites/min"));
}

/// Moves sites to machines of their own, all at once. The spans are by the stack's clock, in which instances boot, hosts report
/// and name servers take their time.
async fn move_sites() {
    let stack = Stack::start().await;
    let mut sites = Vec::new();
    for number in 0..MOVES {
        let owner = stack.verified(&format!("owner{number}@example.com")).await;
        let site = deploy(&stack, &owner, &format!("shop{number}")).await;
        pay(&stack, owner.org()).await;
        sites.push((owner, site));
    }
    let (started, asked) = (Instant::now(), stack.now());
    for (owner, site) in &sites {
        owner.post_empty(&format!("/v1/hosting/sites/{site}/migrate")).await.expect(202);
    }
    let moved = RefCell::new(BTreeMap::new());
    let all = async || {
        for site in stack.table("hosting").of_kind("site") {
            if site["event"]["type"] == "hosting.site_moved" {
                let millis = site["event"]["data"]["frozen_millis"].as_u64().unwrap_or(0);
                let spans = (Duration::from_millis(millis), stack.now().since(asked));
                moved.borrow_mut().entry(site["id"].to_string()).or_insert(spans);
            }
        }
        moved.borrow().len() == MOVES
    };
    stack.run_until("all sites have moved", PROVISIONING, all).await;
    let each = started.elapsed() / u32::try_from(MOVES).unwrap_or(1);
    let (mut frozen, mut whole): (Vec<_>, Vec<_>) = moved.into_inner().into_values().unzip();
    frozen.sort_unstable();
    whole.sort_unstable();
    let spans = |sorted: &[Duration]| {
        let seconds = |share| percentile(sorted, share).as_secs_f64();
        format!("{:.1} s, {:.1} s", seconds(50), seconds(99))
    };
    row(
        &format!("{MOVES} moves at once: nobody can write for (median, longest), stack's time"),
        spans(&frozen),
    );
    row(
        &format!("{MOVES} moves at once: asked for to committed (median, longest), stack's time"),
        spans(&whole),
    );
    row("a move, waits skipped", millis(each));
}

/// Gives an organisation a plan with machines of its own, as billing's event to accounts would.
async fn pay(stack: &Stack, org: &str) {
    let key = format!("ORG#{org}");
    let items = stack.table("accounts").items();
    let Some(mut item) = items.into_iter().find(|item| item["pk"] == key && item["sk"] == "META") else {
        return;
    };
    if let Some(fields) = item.as_object_mut() {
        fields.remove("event");
    }
    let version = item["entitlements"]["version"].as_u64().unwrap_or(0);
    item["entitlements"]["version"] = json!(version + 1);
    let hosting = &mut item["entitlements"]["products"]["hosting"];
    (hosting["plan"], hosting["mode"]) = (json!("launch"), json!("dedicated"));
    let stored = stack.put_item("accounts", &item).await;
    assert!(stored.is_ok(), "{stored:?}");
}

/// DynamoDB units that one call of each endpoint consumes in its function.
async fn units(stack: &Stack) {
    let nobody = stack.client();
    let zoe = stack.verified("zoe@example.com").await;
    let credentials = json!({"email": "zoe@example.com", "password": local::harness::people::PASSWORD});
    let signed_in = nobody.post("/v1/auth/login", credentials.clone()).await.expect(200);
    let refresh = json!({ "refresh_token": signed_in["refresh_token"] });
    let newcomer = json!({"email": "new@example.com", "password": "Test123!"});
    let site = deploy(stack, &zoe, "zoe").await;
    let one = format!("/v1/hosting/sites/{site}");

    println!("\n| endpoint | read units | write units |\n|---|---|---|");
    let calls = [
        ("sign_up", "POST", "/v1/auth/signup".to_owned(), Some(newcomer)),
        ("log_in", "POST", "/v1/auth/login".to_owned(), Some(credentials)),
        ("refresh_session", "POST", "/v1/auth/refresh".to_owned(), Some(refresh)),
        ("get_me", "GET", "/v1/me".to_owned(), None),
        ("list_sites", "GET", "/v1/hosting/sites".to_owned(), None),
        ("get_site", "GET", one.clone(), None),
        ("get_deployment_status", "GET", format!("{one}/deployment"), None),
        ("check_subdomain", "GET", "/v1/hosting/subdomains/free".to_owned(), None),
        ("delete_site", "DELETE", one, None),
        ("log_out", "POST", "/v1/auth/logout".to_owned(), None),
    ];
    for (function, method, path, body) in calls {
        let before = consumed(stack, function);
        let client = if body.is_some() { &nobody } else { &zoe };
        let Ok(method) = method.parse() else { continue };
        let answer = client.send(method, &path, body).await;
        assert!(answer.status < 300, "{function} answered {}", answer.status);
        let after = consumed(stack, function);
        println!("| {function} | {:.1} | {:.1} |", after.0 - before.0, after.1 - before.1);
    }
    stack.settle().await;
}

/// Read and write units that a function has consumed so far.
fn consumed(stack: &Stack, function: &str) -> (f64, f64) {
    let totals = stack.cloud().calls().totals();
    let own = totals.iter().filter(|((caller, _), _)| caller == function).map(|(_, total)| total);
    own.fold((0.0, 0.0), |(read, write), total| (read + total.read_units, write + total.write_units))
}

/// Our child process that runs this function's binary.
fn process(function: &str) -> Option<String> {
    // The kernel keeps 15 characters of a name.
    let name: String = function.chars().take(15).collect();
    let parent = std::process::id().to_string();
    fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path().display().to_string()).find(|folder| {
        let Ok(stat) = fs::read_to_string(format!("{folder}/stat")) else { return false };
        let Some((command, rest)) = stat.rsplit_once(") ") else { return false };
        command.ends_with(&format!("({name}")) && rest.split(' ').nth(1) == Some(&parent)
    })
}

/// Processor time of a function's process, in the kernel's hundredths of a second.
fn processor_time(function: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("{}/stat", process(function)?)).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Resident memory of a function's process, in KiB.
fn memory(function: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("{}/status", process(function)?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

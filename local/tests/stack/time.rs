//! Time that tests move, and data that outlives a stack.

use std::path::PathBuf;
use std::time::Duration;

use local::Stack;
use local::stack::{Options, Running};
use serde_json::json;

fn runs(stack: &Stack, function: &str) -> u64 {
    let name = &stack.core().model.function(function).unwrap().name;
    let record = stack.core().lambda.hosted(name).unwrap().record.lock().unwrap();
    record.cold + record.warm
}

#[tokio::test]
async fn a_schedule_fires_once_however_far_the_clock_moves() {
    let stack = Stack::start().await;
    assert_eq!(runs(&stack, "sweep_operations"), 0);
    stack.advance(Duration::from_secs(61)).await;
    assert_eq!(runs(&stack, "sweep_operations"), 1);
    stack.advance(Duration::from_secs(3_600)).await;
    assert_eq!(runs(&stack, "sweep_operations"), 2);
}

#[tokio::test]
async fn functions_live_in_the_stack_s_time() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    anna.get("/v1/me").await.expect(200);
    stack.advance(Duration::from_secs(16 * 60)).await;
    assert_eq!(anna.get("/v1/me").await.status, 401);
}

fn kept(folder: PathBuf, port: Option<u16>) -> Options {
    let workspace = local::binaries::workspace();
    Options { workspace, data: Some(folder), port, real_time: false, aloud: false, starts_at: None }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let body = json!({ "email": "anna@example.com", "password": "Test123!", "first_name": "Anna" });
    let ask = async |running: &Running, path: &str| {
        let web = local::harness::Web::new(format!("http://{}", running.core.settings.address));
        let nobody = local::harness::Client::new(web, "198.51.100.1".parse().unwrap(), "");
        nobody.without_header("x-origin-secret").post(path, body.clone()).await.status
    };
    let first = Running::start(kept(folder.path().to_owned(), None)).await.unwrap();
    assert_eq!(ask(&first, "/v1/auth/signup").await, 201);
    drop(first);

    let second = Running::start(kept(folder.path().to_owned(), None)).await.unwrap();
    assert_eq!(ask(&second, "/v1/auth/signup").await, 409);
    // A worker that ended with the message in hand keeps it from others for some minutes.
    let arrived = async || local::mail::Mail::to(&second.core.cloud, "anna@example.com").len() == 1;
    second.core.run_until("the mail", Duration::from_secs(3_600), arrived).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_told_with_a_way_out() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let told =
        Running::start(kept(folder.path().to_owned(), Some(port))).await.map(|_| ()).unwrap_err().to_string();
    assert!(told.contains(&format!("port {port} is in use")) && told.contains("--port"), "{told}");
}

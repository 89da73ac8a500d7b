//! Health, readiness, version, and the API's description.

use local::Stack;
use serde_json::json;

#[tokio::test]
async fn health_asks_nobody() {
    let stack = Stack::start().await;
    let answer = stack.client().get("/v1/health").await;
    assert_eq!(answer.expect(200), json!({"status": "ok"}));
    assert!(stack.calls_of("get_health").is_empty());
}

#[tokio::test]
async fn version_tells_what_is_deployed() {
    let stack = Stack::start().await;
    let version = stack.client().get("/v1/version").await.expect(200);
    assert_eq!((&version["name"], &version["stage"]), (&json!("tenantry"), &json!("local")));
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn the_description_is_the_committed_one() {
    let stack = Stack::start().await;
    let answer = stack.client().get("/v1/openapi.json").await;
    let committed: serde_json::Value =
        serde_json::from_str(include_str!("../../../../openapi.json")).unwrap();
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.expect(200), committed);
    assert_eq!(committed["openapi"], "3.1.0");
}

#[tokio::test]
async fn readiness_names_every_part() {
    let stack = Stack::start().await;
    let ready = stack.client().get("/v1/ready").await.expect(200);
    assert_eq!(ready["ready"], true);
    let names: Vec<_> =
        ready["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for part in ["table accounts", "table notifications", "table hosting", "table operations", "bus"] {
        assert!(names.contains(&part), "{part} is not among {names:?}");
    }
    assert!(
        names.contains(&"queue notifications-security-mail") && names.contains(&"queue hosting-operations")
    );
    // Every queue that a function works on is asked for.
    for queue in stack.core().model.queues.iter().filter(|queue| !queue.holds_dead_letters) {
        let name = format!("queue {}", queue.name.trim_start_matches("tenantry-local-"));
        assert!(names.contains(&name.as_str()), "{name} is not among {names:?}");
    }
}

#[tokio::test]
async fn a_part_out_of_reach_is_named_without_its_cause() {
    let stack = Stack::start().await;
    stack.faults().on("get_ready", "events", "DescribeEventBus").always().fail(400, "AccessDeniedException");
    let answer = stack.client().get("/v1/ready").await;
    assert_eq!(answer.status, 503);
    let ready = answer.json();
    assert_eq!(ready["ready"], false);
    let down: Vec<_> =
        ready["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(down.len(), 1);
    assert_eq!(down[0]["name"], "bus");
    assert!(!answer.text().contains("AccessDenied"));
}

#[tokio::test]
async fn readiness_is_asked_once_a_second() {
    let stack = Stack::start().await;
    let client = stack.client();
    // One more is allowed with each second that the asking takes.
    let mut allowed = 0;
    while client.get("/v1/ready").await.status != 429 {
        allowed += 1;
        assert!(allowed < 1_000, "nobody is limited");
    }
    assert!(allowed >= 60, "{allowed} are less than a burst");
}

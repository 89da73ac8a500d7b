//! What API Gateway and CloudFront answer before any function is asked.

use http::Method;
use local::Stack;
use serde_json::json;

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let stack = Stack::start().await;
    let anyone = stack.client();
    let unknown = anyone.get("/v1/nothing").await;
    assert_eq!((unknown.status, unknown.text().as_str()), (404, r#"{"message":"Not Found"}"#));
    let other = anyone.put("/v1/health", json!({})).await;
    assert_eq!(
        (other.status, other.header("allow"), other.code().as_str()),
        (405, "GET", "method_not_allowed")
    );
    assert_eq!(other.header("content-type"), "application/problem+json");
    assert_eq!(anyone.send(Method::HEAD, "/v1/health", None).await.status, 405);
}

#[tokio::test]
async fn limits_of_api_gateway_hold() {
    let stack = Stack::start().await;
    let anyone = stack.client();
    let large = vec![b' '; 10 * 1024 * 1024 + 1];
    assert_eq!(
        anyone.send_bytes(Method::POST, "/v1/auth/login", "application/json", large).await.status,
        413
    );
    // As an event in base64 it is larger than what a function takes.
    let wide = vec![0_u8; 5 * 1024 * 1024];
    assert_eq!(anyone.send_bytes(Method::POST, "/v1/auth/login", "image/png", wide).await.status, 413);
    let long = anyone.with_header("x-long", &"x".repeat(11_000)).get("/v1/health").await;
    assert_eq!(long.status, 431);
}

#[tokio::test]
async fn browsers_may_call_from_the_allowed_origins_alone() {
    let stack = Stack::start().await;
    for (origin, allowed) in
        [("http://localhost:3000", "http://localhost:3000"), ("https://evil.example", "")]
    {
        let page = stack.client().with_header("origin", origin);
        let asking = page.with_header("access-control-request-method", "POST");
        let preflight = asking.send(Method::OPTIONS, "/v1/auth/login", None).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, allowed));
        let answer = page.get("/v1/health").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, allowed));
    }
}

#[tokio::test]
async fn who_goes_round_the_front_door_is_refused() {
    let stack = Stack::start().await;
    let direct = stack.client().with_header("x-origin-secret", "guessed").get("/v1/me").await;
    assert_eq!(direct.status, 403);
    let through = stack.client().without_header("x-origin-secret").get("/v1/me").await;
    assert_eq!(through.status, 401);
}

#[tokio::test]
async fn the_page_is_for_this_machine_alone() {
    let stack = Stack::start().await;
    let page = stack.client().get("/_local").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let all = stack.client().get("/_local.json").await.expect(200);
    assert!(all["functions"].as_array().is_some_and(|functions| functions.len() > 30), "{all}");

    let ahead = all["clock"]["ahead_seconds"].as_u64().unwrap();
    let an_hour = json!({ "advance_seconds": 3_600 });
    let elsewhere = stack.client().with_header("origin", "https://evil.example");
    assert_eq!(elsewhere.post("/_local/clock", an_hour.clone()).await.status, 403);
    let rebound = stack.client().with_header("host", "evil.example");
    assert_eq!(rebound.get("/_local").await.status, 403);
    let moved = stack.client().post("/_local/clock", an_hour).await.expect(200);
    assert_eq!(moved["ahead_seconds"], ahead + 3_600);
    assert_eq!(stack.client().post("/_local/clock", json!({ "advance_seconds": -1 })).await.status, 422);
}

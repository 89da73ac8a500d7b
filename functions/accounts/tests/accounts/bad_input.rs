//! Bad input: each kind at each endpoint that takes a body, and what the logs say of it all.

use http::Method;
use local::Stack;
use serde_json::{Value, json};

use super::{PASSWORD, log_in, refresh, sign_up};

/// Every endpoint with a body, with one that is well-formed.
fn endpoints() -> [(&'static str, Value); 6] {
    [
        ("/v1/auth/signup", json!({"email": "anna@example.com", "password": PASSWORD})),
        ("/v1/auth/register", json!({"email": "anna@example.com", "password": PASSWORD})),
        ("/v1/auth/login", json!({"email": "anna@example.com", "password": PASSWORD})),
        ("/v1/auth/refresh", json!({"refresh_token": "tnt_rt_x"})),
        ("/v1/auth/verify-email", json!({"token": "x"})),
        ("/v1/auth/verify-email/resend", json!({"email": "anna@example.com"})),
    ]
}

#[tokio::test]
async fn every_kind_has_its_answer() {
    let stack = Stack::start().await;
    for (path, sound) in endpoints() {
        let first = sound.as_object().unwrap().keys().next().unwrap().clone();
        let mut unknown = sound.clone();
        unknown["admin"] = json!(true);
        let mut wrong_type = sound.clone();
        wrong_type[&first] = json!({"$ne": null});
        let deep = format!("{{\"{first}\":{}{}}}", "[".repeat(40), "]".repeat(40));
        let large = format!("{{\"{first}\":\"{}\"}}", "x".repeat(1024 * 1024));
        let json_type = "application/json";
        let cases = [
            ("half a body", json_type, format!("{{\"{first}\": "), 400, "malformed"),
            ("no JSON", json_type, "email=anna".to_owned(), 400, "malformed"),
            ("no body", json_type, String::new(), 400, "malformed"),
            ("two bodies", json_type, format!("{sound}{sound}"), 400, "malformed"),
            ("a deep body", json_type, deep, 400, "malformed"),
            ("bytes", json_type, "\u{0}\u{1}".to_owned(), 400, "malformed"),
            ("a list", json_type, "[]".to_owned(), 422, "invalid"),
            ("nothing in it", json_type, "{}".to_owned(), 422, "invalid"),
            ("a wrong type", json_type, wrong_type.to_string(), 422, "invalid"),
            ("an unknown field", json_type, unknown.to_string(), 422, "invalid"),
            ("too much", json_type, large, 413, "too_large"),
            ("a form", "application/x-www-form-urlencoded", sound.to_string(), 415, "unsupported_media_type"),
            ("text", "text/plain", sound.to_string(), 415, "unsupported_media_type"),
        ];
        for (name, content_type, body, status, code) in cases {
            let answer = stack.client().send_bytes(Method::POST, path, content_type, body).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (status, code),
                "{path}: {name}: {}",
                answer.text()
            );
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}: {name}");
            assert!(!answer.header("x-request-id").is_empty(), "{path}: {name}");
        }
    }
    assert!(stack.table("accounts").of_kind("user").is_empty());
}

#[tokio::test]
async fn problems_point_at_the_place() {
    let stack = Stack::start().await;
    for (change, pointer) in [
        (json!({"email": "anna"}), "/email"),
        (json!({"email": "anna@example.com\r\nBcc: all@example.com"}), "/email"),
        (json!({"first_name": "<script>"}), "/first_name"),
        (json!({"company": " "}), "/company"),
        (json!({"plan": "../../etc"}), "/plan"),
        (json!({"locale": "de"}), "/locale"),
        (json!({"marketing": "yes"}), "/marketing"),
        (json!({"role": "operator"}), "/role"),
    ] {
        let mut body = json!({"email": "anna@example.com", "password": PASSWORD});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = stack.client().post("/v1/auth/signup", body).await;
        assert_eq!(answer.status, 422, "{change}");
        assert_eq!(answer.json()["problems"][0]["pointer"], pointer, "{change}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_told() {
    let stack = Stack::start().await;
    assert_eq!(stack.client().get("/v1/auth/nothing").await.status, 404);
    for (path, allowed) in [("/v1/auth/login", "POST"), ("/v1/me", "GET"), ("/.well-known/jwks.json", "GET")]
    {
        let answer = stack.client().delete(path).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(answer.header("allow").contains(allowed), "{path}: {}", answer.header("allow"));
    }
    let anna = stack.sign_up("anna@example.com").await;
    let answer = anna.get("/v1/me?org=org_00000000000000000000000007").await;
    assert_eq!(answer.status, 422, "a parameter that nobody asked for");
    stack.settle().await;
}

#[tokio::test]
async fn logs_hold_no_address_password_or_token() {
    let stack = Stack::start().await;
    let entrance = sign_up(&stack, "anna.secret@example.com").await;
    let second = log_in(&stack, "anna.secret@example.com", PASSWORD).await.expect(200);
    log_in(&stack, "anna.secret@example.com", "hunter2hunter2").await.expect(401);
    let third = refresh(&stack.client(), &second["refresh_token"]).await.expect(200);
    let verification = &stack.table("accounts").of_kind("verification")[0]["event"]["data"]["token"].clone();
    stack.client().post("/v1/auth/verify-email", json!({"token": verification})).await.expect(200);
    sign_up_again(&stack).await;
    stack.settle().await;
    let functions = ["sign_up", "log_in", "refresh_session", "verify_email", "relay_events"];
    let logs: String = functions.iter().flat_map(|function| stack.logs(function)).collect();
    assert!(logs.contains("sign_up") && logs.contains("relay_events"));
    for secret in [
        &json!("anna.secret"),
        &json!(PASSWORD),
        &json!("hunter2"),
        verification,
        &entrance["token"],
        &entrance["refresh_token"],
        &entrance["device"],
        &second["token"],
        &third["refresh_token"],
    ] {
        assert!(!logs.contains(secret.as_str().unwrap()), "{secret} is in a log");
    }
}

async fn sign_up_again(stack: &Stack) {
    let body = json!({"email": "anna.secret@example.com", "password": PASSWORD});
    stack.client().post("/v1/auth/signup", body).await.expect(409);
}

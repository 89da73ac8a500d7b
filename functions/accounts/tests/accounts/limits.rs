//! Rate limits: by network address as the front door saw it, and nothing else.

use std::net::IpAddr;
use std::time::Duration;

use local::Stack;
use local::harness::{Answer, Client};
use serde_json::json;

use super::{PASSWORD, sign_up};

async fn sign_up_from(client: &Client, email: &str) -> Answer {
    client.post("/v1/auth/signup", json!({"email": email, "password": PASSWORD})).await
}

#[tokio::test]
async fn three_sign_ups_a_minute_whatever_the_client_says_of_its_address() {
    let stack = Stack::start().await;
    let client = stack.client();
    for number in 1..=3 {
        let client = client.with_header("x-forwarded-for", &format!("192.0.2.{number}"));
        sign_up_from(&client, &format!("person{number}@example.com")).await.expect(201);
    }
    for forged in ["192.0.2.77", "10.0.0.1, 192.0.2.78"] {
        let answer = sign_up_from(&client.with_header("x-forwarded-for", forged), "late@example.com").await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.code(), "too_many_requests");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=20).contains(&wait), "{wait}");
    }
    // The wait that was told is enough.
    stack.advance(Duration::from_secs(20)).await;
    sign_up_from(&client, "late@example.com").await.expect(201);
    sign_up_from(&stack.client(), "elsewhere@example.com").await.expect(201);
    stack.settle().await;
}

#[tokio::test]
async fn an_ipv6_network_is_one_address() {
    let stack = Stack::start().await;
    let at = |ip: &str| stack.client().at(ip.parse::<IpAddr>().unwrap());
    for number in 1..=3 {
        let client = at(&format!("2001:db8:0:1::{number}"));
        sign_up_from(&client, &format!("person{number}@example.com")).await.expect(201);
    }
    let neighbour = at("2001:db8:0:1:ffff:ffff:ffff:ffff");
    assert_eq!(sign_up_from(&neighbour, "late@example.com").await.status, 429);
    sign_up_from(&at("2001:db8:0:2::1"), "late@example.com").await.expect(201);
    stack.settle().await;
}

#[tokio::test]
async fn five_log_ins_a_minute_right_or_wrong() {
    let stack = Stack::start().await;
    sign_up(&stack, "anna@example.com").await;
    let client = stack.client();
    let mut statuses = Vec::new();
    for password in [PASSWORD, "wrong password", PASSWORD, "wrong password", PASSWORD, PASSWORD] {
        let body = json!({"email": "anna@example.com", "password": password});
        statuses.push(client.post("/v1/auth/login", body).await.status);
    }
    assert_eq!(statuses, [200, 401, 200, 401, 200, 429]);
    stack.settle().await;
}

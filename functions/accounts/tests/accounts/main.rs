//! Accounts from outside: through the gateway, with the real functions.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod limits;
mod lockout;
mod log_in;
mod log_out;
mod me;
mod refresh;
mod sign_up;
mod tokens;
mod verification;

use local::Stack;
use local::harness::{Answer, Client};
use serde_json::{Value, json};

/// A password that nobody has a reason to refuse.
const PASSWORD: &str = "Test123!";

/// Signs somebody up from a device and network of their own.
async fn sign_up(stack: &Stack, email: &str) -> Value {
    stack.client().post("/v1/auth/signup", json!({"email": email, "password": PASSWORD})).await.expect(201)
}

/// Tries a password from a device and network that nobody has seen.
async fn log_in(stack: &Stack, email: &str, password: &str) -> Answer {
    stack.client().post("/v1/auth/login", json!({"email": email, "password": password})).await
}

/// Exchanges a refresh token.
async fn refresh(client: &Client, token: &Value) -> Answer {
    client.post("/v1/auth/refresh", json!({"refresh_token": token})).await
}

/// Asks who the access token's owner is.
async fn me(stack: &Stack, token: &Value) -> Answer {
    stack.client().with_token(token.as_str().unwrap()).get("/v1/me").await
}

/// The items of a kind in the area's table.
fn items(stack: &Stack, kind: &str) -> Vec<Value> {
    stack.table("accounts").of_kind(kind)
}

/// Changes fields of the one item of a kind, as a function of later work would.
async fn change(stack: &Stack, kind: &str, fields: Value) {
    let mut item = items(stack, kind).remove(0);
    for (name, value) in fields.as_object().unwrap() {
        item[name] = value.clone();
    }
    stack.put_item("accounts", &item).await.unwrap();
}

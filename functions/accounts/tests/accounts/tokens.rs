//! Access tokens: what is refused, and that changes act on the next request.

use std::time::Duration;

use local::{Stack, keys};
use serde_json::{Value, json};

use super::{change, me, sign_up};

/// Header, claims and signature of a token, decoded where they are JSON.
fn parts(token: &Value) -> (Value, Value) {
    let mut parts = token.as_str().unwrap().split('.').map(decoded);
    (parts.next().unwrap(), parts.next().unwrap())
}

fn decoded(part: &str) -> Value {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn encoded(value: &Value) -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_token_says_who_where_and_how() {
    let stack = Stack::start().await;
    let entrance = sign_up(&stack, "anna@example.com").await;
    let (header, claims) = parts(&entrance["token"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("JWT")));
    let jwks = stack.client().get("/.well-known/jwks.json").await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
    let keys = jwks.expect(200);
    assert_eq!(keys["keys"][0]["kid"], header["kid"]);
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    assert!(keys["keys"][0].get("d").is_none(), "the private half stays private");
    assert_eq!(claims["sub"], entrance["user"]["id"]);
    assert_eq!(claims["org"], entrance["organisation"]["id"]);
    assert_eq!((&claims["aud"], &claims["typ"]), (&json!("tenantry"), &json!("access")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!(claims["amr"], json!(["pwd"]));
    assert!(!claims.to_string().contains("anna"), "no personal data");
    stack.settle().await;
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let stack = Stack::start().await;
    let entrance = sign_up(&stack, "anna@example.com").await;
    let token = entrance["token"].as_str().unwrap();
    let (header, claims) = parts(&entrance["token"]);
    let secret = &stack.core().secrets[&keys::accounts_secret()];
    let signed = |change: Value| {
        let mut claims = claims.clone();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        keys::sign(secret, &claims).unwrap()
    };
    assert_eq!(
        me(&stack, &json!(signed(json!({})))).await.status,
        200,
        "our own signature, unchanged claims"
    );

    let body_and_signature = token.split_once('.').unwrap().1;
    let with_header = |change: Value| {
        let mut header = header.clone();
        for (name, value) in change.as_object().unwrap() {
            header[name] = value.clone();
        }
        format!("{}.{body_and_signature}", encoded(&header))
    };
    let unsigned = format!("{}.{}.", encoded(&json!({"alg": "none", "typ": "JWT"})), encoded(&claims));
    let public = stack.client().get("/.well-known/jwks.json").await.expect(200)["keys"][0]["x"].clone();
    let input = format!("{}.{}", encoded(&json!({"alg": "HS256", "typ": "JWT"})), encoded(&claims));
    let by_public_key = platform::hash::hmac(public.as_str().unwrap().as_bytes(), input.as_bytes());
    let by_public_key = {
        use base64::Engine;
        format!("{input}.{}", base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(by_public_key))
    };
    let (start, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let cases = [
        ("no algorithm", unsigned),
        ("signed with the public key", by_public_key),
        ("another algorithm named", with_header(json!({"alg": "HS256"}))),
        ("another key named", with_header(json!({"kid": "unknown"}))),
        ("another signature", format!("{start}.{other}{}", &signature[1..])),
        ("another type", signed(json!({"typ": "refresh"}))),
        ("another audience", signed(json!({"aud": "somebody"}))),
        ("another issuer", signed(json!({"iss": "https://elsewhere.example"}))),
        ("an old epoch", signed(json!({"epoch": 7}))),
        (
            "of the future",
            signed(json!({"iat": claims["exp"], "exp": claims["exp"].as_i64().unwrap() + 900})),
        ),
        ("of a session that never was", signed(json!({"sid": "ses_00000000000000000000000007"}))),
        ("for a foreign organisation", signed(json!({"org": "org_00000000000000000000000007"}))),
        ("half a token", token[..40].to_owned()),
        ("no token", String::new()),
        ("nonsense", "🦀".escape_unicode().to_string()),
    ];
    for (name, forged) in cases {
        let answer = me(&stack, &json!(forged)).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
    }
    assert_eq!(stack.client().get("/v1/me").await.code(), "missing_token");
    stack.settle().await;
}

#[tokio::test]
async fn a_token_dies_after_a_quarter_of_an_hour_and_thirty_seconds_of_leeway() {
    let stack = Stack::start().await;
    let token = sign_up(&stack, "anna@example.com").await["token"].clone();
    stack.advance(Duration::from_secs(15 * 60)).await;
    assert_eq!(me(&stack, &token).await.status, 200, "within the leeway");
    stack.advance(Duration::from_secs(31)).await;
    assert_eq!(me(&stack, &token).await.status, 401);
    stack.settle().await;
}

#[tokio::test]
async fn changes_of_role_and_state_act_on_the_next_request() {
    let stack = Stack::start().await;
    let anna = sign_up(&stack, "anna@example.com").await;
    assert_eq!(me(&stack, &anna["token"]).await.status, 200);

    change(&stack, "membership", json!({"role": "viewer", "epoch": 1})).await;
    let stale = me(&stack, &anna["token"]).await;
    assert_eq!((stale.status, stale.code().as_str()), (401, "token_stale"));
    let body = json!({"refresh_token": anna["refresh_token"]});
    let fresh = stack.client().post("/v1/auth/refresh", body).await.expect(200);
    assert_eq!(me(&stack, &fresh["token"]).await.expect(200)["role"], "viewer");

    change(&stack, "organisation", json!({"state": "suspended"})).await;
    let shut = me(&stack, &fresh["token"]).await;
    assert_eq!((shut.status, shut.code().as_str()), (401, "organisation_inactive"));
    change(&stack, "organisation", json!({"state": "active"})).await;
    assert_eq!(me(&stack, &fresh["token"]).await.status, 200);

    let revoked = stack.now();
    change(&stack, "session", json!({"revoked_at": revoked})).await;
    let dead = me(&stack, &fresh["token"]).await;
    assert_eq!((dead.status, dead.code().as_str()), (401, "session_revoked"));
    stack.settle().await;
}

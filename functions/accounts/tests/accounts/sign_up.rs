//! Signing up.

use local::Stack;
use local::aws::faults::When;
use serde_json::json;

use super::{PASSWORD, items, log_in, me, sign_up};

#[tokio::test]
async fn opens_an_account_and_comes_in() {
    let stack = Stack::start().await;
    let body = json!({
        "email": " Anna@Example.com ", "password": PASSWORD, "firstName": "Anna", "last_name": "Lindqvist",
        "company": "Northwind", "plan": "pro", "accept_terms": true,
    });
    let entrance = stack.client().post("/v1/auth/signup", body).await.expect(201);
    insta::assert_json_snapshot!(entrance, {
        ".token" => "[token]", ".refresh_token" => "[refresh token]", ".device" => "[device]",
        ".user.id" => "[user]", ".user.created_at" => "[now]", ".organisation.id" => "[organisation]",
    }, @r#"
    {
      "device": "[device]",
      "expires_in": 900,
      "organisation": {
        "id": "[organisation]",
        "name": "Northwind"
      },
      "refresh_token": "[refresh token]",
      "role": "owner",
      "token": "[token]",
      "token_type": "Bearer",
      "user": {
        "created_at": "[now]",
        "email": "anna@example.com",
        "email_verified": false,
        "first_name": "Anna",
        "id": "[user]",
        "last_name": "Lindqvist",
        "locale": "en"
      }
    }
    "#);
    assert_eq!(me(&stack, &entrance["token"]).await.status, 200);
    let organisation = &items(&stack, "organisation")[0];
    assert_eq!(organisation["wanted_plan"], "pro");
    assert_eq!(items(&stack, "user")[0]["terms_accepted_at"], entrance["user"]["created_at"]);
    stack.settle().await;
}

#[tokio::test]
async fn each_item_carries_its_event() {
    let stack = Stack::start().await;
    sign_up(&stack, "anna@example.com").await;
    for (kind, event) in [
        ("user", "accounts.user_signed_up"),
        ("organisation", "accounts.organisation_created"),
        ("verification", "accounts.verification_requested"),
    ] {
        let item = &items(&stack, kind)[0];
        assert_eq!(item["event"]["type"], event);
        assert!(item["event"]["org"].as_str().unwrap().starts_with("org_"), "{event}");
    }
    stack.settle().await;
}

#[tokio::test]
async fn register_is_another_name_of_it() {
    let stack = Stack::start().await;
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    let entrance = stack.client().post("/v1/auth/register", body).await.expect(201);
    assert_eq!(entrance["organisation"]["name"], "anna");
    stack.settle().await;
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_spelled() {
    let stack = Stack::start().await;
    sign_up(&stack, "A@Ex.com ").await;
    sign_up(&stack, "a+b@ex.com").await;
    sign_up(&stack, "anna@münchen.example").await;
    for taken in ["a@ex.com", " A@EX.COM", "anna@xn--mnchen-3ya.example"] {
        let body = json!({"email": taken, "password": "another password"});
        let answer = stack.client().post("/v1/auth/signup", body).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "email_taken"), "{taken}");
    }
    let long = format!("{}@{}.example", "a".repeat(64), "x".repeat(63).as_str().repeat(3));
    let answer = stack.client().post("/v1/auth/signup", json!({"email": long, "password": PASSWORD})).await;
    assert_eq!(answer.status, 422);
    stack.settle().await;
}

#[tokio::test]
async fn of_two_at_once_one_gets_the_address_and_the_other_leaves_nothing() {
    let stack = Stack::start().await;
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    let (one, other) = (stack.client(), stack.client());
    let (one, other) =
        tokio::join!(one.post("/v1/auth/signup", body.clone()), other.post("/v1/auth/signup", body));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    for kind in ["address", "user", "password", "organisation", "membership", "session", "verification"] {
        assert_eq!(items(&stack, kind).len(), 1, "{kind}");
    }
    stack.settle().await;
}

#[tokio::test]
async fn weak_passwords_are_refused_with_a_reason() {
    let stack = Stack::start().await;
    let heavy = "x".repeat(1_025);
    for weak in ["short7!", "password", "Lindqvist!", "tenantry1", heavy.as_str()] {
        let body = json!({"email": "anna@example.com", "last_name": "Lindqvist", "password": weak});
        let answer = stack.client().post("/v1/auth/signup", body).await;
        assert_eq!(answer.status, 422, "{weak}");
        assert_eq!(answer.code(), "weak_password", "{weak}");
        assert_eq!(answer.json()["problems"][0]["pointer"], "/password");
        assert!(!answer.text().contains(&format!("\"{weak}\"")), "the answer repeats the password");
    }
    assert!(items(&stack, "user").is_empty());
}

#[tokio::test]
async fn long_and_composed_passwords_let_in() {
    let stack = Stack::start().await;
    let crabs = "🦀".repeat(128);
    let body = json!({"email": "anna@example.com", "password": crabs});
    stack.client().post("/v1/auth/signup", body).await.expect(201);
    log_in(&stack, "anna@example.com", &crabs).await.expect(200);

    let body = json!({"email": "bob@example.com", "password": "caf\u{e9} cr\u{e8}me"});
    stack.client().post("/v1/auth/signup", body).await.expect(201);
    log_in(&stack, "bob@example.com", "cafe\u{301} cre\u{300}me").await.expect(200);
    stack.settle().await;
}

#[tokio::test]
async fn the_language_is_the_chosen_one_or_the_browsers() {
    let stack = Stack::start().await;
    let french = stack.client().with_header("accept-language", "fr-CH, fr;q=0.9, en;q=0.8");
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    assert_eq!(french.post("/v1/auth/signup", body).await.expect(201)["user"]["locale"], "fr");
    let body = json!({"email": "bob@example.com", "password": PASSWORD, "locale": "ar"});
    assert_eq!(french.post("/v1/auth/signup", body).await.expect(201)["user"]["locale"], "ar");
    stack.settle().await;
}

#[tokio::test]
async fn neither_password_nor_tokens_are_kept() {
    let stack = Stack::start().await;
    let entrance = sign_up(&stack, "anna@example.com").await;
    let kept = serde_json::to_string(&stack.table("accounts").items()).unwrap();
    for secret in [&json!(PASSWORD), &entrance["token"], &entrance["refresh_token"], &entrance["device"]] {
        assert!(!kept.contains(secret.as_str().unwrap()));
    }
    let hash = items(&stack, "password")[0]["hash"].as_str().unwrap().to_owned();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let said = entrance.to_string();
    assert!(!said.contains("password") && !said.contains("hash"), "{said}");
    stack.settle().await;
}

#[tokio::test]
async fn killed_at_its_write_it_leaves_all_or_nothing() {
    let stack = Stack::start().await;
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    let order = || stack.faults().on("sign_up", "dynamodb", "TransactWriteItems");

    order().kill_at(1, When::Before);
    let lost = stack.client().post("/v1/auth/signup", body.clone()).await;
    assert!(lost.status >= 500, "{}", lost.status);
    for kind in ["address", "user", "password", "organisation", "membership", "session", "verification"] {
        assert!(items(&stack, kind).is_empty(), "{kind}");
    }

    order().kill_at(1, When::After);
    let lost = stack.client().post("/v1/auth/signup", body.clone()).await;
    assert!(lost.status >= 500, "{}", lost.status);
    assert_eq!(stack.client().post("/v1/auth/signup", body).await.code(), "email_taken");
    let entrance = log_in(&stack, "anna@example.com", PASSWORD).await.expect(200);
    assert_eq!(me(&stack, &entrance["token"]).await.status, 200);
    stack.settle().await;
}

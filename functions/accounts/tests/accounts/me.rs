//! Who I am.

use local::Stack;
use serde_json::json;

use super::{PASSWORD, me, sign_up};

#[tokio::test]
async fn tells_person_organisation_role_and_entitlements() {
    let stack = Stack::start().await;
    let body =
        json!({"email": "anna@example.com", "password": PASSWORD, "first_name": "Anna", "locale": "fr"});
    let entrance = stack.client().post("/v1/auth/signup", body).await.expect(201);
    // Billing replaces the built-in trial by its own.
    stack.settle().await;
    let answer = me(&stack, &entrance["token"]).await.expect(200);
    let version = &answer["organisation"]["entitlements"]["version"];
    assert_eq!(
        (version, answer["organisation"]["entitlements"]["products"].get("costs").is_some()),
        (&json!(2), true)
    );
    insta::assert_json_snapshot!(answer, {
        ".user.id" => "[user]", ".user.created_at" => "[now]", ".organisation.id" => "[organisation]",
        ".organisation.entitlements" => "[entitlements]",
    }, @r#"
    {
      "billing": true,
      "organisation": {
        "entitlements": "[entitlements]",
        "id": "[organisation]",
        "name": "Anna",
        "settings": {
          "locale": "fr"
        },
        "state": "active"
      },
      "role": "owner",
      "user": {
        "created_at": "[now]",
        "email": "anna@example.com",
        "email_verified": false,
        "first_name": "Anna",
        "id": "[user]",
        "locale": "fr"
      }
    }
    "#);
    stack.settle().await;
}

#[tokio::test]
async fn tells_each_person_of_themselves_alone() {
    let stack = Stack::start().await;
    let anna = sign_up(&stack, "anna@example.com").await;
    let bob = sign_up(&stack, "bob@example.com").await;
    let (to_anna, to_bob) =
        (me(&stack, &anna["token"]).await.expect(200), me(&stack, &bob["token"]).await.expect(200));
    assert_eq!(to_anna["user"]["id"], anna["user"]["id"]);
    assert_eq!(to_anna["organisation"]["id"], anna["organisation"]["id"]);
    assert_eq!(to_bob["user"]["id"], bob["user"]["id"]);
    assert_ne!(to_anna["organisation"]["id"], to_bob["organisation"]["id"]);
    stack.settle().await;
}

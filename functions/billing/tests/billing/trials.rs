//! Trials: started once, told of in time, ended in order, prolonged by staff.

use domain::accounts::Role;
use local::Stack;
use serde_json::json;

use crate::{DAY, HOUR, after, audit, back, held, items, refused, staff, told, verified_for};

const HOSTING: &str = "/v1/trials/hosting";

#[tokio::test]
async fn signing_up_starts_the_trial_once() {
    let stack = Stack::start().await;
    stack.deliver_twice("open_account");
    let anna = stack.verified("anna@example.com").await;
    let answer = anna.get(HOSTING).await.ok();
    insta::assert_json_snapshot!(answer, {".started_at" => "[now]", ".ends_at" => "[then]", ".grace_ends_at" => "[then]"}, @r#"
    {
      "access": "full",
      "days_left": 14,
      "ends_at": "[then]",
      "grace_ends_at": "[then]",
      "limits": {
        "backups_kept": 1,
        "custom_domains": 0,
        "mails_per_month": 200,
        "sites": 1,
        "storage_bytes": 1073741824,
        "units": 1,
        "users": 3
      },
      "plan": "trial",
      "product": "hosting",
      "started_at": "[now]",
      "state": "active",
      "upgrade": "launch",
      "usage": {
        "sites": 0
      }
    }
    "#);
    let moment = |field: &str| answer[field].as_str().unwrap().parse::<domain::Timestamp>().unwrap();
    assert_eq!(moment("ends_at").since(moment("started_at")).as_secs(), 14 * DAY);
    assert_eq!(told(&stack, &anna, "billing.trial_started"), 1);
    assert_eq!(items(&stack, &anna, "account").len(), 1);
    assert_eq!(refused(anna.post_empty(HOSTING)).await, (409, "trial_used".to_owned()));
    assert_eq!(refused(anna.post_empty("/v1/trials/rockets")).await, (404, "not_found".to_owned()));
    assert_eq!(refused(anna.post_empty("/v1/trials/costs")).await.0, 409);
    audit::check(&stack).await;
}

#[tokio::test]
async fn two_starts_at_once_make_one_trial() {
    let stack = Stack::start().await;
    let anna = verified_for(&stack, "anna@example.com", "launch").await;
    let answers = futures_util::future::join_all((0..4).map(|_| anna.post_empty(HOSTING))).await;
    let mut codes: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    codes.sort_unstable();
    assert_eq!(codes, [201, 409, 409, 409]);
    let boris = verified_for(&stack, "boris@example.com", "launch").await.with_key("once");
    let first = boris.post_empty(HOSTING).await;
    let again = boris.post_empty(HOSTING).await;
    assert_eq!((again.expect(201), again.header("idempotent-replayed")), (first.expect(201), "true"));
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_company_and_a_mailbox_try_once() {
    let stack = Stack::start().await;
    let tried = async |email: &str| {
        let person = stack.verified(email).await;
        (person.get(HOSTING).await.status, person)
    };
    assert_eq!(tried("anna@northwind.io").await.0, 200);
    let (status, bert) = tried("bert@northwind.io").await;
    assert_eq!(status, 404, "the same company");
    assert_eq!(refused(bert.post_empty(HOSTING)).await, (409, "trial_used".to_owned()));
    let site = refused(bert.post("/v1/hosting/sites", json!({"label": "second"}))).await;
    assert_eq!(site, (402, "plan_required".to_owned()));
    assert_eq!(tried("carla.m@gmail.com").await.0, 200);
    assert_eq!(tried("carlam+again@gmail.com").await.0, 404, "the same mailbox");
    assert_eq!(tried("dora@gmail.com").await.0, 200, "a free mail provider is nobody's company");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_trial_is_told_of_in_time_and_ends_in_order() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let state = || items(&stack, &anna, "trial")[0]["state"].clone();
    for (days, left) in [(7, 1), (4, 2), (2, 3)] {
        after(&stack, days * DAY).await;
        for _ in 0..20 {
            after(&stack, 300).await;
        }
        assert_eq!((told(&stack, &anna, "billing.trial_notice_due"), state()), (left, json!("active")));
    }
    after(&stack, DAY).await;
    after(&stack, HOUR).await;
    assert_eq!(state(), "grace");
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "read_only");
    after(&stack, 3 * DAY).await;
    after(&stack, HOUR).await;
    assert_eq!(state(), "expired");
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "none");
    let told_of = |kind: &str| told(&stack, &anna, &format!("billing.{kind}"));
    assert_eq!((told_of("trial_grace_begun"), told_of("trial_expired")), (1, 1));
    let back = back(&stack, &anna).await;
    assert_eq!(back.get(HOSTING).await.ok()["days_left"], 0);
    for _ in 0..31 {
        after(&stack, DAY).await;
    }
    assert_eq!((state(), told_of("trial_purged")), (json!("purged"), 1));
    assert_eq!(told_of("trial_notice_due"), 3);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_sweep_that_was_away_takes_every_step_and_leaves_a_day() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    after(&stack, 20 * DAY).await;
    let trial = &items(&stack, &anna, "trial")[0];
    assert_eq!(trial["state"], "grace", "a day is left after the notice");
    assert_eq!(told(&stack, &anna, "billing.trial_grace_begun"), 1, "one mail for all that was missed");
    assert_eq!(told(&stack, &anna, "billing.trial_notice_due"), 0, "no notice of what is over");
    after(&stack, DAY + HOUR).await;
    assert_eq!(items(&stack, &anna, "trial")[0]["state"], "expired");
    audit::check(&stack).await;
}

#[tokio::test]
async fn staff_prolong_a_trial_once() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let path = format!("/v1/admin/orgs/{}/trials/hosting/extend", anna.org());
    let week = json!({"days": 7});
    assert_eq!(refused(anna.post(&path, week.clone())).await, (403, "not_staff".to_owned()));
    after(&stack, 15 * DAY).await;
    after(&stack, HOUR).await;
    assert_eq!(items(&stack, &anna, "trial")[0]["state"], "grace");

    let staff = staff(&stack).await;
    assert_eq!(refused(staff.post(&path, json!({"days": 15}))).await.0, 422);
    let longer = staff.post(&path, week.clone()).await.ok();
    assert_eq!((&longer["state"], &longer["access"]), (&json!("active"), &json!("full")));
    assert_eq!(refused(staff.post(&path, week.clone())).await, (409, "already_extended".to_owned()));
    let nobody = path.replace(anna.org(), "org_00000000000000000000000007");
    assert_eq!(refused(staff.post(&nobody, week)).await, (404, "not_found".to_owned()));
    stack.settle().await;
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "full");
    assert_eq!(told(&stack, &anna, "billing.trial_extended"), 1);
    audit::check(&stack).await;
}

#[tokio::test]
async fn an_owner_ends_a_trial_and_nobody_else() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let admin = stack.join(&anna, "admin@example.com", Role::Admin).await;
    let viewer = stack.join(&anna, "viewer@example.com", Role::Viewer).await;
    assert_eq!(viewer.get(HOSTING).await.status, 200);
    assert_eq!(refused(viewer.post_empty(HOSTING)).await, (403, "role_too_low".to_owned()));
    assert_eq!(refused(admin.delete(HOSTING)).await, (403, "role_too_low".to_owned()));
    assert_eq!(anna.delete(HOSTING).await.ok()["state"], "canceled");
    assert_eq!(anna.delete(HOSTING).await.ok()["state"], "canceled", "asking again changes nothing");
    stack.settle().await;
    assert_eq!(told(&stack, &anna, "billing.trial_canceled"), 1);
    assert_eq!(held(&stack, &anna)["products"]["hosting"]["access"], "none");
    audit::check(&stack).await;
}

#[tokio::test]
async fn the_old_systems_clients_ask_by_organisation() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let path = format!("/v1/trial-status/{}", anna.org());
    assert_eq!(anna.get(&path).await.ok(), anna.get(HOSTING).await.ok());
    assert_eq!(refused(boris.get(&path)).await, (404, "not_found".to_owned()));
    assert_eq!(refused(anna.get("/v1/trial-status/acme")).await, (404, "not_found".to_owned()));
    assert_eq!(refused(stack.client().get(&path)).await.0, 401);
    audit::check(&stack).await;
}

//! Names that sites can and cannot have, and who gets one that two want.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use local::Stack;
use serde_json::json;

use crate::{deploy, deployed, until_operation};

#[tokio::test]
async fn only_plain_free_labels_become_sites() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let long = "a".repeat(64);
    for wrong in [
        "",
        "ab",
        "acme.shop",
        "acme.",
        "Acme",
        "ACME",
        "münchen",
        "аcme",
        "acme_shop",
        "acme shop",
        "-acme",
        "acme-",
        "ab--cd",
        "xn--mnchen-3ya",
        long.as_str(),
        "www",
        "admin",
        "acme\n",
    ] {
        let answer = anna.post("/v1/hosting/sites", json!({ "label": wrong })).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{wrong:?}: {}", answer.text());
        assert_eq!(answer.json()["problems"][0]["pointer"], "/label", "{wrong:?}");
    }
    assert_eq!(anna.get("/v1/hosting/sites").await.ok()["items"], json!([]));
    stack.settle().await;
    assert!(stack.table("hosting").of_kind("label_claim").is_empty());
}

#[tokio::test]
async fn a_label_is_checked_before_it_is_asked_for() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let check = async |client: &local::harness::Client, label: &str| {
        client.get(&format!("/v1/hosting/subdomains/{label}")).await.ok()
    };
    let free = check(&anna, "acme").await;
    assert_eq!(free, json!({"label": "acme", "fqdn": "acme.sites.localhost", "available": true}));
    for wrong in ["www", "Acme", "a.b.c", "m%C3%BCnchen", "ab", &"a".repeat(64)] {
        let answer = check(&anna, wrong).await;
        assert_eq!(
            (&answer["available"], &answer["reason"]),
            (&json!(false), &json!("not_allowed")),
            "{wrong}"
        );
    }

    deploy(&anna, "acme").await;
    let boris = stack.sign_up("boris@example.com").await;
    for client in [&anna, &boris] {
        let taken = check(client, "acme").await;
        assert_eq!((&taken["available"], &taken["reason"]), (&json!(false), &json!("taken")));
        assert!(!taken.to_string().contains("org_"), "who has it is nobody's business");
    }
    assert_eq!(stack.client().get("/v1/hosting/subdomains/acme").await.status, 401);
}

#[tokio::test]
async fn of_two_who_want_a_label_at_once_one_gets_it() {
    let stack = Stack::start().await;
    for round in 0..4 {
        let anna = stack.verified(&format!("anna{round}@example.com")).await;
        let boris = stack.verified(&format!("boris{round}@example.com")).await;
        let body = json!({ "label": format!("wanted-{round}") });
        let (one, other) =
            join(anna.post("/v1/hosting/sites", body.clone()), boris.post("/v1/hosting/sites", body)).await;
        let mut both = [(one.status, one.code()), (other.status, other.code())];
        both.sort();
        assert_eq!(both, [(202, String::new()), (409, "label_taken".to_owned())]);

        // Who lost has used nothing up.
        let (loser, other_label) = if one.status == 409 { (&anna, "anna") } else { (&boris, "boris") };
        deploy(loser, &format!("{other_label}-{round}")).await;
    }
    let claims = stack.table("hosting").of_kind("label_claim");
    assert_eq!(claims.len(), 8);
}

#[tokio::test]
async fn of_sixty_four_who_want_a_label_at_once_one_gets_it() {
    let stack = Stack::start().await;
    let mut people = Vec::new();
    for number in 0..64 {
        people.push(stack.verified(&format!("anna@shop{number}.com")).await);
    }
    let body = json!({"label": "wanted"});
    let answers = join_all(people.iter().map(|person| person.post("/v1/hosting/sites", body.clone()))).await;
    let mut counts = BTreeMap::new();
    for answer in &answers {
        *counts.entry((answer.status, answer.code())).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([((202, String::new()), 1), ((409, "label_taken".to_owned()), 63)]));
    let claims = stack.table("hosting").of_kind("label_claim");
    assert_eq!(claims.len(), 1);
    let winner = answers.iter().position(|answer| answer.status == 202).unwrap();
    assert_eq!(claims[0]["org"], people[winner].org());
    assert_eq!(stack.table("hosting").of_kind("site").len(), 1);
    let operation = answers[winner].json()["id"].as_str().unwrap().to_owned();
    until_operation(&stack, &operation, "succeeded").await;
    crate::audit::check(&stack).await;
}

#[tokio::test]
async fn e53_a_served_name_stays_with_its_organisation_after_the_site() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let deletion = anna.delete(&asked.path()).await.expect(202);
    until_operation(&stack, deletion["operation"]["id"].as_str().unwrap(), "succeeded").await;

    let refused = boris.post("/v1/hosting/sites", json!({"label": "acme"})).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "label_taken"));
    let check = boris.get("/v1/hosting/subdomains/acme").await.ok();
    assert_eq!(check["reason"], "taken");
    assert_eq!(anna.get("/v1/hosting/subdomains/acme").await.ok()["available"], true);
    deploy(&anna, "acme").await;
}

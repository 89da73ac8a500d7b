//! The fleet, as operators see and change it.

use std::time::Duration;

use local::Stack;
use serde_json::json;

use crate::{audit, by_hand, deployed, item, refused, staff};

#[tokio::test]
async fn a_drained_host_loses_its_sites_and_ends() {
    let stack = Stack::start().await;
    let operator = staff(&stack).await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    let hers = deployed(&stack, &anna, "acme").await;
    let his = deployed(&stack, &boris, "other").await;
    let hosts = operator.get("/v1/admin/hosting/hosts").await.ok();
    let host = hosts["items"][0].clone();
    assert_eq!((&host["state"], &host["sites"]), (&json!("ready"), &json!(2)));
    assert!(!hosts.to_string().contains("hash"), "no key of a host is shown");

    let path = format!("/v1/admin/hosting/hosts/{}/drain", host["id"].as_str().unwrap());
    let drain = operator.post_empty(&path).await.expect(202);
    assert_eq!(
        (&drain["host"]["state"], drain["operations"].as_array().unwrap().len()),
        (&json!("draining"), 2)
    );
    assert!(operator.post_empty(&path).await.expect(202)["operations"].as_array().unwrap().is_empty());
    let machine = host["instance_id"].as_str().unwrap().to_owned();
    let ended = async || stack.cloud().ec2().running().iter().all(|running| running.id != machine);
    stack.run_until("the machine ends", Duration::from_secs(3 * 3_600), ended).await;
    for asked in [&hers, &his] {
        let site = item(&stack, "site", &asked.site);
        assert_eq!((&site["state"], &site["mode"]), (&json!("active"), &json!("shared")));
        assert_ne!(site["host"], host["id"]);
    }
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_pool_grows_as_operators_say() {
    let stack = Stack::start().await;
    let operator = staff(&stack).await;
    let path = "/v1/admin/hosting/pools/shared";
    let options = json!([{"instance_type": "t3.medium"}]);
    let settings = json!({"units_per_host": 5, "max_hosts": 3, "target_free": 6, "options": options});
    let pool = operator.put(path, settings.clone()).await.expect(200);
    assert_eq!(pool["target_free"], 6);
    let two = async || stack.cloud().ec2().running().len() == 2;
    stack.run_until("room is kept free", crate::PATIENCE, two).await;
    for (wrong, pointer) in [
        (
            json!({"units_per_host": 0, "max_hosts": 3, "target_free": 6, "options": options}),
            "/units_per_host",
        ),
        (json!({"units_per_host": 5, "max_hosts": 3, "target_free": 6, "options": []}), "/options"),
        (
            json!({"units_per_host": 5, "max_hosts": 3, "target_free": 6, "options": [{"instance_type": "big one"}]}),
            "/options/0/instance_type",
        ),
    ] {
        let answer = operator.put(path, wrong).await;
        assert_eq!((answer.status, &answer.json()["problems"][0]["pointer"]), (422, &json!(pointer)));
    }
    assert_eq!(operator.put("/v1/admin/hosting/pools/other", settings.clone()).await.status, 404);
    let anna = stack.verified("anna@example.com").await;
    assert_eq!(refused(anna.put(path, settings)).await, (403, "not_staff".to_owned()));
    assert_eq!(refused(anna.get("/v1/admin/hosting/hosts")).await, (403, "not_staff".to_owned()));
    let unknown = "/v1/admin/hosting/hosts/host_00000000000000000000000001/drain";
    assert_eq!(refused(operator.post_empty(unknown)).await, (404, "not_found".to_owned()));
    audit::check(&stack).await;
}

#[tokio::test]
async fn e53_a_record_that_leads_to_nobody_of_ours_is_found() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    deployed(&stack, &anna, "acme").await;
    let zone = stack.cloud().route53().zones().remove(0).id;
    let records = stack.cloud().route53().records(&zone).into_iter();
    let mut dangling = records.filter(|record| record.kind == "A").collect::<Vec<_>>().remove(0);
    dangling.name = "ghost.sites.localhost.".to_owned();
    crate::change_zone(&stack, "CREATE", &dangling).await;
    stack.travel(1).await;
    let orphans = stack.table("hosting").of_kind("orphan");
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(
        (&orphans[0]["what"], &orphans[0]["name"]),
        (&json!("record"), &json!("ghost.sites.localhost A"))
    );
    crate::change_zone(&stack, "DELETE", &dangling).await;
    stack.travel(1).await;
    assert!(stack.table("hosting").of_kind("orphan").is_empty(), "what is gone is told no more");
    audit::check(&stack).await;
}

#[tokio::test]
async fn what_has_no_owner_is_told_until_it_is_gone() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let orphans = || stack.table("hosting").of_kind("orphan");
    stack.travel(1).await;
    assert!(orphans().is_empty(), "everything has an owner: {:?}", orphans());
    let stored = stack.table("hosting").of_kind("measure").remove(0);
    assert_eq!(stored["site"], asked.site);
    assert!(stored["stored_bytes"].as_u64().unwrap() > 100, "the welcome page: {stored}");
    let anna = crate::kills::signed_in(&stack, &anna).await;
    assert_eq!(anna.get("/v1/dashboard").await.ok()["usage"]["storage_bytes"], stored["stored_bytes"]);

    let lost = "tenantry-local-site-01arz3ndektsv4rrffq69g5fav";
    stack.cloud().s3().create_bucket(lost).await.unwrap();
    stack.travel(1).await;
    let found = orphans();
    assert_eq!((found.len(), &found[0]["what"], &found[0]["name"]), (1, &json!("bucket"), &json!(lost)));
    let first = found[0]["first_seen_at"].clone();
    stack.travel(1).await;
    assert_eq!(orphans()[0]["first_seen_at"], first, "told once");
}

#[tokio::test]
async fn whatever_nobody_has_is_found_by_its_mark() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    deployed(&stack, &anna, "acme").await;
    let allocation: String = [("stage", "local"), ("host", "host_00000000000000000000000001")]
        .iter()
        .zip(1..)
        .map(|((tag, value), n)| {
            let field = format!("TagSpecification.1.Tag.{n}");
            format!("&{field}.Key=tenantry%3A{tag}&{field}.Value={value}")
        })
        .collect();
    let allocation = format!(
        "Action=AllocateAddress&Version=2016-11-15&Domain=vpc&TagSpecification.1.ResourceType=elastic-ip{allocation}"
    );
    by_hand(&stack, "ec2", ("POST", "/"), allocation).await;
    for domain in ["ghost.sites.localhost", "somebody-elses.example"] {
        let identity = format!("Action=VerifyDomainIdentity&Version=2010-12-01&Domain={domain}");
        by_hand(&stack, "ses", ("POST", "/"), identity).await;
    }
    // Another stage's zone, somebody else's, and one of ours.
    for (name, reference) in [
        ("staging.example", "tenantry-staging-evt_00000000000000000000000001"),
        ("else.example", "by-hand"),
        ("ghost.example", "tenantry-local-evt_00000000000000000000000002"),
    ] {
        let zone = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{name}</Name>\
             <CallerReference>{reference}</CallerReference></CreateHostedZoneRequest>"
        );
        by_hand(&stack, "route53", ("POST", "/2013-04-01/hostedzone"), zone).await;
    }
    stack.travel(1).await;
    let orphans = stack.table("hosting").of_kind("orphan");
    let mut found: Vec<_> =
        orphans.iter().map(|one| format!("{} {}", one["what"], one["name"]).replace('"', "")).collect();
    found.sort();
    let address = stack.cloud().ec2().addresses().into_iter().find(|one| one.instance.is_none()).unwrap().id;
    let zones = stack.cloud().route53().zones();
    let zone = zones.iter().find(|zone| zone.name == "ghost.example.").unwrap();
    let expected = [
        format!("address {address}"),
        "mail_domain ghost.sites.localhost".to_owned(),
        format!("zone ghost.example {}", zone.id),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_somebody_changed_in_a_zone_is_asked_for_again() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    deployed(&stack, &anna, "acme").await;
    let zone = stack.cloud().route53().zones().remove(0).id;
    let records = || stack.cloud().route53().records(&zone);
    let said =
        || -> Vec<_> { records().into_iter().map(|one| (one.name, one.kind, one.ttl, one.values)).collect() };
    let (before, wanted) = (records(), said());
    let address = before.iter().find(|record| record.kind == "A").unwrap();
    let mut elsewhere = address.clone();
    elsewhere.values = vec!["203.0.113.77".to_owned()];
    crate::change_zone(&stack, "UPSERT", &elsewhere).await;
    let policy = before.iter().find(|record| record.name.starts_with("_dmarc.")).unwrap();
    crate::change_zone(&stack, "DELETE", policy).await;
    assert_ne!(said(), wanted);
    stack.travel(1).await;
    let restored = async || said() == wanted;
    stack.run_until("both are there again", crate::PATIENCE, restored).await;
    let drifted =
        stack.logs("reconcile_infrastructure").iter().any(|line| line.contains("\"RecordsDrifted\":[2"));
    assert!(drifted, "an alarm counts them");
    stack.travel(1).await;
    assert!(stack.table("hosting").of_kind("orphan").is_empty());
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_site_whose_name_leads_to_no_machine_is_found() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    deployed(&stack, &anna, "acme").await;
    let mut host = stack.table("hosting").of_kind("host").remove(0);
    host["ip"] = json!("203.0.113.77");
    stack.put_item("hosting", &host).await.unwrap();
    stack.travel(1).await;
    let orphans = stack.table("hosting").of_kind("orphan");
    assert_eq!(
        (orphans.len(), &orphans[0]["what"], &orphans[0]["name"]),
        (1, &json!("record"), &json!("acme.sites.localhost A"))
    );
}

#[tokio::test]
async fn a_drain_names_the_sites_that_do_not_move() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let operator = crate::staff(&stack).await;
    let asked = crate::deployed(&stack, &anna, "acme").await;
    let body = json!({"reason": "Phishing."});
    operator.post(&format!("{}/suspend", asked.path()), body).await.expect(202);
    let down = async || crate::item(&stack, "site", &asked.site)["state"] == "suspended";
    stack.run_until("it is suspended", crate::PATIENCE, down).await;
    let host = crate::item(&stack, "site", &asked.site)["host"].as_str().unwrap().to_owned();
    let drained = operator.post_empty(&format!("/v1/admin/hosting/hosts/{host}/drain")).await.expect(202);
    assert_eq!((&drained["operations"], &drained["stays"]), (&json!([]), &json!([asked.site])));
}

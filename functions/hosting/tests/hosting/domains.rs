//! Domains that customers bring: one zone each, the records they keep there, and whether the world is sent to it.

use std::time::Duration;

use local::Stack;
use local::aws::faults::When;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{audit, entitled, refused};

const DOMAINS: &str = "/v1/hosting/domains";

async fn paying(stack: &Stack, email: &str) -> Client {
    let client = stack.verified(email).await;
    entitled(stack, client.org(), |hosting| hosting["limits"]["custom_domains"] = json!(2)).await;
    client
}

/// Zones of Route 53 with this name.
fn zones(stack: &Stack, name: &str) -> Vec<String> {
    let zones = stack.cloud().route53().zones().into_iter();
    zones.filter(|zone| zone.name == format!("{name}.")).map(|zone| zone.id).collect()
}

async fn until_insync(stack: &Stack, client: &Client, name: &str) {
    let path = format!("{DOMAINS}/{name}/records");
    let there = async || {
        let records = client.get(&path).await.ok();
        records["items"].as_array().unwrap().iter().all(|record| record["state"] == "insync")
    };
    stack.run_until("the name servers have it", Duration::from_secs(120), there).await;
}

#[tokio::test]
async fn a_domain_added_twice_is_one_zone_with_four_name_servers() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    let body = json!({"name": "Example.ORG."});
    let first = anna.post(DOMAINS, body.clone()).await.expect(201);
    assert_eq!((&first["name"], &first["state"]), (&json!("example.org"), &json!("undelegated")));
    assert_eq!(first["name_servers"].as_array().unwrap().len(), 4);
    let again = anna.post(DOMAINS, body.clone()).await.expect(201);
    assert_eq!(again["name_servers"], first["name_servers"]);
    assert_eq!(zones(&stack, "example.org").len(), 1);

    let boris = paying(&stack, "boris@example.com").await;
    assert_eq!(refused(boris.post(DOMAINS, body)).await, (409, "owned_elsewhere".to_owned()));
    assert_eq!(refused(boris.get(&format!("{DOMAINS}/example.org"))).await, (404, "not_found".to_owned()));
    for wrong in
        ["acme.sites.localhost", "localhost", "192.0.2.1", "a b.org", "example.com", "mail.example.com"]
    {
        assert_eq!(anna.post(DOMAINS, json!({ "name": wrong })).await.status, 422, "{wrong}");
    }
    anna.post(DOMAINS, json!({"name": "example.net"})).await.expect(201);
    let full = anna.post(DOMAINS, json!({"name": "example.info"})).await;
    assert_eq!((full.status, full.json()["limit"].clone()), (402, json!("custom_domains")));
    let dashboard = anna.get("/v1/dashboard").await.ok();
    assert_eq!(dashboard["usage"]["custom_domains"], 2);
    let trial = stack.verified("clara@example.com").await;
    assert_eq!(refused(trial.post(DOMAINS, json!({"name": "clara.org"}))).await.0, 402);
}

#[tokio::test]
async fn e54_a_zone_whose_making_was_not_answered_is_found_and_a_foreign_one_is_left_alone() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    let body = json!({"name": "example.org"});
    stack.faults().on("add_domain", "route53", "CreateHostedZone").times(9).lose_answer();
    let lost = anna.post(DOMAINS, body.clone()).await;
    stack.faults().clear();
    assert!(lost.status >= 500 || lost.status == 201, "{}", lost.status);
    let answer = anna.post(DOMAINS, body).await;
    answer.expect(201);
    assert_eq!(zones(&stack, "example.org").len(), 1);

    stack.cloud().route53().create_zone("ZFOREIGN", "taken.org").unwrap();
    let foreign = refused(anna.post(DOMAINS, json!({"name": "taken.org"}))).await;
    assert_eq!(foreign, (409, "zone_conflict".to_owned()));
    assert_eq!(refused(anna.get(&format!("{DOMAINS}/taken.org"))).await.0, 404, "nothing is kept of it");
    assert_eq!(anna.get("/v1/hosting/dashboard").await.ok()["usage"]["custom_domains"], 1);
}

#[tokio::test]
async fn a_domain_whose_zone_is_being_made_can_be_deleted() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    let domain = format!("{DOMAINS}/example.org");
    stack.faults().on("add_domain", "route53", "CreateHostedZone").always().fail(503, "ServiceUnavailable");
    assert!(anna.post(DOMAINS, json!({"name": "example.org"})).await.status >= 500);
    assert_eq!(anna.get(&domain).await.ok()["state"], "creating");
    assert_eq!(anna.delete(&domain).await.expect(202)["state"], "deleting");
    assert_eq!(refused(anna.get(&domain)).await.0, 404);

    stack.faults().clear();
    stack.faults().on("add_domain", "route53", "CreateHostedZone").always().lose_answer();
    stack.faults().on("add_domain", "route53", "ListHostedZonesByName").after(1).always().fail(503, "Slow");
    assert!(anna.post(DOMAINS, json!({"name": "example.org"})).await.status >= 500);
    stack.faults().clear();
    assert_eq!(zones(&stack, "example.org").len(), 1);
    anna.delete(&domain).await.expect(202);
    let gone = async || zones(&stack, "example.org").is_empty();
    stack.run_until("the zone is gone", Duration::from_secs(300), gone).await;
    assert_eq!(anna.get("/v1/hosting/dashboard").await.ok()["usage"]["custom_domains"], 0);
    audit::check(&stack).await;
}

/// A domain that the zone above does not send the world to.
async fn unproven(stack: &Stack, client: &Client) -> String {
    stack.cloud().route53().create_zone("ZPARENT", "example.org").unwrap();
    client.post(DOMAINS, json!({"name": "shop.example.org"})).await.expect(201);
    format!("{DOMAINS}/shop.example.org")
}

#[tokio::test]
async fn a_domain_that_nobody_proves_ends_after_fourteen_days() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    let path = unproven(&stack, &anna).await;
    anna.post(DOMAINS, json!({"name": "example.net"})).await.expect(201);
    stack.travel(13).await;
    let anna = crate::kills::signed_in(&stack, &anna).await;
    assert_eq!(anna.get(&path).await.ok()["state"], "undelegated");
    stack.travel(5).await;
    let gone = async || zones(&stack, "shop.example.org").is_empty();
    stack.run_until("the zone is gone", Duration::from_secs(300), gone).await;
    let anna = crate::kills::signed_in(&stack, &anna).await;
    assert_eq!(refused(anna.get(&path)).await.0, 404);
    assert_eq!(anna.get(&format!("{DOMAINS}/example.net")).await.ok()["state"], "delegated");
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_domain_that_nobody_proves_yields_to_who_asks_for_it() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    let boris = paying(&stack, "boris@example.com").await;
    unproven(&stack, &anna).await;
    let body = json!({"name": "shop.example.org"});
    let early = refused(boris.post(DOMAINS, body.clone())).await;
    assert_eq!(early, (409, "owned_elsewhere".to_owned()));
    stack.travel(3).await;
    let boris = crate::kills::signed_in(&stack, &boris).await;
    let freed = refused(boris.post(DOMAINS, body.clone())).await;
    assert_eq!(freed, (409, "domain_being_freed".to_owned()));
    let gone = async || zones(&stack, "shop.example.org").is_empty();
    stack.run_until("the zone is gone", Duration::from_secs(300), gone).await;
    stack.settle().await;
    boris.post(DOMAINS, body).await.expect(201);
}

#[tokio::test]
async fn the_domains_of_who_does_not_pay_end() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    let unpaid = crate::billing::plan("trial", "none", "shared");
    crate::billing::tell(&stack, anna.org(), 100, unpaid).await;
    stack.travel(27).await;
    assert_eq!(zones(&stack, "example.org").len(), 1);
    stack.travel(18).await;
    let gone = async || zones(&stack, "example.org").is_empty();
    stack.run_until("the zone is gone", Duration::from_secs(300), gone).await;
    audit::check(&stack).await;
}

/// Lets Route 53 refuse the change of a record that it has.
async fn refuse_change(stack: &Stack, client: &Client, record: Value) {
    let records = format!("{DOMAINS}/example.org/records");
    client.put(&records, record.clone()).await.expect(202);
    until_insync(stack, client, "example.org").await;
    stack.faults().on("apply_dns_changes", "route53", "ChangeResourceRecordSets").always().throttle();
    client
        .put(&records, json!({"values": ["192.0.2.99"], "name": record["name"], "type": "A"}))
        .await
        .expect(202);
    // Nobody has the change in hand while another is put in its place.
    stack.settle().await;
    let mut change = stack.table("hosting").of_kind("dns_change").remove(0);
    change["record"]["values"] = json!(["300.1.1.1"]);
    stack.put_item("hosting", &change).await.unwrap();
    stack.faults().clear();
    let rejected = async || {
        let all = stack.table("hosting").of_kind("dns_record");
        all.iter().any(|one| one["record"]["name"] == record["name"] && one["state"] == "rejected")
    };
    stack.run_until("Route 53 refuses it", Duration::from_secs(180), rejected).await;
}

#[tokio::test]
async fn what_was_there_before_a_refused_change_can_be_deleted() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    let a = |name: &str| json!({"name": name, "type": "A", "values": ["192.0.2.7"]});
    refuse_change(&stack, &anna, a("*.example.org")).await;
    anna.delete(&format!("{DOMAINS}/example.org/records?name=*.example.org&type=A")).await.expect(202);
    let gone = async || {
        stack
            .table("hosting")
            .of_kind("dns_record")
            .iter()
            .all(|one| one["record"]["name"] != "*.example.org")
    };
    stack.run_until("the record is gone", Duration::from_secs(180), gone).await;
    assert!(stack.cloud().route53().lookup("any.example.org", "A").is_empty());

    refuse_change(&stack, &anna, a("www.example.org")).await;
    assert_eq!(stack.cloud().route53().lookup("www.example.org", "A"), ["192.0.2.7"]);
    anna.delete(&format!("{DOMAINS}/example.org")).await.expect(202);
    let gone = async || zones(&stack, "example.org").is_empty();
    stack.run_until("the zone is gone", Duration::from_secs(300), gone).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn no_record_is_wished_for_in_a_zone_that_ends() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    // As it is between a look at the domain and the write of the record.
    let mut zone = stack
        .table("hosting")
        .of_kind("zone")
        .into_iter()
        .find(|zone| zone["name"] == "example.org")
        .unwrap();
    zone["ends"] = json!(true);
    stack.put_item("hosting", &zone).await.unwrap();
    let record = json!({"name": "late.example.org", "type": "A", "values": ["192.0.2.1"]});
    let late = refused(anna.put(&format!("{DOMAINS}/example.org/records"), record)).await;
    assert_eq!(late, (409, "domain_not_ready".to_owned()));
}

#[tokio::test]
async fn the_world_is_asked_whether_it_is_sent_to_the_zone() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    // The zone above is here too, and names nobody for the domain yet.
    stack.cloud().route53().create_zone("ZPARENT", "example.org").unwrap();
    anna.post(DOMAINS, json!({"name": "shop.example.org"})).await.expect(201);
    let state = async || anna.get(&format!("{DOMAINS}/shop.example.org")).await.ok()["state"].clone();
    assert_eq!(state().await, "undelegated");
    anna.post(DOMAINS, json!({"name": "example.net"})).await.expect(201);
    let other = anna.get(&format!("{DOMAINS}/example.net")).await.ok();
    assert_eq!(other["state"], "delegated", "its parent is not here, so its registrar is taken to know it");
}

#[tokio::test]
async fn records_are_kept_changed_and_taken_away() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    let records = format!("{DOMAINS}/example.org/records");
    let put = async |name: &str, kind: &str, values: Value| {
        anna.put(&records, json!({"name": name, "type": kind, "values": values})).await
    };
    put("www.example.org", "CNAME", json!(["acme.sites.localhost"])).await.expect(202);
    put("example.org", "A", json!(["192.0.2.7", "192.0.2.8"])).await.expect(202);
    put("example.org", "MX", json!(["10 mail.example.org"])).await.expect(202);
    put("example.org", "TXT", json!(["v=spf1 -all"])).await.expect(202);
    put("v6.example.org", "AAAA", json!(["2001:DB8::1"])).await.expect(202);
    until_insync(&stack, &anna, "example.org").await;
    let look = |name: &str, kind: &str| stack.cloud().route53().lookup(name, kind);
    assert_eq!(look("example.org", "A"), ["192.0.2.7", "192.0.2.8"]);
    assert_eq!(look("example.org", "TXT"), ["\"v=spf1 -all\""]);
    assert_eq!(look("v6.example.org", "AAAA"), ["2001:db8::1"]);

    put("example.org", "A", json!(["192.0.2.9"])).await.expect(202);
    until_insync(&stack, &anna, "example.org").await;
    assert_eq!(look("example.org", "A"), ["192.0.2.9"]);
    let conflict = put("www.example.org", "A", json!(["192.0.2.1"])).await;
    assert_eq!((conflict.status, conflict.code().as_str()), (422, "cname_conflict"));
    assert_eq!(put("other.net", "A", json!(["192.0.2.1"])).await.status, 422);

    let gone = anna.delete(&format!("{records}?name=www.example.org&type=CNAME")).await;
    gone.expect(202);
    let empty = async || look("www.example.org", "CNAME").is_empty();
    stack.run_until("the record is gone", Duration::from_secs(120), empty).await;
    until_insync(&stack, &anna, "example.org").await;
    let unknown = refused(anna.delete(&format!("{records}?name=www.example.org&type=CNAME"))).await;
    assert_eq!(unknown, (404, "not_found".to_owned()));
    assert_eq!(anna.get(&records).await.ok()["items"].as_array().unwrap().len(), 4);
    put("www.example.org", "A", json!(["192.0.2.1"])).await.expect(202);
    until_insync(&stack, &anna, "example.org").await;
}

#[tokio::test]
async fn a_worker_that_saw_a_zone_before_its_end_leaves_nothing_of_it() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    stack.settle().await;
    let late = stack.faults().on("apply_dns_changes", "dynamodb", "GetItem").hold();
    anna.delete(&format!("{DOMAINS}/example.org")).await.expect(202);
    late.reached().await;
    let wake = include_str!("../../../../events/hosting/apply_dns_changes.json");
    let wake = wake.replace("sites.localhost", "example.org");
    let turn = stack.invoke("apply_dns_changes", serde_json::from_str(&wake).unwrap()).await;
    assert_eq!(turn.unwrap()["batchItemFailures"], json!([]));
    assert!(zones(&stack, "example.org").is_empty(), "another took the whole turn");
    late.let_go();
    stack.settle().await;
    let boris = paying(&stack, "boris@example.com").await;
    boris.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_zone_whose_worker_dies_when_it_is_gone_is_forgotten_all_the_same() {
    let stack = Stack::start().await;
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    stack.faults().on("apply_dns_changes", "route53", "DeleteHostedZone").kill_at(1, When::After);
    anna.delete(&format!("{DOMAINS}/example.org")).await.expect(202);
    let gone =
        async || stack.table("hosting").of_kind("zone").iter().all(|zone| zone["name"] != "example.org");
    stack.run_until("the zone is forgotten", Duration::from_secs(600), gone).await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_domain_goes_with_all_its_records_and_can_be_added_by_others() {
    let stack = Stack::start().await;
    stack.deliver_twice("apply_dns_changes");
    let anna = paying(&stack, "anna@example.com").await;
    anna.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    let records = format!("{DOMAINS}/example.org/records");
    for number in 0..60 {
        let record = json!({"name": format!("n{number}.example.org"), "type": "A", "values": ["192.0.2.1"]});
        if anna.put(&records, record.clone()).await.status == 429 {
            stack.advance(Duration::from_secs(60)).await;
            anna.put(&records, record).await.expect(202);
        }
    }
    until_insync(&stack, &anna, "example.org").await;
    let going = anna.delete(&format!("{DOMAINS}/example.org")).await.expect(202);
    assert_eq!(going["state"], "deleting");
    let late = json!({"name": "late.example.org", "type": "A", "values": ["192.0.2.1"]});
    assert_eq!(refused(anna.put(&records, late)).await.0, 409);
    let gone = async || zones(&stack, "example.org").is_empty();
    stack.run_until("the zone is gone", Duration::from_secs(300), gone).await;
    stack.advance(Duration::from_secs(60)).await;
    assert_eq!(refused(anna.get(&format!("{DOMAINS}/example.org"))).await, (404, "not_found".to_owned()));
    assert!(stack.table("hosting").of_kind("dns_record").is_empty());
    assert_eq!(anna.get("/v1/hosting/dashboard").await.ok()["usage"]["custom_domains"], 0);
    let boris = paying(&stack, "boris@example.com").await;
    boris.post(DOMAINS, json!({"name": "example.org"})).await.expect(201);
    audit::check(&stack).await;
}

//! Mail that sites send: from verified domains, within the plan's month, until too much comes back.

use std::time::Duration;

use local::Stack;
use local::aws::route53::Record;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, audit, deployed, entitled, refused};

fn mail(to: &str) -> Value {
    json!({"to": to, "subject": "Your order", "text": "It is on its way.", "from": "shop"})
}

async fn send(client: &Client, asked: &Asked, to: &str) -> local::harness::Answer {
    client.post(&format!("{}/emails", asked.path()), mail(to)).await
}

/// Waits until a mail domain is verified; answers the client with a fresh session, as that takes longer than one lives.
async fn verified(stack: &Stack, client: &Client, domain: &str) -> Client {
    let there = async || {
        let all = stack.table("hosting").of_kind("email_identity");
        all.iter().any(|identity| identity["domain"] == domain && identity["state"] == "verified")
    };
    stack.run_until("the mail domain is verified", crate::PATIENCE * 2, there).await;
    crate::kills::signed_in(stack, client).await
}

#[tokio::test]
async fn a_verified_site_sends_within_its_month() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    crate::billing::tell(&stack, anna.org(), 100, crate::billing::plan("launch", "full", "shared")).await;
    let early = refused(send(&anna, &asked, "omar@example.com")).await;
    assert_eq!(early, (409, "unverified".to_owned()));
    let anna = verified(&stack, &anna, "acme.sites.localhost").await;

    let once = anna.with_key("order-7");
    let taken = send(&once, &asked, "omar@example.com").await.expect(202);
    assert_eq!(taken["from"], "shop@acme.sites.localhost");
    assert_eq!(send(&once, &asked, "omar@example.com").await.expect(202), taken);
    let arrived = stack.cloud().ses().mails_to("omar@example.com");
    assert_eq!(arrived.len(), 1, "the same key is the same mail");
    assert!(arrived[0].from.contains("shop@acme.sites.localhost"));
    stack.settle().await;
    let domain = anna.get(&format!("{}/email-domain", asked.path())).await.ok();
    assert_eq!((&domain["sent"], &domain["of_site"]), (&json!(1), &json!(true)));

    let path = format!("{}/emails", asked.path());
    let odd = json!({"to": "omar@example.com", "subject": "a\nBcc: b@example.com", "text": "x"});
    assert_eq!(anna.post(&path, odd).await.status, 422);
    let viewer = stack.join(&anna, "viewer@example.com", domain::accounts::Role::Viewer).await;
    assert_eq!(refused(send(&viewer, &asked, "omar@example.com")).await, (403, "role_too_low".to_owned()));
    entitled(&stack, anna.org(), |hosting| hosting["limits"]["mails_per_month"] = json!(2)).await;
    stack.faults().on("send_email", "ses", "SendEmail").throttle();
    assert_eq!(send(&anna, &asked, "omar@example.com").await.status, 429);
    send(&anna, &asked, "omar@example.com").await.expect(202);
    let over = send(&anna, &asked, "omar@example.com").await;
    assert_eq!((over.status, over.json()["limit"].clone()), (402, json!("mails_per_month")));
    // Into the next month, whatever the date is.
    stack.travel(31).await;
    let anna = crate::kills::signed_in(&stack, &anna).await;
    send(&anna, &asked, "omar@example.com").await.expect(202);
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_site_that_too_much_comes_back_to_sends_no_more() {
    let stack = Stack::start().await;
    stack.deliver_twice("on_email_event");
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let anna = verified(&stack, &anna, "acme.sites.localhost").await;
    for number in 0..5 {
        let to = format!("bounce+{number}@simulator.amazonses.com");
        send(&anna, &asked, &to).await.expect(202);
    }
    stack.settle().await;
    let domain = anna.get(&format!("{}/email-domain", asked.path())).await.ok();
    assert_eq!((&domain["bounced"], &domain["stopped"]), (&json!(5), &json!(true)), "{domain}");
    let stopped = refused(send(&anna, &asked, "omar@example.com")).await;
    assert_eq!(stopped, (409, "sending_stopped".to_owned()));

    entitled(&stack, anna.org(), |hosting| hosting["limits"]["custom_domains"] = json!(2)).await;
    anna.post("/v1/hosting/domains", json!({"name": "example.org"})).await.expect(201);
    let path = format!("{}/email-domain", asked.path());
    let added = anna.post(&path, json!({"domain": "example.org"})).await.expect(202);
    assert_eq!((&added["bounced"], &added["stopped"]), (&json!(5), &json!(true)), "it is the site's");
    let anna = verified(&stack, &anna, "example.org").await;
    let stopped = refused(send(&anna, &asked, "omar@example.com")).await;
    assert_eq!(stopped, (409, "sending_stopped".to_owned()), "another domain is no fresh start");
    assert_eq!(anna.delete(&path).await.status, 204);
    let stopped = refused(send(&anna, &asked, "omar@example.com")).await;
    assert_eq!(stopped, (409, "sending_stopped".to_owned()));
}

#[tokio::test]
async fn a_mail_domain_is_one_sites_of_one_organisation() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let boris = stack.verified("boris@example.com").await;
    for client in [&anna, &boris] {
        entitled(&stack, client.org(), |hosting| hosting["limits"]["custom_domains"] = json!(3)).await;
    }
    let own = deployed(&stack, &anna, "acme").await;
    let foreign = deployed(&stack, &boris, "other").await;
    let [own, foreign] = [own, foreign].map(|asked| format!("{}/email-domain", asked.path()));
    anna.post("/v1/hosting/domains", json!({"name": "example.org"})).await.expect(201);
    let body = json!({"domain": "mail.example.org"});
    anna.post(&own, body.clone()).await.expect(202);

    // Anybody may add a name that nobody has added; what is sent there says whose it is.
    boris.post("/v1/hosting/domains", json!({"name": "mail.example.org"})).await.expect(201);
    let unproven = refused(boris.post(&foreign, body.clone())).await;
    assert_eq!(unproven, (409, "domain_not_delegated".to_owned()));
    assert_eq!(refused(boris.delete(&foreign)).await, (404, "not_found".to_owned()));

    // What SES knows and nobody here has is not taken over.
    stack.cloud().ses().declare_identity("example.net").unwrap();
    boris.post("/v1/hosting/domains", json!({"name": "example.net"})).await.expect(201);
    let known = refused(boris.post(&foreign, json!({"domain": "example.net"}))).await;
    assert_eq!(known, (409, "exists".to_owned()));
    let names: Vec<String> = stack.cloud().ses().identities().into_iter().map(|one| one.name).collect();
    assert!(["mail.example.org", "example.net"].iter().all(|name| names.iter().any(|one| one == name)));

    let kept = refused(anna.delete("/v1/hosting/domains/example.org")).await;
    assert_eq!(kept, (409, "mail_domain_in_use".to_owned()));
    assert_eq!(anna.delete(&own).await.status, 204);
    anna.delete("/v1/hosting/domains/example.org").await.expect(202);
}

#[tokio::test]
async fn a_name_whose_mail_domain_is_known_is_not_taken() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    stack.cloud().ses().declare_identity("acme.sites.localhost").unwrap();
    let asked = crate::deploy(&anna, "acme").await;
    crate::until_operation(&stack, &asked.operation, "rolled_back").await;
    let operation = crate::item(&stack, "operation", &asked.operation);
    assert_eq!(operation["error"]["code"], "mail_domain_taken");
    let known = stack.cloud().ses().identities();
    assert!(known.iter().any(|identity| identity.name == "acme.sites.localhost"), "and stays whose it was");
    assert!(
        crate::buckets(&stack).await.is_empty() && stack.table("hosting").of_kind("reservation").is_empty()
    );
}

#[tokio::test]
async fn mail_comes_from_a_domain_of_the_customers_own() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    entitled(&stack, anna.org(), |hosting| hosting["limits"]["custom_domains"] = json!(2)).await;
    let asked = deployed(&stack, &anna, "acme").await;
    let anna = verified(&stack, &anna, "acme.sites.localhost").await;
    let path = format!("{}/email-domain", asked.path());
    let body = json!({"domain": "mail.example.org"});
    assert_eq!(refused(anna.post(&path, body.clone())).await, (422, "invalid".to_owned()), "not theirs yet");
    anna.post("/v1/hosting/domains", json!({"name": "example.org"})).await.expect(201);
    let added = anna.post(&path, body.clone()).await.expect(202);
    assert_eq!((&added["domain"], &added["of_site"]), (&json!("mail.example.org"), &json!(false)));
    anna.post(&path, body).await.expect(202);
    assert_eq!(refused(anna.post(&path, json!({"domain": "example.org"}))).await, (409, "exists".to_owned()));
    let taken = send(&anna, &asked, "omar@example.com").await.expect(202);
    assert_eq!(taken["from"], "shop@acme.sites.localhost", "until the other domain is believed");
    let sites = anna.get("/v1/hosting/dashboard").await.ok()["sites"].clone();
    assert_eq!(sites[0]["mail"]["domain"], "mail.example.org");
    let anna = verified(&stack, &anna, "mail.example.org").await;

    let records = anna.get("/v1/hosting/domains/example.org/records").await.ok();
    let managed = records["items"].as_array().unwrap().iter().filter(|record| record["managed"] == true);
    assert_eq!(managed.count(), 7);
    let record = json!({"name": "_dmarc.mail.example.org", "type": "TXT", "values": ["x"]});
    let kept = refused(anna.put("/v1/hosting/domains/example.org/records", record)).await;
    assert_eq!(kept, (409, "managed_record".to_owned()));
    let taken = send(&anna, &asked, "omar@example.com").await.expect(202);
    assert_eq!(taken["from"], "shop@mail.example.org");

    assert_eq!(anna.delete(&path).await.status, 204);
    assert_eq!(refused(anna.delete(&path)).await, (404, "not_found".to_owned()));
    let gone = async || {
        stack.table("hosting").of_kind("dns_record").iter().all(|record| record["zone"] != "example.org")
    };
    stack.run_until("its records are gone", Duration::from_secs(120), gone).await;
    assert_eq!(anna.get(&path).await.ok()["domain"], "acme.sites.localhost");
    let known = stack.cloud().ses().identities();
    assert!(known.iter().all(|identity| identity.name != "mail.example.org"));
    audit::check(&stack).await;
}

/// Takes the records that prove a site's mail domain out of the zone, as somebody might by hand, and keeps them away.
async fn take_proof_away(stack: &Stack, domain: &str) -> Vec<Record> {
    let looked = stack.faults().on("reconcile_infrastructure", "route53", "ListResourceRecordSets");
    looked.always().fail(400, "NoSuchHostedZone");
    let route53 = stack.cloud().route53();
    let zone = route53.zones().into_iter().find(|zone| zone.name == "sites.localhost.").unwrap().id;
    let mut proof = route53.records(&zone);
    proof.retain(|record| record.kind == "CNAME" && record.name.trim_end_matches('.').ends_with(domain));
    assert_eq!(proof.len(), 3);
    for record in &proof {
        crate::change_zone(stack, "DELETE", record).await;
    }
    proof
}

#[tokio::test]
async fn e55_a_domain_that_ses_never_verifies_fails_after_72_hours_and_the_site_stays() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let mut proof = take_proof_away(&stack, "acme.sites.localhost").await;
    let state = || stack.table("hosting").of_kind("email_identity").remove(0)["state"].clone();
    let retry = format!("{}/email-domain/retry", asked.path());
    for tries in 0..=3 {
        stack.advance(Duration::from_secs(60 * 3_600)).await;
        assert_eq!(state(), "pending", "after {tries} retries");
        stack.advance(Duration::from_secs(13 * 3_600)).await;
        stack.advance(Duration::from_secs(600)).await;
        assert_eq!(state(), "failed", "after {tries} retries");
        assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200, "the site needs no mail");
        let anna = crate::kills::signed_in(&stack, &anna).await;
        assert_eq!(refused(send(&anna, &asked, "omar@example.com")).await, (409, "unverified".to_owned()));
        let answer = anna.post_empty(&retry).await;
        if tries == 3 {
            assert_eq!((answer.status, answer.code().as_str()), (409, "too_many_tries"));
            break;
        }
        // SES gives other keys; they go into the zone, and out of it by hand once more.
        answer.expect(202);
        let there =
            async || stack.table("hosting").of_kind("dns_record").iter().all(|one| one["state"] == "insync");
        stack.run_until("the new keys are in the zone", Duration::from_secs(120), there).await;
        proof = take_proof_away(&stack, "acme.sites.localhost").await;
    }
    for record in &proof {
        crate::change_zone(&stack, "CREATE", record).await;
    }
    audit::check(&stack).await;
}

#[tokio::test]
async fn e55_a_domain_that_loses_its_records_sends_no_more() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let anna = verified(&stack, &anna, "acme.sites.localhost").await;
    send(&anna, &asked, "omar@example.com").await.expect(202);
    take_proof_away(&stack, "acme.sites.localhost").await;
    for _ in 0..5 {
        stack.advance(Duration::from_secs(24 * 3_600)).await;
    }
    let identity = stack.table("hosting").of_kind("email_identity").remove(0);
    assert_eq!(identity["state"], "lost");
    let anna = crate::kills::signed_in(&stack, &anna).await;
    assert_eq!(refused(send(&anna, &asked, "omar@example.com")).await, (409, "unverified".to_owned()));
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
}

/// Somebody whose site's mail domain SES has given up, as it is kept, and where it is tried again.
async fn given_up(stack: &Stack) -> (Client, Value, String) {
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(stack, &anna, "acme").await;
    let mut identity = stack.table("hosting").of_kind("email_identity").remove(0);
    identity["state"] = json!("failed");
    stack.put_item("hosting", &identity).await.unwrap();
    (anna, identity, format!("{}/email-domain/retry", asked.path()))
}

#[tokio::test]
async fn a_domain_that_ses_gave_up_is_tried_again() {
    let stack = Stack::start().await;
    let (anna, identity, retry) = given_up(&stack).await;
    // What fails is no try.
    stack
        .faults()
        .on("retry_email_domain", "ses", "VerifyDomainIdentity")
        .times(10)
        .fail(500, "InternalFailure");
    assert_eq!(anna.post_empty(&retry).await.status, 503);
    stack.faults().clear();
    let after = stack.table("hosting").of_kind("email_identity").remove(0);
    assert_eq!((&after["state"], &after["tries"]), (&identity["state"], &identity["tries"]));
    assert_eq!(anna.post_empty(&retry).await.expect(202)["state"], "pending");
    assert_eq!(refused(anna.post_empty(&retry)).await, (409, "not_failed".to_owned()));
    verified(&stack, &anna, "acme.sites.localhost").await;
}

async fn until_zones_rest(stack: &Stack) {
    let rest = async || stack.table("hosting").of_kind("dns_change").is_empty();
    stack.run_until("the zones have it", Duration::from_secs(180), rest).await;
}

/// What SES knows of a domain.
fn known(stack: &Stack, domain: &str) -> bool {
    stack.cloud().ses().identities().iter().any(|identity| identity.name == domain)
}

/// Somebody with a site and a domain of their own.
async fn with_domain(stack: &Stack) -> (Client, String) {
    let anna = stack.verified("anna@example.com").await;
    entitled(stack, anna.org(), |hosting| hosting["limits"]["custom_domains"] = json!(2)).await;
    let asked = deployed(stack, &anna, "acme").await;
    anna.post("/v1/hosting/domains", json!({"name": "example.org"})).await.expect(201);
    (anna, format!("{}/email-domain", asked.path()))
}

#[tokio::test]
async fn a_mail_domain_that_is_taken_off_while_it_is_added_is_not_left_at_ses() {
    let stack = Stack::start().await;
    let (anna, path) = with_domain(&stack).await;
    let told = stack.faults().on("add_email_domain", "ses", "VerifyDomainIdentity").hold();
    let (added, ()) = tokio::join!(anna.post(&path, json!({"domain": "example.org"})), async {
        told.reached().await;
        assert_eq!(anna.delete(&path).await.status, 204);
        told.let_go();
    });
    assert_eq!((added.status, added.code().as_str()), (409, "version_conflict"));
    assert!(!known(&stack, "example.org"));
    anna.post(&path, json!({"domain": "example.org"})).await.expect(202);
    until_zones_rest(&stack).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_mail_domain_is_taken_off_a_site_that_changes_in_that_moment() {
    let stack = Stack::start().await;
    let (anna, path) = with_domain(&stack).await;
    anna.post(&path, json!({"domain": "example.org"})).await.expect(202);
    stack.settle().await;
    let forgotten = stack.faults().on("delete_email_domain", "ses", "DeleteIdentity").hold();
    let (deleted, ()) = tokio::join!(anna.delete(&path), async {
        forgotten.reached().await;
        let mut site = stack.table("hosting").of_kind("site").remove(0);
        site["v"] = json!(site["v"].as_u64().unwrap() + 1);
        stack.put_item("hosting", &site).await.unwrap();
        forgotten.let_go();
    });
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert!(!known(&stack, "example.org"));
    until_zones_rest(&stack).await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn of_two_retries_at_once_one_asks_ses() {
    let stack = Stack::start().await;
    let (anna, _, retry) = given_up(&stack).await;
    let first = stack.faults().on("retry_email_domain", "ses", "DeleteIdentity").hold();
    let (one, ()) = tokio::join!(anna.post_empty(&retry), async {
        first.reached().await;
        assert_eq!(refused(anna.post_empty(&retry)).await, (409, "not_failed".to_owned()));
        first.let_go();
    });
    assert_eq!(one.expect(202)["state"], "pending");
    verified(&stack, &anna, "acme.sites.localhost").await;
    audit::check(&stack).await;
}

#[tokio::test]
async fn a_mail_that_is_asked_for_twice_at_once_leaves_once() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let asked = deployed(&stack, &anna, "acme").await;
    let anna = verified(&stack, &anna, "acme.sites.localhost").await;
    let once = anna.with_key("order-7");
    let leaving = stack.faults().on("send_email", "ses", "SendEmail").hold();
    let (sent, ()) = tokio::join!(send(&once, &asked, "omar@example.com"), async {
        leaving.reached().await;
        let twin = refused(send(&once, &asked, "omar@example.com")).await;
        assert_eq!(twin, (409, "idempotency_in_progress".to_owned()));
        leaving.let_go();
    });
    let sent = sent.expect(202);
    assert_eq!(send(&once, &asked, "omar@example.com").await.expect(202), sent);
    assert_eq!(stack.cloud().ses().mails_to("omar@example.com").len(), 1);

    // What SES did not take may be asked for again at once.
    stack.faults().on("send_email", "ses", "SendEmail").throttle();
    let other = anna.with_key("order-8");
    assert_eq!(send(&other, &asked, "omar@example.com").await.status, 429);
    send(&other, &asked, "omar@example.com").await.expect(202);
    assert_eq!(stack.cloud().ses().mails_to("omar@example.com").len(), 2);
}

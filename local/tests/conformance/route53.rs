//! Route 53: zones, strict change batches, changes that take their time, paging.

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};

use crate::served::{Served, code};

pub(crate) fn record(name: &str, kind: RrType, values: &[&str]) -> ResourceRecordSet {
    let values = values.iter().map(|value| ResourceRecord::builder().value(*value).build().unwrap());
    let set = ResourceRecordSet::builder().name(name).r#type(kind).ttl(60);
    set.set_resource_records(Some(values.collect())).build().unwrap()
}

pub(crate) fn batch(changes: Vec<(ChangeAction, ResourceRecordSet)>) -> ChangeBatch {
    let changes = changes
        .into_iter()
        .map(|(action, set)| Change::builder().action(action).resource_record_set(set).build().unwrap());
    ChangeBatch::builder().set_changes(Some(changes.collect())).build().unwrap()
}

async fn start() -> (Served, Client, String) {
    let served = Served::still().await;
    let client = Client::new(&served.config());
    let made = client.create_hosted_zone().name("shop.example").caller_reference("r1").send().await.unwrap();
    assert_eq!(made.delegation_set().unwrap().name_servers().len(), 4);
    let zone = made.hosted_zone().unwrap().id().to_owned();
    served.advance(1);
    (served, client, zone)
}

/// Submits one change; its id, or the refusal's code and text.
async fn change(
    client: &Client,
    zone: &str,
    changes: Vec<(ChangeAction, ResourceRecordSet)>,
) -> Result<String, (String, String)> {
    use aws_sdk_route53::error::ProvideErrorMetadata as _;
    let changed =
        client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch(changes)).send().await;
    match changed {
        Ok(changed) => Ok(changed.change_info().unwrap().id().to_owned()),
        Err(error) => {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            Err((text(error.code()), text(error.message())))
        }
    }
}

#[tokio::test]
async fn a_change_is_pending_for_two_seconds_and_then_served() {
    let (served, client, zone) = start().await;
    let set = record("www.shop.example", RrType::A, &["203.0.113.7"]);
    let id = change(&client, &zone, vec![(ChangeAction::Upsert, set)]).await.unwrap();
    let status = async || {
        let answer = client.get_change().id(&id).send().await.unwrap();
        answer.change_info().unwrap().status().clone()
    };
    assert_eq!(status().await, ChangeStatus::Pending);
    let route53 = served.cloud.route53();
    assert_eq!(route53.resolve("www.shop.example"), None);
    served.clock.advance_to(served.cloud.next_due().unwrap()).unwrap();
    assert_eq!(route53.resolve("www.shop.example"), None, "the zone itself was changed earlier");
    served.advance(2);
    assert_eq!(status().await, ChangeStatus::Insync);
    assert_eq!(route53.resolve("WWW.shop.example.").unwrap().to_string(), "203.0.113.7");
    assert_eq!(served.cloud.next_due(), None);
    assert_eq!(code(client.get_change().id("C000").send().await), "NoSuchChange");

    let set = record("www.shop.example", RrType::A, &["203.0.113.8"]);
    change(&client, &zone, vec![(ChangeAction::Upsert, set)]).await.unwrap();
    assert_eq!(route53.resolve("www.shop.example").unwrap().to_string(), "203.0.113.7");
    served.advance(2);
    assert_eq!(route53.resolve("www.shop.example").unwrap().to_string(), "203.0.113.8");
}

#[tokio::test]
async fn names_lead_on_by_cname_alias_and_wildcard() {
    let (served, client, zone) = start().await;
    let target = AliasTarget::builder()
        .hosted_zone_id(&zone)
        .dns_name("host.shop.example")
        .evaluate_target_health(false);
    let alias = ResourceRecordSet::builder().name("shop.example").r#type(RrType::A);
    let alias = alias.alias_target(target.build().unwrap()).build().unwrap();
    let changes = vec![
        (ChangeAction::Create, record("host.shop.example", RrType::A, &["203.0.113.1"])),
        (ChangeAction::Create, record("www.shop.example", RrType::Cname, &["host.shop.example"])),
        (ChangeAction::Create, record("*.shop.example", RrType::A, &["203.0.113.2"])),
        (ChangeAction::Create, alias),
    ];
    change(&client, &zone, changes).await.unwrap();
    served.advance(2);
    let resolve = |name: &str| served.cloud.route53().resolve(name).map(|address| address.to_string());
    assert_eq!(resolve("www.shop.example").as_deref(), Some("203.0.113.1"));
    assert_eq!(resolve("shop.example").as_deref(), Some("203.0.113.1"));
    assert_eq!(resolve("any.shop.example").as_deref(), Some("203.0.113.2"));
    assert_eq!(resolve("shop.example.org"), None);
}

#[tokio::test]
async fn a_batch_is_refused_whole_and_says_why() {
    let (_served, client, zone) = start().await;
    let there = record("there.shop.example", RrType::A, &["203.0.113.1"]);
    change(&client, &zone, vec![(ChangeAction::Create, there.clone())]).await.unwrap();
    let name = "x.shop.example";
    let refusals = [
        (ChangeAction::Create, there, "already exists"),
        (ChangeAction::Delete, record("there.shop.example", RrType::A, &["203.0.113.9"]), "do not match"),
        (ChangeAction::Delete, record(name, RrType::A, &["203.0.113.9"]), "was not found"),
        (
            ChangeAction::Create,
            record("x.other.example", RrType::A, &["203.0.113.9"]),
            "not permitted in zone",
        ),
        (ChangeAction::Create, record("there.shop.example", RrType::Cname, &["a.example"]), "conflicts"),
        (ChangeAction::Create, record("shop.example", RrType::Cname, &["a.example"]), "apex"),
        (ChangeAction::Create, record(name, RrType::A, &["300.1.1.1"]), "not a valid IPv4"),
        (ChangeAction::Create, record(name, RrType::Txt, &["bare"]), "quotation marks"),
        (ChangeAction::Create, record(name, RrType::Txt, &[&format!("\"{}\"", "x".repeat(256))]), "too long"),
        (ChangeAction::Create, record(name, RrType::Mx, &["mail.example"]), "MX"),
        (ChangeAction::Create, record(name, RrType::A, &["203.0.113.1", "203.0.113.1"]), "Duplicate"),
    ];
    for (action, set, reason) in refusals {
        let beside = (ChangeAction::Create, record("beside.shop.example", RrType::A, &["203.0.113.3"]));
        let (code, message) = change(&client, &zone, vec![beside, (action, set)]).await.unwrap_err();
        assert_eq!(code, "InvalidChangeBatch");
        assert!(message.contains(reason), "{message} does not say {reason}");
    }
    let twice = record(name, RrType::A, &["203.0.113.1"]);
    let twice = vec![(ChangeAction::Upsert, twice.clone()), (ChangeAction::Upsert, twice)];
    assert_eq!(change(&client, &zone, twice).await.unwrap_err().0, "InvalidChangeBatch");
    let listed = client.list_resource_record_sets().hosted_zone_id(&zone).send().await.unwrap();
    let names: Vec<_> = listed.resource_record_sets().iter().map(|set| set.name()).collect();
    assert_eq!(names, ["shop.example.", "shop.example.", "there.shop.example."]);
}

#[tokio::test]
async fn records_are_listed_in_order_page_by_page() {
    let (_served, client, zone) = start().await;
    let changes = (0..20).rev().map(|number| {
        (
            ChangeAction::Create,
            record(&format!("n{number:02}.shop.example"), RrType::Txt, &["\"a&<>\" \"b\""]),
        )
    });
    change(&client, &zone, changes.collect()).await.unwrap();
    let (mut names, mut next): (Vec<String>, _) = (Vec::new(), None);
    loop {
        let (name, kind) = next.unzip();
        let list = client.list_resource_record_sets().hosted_zone_id(&zone).max_items(6);
        let page = list.set_start_record_name(name).set_start_record_type(kind).send().await.unwrap();
        names.extend(page.resource_record_sets().iter().map(|set| set.name().to_owned()));
        if !page.is_truncated() {
            break;
        }
        next = page.next_record_name.zip(page.next_record_type);
    }
    assert_eq!(names.len(), 22);
    // The zone's own two come first.
    assert!(names[2..].is_sorted());
    let listed =
        client.list_resource_record_sets().hosted_zone_id(&zone).start_record_name("n05.shop.example");
    let listed = listed.start_record_type(RrType::Txt).max_items(1).send().await.unwrap();
    assert_eq!(listed.resource_record_sets()[0].resource_records()[0].value(), "\"a&<>\" \"b\"");
}

#[tokio::test]
async fn zones_are_unique_by_reference_found_by_name_and_deleted_empty() {
    let (served, client, zone) = start().await;
    let again = client.create_hosted_zone().name("shop.example").caller_reference("r1").send().await;
    assert_eq!(code(again), "HostedZoneAlreadyExists");
    client.create_hosted_zone().name("another.example").caller_reference("r2").send().await.unwrap();
    let listed =
        client.list_hosted_zones_by_name().dns_name("shop.example").max_items(1).send().await.unwrap();
    assert_eq!(listed.hosted_zones()[0].name(), "shop.example.");
    let first = client.list_hosted_zones().max_items(1).send().await.unwrap();
    let second = client.list_hosted_zones().max_items(1).set_marker(first.next_marker).send().await.unwrap();
    assert_ne!(first.hosted_zones[0].id(), second.hosted_zones[0].id());
    assert!(!second.is_truncated);

    let held = record("held.shop.example", RrType::A, &["203.0.113.1"]);
    change(&client, &zone, vec![(ChangeAction::Create, held.clone())]).await.unwrap();
    assert_eq!(code(client.delete_hosted_zone().id(&zone).send().await), "HostedZoneNotEmpty");
    change(&client, &zone, vec![(ChangeAction::Delete, held)]).await.unwrap();
    client.delete_hosted_zone().id(&zone).send().await.unwrap();
    assert_eq!(code(client.get_hosted_zone().id(&zone).send().await), "NoSuchHostedZone");
    let gone =
        change(&client, &zone, vec![(ChangeAction::Create, record("a.b.c", RrType::A, &["203.0.113.1"]))])
            .await;
    assert_eq!(gone.unwrap_err().0, "NoSuchHostedZone");
    let fixed = served.cloud.route53().create_zone("ZFIXED", "sites.localhost").unwrap();
    assert_eq!((fixed.id.as_str(), fixed.name.as_str()), ("ZFIXED", "sites.localhost."));
}

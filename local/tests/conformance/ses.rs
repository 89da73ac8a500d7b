//! SES: identities that wait for their records, mail that is kept, and the simulator's events.

use aws_sdk_route53::types::{ChangeAction, RrType};
use aws_sdk_ses::Client;
use aws_sdk_ses::types::{Body, Content, Destination, Message, RawMessage, VerificationStatus};
use aws_smithy_types::Blob;
use local::aws::ses::{Quota, Verdict};
use serde_json::{Map, Value, json};

use crate::route53::{batch, record};
use crate::served::{Served, code};

async fn start() -> (Served, Client) {
    let served = Served::still().await;
    let client = Client::new(&served.config());
    (served, client)
}

async fn verification(client: &Client, domain: &str) -> Option<VerificationStatus> {
    let answer =
        client.get_identity_verification_attributes().identities(domain).identities("none.example").send();
    let answer = answer.await.unwrap();
    assert!(!answer.verification_attributes().contains_key("none.example"));
    answer.verification_attributes().get(domain).map(|attributes| attributes.verification_status().clone())
}

fn raw(from: &str, to: &str, more: &str) -> RawMessage {
    let text = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: =?utf-8?B?w6k=?=\r\n{more}MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nHello + & = % é https://x/?a=1&b=2\r\n"
    );
    RawMessage::builder().data(Blob::new(text)).build().unwrap()
}

#[tokio::test]
async fn a_domain_is_verified_when_its_records_are_in_sync() {
    let (served, client) = start().await;
    let verified = client.verify_domain_identity().domain("shop.example").send().await.unwrap();
    let token = verified.verification_token();
    let again = client.verify_domain_identity().domain("shop.example").send().await.unwrap();
    assert_eq!(again.verification_token(), token);
    let keys = client.verify_domain_dkim().domain("shop.example").send().await.unwrap().dkim_tokens;
    assert_eq!(keys.len(), 3);
    client
        .set_identity_mail_from_domain()
        .identity("shop.example")
        .mail_from_domain("mail.shop.example")
        .send()
        .await
        .unwrap();
    let foreign = client
        .set_identity_mail_from_domain()
        .identity("shop.example")
        .mail_from_domain("mail.example")
        .send()
        .await;
    assert_eq!(code(foreign), "InvalidParameterValue");
    let view = || {
        let view = served
            .cloud
            .ses()
            .identities()
            .into_iter()
            .find(|identity| identity.name == "shop.example")
            .unwrap();
        [view.verification, view.dkim, view.mail_from]
    };
    assert_eq!(view(), [Verdict::Pending; 3]);
    assert_eq!(verification(&client, "shop.example").await, Some(VerificationStatus::Pending));

    let zone = served.cloud.route53().create_zone("Z1", "shop.example").unwrap();
    let dns = aws_sdk_route53::Client::new(&served.config());
    let upsert = async |records: Vec<_>| {
        let changes = records.into_iter().map(|record| (ChangeAction::Upsert, record)).collect();
        dns.change_resource_record_sets()
            .hosted_zone_id(&zone.id)
            .change_batch(batch(changes))
            .send()
            .await
            .unwrap();
    };
    upsert(vec![record("_amazonses.shop.example", RrType::Txt, &[&format!("\"{token}\"")])]).await;
    assert_eq!(view(), [Verdict::Pending; 3]);
    served.advance(2);
    assert_eq!(view(), [Verdict::Success, Verdict::Pending, Verdict::Pending]);
    assert_eq!(verification(&client, "shop.example").await, Some(VerificationStatus::Success));
    let mut rest: Vec<_> = keys
        .iter()
        .map(|key| {
            let name = format!("{key}._domainkey.shop.example");
            record(&name, RrType::Cname, &[&format!("{key}.dkim.amazonses.com")])
        })
        .collect();
    rest.push(record("mail.shop.example", RrType::Mx, &["10 feedback-smtp.eu-west-1.amazonses.com"]));
    rest.push(record("mail.shop.example", RrType::Txt, &["\"v=spf1 include:amazonses.com ~all\""]));
    upsert(rest).await;
    served.advance(2);
    assert_eq!(view(), [Verdict::Success; 3]);
    let dkim = client.get_identity_dkim_attributes().identities("shop.example").send().await.unwrap();
    let dkim = &dkim.dkim_attributes()["shop.example"];
    assert_eq!(
        (dkim.dkim_verification_status(), dkim.dkim_tokens()),
        (&VerificationStatus::Success, &keys[..])
    );
    let mail_from =
        client.get_identity_mail_from_domain_attributes().identities("shop.example").send().await.unwrap();
    let mail_from = &mail_from.mail_from_domain_attributes()["shop.example"];
    assert_eq!(mail_from.mail_from_domain_status().as_str(), "Success");
}

#[tokio::test]
async fn a_domain_without_records_fails_after_three_days_and_can_be_deleted() {
    let (served, client) = start().await;
    client.verify_domain_identity().domain("slow.example").send().await.unwrap();
    served.advance(73 * 3_600);
    assert_eq!(verification(&client, "slow.example").await, Some(VerificationStatus::Failed));
    assert_eq!(client.list_identities().send().await.unwrap().identities(), ["slow.example"]);
    for _ in 0..2 {
        client.delete_identity().identity("slow.example").send().await.unwrap();
    }
    assert_eq!(verification(&client, "slow.example").await, None);
    let odd = client.verify_domain_identity().domain("no domain").send().await;
    assert_eq!(code(odd), "InvalidParameterValue");
}

#[tokio::test]
async fn mail_is_kept_as_it_was_sent() {
    let (served, client) = start().await;
    let ses = served.cloud.ses();
    ses.declare_identity("tenantry.example").unwrap();
    let from = "Tenantry <mail@tenantry.example>";
    let message = raw(from, "b@x.example, \"C, D\" <c@x.example>", "");
    let sent = client.send_raw_email().raw_message(message).send().await.unwrap();
    let mail = ses.mail(sent.message_id()).unwrap();
    assert_eq!(mail.to, ["b@x.example", "c@x.example"]);
    assert!(mail.raw.ends_with("Hello + & = % é https://x/?a=1&b=2\r\n"), "{}", mail.raw);
    let content = |text: &str| Content::builder().data(text).build().unwrap();
    let body = Body::builder().text(content("t & é")).html(content("<b>h</b>")).build();
    let message = Message::builder().subject(content("Betreff é")).body(body).build();
    let to = Destination::builder().to_addresses("b@x.example").build();
    client.send_email().source(from).destination(to).message(message).send().await.unwrap();
    let mails = ses.mails_to("B@x.example");
    assert_eq!(mails.len(), 2);
    assert!(mails[1].raw.contains("multipart/alternative"));
    assert_eq!(client.get_send_quota().send().await.unwrap().sent_last24_hours(), 3.0);
}

#[tokio::test]
async fn an_unverified_sender_and_an_unknown_configuration_set_are_refused() {
    let (served, client) = start().await;
    let from = "x@unverified.example";
    let send = || client.send_raw_email().raw_message(raw(from, "b@x.example", ""));
    assert_eq!(code(send().send().await), "MessageRejected");
    served.cloud.ses().declare_identity("unverified.example").unwrap();
    assert_eq!(code(send().configuration_set_name("none").send().await), "ConfigurationSetDoesNotExist");
    send().send().await.unwrap();
    let nobody = client.send_raw_email().raw_message(raw(from, "nobody", "")).send().await;
    assert_eq!(code(nobody), "InvalidParameterValue");
    assert_eq!(served.cloud.ses().mails(10).len(), 1);
}

#[tokio::test]
async fn the_quota_is_of_a_day_and_if_set_of_a_second() {
    let (served, client) = start().await;
    served.cloud.ses().declare_identity("t.example").unwrap();
    let send = || client.send_raw_email().raw_message(raw("a@t.example", "b@x.example", "")).send();
    served.cloud.ses().set_quota(Quota { a_day: 2, a_second: None });
    send().await.unwrap();
    send().await.unwrap();
    assert_eq!(code(send().await), "Throttling");
    served.advance(86_401);
    served.cloud.ses().set_quota(Quota { a_day: 100, a_second: Some(1) });
    send().await.unwrap();
    assert_eq!(code(send().await), "Throttling");
    served.advance(2);
    send().await.unwrap();
}

#[tokio::test]
async fn the_simulator_tells_the_default_bus() {
    let (served, client) = start().await;
    let (ses, sqs) = (served.cloud.ses(), served.cloud.sqs());
    ses.declare_identity("t.example").unwrap();
    ses.create_configuration_set("local", &[]).unwrap();
    sqs.create_queue("mail-events", &Map::new()).unwrap();
    let arn = sqs.arn("mail-events");
    let statement = json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn});
    sqs.set_policy("mail-events", &json!({"Statement": statement})).unwrap();
    let events = served.cloud.events();
    let pattern =
        json!({"source": ["aws.ses"], "detail-type": ["Email Bounced", "Email Complaint Received"]});
    events.put_rule("default", "mail", &pattern, true).await.unwrap();
    events.put_targets("default", "mail", &json!([{"Id": "1", "Arn": arn}])).await.unwrap();
    let send = async |to: &str, header: &str| {
        client.send_raw_email().raw_message(raw("a@t.example", to, header)).send().await.unwrap().message_id
    };
    let set = "X-SES-CONFIGURATION-SET: local\r\nX-SES-MESSAGE-TAGS: org=org_1\r\n";
    send("bounce@simulator.amazonses.com", "").await;
    let bounced = send("bounce+anna@simulator.amazonses.com", set).await;
    send("success@simulator.amazonses.com", set).await;
    send("complaint@simulator.amazonses.com", set).await;
    let told: Vec<Value> = sqs
        .peek("mail-events")
        .unwrap()
        .iter()
        .map(|message| serde_json::from_str(&message.body).unwrap())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let (bounce, complaint) = (&told[0], &told[1]);
    assert_eq!(bounce["detail-type"], "Email Bounced");
    assert_eq!(bounce["resources"], json!(["arn:aws:ses:eu-west-1:000000000000:configuration-set/local"]));
    let detail = &bounce["detail"];
    assert_eq!(
        (&detail["eventType"], &detail["bounce"]["bounceType"]),
        (&json!("Bounce"), &json!("Permanent"))
    );
    let recipient = &detail["bounce"]["bouncedRecipients"][0];
    assert_eq!(recipient["emailAddress"], "bounce+anna@simulator.amazonses.com");
    assert_eq!(
        (&detail["mail"]["messageId"], &detail["mail"]["tags"]["org"]),
        (&json!(bounced), &json!(["org_1"]))
    );
    assert_eq!(complaint["detail"]["complaint"]["complaintFeedbackType"], "abuse");
}

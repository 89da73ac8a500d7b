//! SQS: FIFO queues.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, QueueAttributeName as Attribute};

use crate::served::{Served, code};
use crate::sqs::{queue, receive};

async fn send(client: &Client, url: &str, body: &str, group: &str, deduplication: Option<&str>) {
    let send = client.send_message().queue_url(url).message_body(body).message_group_id(group);
    send.set_message_deduplication_id(deduplication.map(str::to_owned)).send().await.unwrap();
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

#[tokio::test]
async fn a_group_keeps_its_order_and_waits_for_its_first() {
    let served = Served::start().await;
    let client = Client::new(&served.config());
    let attributes = [(Attribute::FifoQueue, "true"), (Attribute::ContentBasedDeduplication, "true")];
    let url = queue(&client, "q.fifo", &attributes).await;
    for (body, group, deduplication) in [
        ("a1", "a", None),
        ("a2", "a", None),
        ("b1", "b", None),
        // The same content, and the same id, within five minutes: once.
        ("a1", "a", None),
        ("a3", "a", Some("x")),
        ("a3 again", "a", Some("x")),
    ] {
        send(&client, &url, body, group, deduplication).await;
    }
    let first = receive(&client, &url, 1).await;
    assert_eq!(bodies(&first), ["a1"]);
    let meanwhile = receive(&client, &url, 10).await;
    assert_eq!(bodies(&meanwhile), ["b1"]);
    let receipt = first[0].receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(receipt).send().await.unwrap();
    assert_eq!(bodies(&receive(&client, &url, 10).await), ["a2", "a3"]);
    served.advance(301);
    send(&client, &url, "c1", "c", Some("x")).await;
    assert!(bodies(&receive(&client, &url, 10).await).contains(&"c1"));
}

#[tokio::test]
async fn a_message_needs_a_group_and_no_delay_of_its_own() {
    let served = Served::start().await;
    let client = Client::new(&served.config());
    let url = queue(&client, "q.fifo", &[(Attribute::FifoQueue, "true")]).await;
    let send = || client.send_message().queue_url(&url).message_body("m");
    assert_eq!(code(send().send().await), "MissingParameter");
    assert_eq!(code(send().message_group_id("g").send().await), "InvalidParameterValue");
    let delayed = send().message_group_id("g").message_deduplication_id("d").delay_seconds(5);
    assert_eq!(code(delayed.send().await), "InvalidParameterValue");
    let unnamed = client.create_queue().queue_name("q").attributes(Attribute::FifoQueue, "true").send().await;
    assert_eq!(code(unnamed), "InvalidParameterValue");
}

//! SQS: standard queues, delays, visibility, long polling, redrive.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName as Attribute, SendMessageBatchRequestEntry,
};

use crate::served::{Served, code};

pub(crate) async fn queue(client: &Client, name: &str, attributes: &[(Attribute, &str)]) -> String {
    let attributes = attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
    let made = client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await.unwrap();
    made.queue_url.unwrap()
}

pub(crate) async fn attribute(client: &Client, url: &str, name: Attribute) -> String {
    let answer =
        client.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await.unwrap();
    answer.attributes.unwrap()[&name].clone()
}

pub(crate) async fn receive(client: &Client, url: &str, max: i32) -> Vec<Message> {
    let answer = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(max)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await
        .unwrap();
    answer.messages.unwrap_or_default()
}

async fn send(client: &Client, url: &str, body: &str) {
    client.send_message().queue_url(url).message_body(body).send().await.unwrap();
}

async fn delete(client: &Client, url: &str, message: &Message) {
    client
        .delete_message()
        .queue_url(url)
        .receipt_handle(message.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
}

async fn start() -> (Served, Client) {
    let served = Served::start().await;
    let client = Client::new(&served.config());
    (served, client)
}

fn text_attribute(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

#[tokio::test]
async fn a_queue_is_made_again_only_as_it_is() {
    let (_served, client) = start().await;
    let url = queue(&client, "q", &[(Attribute::VisibilityTimeout, "2")]).await;
    assert_eq!(queue(&client, "q", &[(Attribute::VisibilityTimeout, "2")]).await, url);
    let other =
        client.create_queue().queue_name("q").attributes(Attribute::VisibilityTimeout, "3").send().await;
    assert_eq!(code(other), "QueueAlreadyExists");
    let missing = client.get_queue_url().queue_name("none").send().await.unwrap_err().into_service_error();
    assert!(missing.is_queue_does_not_exist());
    let odd = client.create_queue().queue_name("q2").attributes(Attribute::DelaySeconds, "901").send().await;
    assert_eq!(code(odd), "InvalidAttributeValue");
}

#[tokio::test]
async fn batches_of_ten() {
    let (served, client) = start().await;
    let url = queue(&client, "q", &[(Attribute::VisibilityTimeout, "2")]).await;
    let entries: Vec<_> = (0..11)
        .map(|number| {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(format!("i{number}"))
                .message_body(format!("b{number}"));
            entry.message_attributes("k", text_attribute("v")).build().unwrap()
        })
        .collect();
    let batch = |entries: &[SendMessageBatchRequestEntry]| {
        client.send_message_batch().queue_url(&url).set_entries(Some(entries.to_vec())).send()
    };
    let sent = batch(&entries[..10]).await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (10, 0));
    assert_eq!(code(batch(&entries).await), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
    let twice = [entries[0].clone(), entries[0].clone()];
    assert_eq!(code(batch(&twice).await), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct");
    assert_eq!(attribute(&client, &url, Attribute::ApproximateNumberOfMessages).await, "10");

    let received = receive(&client, &url, 10).await;
    assert_eq!(received.len(), 10);
    assert_eq!(received[0].message_attributes().unwrap()["k"].string_value(), Some("v"));
    assert_eq!(attribute(&client, &url, Attribute::ApproximateNumberOfMessages).await, "0");
    assert_eq!(attribute(&client, &url, Attribute::ApproximateNumberOfMessagesNotVisible).await, "10");
    let deletions = received.iter().enumerate().map(|(number, message)| {
        let receipt = message.receipt_handle().unwrap();
        DeleteMessageBatchRequestEntry::builder()
            .id(number.to_string())
            .receipt_handle(receipt)
            .build()
            .unwrap()
    });
    let deleted =
        client.delete_message_batch().queue_url(&url).set_entries(Some(deletions.collect())).send().await;
    assert_eq!(deleted.unwrap().successful().len(), 10);
    served.advance(3);
    assert!(receive(&client, &url, 10).await.is_empty());
}

#[tokio::test]
async fn a_message_ends_at_one_mebibyte() {
    let (_served, client) = start().await;
    let url = queue(&client, "q", &[]).await;
    let send = |size: usize| client.send_message().queue_url(&url).message_body("x".repeat(size)).send();
    send(1_048_576).await.unwrap();
    assert_eq!(code(send(1_048_577).await), "InvalidParameterValue");
    assert_eq!(code(send(0).await), "MissingParameter");
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_message_or_with_its_time() {
    let (served, client) = start().await;
    let url = queue(&client, "q", &[]).await;
    let poll = || {
        let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).send();
        tokio::spawn(poll)
    };
    let waiting = poll();
    send(&client, &url, "first").await;
    let received = waiting.await.unwrap().unwrap();
    assert_eq!(received.messages()[0].body(), Some("first"));
    delete(&client, &url, &received.messages()[0]).await;
    // Time passes by the stack's clock; the poll may begin before or after it is moved, so it is moved until it ends.
    let waiting = poll();
    while !waiting.is_finished() {
        served.advance(21);
        tokio::task::yield_now().await;
    }
    assert!(waiting.await.unwrap().unwrap().messages().is_empty());
}

#[tokio::test]
async fn a_message_that_is_not_deleted_comes_again() {
    let served = Served::still().await;
    let client = Client::new(&served.config());
    let url = queue(&client, "q", &[(Attribute::VisibilityTimeout, "30")]).await;
    send(&client, &url, "m").await;
    assert_eq!(receive(&client, &url, 1).await.len(), 1);
    assert!(receive(&client, &url, 1).await.is_empty());
    let due = served.cloud.next_due().unwrap();
    assert!((29..=30).contains(&due.since(served.clock.now()).as_secs()), "{due}");
    served.advance(31);
    let again = receive(&client, &url, 1).await;
    let count = &again[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "2");
    let hide = |message: &Message, seconds| {
        let receipt = message.receipt_handle().unwrap();
        client
            .change_message_visibility()
            .queue_url(&url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds)
            .send()
    };
    hide(&again[0], 0).await.unwrap();
    assert_eq!(code(hide(&again[0], 5).await), "AWS.SimpleQueueService.MessageNotInflight");
    let third = receive(&client, &url, 1).await;
    hide(&third[0], 300).await.unwrap();
    served.advance(60);
    assert!(receive(&client, &url, 1).await.is_empty());
    delete(&client, &url, &third[0]).await;
    served.advance(600);
    assert!(receive(&client, &url, 1).await.is_empty());
    assert_eq!(served.cloud.next_due(), None);
}

#[tokio::test]
async fn a_delay_is_the_stacks_time() {
    let (served, client) = start().await;
    let url = queue(&client, "q", &[]).await;
    let send = |delay| client.send_message().queue_url(&url).message_body("d").delay_seconds(delay).send();
    assert_eq!(code(send(901).await), "InvalidParameterValue");
    send(900).await.unwrap();
    assert!(receive(&client, &url, 1).await.is_empty());
    assert_eq!(attribute(&client, &url, Attribute::ApproximateNumberOfMessagesDelayed).await, "1");
    let waiting = {
        let cloud = served.cloud.clone();
        tokio::spawn(async move { cloud.sqs().receive("q", 1, Duration::from_secs(1_000)).await })
    };
    served.clock.advance_to(served.cloud.next_due().unwrap()).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn what_fails_too_often_is_dead_until_it_is_moved_back() {
    let (served, client) = start().await;
    let dead = queue(&client, "dead", &[]).await;
    let dead_arn = attribute(&client, &dead, Attribute::QueueArn).await;
    // AWS takes the count as a number and as text.
    let policy =
        |count: &str| format!("{{\"deadLetterTargetArn\":\"{dead_arn}\",\"maxReceiveCount\":{count}}}");
    queue(&client, "other", &[(Attribute::RedrivePolicy, &policy("\"2\""))]).await;
    let attributes = [(Attribute::VisibilityTimeout, "1"), (Attribute::RedrivePolicy, &*policy("2"))];
    let url = queue(&client, "source", &attributes).await;
    let poison = client.send_message().queue_url(&url).message_body("poison");
    poison.message_attributes("k", text_attribute("v")).send().await.unwrap();
    let mut received = 0;
    for _ in 0..4 {
        received += receive(&client, &url, 10).await.len();
        served.advance(2);
    }
    assert_eq!(received, 2);
    let found = receive(&client, &dead, 10).await;
    assert_eq!((found.len(), found[0].body()), (1, Some("poison")));
    assert_eq!(found[0].message_attributes().unwrap()["k"].string_value(), Some("v"));
    served.advance(60);

    let sources = client.list_dead_letter_source_queues().queue_url(&dead).send().await.unwrap();
    assert_eq!(sources.queue_urls().len(), 2);
    client.start_message_move_task().source_arn(&dead_arn).send().await.unwrap();
    assert_eq!(receive(&client, &url, 10).await.len(), 1);
    let moves = client.list_message_move_tasks().source_arn(&dead_arn).send().await.unwrap();
    assert_eq!(moves.results()[0].status(), Some("COMPLETED"));
    assert_eq!(moves.results()[0].approximate_number_of_messages_moved(), 1);
}

#[tokio::test]
async fn a_dead_letter_queue_must_be_there() {
    let (_served, client) = start().await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:none","maxReceiveCount":5}"#;
    let made =
        client.create_queue().queue_name("q").attributes(Attribute::RedrivePolicy, policy).send().await;
    assert_eq!(code(made), "InvalidParameterValue");
}

#[tokio::test]
async fn queues_are_listed_tagged_purged_and_deleted() {
    let (_served, client) = start().await;
    let url = queue(&client, "mine", &[]).await;
    queue(&client, "other", &[]).await;
    send(&client, &url, "p").await;
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(receive(&client, &url, 1).await.is_empty());
    let listed = client.list_queues().queue_name_prefix("mi").send().await.unwrap();
    assert_eq!(listed.queue_urls(), std::slice::from_ref(&url));
    client.tag_queue().queue_url(&url).tags("a", "b").send().await.unwrap();
    assert_eq!(client.list_queue_tags().queue_url(&url).send().await.unwrap().tags().unwrap()["a"], "b");
    client
        .set_queue_attributes()
        .queue_url(&url)
        .attributes(Attribute::VisibilityTimeout, "60")
        .send()
        .await
        .unwrap();
    assert_eq!(attribute(&client, &url, Attribute::VisibilityTimeout).await, "60");
    client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = client.send_message().queue_url(&url).message_body("x").send().await;
    assert_eq!(code(gone), "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test]
async fn messages_end_with_their_retention() {
    let (served, client) = start().await;
    let url = queue(&client, "q", &[(Attribute::MessageRetentionPeriod, "3600")]).await;
    send(&client, &url, "old").await;
    served.advance(3_601);
    assert!(receive(&client, &url, 1).await.is_empty());
}

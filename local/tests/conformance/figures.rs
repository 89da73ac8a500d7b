//! Figures of the endpoint: `cargo test --workspace --test conformance figures -- --ignored --nocapture`.

#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "measures real time")]

use std::time::Instant;

use serde_json::Map;

use crate::dynamodb::{put, s, table};
use crate::dynamodb_items::creation;

async fn rate<F: Future>(what: &str, clients: usize, each: usize, call: impl Fn(usize) -> F) {
    let begun = Instant::now();
    let working = (0..clients).map(|client| {
        let call = &call;
        async move {
            for number in 0..each {
                call(client * each + number).await;
            }
        }
    });
    futures_util::future::join_all(working).await;
    let rate = (clients * each) as f64 / begun.elapsed().as_secs_f64();
    println!("{what}, {clients} at once: {rate:.0}/s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn figures() {
    let (served, client) = table().await;
    let sqs = aws_sdk_sqs::Client::new(&served.config());
    served.cloud.sqs().create_queue("q", &Map::new()).unwrap();
    let url = served.cloud.sqs().url("q");
    for clients in [1, 16] {
        let kilobyte = "x".repeat(1_000);
        let key = |number: usize| format!("{clients}-{number}");
        rate("PutItem", clients, 200, |number| {
            put(&client, &key(number), "1").item("d", s(&*kilobyte)).send()
        })
        .await;
        rate("TransactWriteItems of 3", clients, 100, |number| {
            let items = ["2", "3", "4"].map(|sk| creation(&key(number), sk)).to_vec();
            client.transact_write_items().set_transact_items(Some(items)).send()
        })
        .await;
        rate("GetItem", clients, 300, |number| {
            crate::dynamodb::get(&client, "1-0", if number > 0 { "1" } else { "2" })
        })
        .await;
        rate("SendMessage", clients, 300, |_| sqs.send_message().queue_url(&url).message_body("m").send())
            .await;
        rate("ReceiveMessage and DeleteMessage", clients, 200, async |_| {
            let message = crate::sqs::receive(&sqs, &url, 1).await.remove(0);
            sqs.delete_message()
                .queue_url(&url)
                .receipt_handle(message.receipt_handle().unwrap())
                .send()
                .await
                .unwrap();
        })
        .await;
    }
}

/// The endpoint alone, without the SDK and without the way over HTTP to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn figures_of_the_endpoint_alone() {
    let (served, client) = table().await;
    put(&client, "a", "1").send().await.unwrap();
    served.cloud.sqs().create_queue("q", &Map::new()).unwrap();
    let call = async |service: &str, target: &str, body: String| {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=local/20261121/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = http::Request::post("/")
            .header("authorization", signed)
            .header("x-amz-date", "20261121T000000Z")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target);
        let answer = served.cloud.handle(request.body(body.into()).unwrap()).await;
        assert!(answer.status().is_success(), "{answer:?}");
    };
    let kilobyte = "x".repeat(1_000);
    for clients in [1, 16] {
        rate("PutItem", clients, 300, |number| {
            let item =
                serde_json::json!({"pk": {"S": number.to_string()}, "sk": {"S": "1"}, "d": {"S": kilobyte}});
            call(
                "dynamodb",
                "DynamoDB_20120810.PutItem",
                serde_json::json!({"TableName": "things", "Item": item}).to_string(),
            )
        })
        .await;
        rate("GetItem", clients, 300, |_| {
            let key = serde_json::json!({"pk": {"S": "a"}, "sk": {"S": "1"}});
            call(
                "dynamodb",
                "DynamoDB_20120810.GetItem",
                serde_json::json!({"TableName": "things", "Key": key}).to_string(),
            )
        })
        .await;
        rate("SendMessage", clients, 300, |_| {
            let message = serde_json::json!({"QueueUrl": "q", "MessageBody": "m"});
            call("sqs", "AmazonSQS.SendMessage", message.to_string())
        })
        .await;
    }
}

//! Figures of the endpoint: `cargo test -p local --test conformance figures -- --ignored --nocapture`.

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

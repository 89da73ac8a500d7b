//! Faults on order, and death at a chosen call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use local::aws::{Principal, Statement, When};
use serde_json::{Map, json};

use crate::dynamodb::{get, put, table};
use crate::dynamodb_items::creation;
use crate::served::{Served, code};

fn function(served: &Served) -> aws_config::SdkConfig {
    let statements =
        Statement::parse_policy(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"})).unwrap();
    let principal = Principal { function: "run_operation".to_owned(), pid: Default::default(), statements };
    served.cloud.principals().set("AKIARUN", principal);
    served.config_of(Credentials::new("AKIARUN", "secret", None, None, "function"))
}

#[tokio::test]
async fn an_ordered_failure_has_no_effect_and_ends() {
    let (served, root) = table().await;
    let client = Client::new(&function(&served));
    served.cloud.faults().on("run_operation", "dynamodb", "PutItem").times(2).throttle();
    put(&root, "a", "0").send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(code(put(&client, "a", "1").send().await), "ProvisionedThroughputExceededException");
    }
    assert_eq!(get(&root, "a", "1").await, None);
    put(&client, "a", "1").send().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_has_its_effect() {
    let (served, root) = table().await;
    let client = Client::new(&function(&served));
    served.cloud.faults().on("run_operation", "dynamodb", "*").lose_answer();
    assert_eq!(code(put(&client, "a", "1").send().await), "InternalFailure");
    assert!(get(&root, "a", "1").await.is_some());
}

#[tokio::test]
async fn transactions_can_conflict() {
    let (served, _) = table().await;
    let client = Client::new(&function(&served));
    served
        .cloud
        .faults()
        .on("run_operation", "dynamodb", "TransactWriteItems")
        .fail(400, "TransactionCanceledException");
    let refused = client.transact_write_items().transact_items(creation("t", "1")).send().await;
    let refused = refused.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(refused) = refused
    else {
        panic!()
    };
    assert_eq!(refused.cancellation_reasons()[0].code(), Some("TransactionConflict"));
}

#[tokio::test]
async fn a_duplicated_send_is_two_messages() {
    let served = Served::start().await;
    served.cloud.sqs().create_queue("q", &Map::new()).unwrap();
    let client = aws_sdk_sqs::Client::new(&function(&served));
    served.cloud.faults().on("*", "sqs", "SendMessage").duplicate();
    client.send_message().queue_url(served.cloud.sqs().url("q")).message_body("m").send().await.unwrap();
    assert_eq!(served.cloud.sqs().counts("q").unwrap().visible, 2);
}

#[tokio::test]
async fn a_function_dies_before_or_after_the_effect_of_its_nth_call() {
    let (served, root) = table().await;
    let client = Client::new(&function(&served));
    let deaths = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&deaths);
    served.cloud.faults().set_killer(Arc::new(move |access_key| {
        assert_eq!(access_key, "AKIARUN");
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    served.cloud.faults().kill("run_operation", 2, When::Before);
    put(&client, "a", "1").send().await.unwrap();
    assert!(put(&client, "a", "2").send().await.is_err());
    assert_eq!((get(&root, "a", "2").await, deaths.load(Ordering::Relaxed)), (None, 1));
    served.cloud.faults().kill("run_operation", 1, When::After);
    let _ = put(&client, "a", "3").send().await;
    assert_eq!(deaths.load(Ordering::Relaxed), 2);
    assert!(get(&root, "a", "3").await.is_some());
    served.cloud.faults().on("run_operation", "sqs", "*").kill_at(1, When::Before);
    put(&client, "a", "4").send().await.unwrap();
    assert_eq!(served.cloud.faults().kills_left(), 1);
}

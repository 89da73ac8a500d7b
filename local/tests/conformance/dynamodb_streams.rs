//! DynamoDB's streams: through the SDK, and as the stack's poller reads them.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::Client as Streams;
use aws_sdk_dynamodbstreams::types::{OperationType, ShardIteratorType};
use serde_json::json;

use crate::dynamodb::{TABLE, key, n, put, table};

#[tokio::test]
async fn the_sdk_reads_from_the_horizon_from_now_and_after_a_sequence() {
    let (served, client) = table().await;
    let streams = Streams::new(&served.config());
    let arn = served.cloud.dynamodb().stream_arn(TABLE).unwrap();
    put(&client, "q", "1").send().await.unwrap();
    let described = streams.describe_stream().stream_arn(&arn).send().await.unwrap();
    let shard = described.stream_description().unwrap().shards()[0].shard_id().unwrap().to_owned();
    let iterator = async |kind: ShardIteratorType, sequence: Option<String>| {
        let iterator =
            streams.get_shard_iterator().stream_arn(&arn).shard_id(&shard).shard_iterator_type(kind);
        iterator.set_sequence_number(sequence).send().await.unwrap().shard_iterator.unwrap()
    };
    let records = async |iterator: String| {
        let answer = streams.get_records().shard_iterator(iterator).send().await.unwrap();
        answer.records.unwrap_or_default()
    };
    let latest = iterator(ShardIteratorType::Latest, None).await;
    client.delete_item().table_name(TABLE).set_key(Some(key("q", "1"))).send().await.unwrap();
    put(&client, "s", "1").item("v", n(1)).send().await.unwrap();
    put(&client, "s", "1").item("v", n(2)).send().await.unwrap();
    let all = records(iterator(ShardIteratorType::TrimHorizon, None).await).await;
    let names: Vec<_> = all.iter().map(|record| record.event_name().unwrap().clone()).collect();
    assert_eq!(
        names,
        [OperationType::Insert, OperationType::Remove, OperationType::Insert, OperationType::Modify]
    );
    let sequence = |index: usize| all[index].dynamodb().unwrap().sequence_number().unwrap().to_owned();
    assert!((1..4).all(|index| sequence(index - 1) < sequence(index)));
    let last = all[3].dynamodb().unwrap();
    assert!(last.new_image().is_some() && last.old_image().is_some());
    assert_eq!(records(latest).await.len(), 3);
    let after = iterator(ShardIteratorType::AfterSequenceNumber, Some(sequence(1))).await;
    assert_eq!(records(after).await.len(), 2);
}

#[tokio::test]
async fn the_poller_goes_on_where_it_was_and_sees_no_empty_change() {
    let (served, client) = table().await;
    let dynamodb = served.cloud.dynamodb();
    let mut writes = dynamodb.writes();
    put(&client, "s", "1").item("v", n(1)).send().await.unwrap();
    assert!(writes.has_changed().unwrap());
    writes.mark_unchanged();
    let first = dynamodb.records(TABLE, None, 10).unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!((&first[0]["eventName"], &first[0]["awsRegion"]), (&json!("INSERT"), &json!("eu-west-1")));
    assert_eq!(first[0]["eventSourceARN"], json!(dynamodb.stream_arn(TABLE).unwrap()));
    assert_eq!(first[0]["dynamodb"]["NewImage"]["v"], json!({"N": "1"}));
    let sequence = first[0]["dynamodb"]["SequenceNumber"].as_str().unwrap();
    dynamodb.set_position("relay", TABLE, sequence).unwrap();

    put(&client, "s", "1").item("v", n(1)).send().await.unwrap();
    let position = dynamodb.position("relay", TABLE);
    assert_eq!(dynamodb.records(TABLE, position.as_deref(), 10).unwrap(), Vec::<serde_json::Value>::new());
    put(&client, "s", "1").item("v", AttributeValue::S("two".into())).send().await.unwrap();
    let next = dynamodb.records(TABLE, position.as_deref(), 10).unwrap();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0]["dynamodb"]["OldImage"]["v"], json!({"N": "1"}));
}

#[tokio::test]
async fn only_what_every_reader_has_passed_is_trimmed() {
    let (served, client) = table().await;
    put(&client, "s", "1").send().await.unwrap();
    let dynamodb = served.cloud.dynamodb();
    dynamodb.trim_streams().unwrap();
    assert_eq!(dynamodb.records(TABLE, None, 10).unwrap().len(), 1);
}

//! DynamoDB: limits, refusals and consumed capacity.

use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, PutRequest, ReturnConsumedCapacity, TransactWriteItem,
    WriteRequest,
};

use crate::dynamodb::{TABLE, key, n, put, s, table};
use crate::served::code;

#[tokio::test]
async fn a_page_ends_at_one_megabyte() {
    let (_served, client) = table().await;
    for number in 0..15 {
        put(&client, "big", &format!("{number:02}")).item("d", s("x".repeat(100_000))).send().await.unwrap();
    }
    let page = client.query().table_name(TABLE).key_condition_expression("pk = :p");
    let page = page.expression_attribute_values(":p", s("big")).send().await.unwrap();
    assert!(page.count() < 15 && page.last_evaluated_key().is_some());
}

#[tokio::test]
async fn batches_have_sizes() {
    let (_served, client) = table().await;
    let write = |number: usize| {
        let put = PutRequest::builder().set_item(Some(key("b", &format!("{number:03}")))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let batch = |writes: Vec<WriteRequest>| client.batch_write_item().request_items(TABLE, writes).send();
    for start in [0, 25, 50, 75] {
        let written = batch((start..start + 25).map(write).collect()).await.unwrap();
        assert!(written.unprocessed_items().is_none_or(|left| left.is_empty()));
    }
    assert_eq!(code(batch((0..26).map(write).collect()).await), "ValidationException");
    assert_eq!(code(batch(vec![write(0), write(0)]).await), "ValidationException");
    let read = |count: usize| {
        let keys = (0..count).map(|number| key("b", &format!("{number:03}"))).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
        client.batch_get_item().request_items(TABLE, keys).send()
    };
    assert_eq!(read(100).await.unwrap().responses().unwrap()[TABLE].len(), 100);
    assert_eq!(code(read(101).await), "ValidationException");
}

#[tokio::test]
async fn a_batch_over_sixteen_megabytes_leaves_keys_unprocessed() {
    let (_served, client) = table().await;
    for number in 0..45 {
        put(&client, "huge", &format!("{number:03}")).item("d", s("x".repeat(390_000))).send().await.unwrap();
    }
    let keys = (0..45).map(|number| key("huge", &format!("{number:03}"))).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
    let read = client.batch_get_item().request_items(TABLE, keys).send().await.unwrap();
    assert!(!read.unprocessed_keys().unwrap()[TABLE].keys().is_empty());
}

#[tokio::test]
async fn items_end_at_400_kilobytes() {
    let (_served, client) = table().await;
    let over = put(&client, "x", "1").item("d", s("x".repeat(410_000)));
    assert_eq!(code(over.send().await), "ValidationException");
    put(&client, "x", "2").item("d", s("x".repeat(400_000))).send().await.unwrap();
    let grown =
        client.update_item().table_name(TABLE).set_key(Some(key("x", "2"))).update_expression("SET e = :e");
    let grown = grown.expression_attribute_values(":e", s("y".repeat(20_000)));
    assert_eq!(code(grown.send().await), "ValidationException");
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let (_served, client) = table().await;
    let update = |expression: &str| {
        let update = client.update_item().table_name(TABLE).set_key(Some(key("v", "1")));
        update.update_expression(expression).expression_attribute_values(":s", s("x"))
    };
    let refused = [
        ("a reserved word", code(update("SET status = :s").send().await)),
        (
            "an unused value",
            code(update("SET a = :s").expression_attribute_values(":u", s("x")).send().await),
        ),
        ("a change of the key", code(update("SET sk = :s").send().await)),
        ("an empty key", code(put(&client, "", "1").send().await)),
        ("an empty set", code(put(&client, "v", "1").item("z", AttributeValue::Ss(vec![])).send().await)),
        ("an index key of another type", code(put(&client, "v", "1").item("gsi1pk", n(5)).send().await)),
        ("an empty index key", code(put(&client, "v", "1").item("gsi1pk", s("")).send().await)),
    ];
    for (what, code) in refused {
        assert_eq!(code, "ValidationException", "{what}");
    }
}

#[tokio::test]
async fn capacity_is_answered_when_asked_for_and_kept_always() {
    let (served, client) = table().await;
    let kilobyte_and_a_half = s("x".repeat(1_500));
    let written = put(&client, "c", "1").item("d", kilobyte_and_a_half.clone());
    let written = written.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(written.consumed_capacity().unwrap().capacity_units(), Some(2.0));
    let read = client.query().table_name(TABLE).key_condition_expression("pk = :p");
    let read = read
        .expression_attribute_values(":p", s("c"))
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    assert_eq!(read.send().await.unwrap().consumed_capacity().unwrap().capacity_units(), Some(0.5));
    let item = Put::builder().table_name(TABLE).set_item(Some(key("c", "2"))).item("d", kilobyte_and_a_half);
    let write = TransactWriteItem::builder().put(item.build().unwrap()).build();
    // Not asked for, so only the ledger has it: two units, doubled by the transaction.
    client.transact_write_items().transact_items(write).send().await.unwrap();
    let totals = served.cloud.calls().totals();
    let of = |operation: &str| &totals[&("root".to_owned(), format!("dynamodb:{operation}"))];
    assert_eq!(of("PutItem").write_units, 2.0);
    assert_eq!(of("Query").read_units, 0.5);
    assert_eq!(of("TransactWriteItems").write_units, 4.0);
}

#[tokio::test]
async fn segments_of_a_scan_cover_everything_once() {
    let (_served, client) = table().await;
    for number in 0..50 {
        put(&client, &format!("p{number}"), "1").send().await.unwrap();
    }
    let mut seen = 0;
    for segment in 0..4 {
        #[allow(clippy::disallowed_methods, reason = "the emulator's own check")]
        let page = client.scan().table_name(TABLE).segment(segment).total_segments(4).send().await.unwrap();
        seen += page.count();
    }
    assert_eq!(seen, 50);
}

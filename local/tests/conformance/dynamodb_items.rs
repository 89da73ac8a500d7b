//! DynamoDB: writes with conditions, transactions, queries, and many writers at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Get, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure as OnFailure, Select, TransactGetItem, TransactWriteItem, Update,
};

use crate::dynamodb::{TABLE, get, key, n, put, s, table};
use crate::served::code;

pub(crate) fn creation(pk: &str, sk: &str) -> TransactWriteItem {
    let put = Put::builder().table_name(TABLE).set_item(Some(key(pk, sk)));
    let put = put.condition_expression("attribute_not_exists(pk)").build().unwrap();
    TransactWriteItem::builder().put(put).build()
}

pub(crate) fn addition(pk: &str, sk: &str) -> TransactWriteItem {
    let update =
        Update::builder().table_name(TABLE).set_key(Some(key(pk, sk))).update_expression("ADD v :one");
    let update = update.expression_attribute_values(":one", n(1)).build().unwrap();
    TransactWriteItem::builder().update(update).build()
}

#[tokio::test]
async fn a_failed_condition_returns_the_item() {
    let (_served, client) = table().await;
    let create = || put(&client, "a", "1").item("v", n(1)).condition_expression("attribute_not_exists(pk)");
    create().send().await.unwrap();
    let refused =
        create().return_values_on_condition_check_failure(OnFailure::AllOld).send().await.unwrap_err();
    let PutItemError::ConditionalCheckFailedException(failed) = refused.into_service_error() else {
        panic!()
    };
    assert_eq!(failed.item().unwrap()["v"], n(1));
}

#[tokio::test]
async fn update_expressions() {
    let (_served, client) = table().await;
    let update = || client.update_item().table_name(TABLE).set_key(Some(key("a", "u")));
    let updated = update()
        .update_expression("SET #n = if_not_exists(#n, :ten) + :one, l = list_append(if_not_exists(l, :none), :l), m = :m ADD cnt :one, tags :tags")
        .expression_attribute_names("#n", "name")
        .expression_attribute_values(":ten", n(10))
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":none", AttributeValue::L(vec![]))
        .expression_attribute_values(":l", AttributeValue::L(vec![s("x")]))
        .expression_attribute_values(":m", AttributeValue::M(HashMap::from([("k".into(), n(1))])))
        .expression_attribute_values(":tags", AttributeValue::Ss(vec!["p".into()]))
        .return_values(ReturnValue::AllNew)
        .send()
        .await
        .unwrap();
    let new = updated.attributes().unwrap();
    assert_eq!((&new["name"], &new["cnt"], &new["pk"]), (&n(11), &n(1), &s("a")));
    assert_eq!(new["l"], AttributeValue::L(vec![s("x")]));
    let updated = update()
        .update_expression("SET m.k = m.k + :four, l[0] = :y REMOVE tags")
        .expression_attribute_values(":four", n(4))
        .expression_attribute_values(":y", s("y"))
        .return_values(ReturnValue::UpdatedNew)
        .send()
        .await
        .unwrap();
    let inner = AttributeValue::M(HashMap::from([("k".into(), n(5))]));
    assert_eq!(updated.attributes().unwrap()["m"], inner);
}

#[tokio::test]
async fn a_cancelled_transaction_gives_a_reason_for_each_item_and_writes_nothing() {
    let (_served, client) = table().await;
    put(&client, "a", "1").item("v", n(1)).send().await.unwrap();
    put(&client, "a", "u").send().await.unwrap();
    let check = ConditionCheck::builder()
        .table_name(TABLE)
        .set_key(Some(key("a", "1")))
        .condition_expression("v = :v");
    let check = check.expression_attribute_values(":v", n(99));
    let check = check.return_values_on_condition_check_failure(OnFailure::AllOld).build().unwrap();
    let check = TransactWriteItem::builder().condition_check(check).build();
    let delete = Delete::builder().table_name(TABLE).set_key(Some(key("a", "u"))).build().unwrap();
    let delete = TransactWriteItem::builder().delete(delete).build();
    let items = vec![creation("t", "1"), addition("t", "2"), check, delete];
    let cancelled = client.transact_write_items().set_transact_items(Some(items)).send().await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = cancelled.into_service_error()
    else {
        panic!()
    };
    let reasons: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| (reason.code().unwrap(), reason.item().is_some()))
        .collect();
    assert_eq!(
        reasons,
        [("None", false), ("None", false), ("ConditionalCheckFailed", true), ("None", false)]
    );
    assert_eq!(get(&client, "t", "1").await, None);
    assert!(get(&client, "a", "u").await.is_some());
}

#[tokio::test]
async fn a_transaction_with_a_token_happens_once() {
    let (_served, client) = table().await;
    let write = |items| {
        client.transact_write_items().set_transact_items(Some(items)).client_request_token("token").send()
    };
    for _ in 0..2 {
        write(vec![creation("t", "once"), addition("t", "count")]).await.unwrap();
    }
    assert_eq!(get(&client, "t", "count").await.unwrap()["v"], n(1));
    assert_eq!(code(write(vec![addition("t", "other")]).await), "IdempotentParameterMismatchException");
}

#[tokio::test]
async fn a_transaction_holds_an_item_once_and_a_hundred_at_most() {
    let (_served, client) = table().await;
    let write = |items| client.transact_write_items().set_transact_items(Some(items)).send();
    let many =
        |count: usize| (0..count).map(|number| addition("many", &number.to_string())).collect::<Vec<_>>();
    assert_eq!(code(write(vec![addition("q", "1"), addition("q", "1")]).await), "ValidationException");
    write(many(100)).await.unwrap();
    assert_eq!(code(write(many(101)).await), "ValidationException");
}

#[tokio::test]
async fn a_transaction_reads_what_is_there_and_what_is_not() {
    let (_served, client) = table().await;
    put(&client, "q", "1").send().await.unwrap();
    let read = |sk: &str| {
        let get = Get::builder().table_name(TABLE).set_key(Some(key("q", sk))).build().unwrap();
        TransactGetItem::builder().get(get).build()
    };
    let read =
        client.transact_get_items().transact_items(read("1")).transact_items(read("2")).send().await.unwrap();
    let there: Vec<bool> = read.responses().iter().map(|response| response.item().is_some()).collect();
    assert_eq!(there, [true, false]);
}

async fn thirty(client: &Client) {
    for number in 0..30 {
        put(client, "q", &format!("ev#{number:03}")).item("i", n(number)).send().await.unwrap();
    }
    put(client, "q", "other#1").send().await.unwrap();
}

#[tokio::test]
async fn queries_by_prefix_range_and_page() {
    let (_served, client) = table().await;
    thirty(&client).await;
    let query = || client.query().table_name(TABLE).expression_attribute_values(":p", s("q"));
    let prefixed = query().key_condition_expression("pk = :p AND begins_with(sk, :b)");
    assert_eq!(prefixed.expression_attribute_values(":b", s("ev#")).send().await.unwrap().count(), 30);
    let range =
        query().key_condition_expression("pk = :p AND sk BETWEEN :a AND :b").scan_index_forward(false);
    let range =
        range.expression_attribute_values(":a", s("ev#005")).expression_attribute_values(":b", s("ev#009"));
    let range = range.send().await.unwrap();
    assert_eq!((range.count(), &range.items()[0]["sk"]), (5, &s("ev#009")));
    let (mut start, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = query().key_condition_expression("pk = :p").limit(7).set_exclusive_start_key(start);
        let page = page.send().await.unwrap();
        seen.extend(page.items().iter().map(|item| item["sk"].as_s().unwrap().clone()));
        pages += 1;
        start = page.last_evaluated_key().cloned();
        if start.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (31, 5));
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn filters_count_what_they_scanned_and_projections_reach_inside() {
    let (_served, client) = table().await;
    thirty(&client).await;
    let filtered = client
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :p")
        .filter_expression("#i IN (:a, :b) OR (attribute_exists(#i) AND #i > :x)")
        .expression_attribute_names("#i", "i")
        .expression_attribute_values(":p", s("q"))
        .expression_attribute_values(":a", n(1))
        .expression_attribute_values(":b", n(2))
        .expression_attribute_values(":x", n(27))
        .select(Select::Count)
        .send()
        .await
        .unwrap();
    assert_eq!((filtered.count(), filtered.scanned_count()), (4, 31));
    let map = AttributeValue::M(HashMap::from([("k".into(), n(1)), ("other".into(), n(2))]));
    put(&client, "p", "1")
        .item("m", map)
        .item("l", AttributeValue::L(vec![n(1), n(2)]))
        .send()
        .await
        .unwrap();
    let projected =
        client.get_item().table_name(TABLE).set_key(Some(key("p", "1"))).projection_expression("m.k, l[0]");
    let projected = projected.send().await.unwrap().item.unwrap();
    let expected = HashMap::from([
        ("m".to_owned(), AttributeValue::M(HashMap::from([("k".into(), n(1))]))),
        ("l".to_owned(), AttributeValue::L(vec![n(1)])),
    ]);
    assert_eq!(projected, expected);
}

#[tokio::test]
async fn an_index_is_sparse_and_follows_updates() {
    let (_served, client) = table().await;
    for number in 0..10 {
        let mut item = put(&client, "g", &number.to_string());
        if number % 2 == 0 {
            item = item.item("gsi1pk", s("OPEN")).item("gsi1sk", s(if number < 6 { "same" } else { "z" }));
        }
        item.send().await.unwrap();
    }
    let query = || {
        let query =
            client.query().table_name(TABLE).index_name("gsi1").key_condition_expression("gsi1pk = :p");
        query.expression_attribute_values(":p", s("OPEN"))
    };
    let (mut start, mut count, mut key_size) = (None, 0, 0);
    loop {
        let page = query().limit(2).set_exclusive_start_key(start).send().await.unwrap();
        count += page.count();
        start = page.last_evaluated_key().cloned();
        match &start {
            Some(start) => key_size = start.len(),
            None => break,
        }
    }
    // Equal index keys are told apart by the table's own.
    assert_eq!((count, key_size), (5, 4));
    let closed = client.update_item().table_name(TABLE).set_key(Some(key("g", "0")));
    closed.update_expression("REMOVE gsi1pk, gsi1sk").send().await.unwrap();
    assert_eq!(query().select(Select::Count).send().await.unwrap().count(), 4);
}

#[tokio::test]
async fn all_kinds_of_values_come_back() {
    let (_served, client) = table().await;
    let long = "12345678901234567890123456789012345678";
    let bytes = AttributeValue::B(aws_smithy_types::Blob::new(vec![0_u8, 255]));
    put(&client, "v", "1")
        .item("number", n(long))
        .item("truth", AttributeValue::Bool(true))
        .item("nothing", AttributeValue::Null(true))
        .item("bytes", bytes.clone())
        .item("numbers", AttributeValue::Ns(vec!["1".into(), "2.50".into()]))
        .send()
        .await
        .unwrap();
    let item = get(&client, "v", "1").await.unwrap();
    assert_eq!((&item["number"], &item["bytes"]), (&n(long), &bytes));
    assert_eq!(
        (&item["truth"], &item["nothing"]),
        (&AttributeValue::Bool(true), &AttributeValue::Null(true))
    );
}

#[tokio::test]
async fn many_writers_at_once_lose_nothing() {
    let (_served, client) = table().await;
    let adding = (0..200).map(|_| {
        let update = client.update_item().table_name(TABLE).set_key(Some(key("counter", "1")));
        update.update_expression("ADD v :one").expression_attribute_values(":one", n(1)).send()
    });
    for added in futures_util::future::join_all(adding).await {
        added.unwrap();
    }
    assert_eq!(get(&client, "counter", "1").await.unwrap()["v"], n(200));
    let creating =
        (0..100).map(|_| put(&client, "one", "1").condition_expression("attribute_not_exists(pk)").send());
    let created = futures_util::future::join_all(creating).await;
    assert_eq!(created.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn of_many_versioned_transactions_one_wins() {
    let (_served, client) = table().await;
    put(&client, "versioned", "1").item("v", n(1)).send().await.unwrap();
    let writing = (0..60).map(|number| {
        let update = Update::builder().table_name(TABLE).set_key(Some(key("versioned", "1")));
        let update = update.update_expression("SET v = :new").condition_expression("v = :old");
        let update =
            update.expression_attribute_values(":new", n(2)).expression_attribute_values(":old", n(1));
        let update = TransactWriteItem::builder().update(update.build().unwrap()).build();
        let beside = creation("beside", &number.to_string());
        client.transact_write_items().transact_items(update).transact_items(beside).send()
    });
    let outcomes = futures_util::future::join_all(writing).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let beside = client.query().table_name(TABLE).key_condition_expression("pk = :p");
    assert_eq!(beside.expression_attribute_values(":p", s("beside")).send().await.unwrap().count(), 1);
}

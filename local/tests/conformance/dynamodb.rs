//! DynamoDB: tables, and helpers for the other DynamoDB tests.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use serde_json::{Value, json};

use crate::served::{Served, code};

pub(crate) const TABLE: &str = "things";

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

pub(crate) fn put(client: &Client, pk: &str, sk: &str) -> PutItemFluentBuilder {
    client.put_item().table_name(TABLE).set_item(Some(key(pk, sk)))
}

pub(crate) async fn get(client: &Client, pk: &str, sk: &str) -> Option<Item> {
    let answer =
        client.get_item().table_name(TABLE).set_key(Some(key(pk, sk))).consistent_read(true).send().await;
    answer.unwrap().item
}

/// As a template declares it.
pub(crate) fn properties() -> Value {
    let keys = |pk: &str, sk: &str| json!([{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]);
    let text = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [text("pk"), text("sk"), text("gsi1pk"), text("gsi1sk")],
        "KeySchema": keys("pk", "sk"),
        "GlobalSecondaryIndexes": [{
            "IndexName": "gsi1",
            "KeySchema": keys("gsi1pk", "gsi1sk"),
            "Projection": {"ProjectionType": "ALL"},
        }],
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": true},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
    })
}

pub(crate) async fn table() -> (Served, Client) {
    let served = Served::start().await;
    served.cloud.dynamodb().create_table(&properties()).unwrap();
    let client = Client::new(&served.config());
    (served, client)
}

#[tokio::test]
async fn a_table_has_our_region_in_its_arns() {
    let (served, client) = table().await;
    let described = client.describe_table().table_name(TABLE).send().await.unwrap();
    let described = described.table().unwrap();
    let arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/things";
    assert_eq!(described.table_arn(), Some(arn));
    assert!(described.latest_stream_arn().unwrap().starts_with(&format!("{arn}/stream/")));
    let table = served.cloud.dynamodb().table(TABLE).unwrap();
    assert_eq!((table.arn.as_str(), table.stream_arn.as_deref()), (arn, described.latest_stream_arn()));
}

#[tokio::test]
async fn a_declared_table_may_be_declared_again_and_gain_an_index() {
    let (served, client) = table().await;
    put(&client, "a", "1").item("i", n(7)).send().await.unwrap();
    let mut properties = properties();
    let dynamodb = served.cloud.dynamodb();
    dynamodb.create_table(&properties).unwrap();
    let added = json!({
        "IndexName": "gsi2",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "i", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "ALL"},
    });
    properties["GlobalSecondaryIndexes"].as_array_mut().unwrap().push(added);
    let number = json!({"AttributeName": "i", "AttributeType": "N"});
    properties["AttributeDefinitions"].as_array_mut().unwrap().push(number);
    dynamodb.create_table(&properties).unwrap();
    let found =
        client.query().table_name(TABLE).index_name("gsi2").key_condition_expression("pk = :p AND i > :i");
    let found =
        found.expression_attribute_values(":p", s("a")).expression_attribute_values(":i", n(5)).send().await;
    assert_eq!(found.unwrap().count(), 1);
    properties["KeySchema"][1]["AttributeName"] = json!("gsi1sk");
    assert!(dynamodb.create_table(&properties).unwrap_err().to_string().contains("--fresh"));
}

#[tokio::test]
async fn update_table_adds_an_index_over_what_is_there() {
    let (_served, client) = table().await;
    for number in 0..30 {
        put(&client, "q", &format!("{number:03}")).item("i", n(number)).send().await.unwrap();
    }
    let definition = |name: &str, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let element =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = CreateGlobalSecondaryIndexAction::builder()
        .index_name("gsi2")
        .key_schema(element("pk", KeyType::Hash))
        .key_schema(element("i", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .update_table()
        .table_name(TABLE)
        .attribute_definitions(definition("i", ScalarAttributeType::N))
        .attribute_definitions(definition("pk", ScalarAttributeType::S))
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(index).build())
        .send()
        .await
        .unwrap();
    let found = client
        .query()
        .table_name(TABLE)
        .index_name("gsi2")
        .key_condition_expression("pk = :p AND i >= :i")
        .expression_attribute_values(":p", s("q"))
        .expression_attribute_values(":i", n(20))
        .send()
        .await
        .unwrap();
    assert_eq!(found.count(), 10);
}

#[tokio::test]
async fn a_table_is_made_once_and_gone_when_deleted() {
    let (_served, client) = table().await;
    let element = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap();
    let definition =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let again = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest)
        .key_schema(element)
        .attribute_definitions(definition.build().unwrap());
    assert_eq!(code(again.send().await), "ResourceInUseException");
    client.delete_table().table_name(TABLE).send().await.unwrap();
    assert_eq!(code(client.describe_table().table_name(TABLE).send().await), "ResourceNotFoundException");
    assert_eq!(code(put(&client, "a", "1").send().await), "ResourceNotFoundException");
}

#[tokio::test]
async fn items_expire_by_the_stacks_clock_and_the_stream_shows_it() {
    let (served, client) = table().await;
    let described = client.describe_time_to_live().table_name(TABLE).send().await.unwrap();
    let status = described.time_to_live_description().unwrap().time_to_live_status().unwrap();
    assert_eq!(status.as_str(), "ENABLED");
    let soon = served.clock.now().as_secs() + 3_600;
    put(&client, "a", "1").item("expires_at", n(soon)).send().await.unwrap();
    let dynamodb = served.cloud.dynamodb();
    assert_eq!(dynamodb.sweep_expired().unwrap(), 0);
    served.advance(3_700);
    assert_eq!(dynamodb.sweep_expired().unwrap(), 1);
    assert_eq!(get(&client, "a", "1").await, None);
    let records = dynamodb.records(TABLE, None, 10).unwrap();
    let last = records.last().unwrap();
    assert_eq!(
        (&last["eventName"], &last["userIdentity"]["principalId"]),
        (&json!("REMOVE"), &json!("dynamodb.amazonaws.com"))
    );
}

#[tokio::test]
async fn the_page_sees_plain_items() {
    let (served, client) = table().await;
    let tags = AttributeValue::Ss(vec!["x".to_owned()]);
    put(&client, "a", "1")
        .item("i", n(7))
        .item("list", AttributeValue::L(vec![n("1.5")]))
        .item("tags", tags)
        .send()
        .await
        .unwrap();
    let items = served.cloud.dynamodb().items(TABLE).unwrap();
    assert_eq!(items, [json!({"pk": "a", "sk": "1", "i": 7, "list": [1.5], "tags": ["x"]})]);
    let other = json!({"pk": "a", "sk": "2", "map": {"truth": true, "nothing": null}});
    served.cloud.dynamodb().put_item(TABLE, &other).unwrap();
    assert_eq!(served.cloud.dynamodb().items(TABLE).unwrap()[1], other);
}

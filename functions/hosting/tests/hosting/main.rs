//! Hosting from outside: through the gateway and the queues, with the real functions.

#![allow(clippy::unwrap_used)]

mod access;
mod audit;
mod backups;
mod billing;
mod compensation;
mod dns;
mod domains;
mod fleet;
mod hosts;
mod http;
mod kills;
mod labels;
mod mailing;
mod moving;
mod operations;
mod placement;
mod provisioning;
mod renaming;
mod suspension;
mod workers;

use std::time::Duration;

use local::Stack;
use local::harness::Client;
use serde_json::{Value, json};

/// More than any operation here needs; an access token lives as long.
const PATIENCE: Duration = Duration::from_secs(14 * 60);

/// A site that was asked for.
struct Asked {
    site: String,
    operation: String,
}

impl Asked {
    fn path(&self) -> String {
        format!("/v1/hosting/sites/{}", self.site)
    }

    fn deployment(&self) -> String {
        format!("{}/deployment", self.path())
    }

    fn operation(&self, what: &str) -> String {
        format!("/v1/hosting/operations/{}/{what}", self.operation)
    }
}

/// Asks for a site.
async fn deploy(client: &Client, label: &str) -> Asked {
    let operation = client.post("/v1/hosting/sites", json!({ "label": label })).await.expect(202);
    let text = |field: &str| operation[field].as_str().unwrap().to_owned();
    Asked { site: text("site"), operation: text("id") }
}

/// Asks for a site and waits until it is served.
async fn deployed(stack: &Stack, client: &Client, label: &str) -> Asked {
    let asked = deploy(client, label).await;
    until_operation(stack, &asked.operation, "succeeded").await;
    asked
}

/// Waits until an operation is in a state.
async fn until_operation(stack: &Stack, operation: &str, state: &str) {
    let what = format!("the operation is {state}");
    let key = format!("OP#{operation}");
    stack.run_until(&what, PATIENCE, async || read(stack, &key, "OP").await["state"]["S"] == state).await;
}

/// One item as DynamoDB writes it, by its key: where many are, looking through all of them takes long.
async fn read(stack: &Stack, pk: &str, sk: &str) -> Value {
    let input = json!({
        "TableName": "tenantry-local-hosting", "ConsistentRead": true,
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
    });
    let request = as_owner(stack, "dynamodb", "POST", "/")
        .header("x-amz-target", "DynamoDB_20120810.GetItem")
        .header("content-type", "application/x-amz-json-1.0")
        .body(input.to_string().into())
        .unwrap();
    let answer = stack.cloud().handle(request).await;
    serde_json::from_slice::<Value>(answer.body()).unwrap()["Item"].take()
}

/// A request to AWS as the account's owner makes it by hand.
fn as_owner(stack: &Stack, service: &str, method: &str, path: &str) -> ::http::request::Builder {
    let region = &stack.core().settings.region;
    let scope = format!("local/20260101/{region}/{service}/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let request = ::http::Request::builder().method(method).uri(path);
    request.header("x-amz-date", "20260101T000000Z").header("authorization", signed)
}

/// A call to AWS by hand.
async fn by_hand(stack: &Stack, service: &str, (method, path): (&str, &str), body: String) {
    let request = as_owner(stack, service, method, path).body(body.into()).unwrap();
    let answer = stack.cloud().handle(request).await;
    assert!(answer.status().is_success(), "{method} {path}: {} {:?}", answer.status(), answer.body());
}

/// A call to S3 by hand.
async fn s3(stack: &Stack, method: &str, path: &str, body: &str) {
    by_hand(stack, "s3", (method, path), body.to_owned()).await;
}

/// A change of the zone of sites by hand, past the product.
async fn change_zone(stack: &Stack, action: &str, record: &local::aws::route53::Record) {
    let zone =
        stack.cloud().route53().zones().into_iter().find(|zone| zone.name == "sites.localhost.").unwrap().id;
    let values: String = record
        .values
        .iter()
        .map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>"))
        .collect();
    let body = format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes><Change>\
         <Action>{action}</Action><ResourceRecordSet><Name>{}</Name><Type>{}</Type><TTL>{}</TTL>\
         <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>\
         </Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
        record.name,
        record.kind,
        record.ttl.unwrap_or(60)
    );
    let path = format!("/2013-04-01/hostedzone/{zone}/rrset");
    by_hand(stack, "route53", ("POST", &path), body).await;
}

/// An item of the area's table, null if there is none.
fn item(stack: &Stack, kind: &str, id: &str) -> Value {
    stack.table("hosting").of_kind(kind).into_iter().find(|item| item["id"] == id).unwrap_or_default()
}

/// The buckets of sites.
async fn buckets(stack: &Stack) -> Vec<String> {
    let mut all = stack.cloud().s3().buckets().await;
    all.retain(|name| name.starts_with("tenantry-local-site-"));
    all
}

/// A person of the platform's staff.
async fn staff(stack: &Stack) -> Client {
    let client = stack.verified("staff@tenantry.example").await;
    let user = client.user().to_owned();
    let mut person = accounts_item(stack, &format!("USER#{user}"));
    person["operator"] = json!(true);
    stack.put_item("accounts", &person).await.unwrap();
    client
}

/// Gives an organisation another hosting plan, as billing's event to accounts would.
async fn entitled(stack: &Stack, org: &str, change: impl FnOnce(&mut Value)) {
    let mut organisation = accounts_item(stack, &format!("ORG#{org}"));
    let entitlements = &mut organisation["entitlements"];
    let version = entitlements["version"].as_u64().unwrap();
    entitlements["version"] = json!(version + 1);
    change(&mut entitlements["products"]["hosting"]);
    stack.put_item("accounts", &organisation).await.unwrap();
}

fn accounts_item(stack: &Stack, key: &str) -> Value {
    let items = stack.table("accounts").items();
    let mut found = items.into_iter().find(|item| item["pk"] == key && item["sk"] == "META").unwrap();
    found.as_object_mut().unwrap().remove("event");
    found
}

/// Status and code of a refusal.
async fn refused(answer: impl Future<Output = local::harness::Answer>) -> (u16, String) {
    let answer = answer.await;
    (answer.status, answer.code())
}

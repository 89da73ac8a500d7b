//! SDK calls: what a request names, the way to dynoxide and back, and the units it consumed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::answer::AwsError;
use super::super::rights::Needed;
use super::DynamoDb;

/// What a request names, without its items.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Skim<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    index_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transact_items: Vec<BTreeMap<Cow<'a, str>, Named<'a>>>,
    #[serde(borrow)]
    request_items: BTreeMap<Cow<'a, str>, IgnoredAny>,
    return_consumed_capacity: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream_arn: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "TableName", borrow)]
    table_name: Cow<'a, str>,
}

/// Capacity that a call consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::aws) struct Units {
    pub(in crate::aws) read: f64,
    pub(in crate::aws) write: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answered {
    #[serde(default)]
    consumed_capacity: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(Vec<Consumed>),
    One(Consumed),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed {
    #[serde(default)]
    capacity_units: f64,
}

impl<'a> Skim<'a> {
    fn of(body: &'a [u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The tables that it names.
    fn tables(&self) -> impl Iterator<Item = &str> {
        let in_transaction =
            self.transact_items.iter().flat_map(BTreeMap::values).map(|named| &*named.table_name);
        let named = self.table_name.iter().map(|name| &**name).chain(in_transaction);
        let named = named.chain(self.request_items.keys().map(|name| &**name));
        // A table can be named by its ARN.
        named.map(|name| name.rsplit('/').next().unwrap_or(name))
    }

    /// The rights that AWS asks for: those of the single actions inside a transaction, one per table in a batch.
    fn needs(&self, operation: &str, arn_prefix: &str) -> Vec<Needed> {
        let arn = |table: &str| format!("{arn_prefix}{}", table.rsplit('/').next().unwrap_or(table));
        match operation {
            "TransactWriteItems" | "TransactGetItems" => {
                let items = self.transact_items.iter().flatten();
                items
                    .map(|(kind, named)| {
                        let action = match &**kind {
                            "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
                            kind => format!("dynamodb:{kind}Item"),
                        };
                        Needed::new(action, arn(&named.table_name))
                    })
                    .collect()
            }
            "BatchGetItem" | "BatchWriteItem" => {
                let tables = self.request_items.keys();
                tables.map(|table| Needed::new(format!("dynamodb:{operation}"), arn(table))).collect()
            }
            "ListTables" | "ListStreams" | "GetRecords" => {
                vec![Needed::new(format!("dynamodb:{operation}"), "*")]
            }
            _ => {
                let resource = match (&self.stream_arn, &self.table_name, &self.index_name) {
                    (Some(stream), ..) => stream.to_string(),
                    (None, Some(table), Some(index)) => format!("{}/index/{index}", arn(table)),
                    (None, Some(table), None) => arn(table),
                    (None, None, _) => "*".to_owned(),
                };
                vec![Needed::new(format!("dynamodb:{operation}"), resource)]
            }
        }
    }
}

/// Operations that can report what they consumed.
fn is_metered(operation: &str) -> bool {
    matches!(
        operation,
        "GetItem"
            | "PutItem"
            | "UpdateItem"
            | "DeleteItem"
            | "Query"
            | "Scan"
            | "BatchGetItem"
            | "BatchWriteItem"
            | "TransactGetItems"
            | "TransactWriteItems"
    )
}

fn is_write(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

impl DynamoDb {
    pub(in crate::aws) fn needs(&self, operation: &str, body: &[u8]) -> Vec<Needed> {
        Skim::of(body).needs(operation, &self.arn_prefix())
    }

    /// Hands a call to dynoxide; the answer is its own.
    pub(in crate::aws) async fn call(
        &self,
        operation: &str,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<(Response<Bytes>, Units), AwsError> {
        let metered = is_metered(operation);
        let sent = if metered { metering(body) } else { self.inward(body) };
        let mut request = Request::post(format!("http://127.0.0.1:{}/", self.port));
        for name in ["content-type", "x-amz-target", "authorization", "x-amz-date"] {
            if let Some(value) = parts.headers.get(name) {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(sent)).map_err(AwsError::internal)?;
        let (mut head, answer) = self.client.request(request).await.map_err(AwsError::internal)?.into_parts();
        let mut answer = answer.collect().await.map_err(AwsError::internal)?.to_bytes();
        let mut units = Units::default();
        if head.status.is_success() {
            if metered {
                units = consumed(operation, &answer);
            }
            if is_write(operation) {
                self.wrote(Skim::of(body).tables());
            }
        }
        if !metered {
            answer = self.outward(&String::from_utf8_lossy(&answer)).into();
            head.headers.remove("x-amz-crc32");
            head.headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
        }
        Ok((Response::from_parts(head, answer), units))
    }

    /// dynoxide has a region of its own in its ARNs; outside there is only ours.
    pub(super) fn outward(&self, text: &str) -> String {
        text.replace(DYNOXIDE_ARN, &self.arn_prefix())
            .replace("\"awsRegion\":\"dynoxide\"", &format!("\"awsRegion\":\"{}\"", self.region))
    }

    fn inward(&self, body: &Bytes) -> Bytes {
        String::from_utf8_lossy(body).replace(&self.arn_prefix(), DYNOXIDE_ARN).into()
    }
}

const DYNOXIDE_ARN: &str = "arn:aws:dynamodb:dynoxide:000000000000:table/";

/// Asks for the consumed capacity, which the ledger keeps, unless the caller asks itself.
fn metering(body: &Bytes) -> Bytes {
    let asks = Skim::of(body).return_consumed_capacity.is_some();
    match body.strip_prefix(b"{") {
        Some(fields) if !asks && fields.trim_ascii().len() > 1 => {
            let mut body = Vec::with_capacity(fields.len() + 40);
            body.extend_from_slice(b"{\"ReturnConsumedCapacity\":\"TOTAL\",");
            body.extend_from_slice(fields);
            body.into()
        }
        _ => body.clone(),
    }
}

fn consumed(operation: &str, answer: &Bytes) -> Units {
    let total =
        match serde_json::from_slice::<Answered>(answer).ok().and_then(|answer| answer.consumed_capacity) {
            Some(OneOrMore::More(tables)) => tables.iter().map(|table| table.capacity_units).sum(),
            Some(OneOrMore::One(table)) => table.capacity_units,
            None => 0.0,
        };
    if is_write(operation) { Units { read: 0.0, write: total } } else { Units { read: total, write: 0.0 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_needs_the_rights_of_its_parts() {
        let body = br#"{"TransactItems": [
            {"Put": {"TableName": "a", "Item": {"pk": {"S": "1"}}}},
            {"ConditionCheck": {"TableName": "b", "Key": {}}}]}"#;
        let needs = Skim::of(body).needs("TransactWriteItems", "arn:table/");
        assert_eq!(
            needs,
            [
                Needed::new("dynamodb:PutItem", "arn:table/a"),
                Needed::new("dynamodb:ConditionCheckItem", "arn:table/b")
            ]
        );
    }

    #[test]
    fn a_query_of_an_index_needs_the_right_to_the_index() {
        let needs = Skim::of(br#"{"TableName":"a","IndexName":"gsi1"}"#).needs("Query", "arn:table/");
        assert_eq!(needs, [Needed::new("dynamodb:Query", "arn:table/a/index/gsi1")]);
    }

    #[test]
    fn capacity_is_asked_for_once() {
        let metered = metering(&Bytes::from_static(b"{\"TableName\":\"a\"}"));
        assert_eq!(&metered[..], b"{\"ReturnConsumedCapacity\":\"TOTAL\",\"TableName\":\"a\"}");
        let asked = Bytes::from_static(b"{\"ReturnConsumedCapacity\":\"INDEXES\"}");
        assert_eq!(metering(&asked), asked);
    }
}

//! Tables as the templates declare them.

use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::actions::update_time_to_live::UpdateTimeToLiveRequest;
use serde_json::{Map, Value, json};

use super::{DynamoDb, refused};
use crate::{Context as _, Error, Result};

/// A table that exists.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The ARN of its stream, if it has one.
    pub stream_arn: Option<String>,
}

/// Properties of `AWS::DynamoDB::Table` that go into CreateTable as they are.
const AS_THEY_ARE: [&str; 9] = [
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "TableClass",
    "Tags",
];

/// Properties without effect on one machine.
const WITHOUT_EFFECT: [&str; 6] = [
    "PointInTimeRecoverySpecification",
    "SSESpecification",
    "DeletionProtectionEnabled",
    "ContributorInsightsSpecification",
    "OnDemandThroughput",
    "ResourcePolicy",
];

impl DynamoDb {
    /// Makes the table that a template declares, or brings the one that is there into line.
    ///
    /// # Errors
    /// When the properties are not understood, or the table that is there cannot become what is declared.
    pub fn create_table(&self, properties: &Value) -> Result<Table> {
        let declared =
            properties.as_object().ok_or_else(|| Error::new("a table's Properties are an object"))?;
        let name = declared.get("TableName").and_then(Value::as_str);
        let name = name.ok_or_else(|| Error::new("a table needs a TableName"))?.to_owned();
        let doing = format!("making the table {name}");
        let request = creation(declared).context(&doing)?;
        match self.describe(&name) {
            Some(existing) => self.align(&existing, &request).context(&doing)?,
            None => {
                let request: CreateTableRequest =
                    serde_json::from_value(Value::Object(request)).context(&doing)?;
                self.database.create_table(request).map_err(refused).context(&doing)?;
            }
        }
        if let Some(expiry) = declared.get("TimeToLiveSpecification") {
            self.expire_by(&name, expiry).context(&doing)?;
        }
        self.table(&name).ok_or_else(|| Error::new(format!("{doing}: it is not there")))
    }

    /// A table by name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<Table> {
        let description = self.describe(name)?;
        let stream = description["LatestStreamArn"].as_str().map(|arn| self.outward(arn));
        Some(Table { name: name.to_owned(), arn: self.table_arn(name), stream_arn: stream })
    }

    /// Names of all tables.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        let listed = self.database.list_tables(Default::default()).ok();
        listed.map(|tables| tables.table_names).unwrap_or_default()
    }

    /// The ARN of a table's stream.
    #[must_use]
    pub fn stream_arn(&self, table: &str) -> Option<String> {
        self.table(table)?.stream_arn
    }

    pub(super) fn describe(&self, name: &str) -> Option<Value> {
        let request: DescribeTableRequest = serde_json::from_value(json!({"TableName": name})).ok()?;
        let description = self.database.describe_table(request).ok()?;
        Some(serde_json::to_value(description).ok()?["Table"].take())
    }

    /// Adds indexes that a template gained since the table was made; anything else needs fresh data.
    fn align(&self, existing: &Value, declared: &Map<String, Value>) -> Result<()> {
        if declared.get("KeySchema") != Some(&existing["KeySchema"]) {
            return Err(Error::new("its keys have changed; start with --fresh to forget the old table"));
        }
        let has_stream = existing["StreamSpecification"]["StreamEnabled"] == true;
        if has_stream != declared.contains_key("StreamSpecification") {
            return Err(Error::new(
                "its stream was added or removed; start with --fresh to forget the old table",
            ));
        }
        let named = |value: &Value| value["IndexName"].as_str().map(str::to_owned);
        let indexes = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let present = indexes(existing.get("GlobalSecondaryIndexes"));
        for index in indexes(declared.get("GlobalSecondaryIndexes")) {
            match present.iter().find(|other| named(other) == named(&index)) {
                Some(other) if other["KeySchema"] == index["KeySchema"] => {}
                Some(_) => {
                    let name = named(&index).unwrap_or_default();
                    let told = format!("the keys of its index {name} have changed; start with --fresh");
                    return Err(Error::new(told));
                }
                None => {
                    let request: UpdateTableRequest = serde_json::from_value(json!({
                        "TableName": existing["TableName"],
                        "AttributeDefinitions": declared.get("AttributeDefinitions"),
                        "GlobalSecondaryIndexUpdates": [{"Create": index}],
                    }))?;
                    self.database.update_table(request).map_err(refused)?;
                }
            }
        }
        Ok(())
    }

    fn expire_by(&self, table: &str, expiry: &Value) -> Result<()> {
        let request = json!({"TableName": table, "TimeToLiveSpecification": expiry});
        let request: UpdateTimeToLiveRequest = serde_json::from_value(request)?;
        self.database.update_time_to_live(request).map_err(refused)?;
        Ok(())
    }
}

fn creation(declared: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut request = Map::new();
    for (property, value) in declared {
        match property.as_str() {
            name if AS_THEY_ARE.contains(&name) => {
                request.insert(property.clone(), value.clone());
            }
            "StreamSpecification" => {
                let view = value.get("StreamViewType").cloned().unwrap_or_default();
                let stream = json!({"StreamEnabled": true, "StreamViewType": view});
                request.insert(property.clone(), stream);
            }
            "TimeToLiveSpecification" => {}
            name if WITHOUT_EFFECT.contains(&name) => {}
            other => return Err(Error::new(format!("the property {other} is not understood"))),
        }
    }
    request.entry("BillingMode").or_insert_with(|| json!("PAY_PER_REQUEST"));
    Ok(request)
}

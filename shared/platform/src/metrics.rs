//! Metrics in CloudWatch's embedded format: they ride on the invocation's log line, so they cost no call.

use serde_json::{Map, Value, json};

/// CloudWatch's name for everything we measure.
const NAMESPACE: &str = "Tenantry";
/// The most values of one metric in one line.
const MOST: usize = 100;

/// A metric's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long, in thousandths of a second.
    Milliseconds,
    /// How long, in seconds.
    Seconds,
    /// How large.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
}

impl Measured {
    pub(crate) fn count(name: &'static str, by: u64) -> Self {
        // Counts beyond 2^53 do not occur in one invocation.
        #[allow(clippy::cast_precision_loss)]
        let value = by as f64;
        Self { name, value, unit: Unit::Count }
    }
}

/// Adds the measurements to a log line, whose members `stage` and `function` become their dimensions.
pub(crate) fn embed(line: &mut Map<String, Value>, epoch_millis: i64, measured: &[Measured]) {
    if measured.is_empty() {
        return;
    }
    let mut metrics: Vec<Value> = Vec::new();
    for one in measured {
        match line.get_mut(one.name) {
            Some(Value::Array(values)) => {
                if values.len() < MOST {
                    values.push(one.value.into());
                }
            }
            // A metric named as another member of the line would overwrite it.
            Some(_) => {}
            None => {
                metrics.push(json!({"Name": one.name, "Unit": one.unit.name()}));
                line.insert(one.name.to_owned(), json!([one.value]));
            }
        }
    }
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": epoch_millis,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["stage"], ["stage", "function"]],
                "Metrics": metrics,
            }],
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_name_are_gathered() {
        let mut line = Map::new();
        let millis = Measured { name: "ProvisioningMillis", value: 2.5, unit: Unit::Milliseconds };
        embed(
            &mut line,
            7,
            &[Measured::count("SitesActivated", 1), millis, Measured::count("SitesActivated", 2)],
        );
        assert_eq!(line["SitesActivated"], json!([1.0, 2.0]));
        let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(metrics[1], json!({"Name": "ProvisioningMillis", "Unit": "Milliseconds"}));
        let mut line = Map::new();
        embed(&mut line, 7, &[]);
        assert!(line.is_empty());
    }
}

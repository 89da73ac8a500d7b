//! Makes what the templates ask for in the embedded services; what is there already stays, with its data.

use serde_json::{Map, Value};

use crate::aws::Cloud;
use crate::keys::Secrets;
use crate::template::Model;
use crate::{Context, Result};

/// Brings the services into line with the model.
///
/// # Errors
/// Naming the resource that could not be made.
pub async fn deploy(model: &Model, cloud: &Cloud, secrets: &Secrets) -> Result<()> {
    for (id, value) in secrets {
        cloud.secrets().put(id, &value.to_string()).await.context(format!("the secret {id}"))?;
    }
    for table in &model.tables {
        cloud.dynamodb().create_table(&table.definition).context(format!("the table {}", table.name))?;
    }
    for queue in &model.queues {
        let attributes: Map<String, Value> =
            queue.attributes.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        cloud.sqs().create_queue(&queue.name, &attributes).context(format!("the queue {}", queue.name))?;
    }
    for bus in &model.buses {
        cloud.events().create_bus(bus).await.context(format!("the event bus {bus}"))?;
    }
    for rule in &model.rules {
        let doing = format!("{}: the rule {}", rule.place, rule.name);
        cloud.events().put_rule(&rule.bus, &rule.name, &rule.pattern, rule.enabled).await.context(&doing)?;
        cloud.events().put_targets(&rule.bus, &rule.name, &rule.targets.iter().cloned().collect()).await.context(&doing)?;
    }
    for zone in &model.zones {
        cloud.route53().create_zone(&zone.id, &zone.name).context(format!("the hosted zone {}", zone.name))?;
    }
    Ok(())
}

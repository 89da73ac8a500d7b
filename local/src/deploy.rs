//! Makes what the templates ask for in the embedded services; what is there already stays, with its data.

use serde_json::{Map, Value};

use crate::aws::Cloud;
use crate::keys::Secrets;
use crate::template::Model;
use crate::{Context, Error, Result};

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
    for (queue, policy) in &model.queue_policies {
        cloud.sqs().set_policy(queue, policy).context(format!("the policy of the queue {queue}"))?;
    }
    for bus in &model.buses {
        cloud.events().create_bus(bus).await.context(format!("the event bus {bus}"))?;
    }
    for rule in &model.rules {
        let doing = format!("{}: the rule {}", rule.place, rule.name);
        cloud.events().put_rule(&rule.bus, &rule.name, &rule.pattern, rule.enabled).await.context(&doing)?;
        let targets = rule.targets.iter().map(without_retries).collect();
        cloud.events().put_targets(&rule.bus, &rule.name, &targets).await.context(&doing)?;
        let arns =
            rule.targets.iter().flat_map(|target| [&target["Arn"], &target["DeadLetterConfig"]["Arn"]]);
        for arn in arns.filter_map(Value::as_str) {
            cloud.events().check_target(arn).map_err(|missing| Error::new(format!("{doing}: {missing}")))?;
        }
    }
    for zone in &model.zones {
        cloud
            .route53()
            .create_zone(&zone.id, &zone.name)
            .context(format!("the hosted zone {}", zone.name))?;
    }
    for identity in &model.identities {
        cloud.ses().declare_identity(identity).context(format!("the mail identity {identity}"))?;
    }
    for (set, types) in &model.configuration_sets {
        cloud.ses().create_configuration_set(set, types).context(format!("the configuration set {set}"))?;
    }
    for bucket in &model.buckets {
        cloud.s3().create_bucket(bucket).await.context(format!("the bucket {bucket}"))?;
    }
    for role in &model.roles {
        cloud.sts().put_role(&role.arn, &role.statements);
    }
    for (profile, role) in &model.profiles {
        cloud.ec2().declare_profile(profile, role);
    }
    Ok(())
}

/// Delivery into a queue of the same process either happens or is a fault of the template, which deployment finds.
fn without_retries(target: &Value) -> Value {
    let mut target = target.clone();
    if let Some(fields) = target.as_object_mut() {
        fields.remove("DeadLetterConfig");
        fields.remove("RetryPolicy");
    }
    target
}

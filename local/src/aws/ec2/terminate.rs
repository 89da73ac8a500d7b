//! Ending instances, and tagging them.

use std::collections::BTreeMap;

use super::super::answer::AwsError;
use super::super::documents::Change;
use super::super::form::Form;
use super::super::xml;
use super::{Ec2, Instance, describe};

const MOST_TAGS: usize = 50;

impl Ec2 {
    /// All of the named instances or none.
    fn change_named(
        &self,
        ids: &[String],
        change: impl Fn(&mut Instance) -> Result<(), AwsError>,
    ) -> Result<Vec<(Instance, Instance)>, AwsError> {
        if ids.is_empty() {
            return Err(AwsError::bad("MissingParameter", "The request must contain the ids of instances"));
        }
        self.instances.change(|all| {
            let mut changes: Vec<Change<Instance>> = Vec::new();
            let mut pairs = Vec::new();
            for id in ids {
                let before = self.find(all, id)?;
                let mut after = before.clone();
                change(&mut after)?;
                changes.push((id.clone(), Some(after.clone())));
                pairs.push((before, after));
            }
            Ok((changes, pairs))
        })
    }

    pub(super) fn terminate(&self, form: &Form) -> Result<String, AwsError> {
        let now = self.clock.now();
        let ended = self.change_named(&form.list("InstanceId"), |instance| {
            instance.terminated_at.get_or_insert(now);
            Ok(())
        })?;
        let items = ended.iter().map(|(before, after)| {
            [
                xml::text("instanceId", &after.id),
                describe::state_xml("currentState", after.state(now)),
                describe::state_xml("previousState", before.state(now)),
            ]
            .concat()
        });
        Ok(xml::list("instancesSet", "item", items))
    }

    pub(super) fn create_tags(&self, form: &Form) -> Result<String, AwsError> {
        let added: BTreeMap<String, String> = form.pairs("Tag", "Key", "Value").into_iter().collect();
        if added.is_empty() {
            return Err(AwsError::bad("MissingParameter", "The request must contain the parameter tags"));
        }
        if let Some(odd) =
            added.keys().find(|key| key.is_empty() || key.len() > 127 || key.starts_with("aws:"))
        {
            return Err(AwsError::bad("InvalidParameterValue", format!("Invalid tag key: '{odd}'")));
        }
        self.change_named(&form.list("ResourceId"), |instance| {
            instance.tags.extend(added.clone());
            if instance.tags.len() > MOST_TAGS {
                let told = format!("The maximum number of tags for this resource is {MOST_TAGS}");
                return Err(AwsError::bad("TagLimitExceeded", told));
            }
            Ok(())
        })?;
        Ok(xml::text("return", "true"))
    }

    pub(super) fn delete_tags(&self, form: &Form) -> Result<String, AwsError> {
        let removed = form.pairs("Tag", "Key", "Value");
        self.change_named(&form.list("ResourceId"), |instance| {
            for (key, _) in &removed {
                instance.tags.remove(key);
            }
            Ok(())
        })?;
        Ok(xml::text("return", "true"))
    }
}

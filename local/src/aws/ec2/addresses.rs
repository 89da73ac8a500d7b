//! Elastic IPs: allocated, led to an instance, released. They are the addresses 198.51.100.1 to 198.51.100.254, which belong to
//! nobody and which no launch gives out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::super::answer::AwsError;
use super::super::form::Form;
use super::super::ids;
use super::super::rights::{Needed, matches};
use super::super::xml;
use super::{Ec2, Instance, State, tags_for};

const FILTERS: [&str; 5] = ["allocation-id", "association-id", "instance-id", "public-ip", "tag-key"];

/// An address of the account's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ElasticIp {
    /// Its id, `eipalloc-…`.
    pub id: String,
    /// The address.
    pub public_ip: Ipv4Addr,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The instance it leads to.
    pub instance: Option<String>,
    /// The tie between the two.
    pub(super) association: Option<String>,
}

fn unknown(kind: &str, id: &str) -> AwsError {
    AwsError::bad(format!("Invalid{kind}ID.NotFound"), format!("The ID '{id}' does not exist"))
}

impl Ec2 {
    /// Every Elastic IP.
    #[must_use]
    pub fn addresses(&self) -> Vec<ElasticIp> {
        self.addresses.look(|all| all.values().map(|address| self.as_seen(address)).collect())
    }

    /// What an address leads to ends with the instance.
    fn as_seen(&self, address: &ElasticIp) -> ElasticIp {
        let now = self.clock.now();
        let alive = |id: &String| {
            self.instances.get(id).is_some_and(|instance| instance.state(now) != State::Terminated)
        };
        if address.instance.as_ref().is_none_or(alive) {
            return address.clone();
        }
        ElasticIp { instance: None, association: None, ..address.clone() }
    }

    fn address(&self, id: &str) -> Result<ElasticIp, AwsError> {
        let found = self.addresses.get(id).ok_or_else(|| unknown("Allocation", id))?;
        Ok(self.as_seen(&found))
    }

    fn associated(&self, association: &str) -> Result<ElasticIp, AwsError> {
        let mut all = self.addresses().into_iter();
        all.find(|address| address.association.as_deref() == Some(association))
            .ok_or_else(|| unknown("Association", association))
    }

    pub(super) fn address_needs(&self, operation: &str, form: &Form) -> Vec<Needed> {
        let action = format!("ec2:{operation}");
        let own = |address: Result<ElasticIp, AwsError>| {
            let (id, tags) = address.map(|address| (address.id, address.tags)).unwrap_or_default();
            with_tags(Needed::new(&*action, self.arn("elastic-ip", &id)), "ResourceTag", &tags)
        };
        match operation {
            "AllocateAddress" => {
                let tags = tags_for(form, "elastic-ip");
                let any = self.arn("elastic-ip", "*");
                let mut needs = vec![with_tags(Needed::new(action, &*any), "RequestTag", &tags)];
                if !tags.is_empty() {
                    let tagging = Needed::new("ec2:CreateTags", any);
                    needs.push(with_tags(
                        tagging.with("ec2:CreateAction", "AllocateAddress"),
                        "RequestTag",
                        &tags,
                    ));
                }
                needs
            }
            "AssociateAddress" => {
                let id = form.text("InstanceId");
                let instance = self.tagged(Needed::new(&*action, self.arn("instance", id)), id);
                vec![own(self.address(form.text("AllocationId"))), instance]
            }
            "DisassociateAddress" => vec![own(self.associated(form.text("AssociationId")))],
            _ => vec![own(self.address(form.text("AllocationId")))],
        }
    }

    pub(super) fn allocate(&self, form: &Form) -> Result<String, AwsError> {
        let address = self.addresses.change::<_, AwsError>(|all| {
            let taken: BTreeSet<u8> = all.values().map(|address| address.public_ip.octets()[3]).collect();
            let Some(host) = (1..=254).find(|host| !taken.contains(host)) else {
                let told = "The maximum number of addresses has been reached.";
                return Err(AwsError::bad("AddressLimitExceeded", told));
            };
            let address = ElasticIp {
                id: format!("eipalloc-0{}", ids::hex(16)),
                public_ip: Ipv4Addr::new(198, 51, 100, host),
                tags: tags_for(form, "elastic-ip"),
                instance: None,
                association: None,
            };
            Ok((vec![(address.id.clone(), Some(address.clone()))], address))
        })?;
        Ok(shown(&address))
    }

    pub(super) fn describe_addresses(&self, form: &Form) -> Result<String, AwsError> {
        let mut found = self.addresses();
        for number in 1.. {
            let Some(name) = form.get(&format!("Filter.{number}.Name")) else { break };
            if !FILTERS.contains(&name) && !name.starts_with("tag:") {
                let told = format!("The filter '{name}' is invalid");
                return Err(AwsError::bad("InvalidParameterValue", told));
            }
            let values = form.list(&format!("Filter.{number}.Value"));
            let has = |actual: &str| values.iter().any(|wanted| matches(wanted, actual));
            found.retain(|address| match name {
                "allocation-id" => has(&address.id),
                "association-id" => address.association.as_deref().is_some_and(has),
                "instance-id" => address.instance.as_deref().is_some_and(has),
                "public-ip" => has(&address.public_ip.to_string()),
                "tag-key" => address.tags.keys().any(|key| has(key)),
                tag => tag
                    .strip_prefix("tag:")
                    .and_then(|key| address.tags.get(key))
                    .is_some_and(|value| has(value)),
            });
        }
        Ok(xml::list("addressesSet", "item", found.iter().map(shown)))
    }

    pub(super) fn associate(&self, form: &Form) -> Result<String, AwsError> {
        let address = self.address(form.text("AllocationId"))?;
        let now = self.clock.now();
        let id = form.text("InstanceId").to_owned();
        let instance = self.instances.look(|all| self.find(all, &id))?;
        if instance.state(now) != State::Running {
            let told = format!("The instance '{id}' is not in a valid state for this operation.");
            return Err(AwsError::bad("InvalidInstanceID", told));
        }
        if let Some(before) = address.instance.as_ref().filter(|before| **before != id) {
            self.lead(before, None)?;
        }
        self.lead(&id, Some(address.public_ip))?;
        let association = format!("eipassoc-0{}", ids::hex(16));
        let kept = ElasticIp { instance: Some(id), association: Some(association.clone()), ..address };
        self.addresses.put::<AwsError>(&kept.id.clone(), kept)?;
        Ok(xml::text("return", "true") + &xml::text("associationId", association))
    }

    pub(super) fn disassociate(&self, form: &Form) -> Result<String, AwsError> {
        let address = self.associated(form.text("AssociationId"))?;
        if let Some(instance) = &address.instance {
            self.lead(instance, None)?;
        }
        let kept = ElasticIp { instance: None, association: None, ..address };
        self.addresses.put::<AwsError>(&kept.id.clone(), kept)?;
        Ok(xml::text("return", "true"))
    }

    pub(super) fn release(&self, form: &Form) -> Result<String, AwsError> {
        let address = self.address(form.text("AllocationId"))?;
        if address.instance.is_some() {
            let told = format!("Address {} is in use.", address.public_ip);
            return Err(AwsError::bad("InvalidIPAddress.InUse", told));
        }
        self.addresses.remove::<AwsError>(&address.id)?;
        Ok(xml::text("return", "true"))
    }

    /// An Elastic IP takes the place of the address that an instance was launched with, which comes back after it.
    fn lead(&self, instance: &str, elastic: Option<Ipv4Addr>) -> Result<(), AwsError> {
        self.instances.change::<_, AwsError>(|all| {
            let changed = all.get(instance).map(|instance| Instance {
                public_ip: elastic.unwrap_or(instance.launched_ip()),
                own_ip: Some(instance.launched_ip()),
                ..instance.clone()
            });
            Ok((changed.map(|changed| (changed.id.clone(), Some(changed))).into_iter().collect(), ()))
        })
    }
}

fn with_tags(needed: Needed, kind: &str, tags: &BTreeMap<String, String>) -> Needed {
    tags.iter().fold(needed, |needed, (key, value)| {
        let needed = needed.with(format!("aws:{kind}/{key}"), value);
        if kind == "ResourceTag" { needed.with(format!("ec2:ResourceTag/{key}"), value) } else { needed }
    })
}

fn shown(address: &ElasticIp) -> String {
    let tags = address.tags.iter().map(|(key, value)| xml::text("key", key) + &xml::text("value", value));
    [
        xml::text("publicIp", address.public_ip.to_string()),
        xml::text("allocationId", &address.id),
        xml::text("domain", "vpc"),
        address.instance.as_ref().map(|id| xml::text("instanceId", id)).unwrap_or_default(),
        address.association.as_ref().map(|id| xml::text("associationId", id)).unwrap_or_default(),
        xml::list("tagSet", "item", tags),
    ]
    .concat()
}

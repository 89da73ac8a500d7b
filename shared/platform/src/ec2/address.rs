//! Elastic IPs: addresses that stay when the instance behind them is stopped, started or replaced.

use std::collections::BTreeMap;

use super::xml::Node;
use super::{Ec2, Ec2Error, Filter, Form, filtered, tagged, tags};
use crate::Result;

/// An Elastic IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its id, `eipalloc-…`.
    pub id: String,
    /// The address itself.
    pub public_ip: String,
    /// The instance it leads to.
    pub instance_id: Option<String>,
    /// The tie between the two, `eipassoc-…`.
    pub association_id: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Ec2 {
    /// `DescribeAddresses`, of those that pass the filters.
    ///
    /// # Errors
    /// EC2's refusals.
    pub async fn describe_addresses(&self, filters: &[Filter<'_>]) -> Result<Vec<Address>, Ec2Error> {
        let answer = self.call("DescribeAddresses", filtered(filters)).await?;
        Ok(answer.list("addressesSet").iter().map(Address::read).collect())
    }

    /// `AllocateAddress`, with tags from its first moment on. It takes no token and so is not tried again by itself: whoever
    /// heard no answer looks for the tags.
    ///
    /// # Errors
    /// EC2's refusals; `AddressLimitExceeded` when the account has as many as it may.
    pub async fn allocate_address(&self, tags: &BTreeMap<String, String>) -> Result<Address, Ec2Error> {
        let answer = self.once("AllocateAddress", &allocation(tags)).await?;
        Ok(Address { tags: tags.clone(), ..Address::read(&answer) })
    }

    /// `AssociateAddress`: the address leads to a running instance, and nowhere else any more.
    ///
    /// # Errors
    /// EC2's refusals.
    pub async fn associate_address(&self, address: &str, instance: &str) -> Result<(), Ec2Error> {
        let form = [("AllocationId", address), ("InstanceId", instance)];
        self.call("AssociateAddress", fields(&form)).await.map(drop)
    }

    /// `DisassociateAddress`: the address leads nowhere.
    ///
    /// # Errors
    /// EC2's refusals; `InvalidAssociationID.NotFound` when the tie is gone.
    pub async fn disassociate_address(&self, association: &str) -> Result<(), Ec2Error> {
        self.call("DisassociateAddress", fields(&[("AssociationId", association)])).await.map(drop)
    }

    /// `ReleaseAddress`: gives the address back. Refused while it leads to an instance.
    ///
    /// # Errors
    /// EC2's refusals; `InvalidAllocationID.NotFound` for one that is given back.
    pub async fn release_address(&self, address: &str) -> Result<(), Ec2Error> {
        self.call("ReleaseAddress", fields(&[("AllocationId", address)])).await.map(drop)
    }
}

fn fields(fields: &[(&str, &str)]) -> Form {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn allocation(tags: &BTreeMap<String, String>) -> Form {
    let mut form = fields(&[("Domain", "vpc"), ("TagSpecification.1.ResourceType", "elastic-ip")]);
    form.extend(tagged("TagSpecification.1.Tag", tags));
    form
}

impl Address {
    fn read(node: &Node) -> Self {
        let text = |name: &str| node.text(name).map(str::to_owned);
        Self {
            id: text("allocationId").unwrap_or_default(),
            public_ip: text("publicIp").unwrap_or_default(),
            instance_id: text("instanceId"),
            association_id: text("associationId"),
            tags: tags(node),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_read_from_the_answer() {
        let answer = Node::parse(
            "<DescribeAddressesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><addressesSet><item>
             <publicIp>203.0.113.7</publicIp><allocationId>eipalloc-1</allocationId><domain>vpc</domain>
             <instanceId>i-1</instanceId><associationId>eipassoc-1</associationId>
             <tagSet><item><key>a</key><value>1</value></item></tagSet></item><item><publicIp>203.0.113.8</publicIp>
             <allocationId>eipalloc-2</allocationId><instanceId/></item></addressesSet></DescribeAddressesResponse>",
        )
        .unwrap();
        let addresses: Vec<Address> = answer.list("addressesSet").iter().map(Address::read).collect();
        assert_eq!(addresses[0].association_id.as_deref(), Some("eipassoc-1"));
        assert_eq!((addresses[0].public_ip.as_str(), addresses[0].tags["a"].as_str()), ("203.0.113.7", "1"));
        assert_eq!((addresses[1].instance_id.as_ref(), addresses[1].id.as_str()), (None, "eipalloc-2"));
    }

    #[test]
    fn an_allocation_carries_its_tags() {
        let form: BTreeMap<_, _> =
            allocation(&BTreeMap::from([("k".to_owned(), "v".to_owned())])).into_iter().collect();
        assert_eq!(form["TagSpecification.1.ResourceType"], "elastic-ip");
        assert_eq!((form["TagSpecification.1.Tag.1.Key"].as_str(), form["Domain"].as_str()), ("k", "vpc"));
    }
}

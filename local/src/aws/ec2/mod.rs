//! EC2: virtual machines that are launched, described late, run after two seconds, and are remembered for an hour
//! after their end; and Elastic IPs that lead to them. What runs on them is `crate::instances`.

mod addresses;
mod describe;
mod launch;
mod machine_types;
mod terminate;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::{AwsError, request_id};
use super::documents::{Documents, Shelf};
use super::form::Form;
use super::rights::Needed;
use crate::{Clock, Result};

pub use addresses::ElasticIp;
pub use machine_types::MachineType;

/// DescribeInstances does not find an instance before this long after its launch.
const SEEN_AFTER: Duration = Duration::from_secs(1);
/// A launched instance is pending, and a terminated one shutting down, for this long.
const CHANGES_AFTER: Duration = Duration::from_secs(2);
/// A terminated instance is described for this long.
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// EC2.
pub struct Ec2 {
    instances: Shelf<Instance>,
    addresses: Shelf<ElasticIp>,
    quota: Mutex<u32>,
    /// The role of each instance profile that a template declares.
    profiles: Mutex<BTreeMap<String, String>>,
    clock: Clock,
    region: String,
    account: String,
}

/// A virtual machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The image it was launched from.
    pub image: String,
    /// Its type, such as `t4g.medium`.
    pub instance_type: String,
    /// Its address inside.
    pub private_ip: Ipv4Addr,
    /// Its address outside; unique among those that live.
    pub public_ip: Ipv4Addr,
    /// The address that it was launched with, once an Elastic IP has led to it.
    #[serde(default)]
    pub(super) own_ip: Option<Ipv4Addr>,
    /// Its user data, decoded.
    pub user_data: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// When its termination was asked for.
    pub terminated_at: Option<Timestamp>,
    pub(super) reservation: String,
    pub(super) client_token: String,
    /// What the launch asked for, to tell a repeated request from another with the same token.
    pub(super) request: String,
    pub(super) subnet: String,
    pub(super) security_groups: Vec<String>,
    pub(super) instance_profile: Option<String>,
    pub(super) launch_index: u32,
}

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Being started.
    Pending,
    /// Up.
    Running,
    /// Being stopped for good.
    ShuttingDown,
    /// Gone.
    Terminated,
}

impl State {
    /// The number that EC2 gives it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
        }
    }

    /// As EC2 writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }
}

impl Instance {
    /// Its state at a moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        match self.terminated_at {
            Some(end) if now >= end + CHANGES_AFTER => State::Terminated,
            Some(_) => State::ShuttingDown,
            None if now >= self.launched_at + CHANGES_AFTER => State::Running,
            None => State::Pending,
        }
    }

    fn launched_ip(&self) -> Ipv4Addr {
        self.own_ip.unwrap_or(self.public_ip)
    }

    fn is_described(&self, now: Timestamp) -> bool {
        now >= self.launched_at + SEEN_AFTER
            && self.terminated_at.is_none_or(|end| now < end + REMEMBERED_FOR)
    }

    /// When it next changes by itself in a way that anybody can see.
    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let moments = match self.terminated_at {
            Some(end) => [end + CHANGES_AFTER, end + CHANGES_AFTER],
            None => [self.launched_at + SEEN_AFTER, self.launched_at + CHANGES_AFTER],
        };
        moments.into_iter().find(|moment| *moment > now)
    }
}

impl Ec2 {
    pub(super) fn open(
        documents: &Arc<Documents>,
        clock: &Clock,
        region: &str,
        account: &str,
    ) -> Result<Self> {
        Ok(Self {
            instances: Shelf::open(documents, "ec2-instance")?,
            addresses: Shelf::open(documents, "ec2-address")?,
            quota: Mutex::new(machine_types::DEFAULT_QUOTA),
            profiles: Mutex::default(),
            clock: clock.clone(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:ec2:{}:{}:{kind}/{id}", self.region, self.account)
    }

    pub(super) fn needs(&self, operation: &str, form: &Form) -> Vec<Needed> {
        let action = format!("ec2:{operation}");
        match operation {
            "RunInstances" => self.launch_needs(form),
            "TerminateInstances" => form
                .list("InstanceId")
                .iter()
                .map(|id| self.tagged(Needed::new(&*action, self.arn("instance", id)), id))
                .collect(),
            "CreateTags" | "DeleteTags" => form
                .list("ResourceId")
                .iter()
                .map(|id| self.tagged(Needed::new(&*action, self.arn("instance", id)), id))
                .collect(),
            "AllocateAddress" | "AssociateAddress" | "DisassociateAddress" | "ReleaseAddress" => {
                self.address_needs(operation, form)
            }
            _ => vec![Needed::new(action, "*")],
        }
    }

    /// Policies may depend on the tags that the instance has.
    fn tagged(&self, needed: Needed, id: &str) -> Needed {
        let tags = self.instances.get(id).map(|instance| instance.tags).unwrap_or_default();
        tags.into_iter().fold(needed, |needed, (key, value)| {
            needed
                .with(format!("ec2:ResourceTag/{key}"), &*value)
                .with(format!("aws:ResourceTag/{key}"), value)
        })
    }

    /// Plays one operation; its XML.
    pub(super) fn call(&self, operation: &str, form: &Form) -> Result<String, AwsError> {
        let inner = match operation {
            "RunInstances" => self.run(form)?,
            "DescribeInstances" => self.describe(form)?,
            "DescribeInstanceTypes" => machine_types::describe(form)?,
            "TerminateInstances" => self.terminate(form)?,
            "AllocateAddress" => self.allocate(form)?,
            "DescribeAddresses" => self.describe_addresses(form)?,
            "AssociateAddress" => self.associate(form)?,
            "DisassociateAddress" => self.disassociate(form)?,
            "ReleaseAddress" => self.release(form)?,
            "CreateTags" => self.create_tags(form)?,
            "DeleteTags" => self.delete_tags(form)?,
            other => {
                return Err(AwsError::bad(
                    "InvalidAction",
                    format!("The action {other} is not played locally."),
                ));
            }
        };
        let id = request_id();
        Ok(format!(
            "<{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{id}</requestId>{inner}</{operation}Response>"
        ))
    }

    /// Every instance that is remembered, by id.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.instances.all()
    }

    /// Instances that are running now.
    #[must_use]
    pub fn running(&self) -> Vec<Instance> {
        let now = self.clock.now();
        self.instances.look(|all| {
            all.values().filter(|instance| instance.state(now) == State::Running).cloned().collect()
        })
    }

    /// Sets how many virtual processors may run at once.
    pub fn set_vcpu_quota(&self, vcpus: u32) {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = vcpus;
    }

    /// Declares an instance profile by name and the ARN of its role: whoever launches with it must be allowed to pass
    /// that role on.
    pub fn declare_profile(&self, name: &str, role_arn: &str) {
        let mut profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.insert(name.to_owned(), role_arn.to_owned());
    }

    fn role_of(&self, profile: &str) -> String {
        let profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        let undeclared = || format!("arn:aws:iam::{}:role/{profile}", self.account);
        profiles.get(profile).cloned().unwrap_or_else(undeclared)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        self.instances.look(|all| all.values().filter_map(|instance| instance.next_due(now)).min())
    }

    /// The instance, or EC2's answer that there is none.
    fn find(&self, all: &BTreeMap<String, Instance>, id: &str) -> Result<Instance, AwsError> {
        let now = self.clock.now();
        let digits = id.strip_prefix("i-").unwrap_or_default();
        if !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AwsError::bad("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        all.get(id).filter(|instance| instance.is_described(now)).cloned().ok_or_else(|| {
            AwsError::bad("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
        })
    }
}

/// The tags that a call gives to what it makes.
fn tags_for(form: &Form, resource: &str) -> BTreeMap<String, String> {
    let specifications = (1..).map_while(|number| {
        let prefix = format!("TagSpecification.{number}");
        form.get(&format!("{prefix}.ResourceType")).map(|kind| (prefix, kind))
    });
    specifications
        .filter(|(_, kind)| *kind == resource)
        .flat_map(|(prefix, _)| form.pairs(&format!("{prefix}.Tag"), "Key", "Value"))
        .collect()
}

//! RunInstances: once per client token, within the quota, each with an address of its own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::PoisonError;

use base64::Engine as _;

use super::super::answer::AwsError;
use super::super::documents::Change;
use super::super::form::Form;
use super::super::ids;
use super::super::rights::Needed;
use super::super::xml;
use super::{Ec2, Instance, MachineType, State, describe, tags_for};

const MOST_USER_DATA: usize = 16_384;
/// At once, of instances that live: the addresses 203.0.113.1 to 203.0.113.254, which belong to nobody.
const MOST_ADDRESSES: u8 = 254;

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::bad("InvalidParameterValue", message)
}

/// Security groups are given directly or with the network interface.
fn security_groups(form: &Form) -> Vec<String> {
    let mut groups = form.list("SecurityGroupId");
    groups.extend(form.list("NetworkInterface.1.SecurityGroupId"));
    groups
}

fn subnet(form: &Form) -> Option<&str> {
    form.get("SubnetId").or_else(|| form.get("NetworkInterface.1.SubnetId"))
}

/// The request without what differs between a first call and its repetition.
fn fingerprint(form: &Form) -> String {
    let fields = form.entries().iter().filter(|(name, _)| !matches!(name.as_str(), "Action" | "Version"));
    fields.map(|(name, value)| format!("{name}={value}\n")).collect()
}

impl Ec2 {
    /// EC2 checks a launch against everything that it touches.
    pub(super) fn launch_needs(&self, form: &Form) -> Vec<Needed> {
        let image = format!("arn:aws:ec2:{}::image/{}", self.region, form.text("ImageId"));
        let mut resources = vec![image];
        for kind in ["instance", "volume", "network-interface"] {
            resources.push(self.arn(kind, "*"));
        }
        resources.push(self.arn("subnet", subnet(form).unwrap_or("*")));
        let groups = security_groups(form);
        if groups.is_empty() {
            resources.push(self.arn("security-group", "*"));
        }
        resources.extend(groups.iter().map(|group| self.arn("security-group", group)));
        let tags = tags_for(form, "instance");
        let with_tags = |needed: Needed| {
            tags.iter()
                .fold(needed, |needed, (key, value)| needed.with(format!("aws:RequestTag/{key}"), value))
        };
        let mut needs: Vec<Needed> = resources
            .into_iter()
            .map(|resource| with_tags(Needed::new("ec2:RunInstances", resource)))
            .collect();
        if !tags.is_empty() {
            let tagging = Needed::new("ec2:CreateTags", self.arn("instance", "*"));
            needs.push(with_tags(tagging.with("ec2:CreateAction", "RunInstances")));
        }
        if let Some(profile) =
            form.get("IamInstanceProfile.Arn").or_else(|| form.get("IamInstanceProfile.Name"))
        {
            let role = self.role_of(profile.rsplit('/').next().unwrap_or(profile));
            needs.push(Needed::new("iam:PassRole", role).with("iam:PassedToService", "ec2.amazonaws.com"));
        }
        needs
    }

    pub(super) fn run(&self, form: &Form) -> Result<String, AwsError> {
        let image = form.text("ImageId");
        let digits = image.strip_prefix("ami-").unwrap_or_default();
        if !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AwsError::bad(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{image}\" (expecting \"ami-...\")"),
            ));
        }
        let machine_type = form.get("InstanceType").unwrap_or("m1.small");
        let machine_type = MachineType::find(machine_type)
            .ok_or_else(|| invalid(format!("Invalid value '{machine_type}' for InstanceType.")))?;
        let number = |name: &str| form.get(name).and_then(|number| number.parse::<u32>().ok());
        let (Some(least), Some(most)) = (number("MinCount"), number("MaxCount")) else {
            return Err(AwsError::bad(
                "MissingParameter",
                "The request must contain the parameters MinCount and MaxCount",
            ));
        };
        if least == 0 || least > most {
            return Err(invalid(format!(
                "Value ({least}) for parameter minCount is invalid: it must be between 1 and maxCount"
            )));
        }
        let user_data = base64::engine::general_purpose::STANDARD.decode(form.text("UserData"));
        let user_data = user_data.map_err(|_| invalid("Invalid BASE64 encoding of user data"))?;
        if user_data.len() > MOST_USER_DATA {
            return Err(invalid(format!("User data is limited to {MOST_USER_DATA} bytes")));
        }
        let token = form.text("ClientToken");
        if token.len() > 64 || !token.is_ascii() {
            return Err(invalid("Invalid value for parameter clientToken: at most 64 ASCII characters"));
        }
        let request = fingerprint(form);
        let now = self.clock.now();
        let launched = self.instances.change::<_, AwsError>(|all| {
            if !token.is_empty() {
                let earlier: Vec<Instance> =
                    all.values().filter(|instance| instance.client_token == token).cloned().collect();
                if earlier.iter().any(|instance| instance.request != request) {
                    let told = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
                    return Err(AwsError::bad("IdempotentParameterMismatch", told));
                }
                if !earlier.is_empty() {
                    return Ok((Vec::new(), earlier));
                }
            }
            let alive = || all.values().filter(|instance| instance.state(now) != State::Terminated);
            let running: u32 =
                alive().filter_map(|instance| MachineType::find(&instance.instance_type)).map(|kind| kind.vcpus).sum();
            let quota = *self.quota.lock().unwrap_or_else(PoisonError::into_inner);
            let count = (quota.saturating_sub(running) / machine_type.vcpus).min(most);
            if count < least {
                let told = format!(
                    "You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
                );
                return Err(AwsError::bad("VcpuLimitExceeded", told));
            }
            let mut taken: BTreeSet<u8> = alive().map(|instance| instance.launched_ip().octets()[3]).collect();
            let reservation = format!("r-{}", ids::hex(17));
            let mut launched = Vec::new();
            for launch_index in 0..count {
                let Some(host) = (1..=MOST_ADDRESSES).find(|host| !taken.contains(host)) else {
                    let told = "There are not enough free addresses in the specified subnet.";
                    return Err(AwsError::bad("InsufficientFreeAddressesInSubnet", told));
                };
                taken.insert(host);
                launched.push(Instance {
                    id: format!("i-0{}", ids::hex(16)),
                    image: image.to_owned(),
                    instance_type: machine_type.name.to_owned(),
                    private_ip: Ipv4Addr::new(10, 0, 0, host),
                    public_ip: Ipv4Addr::new(203, 0, 113, host),
                    own_ip: None,
                    user_data: String::from_utf8_lossy(&user_data).into_owned(),
                    tags: tags_for(form, "instance"),
                    launched_at: now,
                    terminated_at: None,
                    reservation: reservation.clone(),
                    client_token: token.to_owned(),
                    request: request.clone(),
                    subnet: subnet(form).unwrap_or("subnet-00000000000000000").to_owned(),
                    security_groups: security_groups(form),
                    instance_profile: form
                        .get("IamInstanceProfile.Arn")
                        .or_else(|| form.get("IamInstanceProfile.Name"))
                        .map(str::to_owned),
                    launch_index,
                });
            }
            let changes = launched.iter().map(|instance| (instance.id.clone(), Some(instance.clone())));
            let forgotten = all.values().filter(|instance| {
                instance.terminated_at.is_some_and(|end| now > end + super::REMEMBERED_FOR * 24)
            });
            let changes = changes.chain(forgotten.map(|instance| (instance.id.clone(), None)));
            Ok((changes.collect::<Vec<Change<Instance>>>(), launched))
        })?;
        let reservation = launched.first().map(|instance| instance.reservation.clone()).unwrap_or_default();
        let items = launched.iter().map(|instance| describe::instance_xml(instance, self, now));
        Ok([
            xml::text("reservationId", reservation),
            xml::text("ownerId", &self.account),
            "<groupSet/>".to_owned(),
            xml::list("instancesSet", "item", items),
        ]
        .concat())
    }
}

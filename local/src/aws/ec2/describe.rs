//! DescribeInstances: by id or by filter, page by page, and what an instance looks like.

use domain::Timestamp;

use super::super::answer::AwsError;
use super::super::form::Form;
use super::super::rights::matches;
use super::super::xml;
use super::{Ec2, Instance, State};

/// Filters that are played; another one is refused, lest it filter nothing.
const FILTERS: [&str; 12] = [
    "client-token",
    "image-id",
    "instance-id",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "ip-address",
    "private-ip-address",
    "reservation-id",
    "subnet-id",
    "tag-key",
    "vpc-id",
];
const VPC: &str = "vpc-00000000000000000";

struct Filter {
    name: String,
    values: Vec<String>,
}

fn filters(form: &Form) -> Result<Vec<Filter>, AwsError> {
    let mut filters = Vec::new();
    for number in 1.. {
        let Some(name) = form.get(&format!("Filter.{number}.Name")) else { break };
        if !FILTERS.contains(&name) && !name.starts_with("tag:") {
            return Err(AwsError::bad("InvalidParameterValue", format!("The filter '{name}' is invalid")));
        }
        filters.push(Filter { name: name.to_owned(), values: form.list(&format!("Filter.{number}.Value")) });
    }
    Ok(filters)
}

impl Filter {
    fn lets_pass(&self, instance: &Instance, now: Timestamp) -> bool {
        let state = instance.state(now);
        let has = |actual: &str| self.values.iter().any(|wanted| matches(wanted, actual));
        match self.name.as_str() {
            "client-token" => has(&instance.client_token),
            "image-id" => has(&instance.image),
            "instance-id" => has(&instance.id),
            "instance-state-code" => has(&state.code().to_string()),
            "instance-state-name" => has(state.name()),
            "instance-type" => has(&instance.instance_type),
            "ip-address" => state != State::Terminated && has(&instance.public_ip.to_string()),
            "private-ip-address" => state != State::Terminated && has(&instance.private_ip.to_string()),
            "reservation-id" => has(&instance.reservation),
            "subnet-id" => has(&instance.subnet),
            "vpc-id" => has(VPC),
            "tag-key" => instance.tags.keys().any(|key| has(key)),
            tag => tag
                .strip_prefix("tag:")
                .and_then(|key| instance.tags.get(key))
                .is_some_and(|value| has(value)),
        }
    }
}

impl Ec2 {
    pub(super) fn describe(&self, form: &Form) -> Result<String, AwsError> {
        let now = self.clock.now();
        let ids = form.list("InstanceId");
        let filters = filters(form)?;
        let most = form.get("MaxResults").map(|most| most.parse::<usize>().unwrap_or(0));
        if most.is_some() && !ids.is_empty() {
            let told = "The parameter instancesSet cannot be used with the parameter maxResults";
            return Err(AwsError::bad("InvalidParameterCombination", told));
        }
        if let Some(most) = most.filter(|most| !(5..=1_000).contains(most)) {
            let told = format!(
                "Value ( {most} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."
            );
            return Err(AwsError::bad("InvalidParameterValue", told));
        }
        let found = self.instances.look(|all| {
            let named = ids.iter().map(|id| self.find(all, id)).collect::<Result<Vec<_>, _>>()?;
            let mut found: Vec<Instance> = if ids.is_empty() {
                all.values().filter(|instance| instance.is_described(now)).cloned().collect()
            } else {
                named
            };
            found.retain(|instance| filters.iter().all(|filter| filter.lets_pass(instance, now)));
            Ok::<_, AwsError>(found)
        })?;
        // The token names the last instance that was shown: launches between two pages neither hide nor repeat any.
        let after = form.text("NextToken");
        let page: Vec<&Instance> =
            found.iter().filter(|instance| instance.id.as_str() > after || !ids.is_empty()).collect();
        let shown = most.map_or(page.len(), |most| most.min(page.len()));
        let token =
            page[..shown].last().filter(|_| shown < page.len()).map(|last| xml::text("nextToken", &last.id));
        let reservations = page[..shown].iter().map(|instance| {
            [
                xml::text("reservationId", &instance.reservation),
                xml::text("ownerId", &self.account),
                "<groupSet/>".to_owned(),
                xml::list("instancesSet", "item", [instance_xml(instance, self, now)]),
            ]
            .concat()
        });
        Ok(xml::list("reservationSet", "item", reservations) + &token.unwrap_or_default())
    }
}

pub(super) fn state_xml(name: &str, state: State) -> String {
    xml::element(name, xml::text("code", state.code().to_string()) + &xml::text("name", state.name()))
}

pub(super) fn instance_xml(instance: &Instance, ec2: &Ec2, now: Timestamp) -> String {
    let state = instance.state(now);
    let mut fields = vec![
        xml::text("instanceId", &instance.id),
        xml::text("imageId", &instance.image),
        state_xml("instanceState", state),
        xml::text("instanceType", &instance.instance_type),
        xml::text("launchTime", instance.launched_at.to_string()),
        xml::text("amiLaunchIndex", instance.launch_index.to_string()),
        xml::element("placement", xml::text("availabilityZone", format!("{}a", ec2.region))),
        xml::text("architecture", if instance.instance_type.starts_with("t3.") { "x86_64" } else { "arm64" }),
        xml::text("rootDeviceType", "ebs"),
        xml::text("clientToken", &instance.client_token),
    ];
    if state != State::Terminated {
        fields.push(xml::text("privateIpAddress", instance.private_ip.to_string()));
        fields.push(xml::text("subnetId", &instance.subnet));
        fields.push(xml::text("vpcId", VPC));
        let groups = instance.security_groups.iter().map(|group| xml::text("groupId", group));
        fields.push(xml::list("groupSet", "item", groups));
    }
    // The address is given when the machine is; a launch does not answer it.
    if state == State::Running {
        fields.push(xml::text("ipAddress", instance.public_ip.to_string()));
    }
    if let Some(profile) = &instance.instance_profile {
        let arn = if profile.starts_with("arn:") {
            profile.clone()
        } else {
            format!("arn:aws:iam::{}:instance-profile/{profile}", ec2.account)
        };
        fields.push(xml::element("iamInstanceProfile", xml::text("arn", arn)));
    }
    let tags = instance.tags.iter().map(|(key, value)| xml::text("key", key) + &xml::text("value", value));
    fields.push(xml::list("tagSet", "item", tags));
    fields.concat()
}

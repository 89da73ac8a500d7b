//! The machine types that can be launched.

use super::super::answer::AwsError;
use super::super::form::Form;
use super::super::xml;

/// Virtual processors that may run at once, unless a test says otherwise.
pub(super) const DEFAULT_QUOTA: u32 = 512;

/// A machine type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineType {
    /// Such as `t4g.medium`.
    pub name: &'static str,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u32,
}

const fn kind(name: &'static str, vcpus: u32, memory_mib: u32) -> MachineType {
    MachineType { name, vcpus, memory_mib }
}

const ALL: [MachineType; 23] = [
    kind("t4g.nano", 2, 512),
    kind("t4g.micro", 2, 1_024),
    kind("t4g.small", 2, 2_048),
    kind("t4g.medium", 2, 4_096),
    kind("t4g.large", 2, 8_192),
    kind("t4g.xlarge", 4, 16_384),
    kind("t4g.2xlarge", 8, 32_768),
    kind("t3.nano", 2, 512),
    kind("t3.micro", 2, 1_024),
    kind("t3.small", 2, 2_048),
    kind("t3.medium", 2, 4_096),
    kind("t3.large", 2, 8_192),
    kind("t3.xlarge", 4, 16_384),
    kind("t3.2xlarge", 8, 32_768),
    kind("m7g.medium", 1, 4_096),
    kind("m7g.large", 2, 8_192),
    kind("m7g.xlarge", 4, 16_384),
    kind("m7g.2xlarge", 8, 32_768),
    kind("c7g.medium", 1, 2_048),
    kind("c7g.large", 2, 4_096),
    kind("c7g.xlarge", 4, 8_192),
    kind("r7g.medium", 1, 8_192),
    kind("r7g.large", 2, 16_384),
];

impl MachineType {
    /// The type of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|kind| kind.name == name)
    }
}

pub(super) fn describe(form: &Form) -> Result<String, AwsError> {
    let names = form.list("InstanceType");
    let odd: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| MachineType::find(name).is_none()).collect();
    if !odd.is_empty() {
        let told = format!("The following supplied instance types do not exist: [{}]", odd.join(", "));
        return Err(AwsError::bad("InvalidInstanceType", told));
    }
    if form.get("Filter.1.Name").is_some() {
        return Err(AwsError::bad(
            "InvalidParameterValue",
            "Filters of instance types are not played locally",
        ));
    }
    let most = form.get("MaxResults").and_then(|most| most.parse().ok()).unwrap_or(100_usize).clamp(5, 100);
    let after = form.get("NextToken").and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let chosen: Vec<MachineType> = ALL
        .into_iter()
        .filter(|kind| names.is_empty() || names.iter().any(|name| name == kind.name))
        .collect();
    let items = chosen.iter().skip(after).take(most).map(|kind| {
        [
            xml::text("instanceType", kind.name),
            xml::text("currentGeneration", "true"),
            xml::element("vCpuInfo", xml::text("defaultVCpus", kind.vcpus.to_string())),
            xml::element("memoryInfo", xml::text("sizeInMiB", kind.memory_mib.to_string())),
        ]
        .concat()
    });
    let token = (chosen.len() > after + most).then(|| xml::text("nextToken", (after + most).to_string()));
    Ok(xml::list("instanceTypeSet", "item", items) + &token.unwrap_or_default())
}

//! EC2, by the Query protocol: there is no SDK crate of it here (docs/decisions/0003).

use base64::Engine as _;
use bytes::Bytes;
use local::aws::ec2::State;

use crate::served::Served;

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=local/20261121/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";

/// Calls an action; its XML, or the code of its refusal.
async fn call(served: &Served, action: &str, fields: &[(&str, &str)]) -> Result<String, String> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2016-11-15").extend_pairs(fields);
    let request = http::Request::post("/").header("authorization", SIGNED);
    let response = served.cloud.handle(request.body(Bytes::from(form.finish())).unwrap()).await;
    let (success, body) =
        (response.status().is_success(), String::from_utf8(response.into_body().to_vec()).unwrap());
    if success { Ok(body) } else { Err(texts(&body, "Code").remove(0)) }
}

/// The texts of all elements of a name.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

fn launch<'a>(token: &'a str, count: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("ImageId", "ami-0123456789abcdef0"),
        ("InstanceType", "t4g.large"),
        ("MinCount", count),
        ("MaxCount", count),
        ("ClientToken", token),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "pool"),
        ("TagSpecification.1.Tag.1.Value", "shared"),
    ];
    fields.extend_from_slice(more);
    fields
}

async fn run(served: &Served, token: &str, count: &str) -> Vec<String> {
    texts(&call(served, "RunInstances", &launch(token, count, &[])).await.unwrap(), "instanceId")
}

#[tokio::test]
async fn a_launch_is_seen_after_a_second_and_runs_after_two() {
    let served = Served::still().await;
    let user_data = base64::engine::general_purpose::STANDARD.encode("#!/bin/sh\nhello");
    let launched =
        call(&served, "RunInstances", &launch("t", "1", &[("UserData", &user_data)])).await.unwrap();
    let id = texts(&launched, "instanceId").remove(0);
    assert_eq!(texts(&launched, "name"), ["pending"]);
    let describe = async || call(&served, "DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(describe().await.unwrap_err(), "InvalidInstanceID.NotFound");
    assert_eq!(texts(&call(&served, "DescribeInstances", &[]).await.unwrap(), "instanceId").len(), 0);
    served.clock.advance_to(served.cloud.next_due().unwrap()).unwrap();
    let seen = describe().await.unwrap();
    assert_eq!((texts(&seen, "name"), texts(&seen, "ipAddress").len()), (vec!["pending".to_owned()], 0));
    served.clock.advance_to(served.cloud.next_due().unwrap()).unwrap();
    let seen = describe().await.unwrap();
    assert_eq!(
        (texts(&seen, "name"), texts(&seen, "ipAddress")),
        (vec!["running".to_owned()], vec!["203.0.113.1".to_owned()])
    );
    assert_eq!(served.cloud.next_due(), None);
    let running = served.cloud.ec2().running();
    assert_eq!(
        (running[0].user_data.as_str(), running[0].tags["pool"].as_str()),
        ("#!/bin/sh\nhello", "shared")
    );
}

#[tokio::test]
async fn a_token_launches_once() {
    let served = Served::start().await;
    let first = run(&served, "token", "2").await;
    let mut again = run(&served, "token", "2").await;
    again.sort();
    let mut sorted = first.clone();
    sorted.sort();
    assert_eq!(again, sorted);
    let other = call(&served, "RunInstances", &launch("token", "3", &[])).await;
    assert_eq!(other.unwrap_err(), "IdempotentParameterMismatch");
    assert_eq!(served.cloud.ec2().instances().len(), 2);
}

#[tokio::test]
async fn addresses_are_unique_and_the_quota_holds() {
    let served = Served::start().await;
    served.cloud.ec2().set_vcpu_quota(8);
    run(&served, "a", "3").await;
    let mut addresses: Vec<_> =
        served.cloud.ec2().instances().iter().map(|instance| instance.public_ip).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    let over = call(&served, "RunInstances", &launch("b", "2", &[])).await;
    assert_eq!(over.unwrap_err(), "VcpuLimitExceeded");
    let mut some = launch("c", "1", &[]);
    some[3] = ("MaxCount", "5");
    let some = call(&served, "RunInstances", &some).await.unwrap();
    assert_eq!(texts(&some, "instanceId").len(), 1);
    served.cloud.faults().on("*", "ec2", "RunInstances").fail(500, "InsufficientInstanceCapacity");
    let full = call(&served, "RunInstances", &launch("d", "1", &[])).await;
    assert_eq!(full.unwrap_err(), "InsufficientInstanceCapacity");
}

#[tokio::test]
async fn instances_are_found_by_filter_and_by_page() {
    let served = Served::start().await;
    for number in 0..12 {
        run(&served, &format!("t{number}"), "1").await;
    }
    served.advance(5);
    let tagged = served.cloud.ec2().running()[0].id.clone();
    let tag = [("ResourceId.1", tagged.as_str()), ("Tag.1.Key", "host"), ("Tag.1.Value", "host_1")];
    call(&served, "CreateTags", &tag).await.unwrap();
    let found = async |filter: &str, value: &str| {
        let fields = [("Filter.1.Name", filter), ("Filter.1.Value.1", value)];
        texts(&call(&served, "DescribeInstances", &fields).await.unwrap(), "instanceId").len()
    };
    assert_eq!(found("tag:host", "host_1").await, 1);
    assert_eq!(found("tag-key", "host").await, 1);
    assert_eq!(found("client-token", "t3").await, 1);
    assert_eq!(found("instance-state-name", "running").await, 12);
    assert_eq!(found("ip-address", "203.0.113.*").await, 12);
    assert_eq!(found("tag:pool", "other").await, 0);
    let odd =
        call(&served, "DescribeInstances", &[("Filter.1.Name", "odd"), ("Filter.1.Value.1", "x")]).await;
    assert_eq!(odd.unwrap_err(), "InvalidParameterValue");
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let mut fields = vec![("MaxResults", "5")];
        if !token.is_empty() {
            fields.push(("NextToken", &token));
        }
        let page = call(&served, "DescribeInstances", &fields).await.unwrap();
        seen.extend(texts(&page, "instanceId"));
        match texts(&page, "nextToken").pop() {
            Some(next) => token = next,
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 12);
    assert_eq!(
        call(&served, "DescribeInstances", &[("MaxResults", "2")]).await.unwrap_err(),
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn a_terminated_instance_is_remembered_for_an_hour() {
    let served = Served::still().await;
    let id = run(&served, "t", "1").await.remove(0);
    served.advance(5);
    let ended = call(&served, "TerminateInstances", &[("InstanceId.1", &id)]).await.unwrap();
    assert_eq!(texts(&ended, "name"), ["shutting-down", "running"]);
    call(&served, "TerminateInstances", &[("InstanceId.1", &id)]).await.unwrap();
    served.clock.advance_to(served.cloud.next_due().unwrap()).unwrap();
    let state = served.cloud.ec2().instances()[0].state(served.clock.now());
    assert_eq!(state, State::Terminated);
    let next = run(&served, "next", "1").await.remove(0);
    served.advance(5);
    let instances = served.cloud.ec2().instances();
    let next = instances.iter().find(|instance| instance.id == next).unwrap();
    assert_eq!(next.public_ip.to_string(), "203.0.113.1");
    served.advance(3_700);
    let gone = call(&served, "DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(gone.unwrap_err(), "InvalidInstanceID.NotFound");
    let unknown = call(&served, "TerminateInstances", &[("InstanceId.1", "i-00000000000000000")]).await;
    assert_eq!(unknown.unwrap_err(), "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn malformed_launches_are_refused() {
    let served = Served::start().await;
    let long = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; 16_385]);
    for (more, expected) in [
        (("ImageId", "image"), "InvalidAMIID.Malformed"),
        (("InstanceType", "t9.huge"), "InvalidParameterValue"),
        (("UserData", "%%%"), "InvalidParameterValue"),
        (("UserData", long.as_str()), "InvalidParameterValue"),
        (("MinCount", "0"), "InvalidParameterValue"),
    ] {
        let mut fields = launch("t", "1", &[]);
        fields.retain(|(name, _)| *name != more.0);
        fields.push(more);
        assert_eq!(call(&served, "RunInstances", &fields).await.unwrap_err(), expected, "{}", more.0);
    }
}

#[tokio::test]
async fn machine_types_say_what_they_have() {
    let served = Served::start().await;
    let described = call(&served, "DescribeInstanceTypes", &[("InstanceType.1", "t4g.large")]).await.unwrap();
    assert_eq!(
        (texts(&described, "defaultVCpus"), texts(&described, "sizeInMiB")),
        (vec!["2".to_owned()], vec!["8192".to_owned()])
    );
    let unknown = call(&served, "DescribeInstanceTypes", &[("InstanceType.1", "x1.none")]).await;
    assert_eq!(unknown.unwrap_err(), "InvalidInstanceType");
}

#[tokio::test]
async fn an_elastic_ip_leads_to_a_machine_until_either_goes() {
    let served = Served::still().await;
    let id = run(&served, "t", "1").await.remove(0);
    let tags = [
        ("Domain", "vpc"),
        ("TagSpecification.1.ResourceType", "elastic-ip"),
        ("TagSpecification.1.Tag.1.Key", "host"),
        ("TagSpecification.1.Tag.1.Value", "host_1"),
    ];
    let allocated = call(&served, "AllocateAddress", &tags).await.unwrap();
    let (address, ip) =
        (texts(&allocated, "allocationId").remove(0), texts(&allocated, "publicIp").remove(0));
    let associate = [("AllocationId", address.as_str()), ("InstanceId", id.as_str())];
    served.advance(1);
    assert_eq!(call(&served, "AssociateAddress", &associate).await.unwrap_err(), "InvalidInstanceID");
    served.advance(1);
    let own = served.cloud.ec2().running()[0].public_ip;
    call(&served, "AssociateAddress", &associate).await.unwrap();
    let answer = call(&served, "AssociateAddress", &associate).await.unwrap();
    let association = texts(&answer, "associationId").remove(0);
    assert_eq!(served.cloud.ec2().running()[0].public_ip.to_string(), ip);

    let filter = [("Filter.1.Name", "tag:host"), ("Filter.1.Value.1", "host_1")];
    let found = call(&served, "DescribeAddresses", &filter).await.unwrap();
    assert_eq!((texts(&found, "instanceId"), texts(&found, "publicIp")), (vec![id.clone()], vec![ip]));
    let release = [("AllocationId", address.as_str())];
    assert_eq!(call(&served, "ReleaseAddress", &release).await.unwrap_err(), "InvalidIPAddress.InUse");
    let disassociate = [("AssociationId", association.as_str())];
    call(&served, "DisassociateAddress", &disassociate).await.unwrap();
    assert_eq!(served.cloud.ec2().running()[0].public_ip, own);
    let again = call(&served, "DisassociateAddress", &disassociate).await;
    assert_eq!(again.unwrap_err(), "InvalidAssociationID.NotFound");

    call(&served, "AssociateAddress", &associate).await.unwrap();
    call(&served, "TerminateInstances", &[("InstanceId.1", &id)]).await.unwrap();
    served.advance(5);
    let left = call(&served, "DescribeAddresses", &[]).await.unwrap();
    assert_eq!((texts(&left, "allocationId").len(), texts(&left, "instanceId").len()), (1, 0));
    call(&served, "ReleaseAddress", &release).await.unwrap();
    let gone = call(&served, "ReleaseAddress", &release).await;
    assert_eq!(gone.unwrap_err(), "InvalidAllocationID.NotFound");
}

#[tokio::test]
async fn elastic_ips_run_out() {
    let served = Served::start().await;
    for _ in 0..254 {
        call(&served, "AllocateAddress", &[]).await.unwrap();
    }
    assert_eq!(call(&served, "AllocateAddress", &[]).await.unwrap_err(), "AddressLimitExceeded");
}

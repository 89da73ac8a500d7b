//! A thin client of EC2's Query API: the few operations that hosting needs.
//!
//! The SDK's EC2 crate takes minutes and seven gigabytes to compile (`docs/decisions/0003`). The protocol is a signed form and an
//! answer in XML.

mod address;
mod xml;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use domain::Timestamp;

pub use self::address::Address;
use self::xml::Node;
use crate::{App, Error, Result, clock, config, random};

const API_VERSION: &str = "2016-11-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// How often a call is tried. Every operation here but AllocateAddress may be repeated: launching names its client token.
const TRIES: u32 = 3;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many a page of a list holds.
const PAGE: &str = "100";

/// The client.
#[derive(Debug, Clone)]
pub struct Ec2 {
    app: App,
}

/// What EC2 refuses, by its own code; no answer at all has the code `Unreachable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ec2Error {
    /// EC2's code: `InsufficientInstanceCapacity`, `InvalidInstanceID.NotFound`.
    pub code: String,
    /// EC2's sentence.
    pub message: String,
    /// The HTTP status; 0 if there was no answer.
    pub status: u16,
}

/// What to launch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The image, `ami-…`.
    pub image: String,
    /// The type, `t3.large`.
    pub instance_type: String,
    /// The same token launches the same instances, however often it is sent.
    pub client_token: String,
    /// What the instance runs at its first boot, in base64.
    pub user_data: String,
    /// The subnet, or the account's default.
    pub subnet: Option<String>,
    /// The security groups' ids, or the default.
    pub security_groups: Vec<String>,
    /// The instance profile's ARN: what the instance may do.
    pub instance_profile: Option<String>,
    /// The tags of the instance from its first moment on.
    pub tags: BTreeMap<String, String>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id, `i-…`.
    pub id: String,
    /// `pending`, `running`, `stopping`, `stopped`, `shutting-down`, `terminated`.
    pub state: String,
    /// Its type.
    pub instance_type: String,
    /// Its address on the internet.
    pub public_ip: Option<String>,
    /// Its address in its network.
    pub private_ip: Option<String>,
    /// When it was launched.
    pub launched_at: Option<Timestamp>,
    /// The token that launched it.
    pub client_token: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What a type of instance offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// Its name, `t3.large`.
    pub name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// A filter of a list: any of the values of one name, such as `tag:tenantry:host`.
pub type Filter<'a> = (&'a str, &'a [&'a str]);

type Form = Vec<(String, String)>;

impl Ec2 {
    /// The client with the function's own rights.
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self { app: app.clone() }
    }

    /// `RunInstances`, for one instance.
    ///
    /// # Errors
    /// EC2's refusals.
    pub async fn run_instances(&self, launch: &Launch) -> Result<Instance, Ec2Error> {
        let answer = self.call("RunInstances", launch.form()).await?;
        let instance = answer.list("instancesSet").first().map(Instance::read);
        instance.ok_or_else(|| Ec2Error::unreadable("RunInstances answered without an instance"))
    }

    /// `DescribeInstances`: all pages. It sees a launch or a tag of the last seconds late.
    ///
    /// # Errors
    /// EC2's refusals.
    pub async fn describe_instances(
        &self,
        ids: &[&str],
        filters: &[Filter<'_>],
    ) -> Result<Vec<Instance>, Ec2Error> {
        let mut form = numbered("InstanceId", ids);
        form.extend(filtered(filters));
        // EC2 takes no page size together with ids.
        let pages = self.pages("DescribeInstances", form, ids.is_empty()).await?;
        let reservations = pages.iter().flat_map(|page| page.list("reservationSet"));
        Ok(reservations
            .flat_map(|reservation| reservation.list("instancesSet"))
            .map(Instance::read)
            .collect())
    }

    /// `TerminateInstances`.
    ///
    /// # Errors
    /// EC2's refusals; `InvalidInstanceID.NotFound` for one that is long gone.
    pub async fn terminate_instances(&self, ids: &[&str]) -> Result<(), Ec2Error> {
        self.call("TerminateInstances", numbered("InstanceId", ids)).await.map(drop)
    }

    /// `CreateTags`: sets tags of instances and volumes.
    ///
    /// # Errors
    /// EC2's refusals.
    pub async fn create_tags(&self, ids: &[&str], tags: &BTreeMap<String, String>) -> Result<(), Ec2Error> {
        let mut form = numbered("ResourceId", ids);
        form.extend(tagged("Tag", tags));
        self.call("CreateTags", form).await.map(drop)
    }

    /// `DescribeInstanceTypes`, of the named types.
    ///
    /// # Errors
    /// EC2's refusals.
    pub async fn describe_instance_types(&self, names: &[&str]) -> Result<Vec<InstanceType>, Ec2Error> {
        let pages =
            self.pages("DescribeInstanceTypes", numbered("InstanceType", names), names.is_empty()).await?;
        let types = pages.iter().flat_map(|page| page.list("instanceTypeSet"));
        Ok(types.map(InstanceType::read).collect())
    }

    async fn pages(&self, action: &str, form: Form, is_paged: bool) -> Result<Vec<Node>, Ec2Error> {
        let mut pages = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut form = form.clone();
            if is_paged {
                form.push(("MaxResults".to_owned(), PAGE.to_owned()));
            }
            form.extend(next.take().map(|token| ("NextToken".to_owned(), token)));
            let page = self.call(action, form).await?;
            next = page.text("nextToken").map(str::to_owned);
            pages.push(page);
            if next.is_none() {
                return Ok(pages);
            }
        }
    }

    async fn call(&self, action: &str, form: Form) -> Result<Node, Ec2Error> {
        let mut tries = 1;
        loop {
            let error = match self.once(action, &form).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = Duration::from_millis(random::below(200 << tries));
            if tries == TRIES || !error.is_passing() || self.app.time_left() < pause + TIMEOUT {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    async fn once(&self, action: &str, form: &Form) -> Result<Node, Ec2Error> {
        let client = self.app.internet().direct().map_err(Ec2Error::unsent)?;
        let request = self.signed(action, form).await.map_err(Ec2Error::unsent)?;
        let mut request = reqwest::Request::try_from(request).map_err(Ec2Error::unsent)?;
        *request.timeout_mut() = Some(TIMEOUT.min(clock::left(self.app.deadline())));
        let response = client.execute(request).await.map_err(Ec2Error::unsent)?;
        let status = response.status();
        let text = response.text().await.map_err(Ec2Error::unsent)?;
        let answer = Node::parse(&text)
            .map_err(|error| Ec2Error { status: status.as_u16(), ..Ec2Error::unreadable(&error) });
        if status.is_success() { answer } else { Err(Ec2Error::read(&answer?, status.as_u16())) }
    }

    async fn signed(&self, action: &str, form: &Form) -> Result<::http::Request<String>> {
        let aws = self.app.aws();
        let region =
            aws.region().ok_or_else(|| Error::internal("environment variable AWS_REGION is not set"))?;
        let endpoint =
            config::optional("AWS_ENDPOINT_URL_EC2").or_else(|| aws.endpoint_url().map(str::to_owned));
        let url = endpoint.unwrap_or_else(|| format!("https://ec2.{region}.amazonaws.com"));
        let url = format!("{}/", url.trim_end_matches('/'));
        let host = url.split("//").nth(1).unwrap_or_default().trim_end_matches('/').to_owned();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", action).append_pair("Version", API_VERSION).extend_pairs(form);
        let body = body.finish();

        let credentials =
            aws.credentials_provider().ok_or_else(|| Error::internal("there are no AWS credentials"))?;
        let identity = credentials.provide_credentials().await.map_err(Error::caused)?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("ec2")
            .time(clock::for_signatures())
            .settings(SigningSettings::default())
            .build()
            .map_err(Error::caused)?
            .into();
        let headers = [("content-type", CONTENT_TYPE), ("host", &host)];
        let bytes = SignableBody::Bytes(body.as_bytes());
        let signable =
            SignableRequest::new("POST", &url, headers.into_iter(), bytes).map_err(Error::caused)?;
        let (instructions, _) = sign(signable, &parameters).map_err(Error::caused)?.into_parts();
        let request = ::http::Request::post(&url).header("content-type", CONTENT_TYPE).body(body);
        let mut request = request.map_err(Error::caused)?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

impl Launch {
    fn form(&self) -> Form {
        let mut form: Form = Vec::new();
        let mut put = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        put("ImageId", &self.image);
        put("InstanceType", &self.instance_type);
        put("MinCount", "1");
        put("MaxCount", "1");
        put("ClientToken", &self.client_token);
        put("UserData", &self.user_data);
        // Only version 2 of the metadata service: a forged request from a customer's site cannot read credentials.
        put("MetadataOptions.HttpTokens", "required");
        if let Some(subnet) = &self.subnet {
            put("SubnetId", subnet);
        }
        if let Some(profile) = &self.instance_profile {
            put("IamInstanceProfile.Arn", profile);
        }
        form.extend(numbered("SecurityGroupId", &self.security_groups));
        if !self.tags.is_empty() {
            form.push(("TagSpecification.1.ResourceType".to_owned(), "instance".to_owned()));
            form.extend(tagged("TagSpecification.1.Tag", &self.tags));
        }
        form
    }
}

fn numbered<T: AsRef<str>>(name: &str, values: &[T]) -> Form {
    values
        .iter()
        .zip(1..)
        .map(|(value, number)| (format!("{name}.{number}"), value.as_ref().to_owned()))
        .collect()
}

fn tagged(name: &str, tags: &BTreeMap<String, String>) -> Form {
    let pairs = tags.iter().zip(1..).flat_map(|((key, value), number)| {
        [(format!("{name}.{number}.Key"), key.clone()), (format!("{name}.{number}.Value"), value.clone())]
    });
    pairs.collect()
}

fn filtered(filters: &[Filter<'_>]) -> Form {
    let forms = filters.iter().zip(1..).map(|((name, values), number)| {
        let mut form = vec![(format!("Filter.{number}.Name"), (*name).to_owned())];
        form.extend(numbered(&format!("Filter.{number}.Value"), values));
        form
    });
    forms.flatten().collect()
}

impl Instance {
    fn read(node: &Node) -> Self {
        let text = |name: &str| node.text(name).map(str::to_owned);
        Self {
            id: text("instanceId").unwrap_or_default(),
            state: node
                .at("instanceState")
                .and_then(|state| state.text("name"))
                .unwrap_or_default()
                .to_owned(),
            instance_type: text("instanceType").unwrap_or_default(),
            public_ip: text("ipAddress"),
            private_ip: text("privateIpAddress"),
            launched_at: node.text("launchTime").and_then(|time| time.parse().ok()),
            client_token: text("clientToken"),
            tags: tags(node),
        }
    }
}

fn tags(node: &Node) -> BTreeMap<String, String> {
    let tag =
        |tag: &Node| Some((tag.text("key")?.to_owned(), tag.text("value").unwrap_or_default().to_owned()));
    node.list("tagSet").iter().filter_map(tag).collect()
}

impl InstanceType {
    fn read(node: &Node) -> Self {
        let number =
            |outer: &str, inner: &str| node.at(outer).and_then(|node| node.text(inner)?.parse::<u64>().ok());
        let vcpus = number("vCpuInfo", "defaultVCpus").unwrap_or(0);
        Self {
            name: node.text("instanceType").unwrap_or_default().to_owned(),
            vcpus: u32::try_from(vcpus).unwrap_or(u32::MAX),
            memory_mib: number("memoryInfo", "sizeInMiB").unwrap_or(0),
        }
    }
}

impl Ec2Error {
    /// Whether EC2 knows no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code.ends_with(".NotFound")
    }

    /// Whether the same call may succeed later: load, a failing part of EC2, no capacity just now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        const PASSING: &[&str] = &[
            "RequestLimitExceeded",
            "EC2ThrottledException",
            "Throttling",
            "InternalError",
            "Unavailable",
            "ServiceUnavailable",
        ];
        self.status == 0 || self.status >= 500 || PASSING.contains(&self.code.as_str())
    }

    fn read(answer: &Node, status: u16) -> Self {
        let error = answer.at("Errors").and_then(|errors| errors.at("Error"));
        let text = |name: &str| error.and_then(|error| error.text(name)).unwrap_or_default().to_owned();
        Self { code: text("Code"), message: text("Message"), status }
    }

    fn unreadable(message: &str) -> Self {
        Self { code: "Unreadable".to_owned(), message: message.to_owned(), status: 0 }
    }

    fn unsent(error: impl std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            message = format!("{message}: {cause}");
            next = cause.source();
        }
        Self { code: "Unreachable".to_owned(), message, status: 0 }
    }
}

impl std::fmt::Display for Ec2Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for Ec2Error {}

impl From<Ec2Error> for Error {
    fn from(error: Ec2Error) -> Self {
        let passing = error.is_passing() || error.code == "InsufficientInstanceCapacity";
        if passing { Self::partner("ec2", true, error) } else { Self::caused(error) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_launch_is_a_numbered_form() {
        let launch = Launch {
            image: "ami-1".to_owned(),
            security_groups: vec!["sg-1".to_owned(), "sg-2".to_owned()],
            tags: BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]),
            ..Launch::default()
        };
        let form: BTreeMap<_, _> = launch.form().into_iter().collect();
        assert_eq!(form["SecurityGroupId.2"], "sg-2");
        assert_eq!(form["TagSpecification.1.Tag.2.Key"], "b");
        assert_eq!(form["MetadataOptions.HttpTokens"], "required");
        let form = filtered(&[("tag:host", &["a", "b"]), ("instance-state-name", &["running"])]);
        assert_eq!(form[2], ("Filter.1.Value.2".to_owned(), "b".to_owned()));
        assert_eq!(form[3], ("Filter.2.Name".to_owned(), "instance-state-name".to_owned()));
    }

    #[test]
    fn an_instance_is_read_from_the_answer() {
        let answer = Node::parse(
            "<?xml version=\"1.0\"?><DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">
             <reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>
             <instanceState><code>16</code><name>running</name></instanceState><instanceType>t3.large</instanceType>
             <ipAddress>203.0.113.7</ipAddress><launchTime>2026-11-21T03:44:00.000Z</launchTime>
             <tagSet><item><key>Name</key><value>a &amp; b</value></item><item><key>empty</key><value/></item></tagSet>
             </item></instancesSet></item></reservationSet></DescribeInstancesResponse>",
        )
        .unwrap();
        let instance = Instance::read(&answer.list("reservationSet")[0].list("instancesSet")[0]);
        assert_eq!((instance.id.as_str(), instance.state.as_str()), ("i-1", "running"));
        assert_eq!(instance.public_ip.as_deref(), Some("203.0.113.7"));
        assert_eq!(instance.tags["Name"], "a & b");
        assert_eq!(instance.tags["empty"], "");
        assert_eq!(instance.launched_at.unwrap().to_string(), "2026-11-21T03:44:00.000Z");
    }

    #[test]
    fn a_refusal_keeps_ec2s_code() {
        let answer = Node::parse(
            "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>no</Message></Error></Errors>
             <RequestID>r</RequestID></Response>",
        )
        .unwrap();
        let error = Ec2Error::read(&answer, 400);
        assert!(error.is_not_found() && !error.is_passing());
        assert!(Ec2Error { code: "RequestLimitExceeded".to_owned(), ..error.clone() }.is_passing());
        assert_eq!(Error::from(error).code(), "internal");
        assert!(Node::parse("<a><b></a>").is_err());
        assert!(Node::parse("not xml").is_err());
    }
}

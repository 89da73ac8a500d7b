//! Customers' domains in Route 53: a zone is made once, whatever is asked how often, and its delegation is looked up.

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::HostedZoneConfig;
use domain::hosting::CustomDomain;
use platform::{App, Error, Result};
use serde::Deserialize;

/// A zone that Route 53 has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id, without `/hostedzone/`.
    pub id: String,
    /// The name servers that answer for it.
    pub name_servers: Vec<String>,
}

/// What Route 53 has under a name.
enum There {
    Ours(String),
    Others,
    Nothing,
}

/// Makes the zone of a domain, or finds the one that an earlier try made.
///
/// # Errors
/// `zone_conflict` when the account has another zone of this name, which is nobody's business to take over.
pub async fn make_zone(app: &App, domain: &CustomDomain) -> Result<Made> {
    let client = Client::new(app.aws());
    match look(&client, domain).await? {
        There::Ours(id) => return read(&client, &id).await,
        There::Others => return Err(conflict(domain)),
        There::Nothing => {}
    }
    let comment = HostedZoneConfig::builder().comment(format!("A domain of {}", domain.org)).build();
    let call = client
        .create_hosted_zone()
        .name(&domain.name)
        .caller_reference(&domain.reference)
        .hosted_zone_config(comment);
    match call.send().await {
        Ok(answer) => {
            let id = answer.hosted_zone.map(|zone| plain(&zone.id)).unwrap_or_default();
            let servers = answer.delegation_set.map(|set| set.name_servers).unwrap_or_default();
            Ok(Made { id, name_servers: servers })
        }
        // Made between the look and the call, by a twin of this request.
        Err(error) if error.code() == Some("HostedZoneAlreadyExists") => match look(&client, domain).await? {
            There::Ours(id) => read(&client, &id).await,
            There::Others | There::Nothing => Err(conflict(domain)),
        },
        Err(error) => Err(Error::aws("route53", error)),
    }
}

async fn look(client: &Client, domain: &CustomDomain) -> Result<There> {
    let listed = client.list_hosted_zones_by_name().dns_name(&domain.name).max_items(10).send().await;
    let listed = listed.map_err(|error| Error::aws("route53", error))?;
    let mut there = There::Nothing;
    for zone in listed.hosted_zones {
        if zone.name.trim_end_matches('.') != domain.name {
            break;
        }
        if zone.caller_reference == domain.reference {
            return Ok(There::Ours(plain(&zone.id)));
        }
        there = There::Others;
    }
    Ok(there)
}

async fn read(client: &Client, id: &str) -> Result<Made> {
    let answer =
        client.get_hosted_zone().id(id).send().await.map_err(|error| Error::aws("route53", error))?;
    let servers = answer.delegation_set.map(|set| set.name_servers).unwrap_or_default();
    Ok(Made { id: id.to_owned(), name_servers: servers })
}

/// Takes a zone away that holds nothing any more. One that is gone is gone.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn delete_zone(app: &App, id: &str) -> Result<()> {
    match Client::new(app.aws()).delete_hosted_zone().id(id).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("NoSuchHostedZone") => Ok(()),
        Err(error) => Err(Error::aws("route53", error)),
    }
}

fn plain(id: &str) -> String {
    id.trim_start_matches("/hostedzone/").to_owned()
}

fn conflict(domain: &CustomDomain) -> Error {
    let message = format!("Another hosted zone for {} exists; our support can help.", domain.name);
    Error::refused("zone_conflict", message)
}

#[derive(Deserialize)]
struct Settings {
    resolver_url: String,
}

/// What a resolver answers in the form that Google and Cloudflare have in common.
#[derive(Deserialize)]
struct Resolved {
    #[serde(rename = "Answer", default)]
    answer: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "type")]
    kind: u16,
    data: String,
}

/// The number of the type NS in DNS.
const NS: u16 = 2;

/// The name servers that the world is sent to for a domain; none when it is not delegated at all.
///
/// # Errors
/// `unavailable` when no resolver answers.
pub async fn name_servers(app: &App, domain: &str) -> Result<Vec<String>> {
    let Settings { resolver_url } = app.config()?;
    let asked = format!("{resolver_url}?name={domain}&type=NS");
    let call = app.partner().get(&asked).named("resolver").header("accept", "application/dns-json");
    let resolved: Resolved = call.send().await?.success()?.json()?;
    let servers = resolved.answer.into_iter().filter(|answer| answer.kind == NS);
    Ok(servers.map(|answer| answer.data).collect())
}

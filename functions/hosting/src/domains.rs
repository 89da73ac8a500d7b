//! Customers' domains in Route 53: a zone is made once, whatever is asked how often, and its delegation is looked up.

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::HostedZoneConfig;
use domain::hosting::custom_domain::{UNPROVEN, YIELDS};
use domain::hosting::site::RETENTION;
use domain::hosting::{CustomDomain, DomainState};
use domain::{EventId, Timestamp};
use platform::store::Stored;
use platform::{App, Error, Origin, Result};
use serde::Deserialize;

use crate::{Hosting, HostingOfAll};

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
/// `zone_conflict` when the account has another zone of this name, which is nobody's business to take over; `zone_refused`.
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
        Err(error) => match error.code() {
            // No repeat of it will be taken either.
            Some(code @ ("InvalidDomainName" | "TooManyHostedZones" | "DelegationSetNotAvailable")) => {
                app.count("ZonesRefused", 1);
                let message =
                    format!("The name servers do not take the domain: {code}. Our support can help.");
                Err(Error::refused("zone_refused", message))
            }
            _ => Err(Error::aws("route53", error)),
        },
    }
}

/// The zone of a domain, if an earlier try made it.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn find_zone(app: &App, domain: &CustomDomain) -> Result<Option<Made>> {
    let client = Client::new(app.aws());
    match look(&client, domain).await? {
        There::Ours(id) => read(&client, &id).await.map(Some),
        There::Others | There::Nothing => Ok(None),
    }
}

/// Lets a domain go. Answers it on its way out: the worker of its zone takes that away with its records.
///
/// # Errors
/// `mail_domain_in_use` while mail of a site comes from it; `version_conflict`.
pub async fn let_go(
    app: &App,
    hosting: &Hosting,
    stored: Stored<CustomDomain>,
    origin: &Origin,
) -> Result<CustomDomain> {
    if hosting.sends_from(&stored.name).await? {
        let message = "Mail of a site comes from the domain; take that off the site first.";
        return Err(Error::refused("mail_domain_in_use", message));
    }
    let stored = match stored.state {
        // Whether its zone was made is not known: whoever made it did not hear, or could not.
        DomainState::Creating => match find_zone(app, &stored).await? {
            Some(made) => {
                let domain = stored.value.clone().made(made.id, made.name_servers);
                hosting.domain_made(&stored, &domain).await?;
                hosting.domain(&stored.name).await?
            }
            None => {
                hosting.undo_domain(&stored).await?;
                return Ok(CustomDomain { state: DomainState::Deleting, ..stored.value });
            }
        },
        _ => stored,
    };
    let domain = stored.value.clone().delete()?;
    if stored.state != DomainState::Deleting {
        hosting.end_domain(&stored, &domain, origin).await?;
    }
    Ok(domain)
}

/// Looks whether a domain ends that is due: nobody proved it, or its organisation has not paid for as long as a site's data
/// are kept. Answers whether it does.
///
/// # Errors
/// As [`let_go`]; `unavailable` when no resolver answers.
pub async fn end_if_over(app: &App, stored: Stored<CustomDomain>, origin: &Origin) -> Result<bool> {
    let (hosting, now) = (Hosting::of(app, stored.org), origin.now);
    let unpaid = hosting.heard_plan().await?.and_then(|heard| heard.unpaid_since);
    let stored = looked_at(app, &hosting, stored, now).await?;
    let over = unpaid.is_some_and(|since| since + RETENTION <= now) || stored.is_unproven_for(UNPROVEN, now);
    if over {
        let_go(app, &hosting, stored, origin).await?;
    }
    Ok(over)
}

/// Lets a domain go that somebody else wants, if its organisation has not shown for days that it is theirs.
///
/// # Errors
/// As [`let_go`]; `unavailable` when no resolver answers.
pub async fn yield_unproven(app: &App, name: &str, origin: &Origin) -> Result<bool> {
    let zone = HostingOfAll::of(app).zone(name).await?;
    let Some(org) = zone.and_then(|zone| zone.org) else { return Ok(false) };
    let hosting = Hosting::of(app, org);
    let Some(stored) = hosting.find_domain(name).await? else { return Ok(false) };
    if !stored.is_unproven_for(YIELDS, origin.now) {
        return Ok(false);
    }
    let stored = looked_at(app, &hosting, stored, origin.now).await?;
    if !stored.is_unproven_for(YIELDS, origin.now) || hosting.sends_from(name).await? {
        return Ok(false);
    }
    let_go(app, &hosting, stored, origin).await?;
    Ok(true)
}

/// A domain after a look at its delegation.
async fn looked_at(
    app: &App,
    hosting: &Hosting,
    stored: Stored<CustomDomain>,
    now: Timestamp,
) -> Result<Stored<CustomDomain>> {
    if !matches!(stored.state, DomainState::Undelegated | DomainState::Delegated) {
        return Ok(stored);
    }
    let found = name_servers(app, &stored.name).await?;
    hosting.change_domain(&stored, &stored.value.clone().looked_up(&found, now)).await?;
    hosting.domain(&stored.name).await
}

/// The domain, if the world is sent to its zone now: else anybody could add a name that is somebody else's.
///
/// # Errors
/// `domain_not_delegated`, `domain_not_ready`; `unavailable` when no resolver answers.
pub async fn delegated(
    app: &App,
    hosting: &Hosting,
    stored: Stored<CustomDomain>,
    now: Timestamp,
) -> Result<Stored<CustomDomain>> {
    let seen = looked_at(app, hosting, stored, now).await?;
    seen.check_delegated()?;
    Ok(seen)
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

/// What a zone is made by, and known by when it is looked for.
#[must_use]
pub fn reference(stage: &str, request: EventId) -> String {
    format!("tenantry-{stage}-{request}")
}

/// Whether a zone was made for a domain of this stage.
pub(crate) fn is_made_here(reference: &str, stage: &str) -> bool {
    let request = reference.strip_prefix(&format!("tenantry-{stage}-"));
    request.is_some_and(|request| request.parse::<EventId>().is_ok())
}

/// A zone's id without what comes before it.
pub(crate) fn plain(id: &str) -> String {
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
    #[serde(rename = "Status")]
    status: u16,
    #[serde(rename = "Answer", default)]
    answer: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "type")]
    kind: u16,
    data: String,
}

/// DNS's numbers for an answer, and for a name that does not exist.
const NO_ERROR: u16 = 0;
const NO_SUCH_NAME: u16 = 3;
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
    resolved.name_servers()
}

impl Resolved {
    /// A resolver that could not find out says so with a status, and with no answer.
    fn name_servers(self) -> Result<Vec<String>> {
        if !matches!(self.status, NO_ERROR | NO_SUCH_NAME) {
            let message = format!("the resolver could not find out: status {}", self.status);
            return Err(Error::partner("resolver", true, message));
        }
        let servers = self.answer.into_iter().filter(|answer| answer.kind == NS);
        Ok(servers.map(|answer| answer.data).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_could_not_find_out_has_not_said_that_there_is_nothing() {
        let told = |text: &str| serde_json::from_str::<Resolved>(text).expect("an answer").name_servers();
        let there =
            r#"{"Status": 0, "Answer": [{"type": 2, "data": "ns-1.example."}, {"type": 5, "data": "x."}]}"#;
        assert_eq!(told(there).expect("name servers"), ["ns-1.example."]);
        assert!(told(r#"{"Status": 3}"#).expect("none").is_empty());
        assert!(matches!(told(r#"{"Status": 2}"#), Err(Error::Partner { .. })));
    }

    #[test]
    fn a_zone_is_known_by_its_stage() {
        let made = reference("staging", EventId::from_ulid(1));
        assert!(is_made_here(&made, "staging"));
        assert!(!is_made_here(&made, "stag") && !is_made_here("by-hand", "staging"));
    }
}

//! Identities: domains and addresses one may send from, verified by what the Route 53 emulator serves.

use std::time::Duration;

use base64::Engine as _;
use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::answer::AwsError;
use super::super::form::Form;
use super::super::ids;
use super::super::xml;
use super::Ses;

/// SES looks for the records this long, then gives up.
const PATIENCE: Duration = Duration::from_secs(72 * 60 * 60);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Identity {
    name: String,
    token: String,
    /// Empty until VerifyDomainDkim.
    dkim_tokens: Vec<String>,
    mail_from: Option<MailFrom>,
    created_at: Timestamp,
    /// Declared by a template, with the account's own mail domain: verified without records.
    declared: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MailFrom {
    domain: String,
    on_mx_failure: String,
    set_at: Timestamp,
}

/// What SES thinks of a part of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Never asked for.
    NotStarted,
    /// The records are not there yet.
    Pending,
    /// They are.
    Success,
    /// They did not come in time.
    Failed,
}

impl Verdict {
    fn of(found: bool, since: Timestamp, now: Timestamp) -> Self {
        match found {
            true => Self::Success,
            false if now > since + PATIENCE => Self::Failed,
            false => Self::Pending,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::Pending => "Pending",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }
}

/// An identity as it stands; for the page and for tests.
#[derive(Debug, Clone, Serialize)]
pub struct IdentityView {
    /// A domain or an address.
    pub name: String,
    /// Whether the domain is proven to be ours.
    pub verification: Verdict,
    /// Whether its mail is signed.
    pub dkim: Verdict,
    /// Whether its bounces come back to its own domain.
    pub mail_from: Verdict,
}

fn normal(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => name.to_ascii_lowercase(),
    }
}

fn check_domain(domain: &str) -> Result<String, AwsError> {
    let domain = normal(domain.trim_end_matches('.'));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() <= 253 && domain.contains('.') && domain.split('.').all(label) {
        Ok(domain)
    } else {
        Err(AwsError::bad("InvalidParameterValue", format!("Invalid domain name {domain}.")))
    }
}

impl Ses {
    /// Makes an identity that is verified at once: one that a template declares.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn declare_identity(&self, name: &str) -> Result<(), AwsError> {
        self.ensure(&normal(name), |identity| identity.declared = true).map(|_| ())
    }

    fn ensure(&self, name: &str, change: impl FnOnce(&mut Identity)) -> Result<Identity, AwsError> {
        self.identities.change(|kept| {
            let mut identity = kept.get(name).cloned().unwrap_or_else(|| Identity {
                name: name.to_owned(),
                token: base64::engine::general_purpose::STANDARD.encode(ids::bytes::<32>()),
                dkim_tokens: Vec::new(),
                mail_from: None,
                created_at: self.clock.now(),
                declared: false,
            });
            change(&mut identity);
            Ok((vec![(name.to_owned(), Some(identity.clone()))], identity))
        })
    }

    pub(super) fn verify_domain(&self, domain: &str) -> Result<String, AwsError> {
        let identity = self.ensure(&check_domain(domain)?, |_| {})?;
        Ok(xml::text("VerificationToken", identity.token))
    }

    pub(super) fn verify_dkim(&self, domain: &str) -> Result<String, AwsError> {
        let identity = self.ensure(&check_domain(domain)?, |identity| {
            if identity.dkim_tokens.is_empty() {
                identity.dkim_tokens = (0..3).map(|_| ids::capitals(32).to_ascii_lowercase()).collect();
            }
        })?;
        Ok(dkim_tokens(&identity))
    }

    pub(super) fn verify_address(&self, address: &str) -> Result<String, AwsError> {
        // A person would have to follow a link in a mail; there is no such person here.
        self.ensure(&normal(address), |identity| identity.declared = true)?;
        Ok(String::new())
    }

    pub(super) fn set_mail_from(&self, form: &Form) -> Result<String, AwsError> {
        let name = normal(form.text("Identity"));
        if self.identities.get(&name).is_none() {
            return Err(AwsError::bad("InvalidParameterValue", format!("Identity {name} does not exist.")));
        }
        let parent = name.rsplit('@').next().unwrap_or_default();
        let domain = form.get("MailFromDomain").filter(|domain| !domain.is_empty()).map(normal);
        if let Some(domain) = &domain
            && !domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
        {
            let told = format!(
                "Provided MAIL-FROM domain <{domain}> is not subdomain of the domain of the identity <{name}>."
            );
            return Err(AwsError::bad("InvalidParameterValue", told));
        }
        let now = self.clock.now();
        let on_mx_failure = form.get("BehaviorOnMXFailure").unwrap_or("UseDefaultValue").to_owned();
        self.ensure(&name, |identity| {
            // Setting the same domain again does not begin anew.
            let since = identity.mail_from.as_ref().filter(|kept| Some(&kept.domain) == domain.as_ref());
            let set_at = since.map_or(now, |kept| kept.set_at);
            identity.mail_from = domain.map(|domain| MailFrom { domain, on_mx_failure, set_at });
        })?;
        Ok(String::new())
    }

    pub(super) fn delete_identity(&self, name: &str) -> Result<String, AwsError> {
        self.identities.remove::<AwsError>(&normal(name))?;
        Ok(String::new())
    }

    pub(super) fn list_identities(&self, form: &Form) -> String {
        let kind = form.get("IdentityType");
        let most =
            form.get("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(1_000_usize).clamp(1, 1_000);
        let after = form.text("NextToken");
        let fits = |name: &str| match kind {
            Some("Domain") => !name.contains('@'),
            Some("EmailAddress") => name.contains('@'),
            _ => true,
        };
        let names: Vec<String> = self.identities.look(|kept| {
            kept.keys().filter(|name| fits(name) && name.as_str() > after).take(most + 1).cloned().collect()
        });
        let token =
            names.get(most).and_then(|_| names.get(most - 1)).map(|last| xml::text("NextToken", last));
        let members: String = names.iter().take(most).map(|name| xml::text("member", name)).collect();
        xml::element("Identities", members) + &token.unwrap_or_default()
    }

    fn entries(&self, form: &Form, name: &str, value: impl Fn(&Identity) -> String) -> String {
        let asked = form.list("Identities");
        let entries = asked.iter().filter_map(|asked| {
            let identity = self.identities.get(&normal(asked))?;
            Some(xml::text("key", asked) + &xml::element("value", value(&identity)))
        });
        xml::list(name, "entry", entries)
    }

    pub(super) fn verification_attributes(&self, form: &Form) -> String {
        self.entries(form, "VerificationAttributes", |identity| {
            let verdict = self.verification(identity).text();
            xml::text("VerificationStatus", verdict) + &xml::text("VerificationToken", &identity.token)
        })
    }

    pub(super) fn dkim_attributes(&self, form: &Form) -> String {
        self.entries(form, "DkimAttributes", |identity| {
            let verdict = self.dkim(identity);
            let enabled = if verdict == Verdict::NotStarted { "false" } else { "true" };
            [
                xml::text("DkimEnabled", enabled),
                xml::text("DkimVerificationStatus", verdict.text()),
                dkim_tokens(identity),
            ]
            .concat()
        })
    }

    pub(super) fn mail_from_attributes(&self, form: &Form) -> String {
        self.entries(form, "MailFromDomainAttributes", |identity| {
            let on_failure = |mail_from: &MailFrom| mail_from.on_mx_failure.clone();
            let on_failure = identity.mail_from.as_ref().map_or("UseDefaultValue".to_owned(), on_failure);
            let Some(mail_from) = &identity.mail_from else {
                return xml::text("BehaviorOnMXFailure", on_failure);
            };
            [
                xml::text("MailFromDomain", &mail_from.domain),
                xml::text("MailFromDomainStatus", self.mail_from(identity).text()),
                xml::text("BehaviorOnMXFailure", on_failure),
            ]
            .concat()
        })
    }

    fn verification(&self, identity: &Identity) -> Verdict {
        let now = self.clock.now();
        let proven = identity.declared
            || self.serves(&format!("_amazonses.{}", identity.name), "TXT", &identity.token)
            // As in SES, three published keys prove the domain as well as the token does.
            || self.keys_published(identity);
        Verdict::of(proven, identity.created_at, now)
    }

    fn dkim(&self, identity: &Identity) -> Verdict {
        if identity.declared {
            return Verdict::Success;
        }
        if identity.dkim_tokens.is_empty() {
            return Verdict::NotStarted;
        }
        Verdict::of(self.keys_published(identity), identity.created_at, self.clock.now())
    }

    fn keys_published(&self, identity: &Identity) -> bool {
        !identity.dkim_tokens.is_empty()
            && identity.dkim_tokens.iter().all(|token| {
                let name = format!("{token}._domainkey.{}", identity.name);
                self.serves(&name, "CNAME", &format!("{token}.dkim.amazonses.com"))
            })
    }

    fn mail_from(&self, identity: &Identity) -> Verdict {
        let Some(mail_from) = &identity.mail_from else { return Verdict::NotStarted };
        let feedback = format!("10 feedback-smtp.{}.amazonses.com", self.region);
        let text = self.route53.lookup(&mail_from.domain, "TXT");
        let permits =
            text.iter().any(|value| value.contains("v=spf1") && value.contains("include:amazonses.com"));
        let found = permits && self.serves(&mail_from.domain, "MX", &feedback);
        Verdict::of(found, mail_from.set_at, self.clock.now())
    }

    fn serves(&self, name: &str, kind: &str, value: &str) -> bool {
        let values = self.route53.lookup(name, kind);
        values.iter().any(|served| served.trim_matches('"').trim_end_matches('.') == value)
    }

    /// The verified identity that a sender falls under: the address itself, its domain, or one of the domains above.
    pub(super) fn sender_of(&self, address: &str) -> Option<String> {
        candidates(address).find(|name| {
            self.identities.get(name).is_some_and(|identity| self.verification(&identity) == Verdict::Success)
        })
    }

    /// The identity by which rights to send are measured: the one that is known, or the domain.
    pub(super) fn sending_identity(&self, address: &str) -> String {
        let known = candidates(address).find(|name| self.identities.get(name).is_some());
        known.unwrap_or_else(|| address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase())
    }

    /// All identities as they stand.
    #[must_use]
    pub fn identities(&self) -> Vec<IdentityView> {
        let view = |identity: Identity| IdentityView {
            verification: self.verification(&identity),
            dkim: self.dkim(&identity),
            mail_from: self.mail_from(&identity),
            name: identity.name,
        };
        self.identities.all().into_iter().map(view).collect()
    }
}

fn dkim_tokens(identity: &Identity) -> String {
    let members: String = identity.dkim_tokens.iter().map(|token| xml::text("member", token)).collect();
    xml::element("DkimTokens", members)
}

/// The address, its domain, and the domains above it.
fn candidates(address: &str) -> impl Iterator<Item = String> {
    let address = normal(address);
    let domain = address.rsplit('@').next().unwrap_or_default().to_owned();
    let above = std::iter::successors(Some(domain), |domain| {
        domain.split_once('.').map(|(_, parent)| parent.to_owned()).filter(|parent| parent.contains('.'))
    });
    std::iter::once(address).chain(above)
}

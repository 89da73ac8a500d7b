//! Who somebody is, as far as a second trial goes: one mailbox has many spellings, and one company many mailboxes.

use super::Product;
use crate::Email;

/// Providers at which anybody has a mailbox, so that their domain names no company.
const FREE: [&str; 38] = [
    "aol.com",
    "fastmail.com",
    "free.fr",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "hotmail.it",
    "icloud.com",
    "laposte.net",
    "libero.it",
    "live.com",
    "live.fr",
    "mail.com",
    "mail.ru",
    "msn.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "outlook.fr",
    "proton.me",
    "qq.com",
    "sfr.fr",
    "t-online.de",
    "tutanota.com",
    "wanadoo.fr",
    "web.de",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.fr",
    "zoho.com",
];

/// Second-level names below which a country registers companies.
const SECOND_LEVEL: [&str; 8] = ["ac", "co", "com", "edu", "gov", "net", "or", "org"];

/// What a trial is guarded by: the mailbox in its one spelling and, unless the provider gives mailboxes to anybody, the
/// company's domain. Canonical texts; what is stored is their hash.
#[must_use]
pub fn fingerprints(product: Product, email: &Email) -> Vec<String> {
    let domain = provider(email.domain());
    let mailbox = format!("trial:{product}:mailbox:{}@{domain}", mailbox(email.local_part(), domain));
    if FREE.contains(&domain) || is_reserved(domain) {
        return vec![mailbox];
    }
    vec![mailbox, format!("trial:{product}:company:{}", company(domain))]
}

/// The mailbox that an address of this local part reaches.
fn mailbox(local: &str, domain: &str) -> String {
    let tagged = |separator: char| local.split_once(separator).map_or(local, |(mailbox, _)| mailbox);
    let mailbox = match domain {
        "yahoo.com" | "yahoo.fr" | "yahoo.co.uk" => tagged('-'),
        _ => tagged('+'),
    };
    // An address that is nothing but a tag has no other name.
    let mailbox = if mailbox.is_empty() { local } else { mailbox };
    if domain == "gmail.com" { mailbox.replace('.', "") } else { mailbox.to_owned() }
}

/// The provider's first name.
fn provider(domain: &str) -> &str {
    match domain {
        "googlemail.com" => "gmail.com",
        "me.com" | "mac.com" => "icloud.com",
        "pm.me" | "protonmail.com" | "protonmail.ch" => "proton.me",
        other => other,
    }
}

/// Domains that nobody can register (RFC 2606).
fn is_reserved(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    match (labels.next(), labels.next()) {
        (Some("test" | "example" | "invalid" | "localhost"), _) => true,
        (Some("com" | "net" | "org"), second) => second == Some("example"),
        _ => false,
    }
}

/// The domain that the company registered, as far as that shows without a list of all registries.
fn company(domain: &str) -> &str {
    let labels: Vec<&str> = domain.rsplit('.').collect();
    let by_country =
        matches!(labels.as_slice(), [top, second, _, ..] if top.len() == 2 && SECOND_LEVEL.contains(second));
    let kept = if by_country { 3 } else { 2 };
    let from = labels.iter().skip(kept).map(|label| label.len() + 1).sum::<usize>();
    &domain[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Vec<String> {
        fingerprints(Product::Hosting, &address.parse().expect("an address"))
    }

    fn same(one: &str, other: &str) -> bool {
        of(one).iter().any(|print| of(other).contains(print))
    }

    #[test]
    fn e16_one_mailbox_in_many_spellings_is_one() {
        for other in ["a.n.n.a@gmail.com", "ANNA@gmail.com", "anna+trial@gmail.com", "an.na+2@GoogleMail.com"]
        {
            assert!(same("anna@gmail.com", other), "{other}");
        }
        assert!(same("anna@outlook.com", "anna+x@outlook.com"));
        assert!(same("anna@yahoo.com", "anna-shop@yahoo.com"));
        assert!(same("anna@icloud.com", "anna@me.com"));
        assert!(same("anna@proton.me", "anna@protonmail.com"));
    }

    #[test]
    fn e16_two_people_at_a_free_provider_are_two() {
        assert!(!same("anna@gmail.com", "bela@gmail.com"));
        assert!(!same("an.na@outlook.com", "anna@outlook.com"), "dots tell mailboxes apart there");
        assert!(!same("anna@gmail.com", "anna@outlook.com"));
        assert!(!same("anna@example.com", "bela@example.com") && !same("anna@acme.test", "bela@acme.test"));
    }

    #[test]
    fn e16_one_company_is_one_whoever_writes() {
        for other in ["bela@acme.com", "anna@mail.acme.com", "sales+x@eu.acme.com"] {
            assert!(same("anna@acme.com", other), "{other}");
        }
        assert!(!same("anna@acme.com", "anna@acme.org"));
        assert!(same("a@shop.acme.co.uk", "b@acme.co.uk"));
        assert!(!same("a@acme.co.uk", "a@other.co.uk"));
        assert!(same("a@acme.de", "b@berlin.acme.de"));
    }

    #[test]
    fn each_product_has_a_trial_of_its_own() {
        let email: Email = "anna@acme.com".parse().expect("an address");
        let hosting = fingerprints(Product::Hosting, &email);
        assert!(fingerprints(Product::Agents, &email).iter().all(|print| !hosting.contains(print)));
    }
}

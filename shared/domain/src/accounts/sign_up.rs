//! Signing up: a person, their organisation and their place in it come to be together.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::organisation::OrganisationCreated;
use super::{Entitlements, Membership, OrgSettings, OrgState, Organisation, Password, Role, User, UserState};
use crate::notifications::contact::breaks_or_turns;
use crate::{Email, Event, Locale, OrgId, Timestamp, UserId};

/// The longest name of a person or company, in characters.
const LONGEST_NAME: usize = 100;
/// The longest name of a plan, in characters.
const LONGEST_PLAN: usize = 40;

/// What somebody who signs up tells.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// The address to log in with.
    pub email: Email,
    /// The password: 8 to 128 characters, not a common one, not the person's own words.
    pub password: Password,
    /// Their first name.
    #[serde(default, alias = "firstName")]
    pub first_name: Option<Name>,
    /// Their last name.
    #[serde(default, alias = "lastName")]
    pub last_name: Option<Name>,
    /// The organisation's name; the person's own, if there is none.
    #[serde(default)]
    pub company: Option<Name>,
    /// The plan they are after. Nobody pays before the trial ends.
    #[serde(default)]
    pub plan: Option<PlanName>,
    /// The language to write to them in; by `Accept-Language`, if not told.
    #[serde(default)]
    pub locale: Option<Locale>,
    /// Whether they accept the terms of service.
    #[serde(default)]
    pub accept_terms: bool,
    /// Whether they agree to marketing mail.
    #[serde(default)]
    pub marketing: bool,
}

/// A name that people give: trimmed, 1 to 100 characters, nothing that could be a link, markup or a mail header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// A plan's name: small letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanName(String);

/// Who somebody is, in their own words: what a password must not be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Their address.
    pub email: Email,
    /// Their first name.
    pub first_name: Option<String>,
    /// Their last name.
    pub last_name: Option<String>,
    /// Their company.
    pub company: Option<String>,
}

/// `accounts.user_signed_up`: a person has an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserSignedUp {
    /// Who.
    pub user: UserId,
    /// The organisation that was made with them.
    pub org: OrgId,
    /// What they may do in it.
    pub role: Role,
    /// Their address, not verified yet.
    pub email: Email,
    /// Their first name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Their last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The language they are written to in.
    pub locale: Locale,
    /// Whether they agreed to marketing mail.
    pub marketing: bool,
    /// The plan that they asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_plan: Option<String>,
}

impl Event for UserSignedUp {
    const TYPE: &'static str = "accounts.user_signed_up";
}

/// What a sign-up makes, with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The person.
    pub user: User,
    /// Their organisation.
    pub organisation: Organisation,
    /// Their place in it.
    pub membership: Membership,
    /// The person's event.
    pub signed_up: UserSignedUp,
    /// The organisation's event.
    pub created: OrganisationCreated,
}

impl SignUp {
    /// Who signs up.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let text = |name: &Option<Name>| name.as_ref().map(|name| name.0.clone());
        Identity {
            email: self.email.clone(),
            first_name: text(&self.first_name),
            last_name: text(&self.last_name),
            company: text(&self.company),
        }
    }

    /// The account: the person, as owner of a new organisation on trial.
    #[must_use]
    pub fn open(&self, user: UserId, org: OrgId, preferred: Locale, now: Timestamp) -> NewAccount {
        let Identity { email, first_name, last_name, company } = self.identity();
        let locale = self.locale.unwrap_or(preferred);
        let name = company
            .or_else(|| first_name.clone())
            .unwrap_or_else(|| email.local_part().chars().take(LONGEST_NAME).collect());
        let person = User {
            id: user,
            email: email.clone(),
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            locale,
            state: UserState::Active,
            email_verified_at: None,
            organisations: vec![org],
            operator: false,
            terms_accepted_at: self.accept_terms.then_some(now),
            marketing_agreed_at: self.marketing.then_some(now),
            created_at: now,
        };
        let organisation = Organisation {
            id: org,
            name: name.clone(),
            state: OrgState::Active,
            wanted_plan: self.plan.as_ref().map(|plan| plan.0.clone()),
            entitlements: Entitlements::trial(),
            settings: OrgSettings { locale },
            created_at: now,
        };
        let role = Role::Owner;
        let membership =
            Membership { user, org, role, billing: true, verified: false, epoch: 0, joined_at: now };
        let marketing = self.marketing;
        let wanted_plan = organisation.wanted_plan.clone();
        let signed_up =
            UserSignedUp { user, org, role, email, first_name, last_name, locale, marketing, wanted_plan };
        let created = OrganisationCreated {
            org,
            name,
            owner: user,
            wanted_plan: organisation.wanted_plan.clone(),
            entitlements: organisation.entitlements.clone(),
        };
        NewAccount { user: person, organisation, membership, signed_up, created }
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let sound = (1..=LONGEST_NAME).contains(&text.chars().count())
            && !text.chars().any(|c| breaks_or_turns(c) || "<>/\\:@".contains(c))
            && !looks_like_a_host(text);
        sound.then(|| Self(text.to_owned()))
    }
}

/// A dot between two letters or digits is what mail programs make a link of: `evil.com`, not `St. John` nor `J.`.
fn looks_like_a_host(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    characters.windows(3).any(|w| w[0].is_alphanumeric() && w[1] == '.' && w[2].is_alphanumeric())
}

impl PlanName {
    fn parse(text: &str) -> Option<Self> {
        let sound = (1..=LONGEST_PLAN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        sound.then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("expected 1 to 100 characters without <, >, / and \\"))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PlanName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("expected a plan's name: small letters, digits, - and _"))
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": "^[^<>/\\\\:@]+$"})
    }

    fn inline_schema() -> bool {
        true
    }
}

impl JsonSchema for PlanName {
    fn schema_name() -> Cow<'static, str> {
        "PlanName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": format!("^[a-z0-9_-]{{1,{LONGEST_PLAN}}}$")})
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sign_up(more: Value) -> Result<SignUp, String> {
        let mut body = json!({"email": " Anna@Example.com ", "password": "Test123!"});
        let (Value::Object(body_fields), Value::Object(more)) = (&mut body, more) else {
            panic!("two objects")
        };
        body_fields.extend(more);
        serde_json::from_value(body).map_err(|error| error.to_string())
    }

    fn open(more: Value) -> NewAccount {
        let now = Timestamp::from_secs(1_000_000);
        sign_up(more).expect("a sound sign-up").open(
            UserId::from_ulid(1),
            OrgId::from_ulid(2),
            Locale::Fr,
            now,
        )
    }

    #[test]
    fn the_person_owns_a_new_organisation_on_trial() {
        let account =
            open(json!({"firstName": "Anna", "company": " Northwind ", "plan": "pro", "accept_terms": true}));
        assert_eq!(account.organisation.name, "Northwind");
        assert_eq!(account.organisation.entitlements, Entitlements::trial());
        assert_eq!(account.created.wanted_plan.as_deref(), Some("pro"));
        assert_eq!((account.membership.role, account.membership.verified), (Role::Owner, false));
        assert_eq!(account.user.organisations, [account.organisation.id]);
        assert_eq!(account.user.terms_accepted_at, Some(account.user.created_at));
        assert_eq!(account.user.marketing_agreed_at, None);
        assert_eq!(account.signed_up.email.as_str(), "anna@example.com");
    }

    #[test]
    fn an_organisation_is_called_after_the_company_or_the_person_or_the_address() {
        assert_eq!(open(json!({"first_name": "Anna"})).organisation.name, "Anna");
        assert_eq!(open(json!({})).organisation.name, "anna");
    }

    #[test]
    fn the_chosen_language_wins_over_the_browsers() {
        assert_eq!(open(json!({})).user.locale, Locale::Fr);
        assert_eq!(open(json!({"locale": "ar"})).signed_up.locale, Locale::Ar);
    }

    #[test]
    fn names_that_could_be_links_or_headers_are_refused() {
        let long = "x".repeat(101);
        for wrong in [
            "",
            "  ",
            "Anna\r\nBcc: all",
            "<b>Anna</b>",
            "http://spam.example",
            "see evil.com now",
            "a@b",
            &long,
        ] {
            assert!(sign_up(json!({"first_name": wrong})).is_err(), "{wrong}");
        }
        for wrong in ["Pro", "", "pro plan", "../x"] {
            assert!(sign_up(json!({"plan": wrong})).is_err(), "{wrong}");
        }
        assert!(sign_up(json!({"admin": true})).is_err());
        assert!(sign_up(json!({"last_name": "O'Brien-Søren 李"})).is_ok());
    }
}

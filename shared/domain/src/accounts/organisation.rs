//! Organisations, the tenants, and who belongs to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Entitlements;
use crate::{Event, Locale, OrgId, Timestamp, UserId};

/// An organisation: what pays, owns sites and has members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Organisation {
    /// Its id.
    pub id: OrgId,
    /// As its people call it.
    pub name: String,
    /// Whether its members may come in.
    pub state: OrgState,
    /// The plan somebody asked for at sign-up; billing offers it when the trial ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_plan: Option<String>,
    /// What it may use.
    pub entitlements: Entitlements,
    /// What its admins chose.
    #[serde(default)]
    pub settings: OrgSettings,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether an organisation's members may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrgState {
    /// They may.
    Active,
    /// Shut by staff; opens again.
    Suspended,
    /// Deleted by its owner; its data goes after 30 days.
    Closed,
}

/// What an organisation's admins chose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OrgSettings {
    /// The language of mail that goes to the organisation rather than to a person.
    #[serde(default)]
    pub locale: Locale,
}

/// A person's place in an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Membership {
    /// Who.
    pub user: UserId,
    /// Where.
    pub org: OrgId,
    /// What they may do.
    pub role: Role,
    /// Whether they see invoices and change the plan, whatever the role.
    #[serde(default)]
    pub billing: bool,
    /// Whether the person's e-mail is verified: a copy of the person's, so that a call needs no fourth read.
    #[serde(default)]
    pub verified: bool,
    /// Grows when the role changes; ends every access token made before.
    #[serde(default)]
    pub epoch: u64,
    /// Since when.
    pub joined_at: Timestamp,
}

/// What a member may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Works.
    Member,
    /// Decides, and manages members.
    Admin,
    /// Owns: the last word, and the last to leave.
    Owner,
}

/// `accounts.organisation_created`: a tenant came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganisationCreated {
    /// The organisation.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner: UserId,
    /// The plan that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_plan: Option<String>,
    /// What it may use from the start.
    pub entitlements: Entitlements,
}

impl Event for OrganisationCreated {
    const TYPE: &'static str = "accounts.organisation_created";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_by_what_they_may() {
        assert!(Role::Viewer < Role::Member && Role::Member < Role::Admin && Role::Admin < Role::Owner);
    }
}

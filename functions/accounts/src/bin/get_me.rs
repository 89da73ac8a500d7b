//! `GET /v1/me`: who I am, where, and what we may use.

use accounts::Accounts;
use accounts::entrance::Person;
use domain::OrgId;
use domain::accounts::{Entitlements, OrgSettings, OrgState, Role};
use platform::auth::Viewer;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// A person and the organisation that they work in now.
#[derive(Serialize, JsonSchema)]
struct Me {
    /// The person.
    user: Person,
    /// The organisation of the access token.
    organisation: Mine,
    /// What the person may do in it.
    role: Role,
    /// Whether the person sees invoices and changes the plan, whatever the role.
    billing: bool,
}

/// The organisation, as its members see it.
#[derive(Serialize, JsonSchema)]
struct Mine {
    /// Its id.
    id: OrgId,
    /// Its name.
    name: String,
    /// Whether its members may come in.
    state: OrgState,
    /// What it may use.
    entitlements: Entitlements,
    /// What its admins chose.
    settings: OrgSettings,
}

fn main() -> Exit {
    http::limit(&[Limit::per_user(60, MINUTE)]).serve(get_me)
}

async fn get_me(app: App, call: Call<Viewer>) -> Result<Reply<Me>> {
    let caller = &call.caller;
    let user = Accounts::of(&app).person(caller.user()).await?.value;
    let organisation = caller.organisation.clone();
    Ok(Reply::ok(Me {
        user: user.into(),
        organisation: Mine {
            id: organisation.id,
            name: organisation.name,
            state: organisation.state,
            entitlements: organisation.entitlements,
            settings: organisation.settings,
        },
        role: caller.role,
        billing: caller.billing,
    }))
}

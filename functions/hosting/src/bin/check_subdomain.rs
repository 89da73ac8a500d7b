//! `GET /v1/hosting/subdomains/{label}`: whether a site could have this label now.

use domain::hosting::Label;
use hosting::HostingOfAll;
use platform::auth::Viewer;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A label, and whether it can be had.
#[derive(Serialize, JsonSchema)]
struct Subdomain {
    /// The label that was asked for.
    label: String,
    /// The site's full name, if the label can be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    fqdn: Option<String>,
    /// Whether `POST /v1/hosting/sites` would take it now. No promise: another request may be faster.
    available: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// The same in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Why a label cannot be had.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// It is malformed or reserved: nobody can have it.
    NotAllowed,
    /// Another site has it, or had it a short while ago.
    Taken,
}

#[derive(Deserialize)]
struct Settings {
    sites_domain: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_user(60, MINUTE)]).serve(check_subdomain)
}

async fn check_subdomain(app: App, call: Call<Viewer>) -> Result<Reply<Subdomain>> {
    let Settings { sites_domain: zone } = app.config()?;
    let text = call.path("label").to_owned();
    let label: Label = match text.parse() {
        Ok(label) => label,
        Err(refusal) => {
            let (reason, detail) = (Some(Reason::NotAllowed), Some(refusal.message));
            return Ok(Reply::ok(Subdomain { label: text, fqdn: None, available: false, reason, detail }));
        }
    };
    let claim = HostingOfAll::of(&app).claim(&zone, &label).await?;
    let available = claim.is_none_or(|claim| claim.is_free_for(call.caller.org(), call.now));
    let (reason, detail) = if available {
        (None, None)
    } else {
        (Some(Reason::Taken), Some(domain::hosting::LabelClaim::taken(&label).message))
    };
    Ok(Reply::ok(Subdomain { fqdn: Some(label.under(&zone)), label: text, available, reason, detail }))
}

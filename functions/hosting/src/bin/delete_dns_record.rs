//! `DELETE /v1/hosting/domains/{domain}/records`: take the record set of a name and type out of a domain.

use domain::hosting::RecordType;
use domain::hosting::custom_domain::name_in;
use hosting::Hosting;
use hosting::view::RecordView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which record set.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The full name.
    name: String,
    /// The type.
    #[serde(rename = "type")]
    kind: RecordType,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(60, MINUTE)]).serve(delete_dns_record)
}

async fn delete_dns_record(app: App, call: Call<Admin, (), Which>) -> Result<Reply<RecordView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let domain = hosting.domain(&call.path("domain").to_ascii_lowercase()).await?;
    domain.check_open()?;
    let there = hosting.records_of(&domain, &name_in(&domain.name, &call.query.name)?).await?;
    let found = there.iter().find(|stored| stored.record.kind == call.query.kind).ok_or(Error::NotFound)?;
    if found.site.is_some() {
        let message = "The product keeps this record for one of the organisation's sites.";
        return Err(Error::refused("managed_record", message));
    }
    let gone = found.value.clone().unwanted(None, call.now);
    let reply = Reply::accepted(RecordView::from(&gone));
    hosting.wish_record(&gone, Some(found), call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}

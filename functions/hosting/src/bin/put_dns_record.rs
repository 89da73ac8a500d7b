//! `PUT /v1/hosting/domains/{domain}/records`: keep a record set in a domain, in place of what the name and type had.

use domain::hosting::ManagedRecord;
use domain::hosting::custom_domain::{NewRecord, name_in};
use hosting::Hosting;
use hosting::store::domains::standing_types;
use hosting::view::RecordView;
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_org(60, MINUTE)]).serve(put_dns_record)
}

async fn put_dns_record(app: App, call: Call<Admin, NewRecord>) -> Result<Reply<RecordView, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let domain = hosting.domain(&call.path("domain").to_ascii_lowercase()).await?;
    domain.check_open()?;
    let there = hosting.records_of(&domain, &name_in(&domain.name, &call.body.name)?).await?;
    let record = call.body.clone().check(&domain.name, &standing_types(&there))?;
    let before = there.iter().find(|stored| stored.record.kind == record.kind);
    if before.is_some_and(|before| before.site.is_some()) {
        let message = "The product keeps this record for one of the organisation's sites.";
        return Err(Error::refused("managed_record", message));
    }
    let known = before.map(|stored| &stored.value);
    let kept = ManagedRecord::kept(&domain.name, record, call.caller.org(), known, call.now);
    let reply = Reply::accepted(RecordView::from(&kept));
    hosting.wish_record(&kept, before, call.origin(), call.once(&reply)?).await?;
    Ok(reply)
}

//! `POST /v1/hosting/sites/{site}/access`: links to upload or download a site's files, or a session on its bucket.
//!
//! Whatever is given reaches this site's bucket alone and ends after an hour at most.

use domain::Timestamp;
use domain::accounts::entitlements::HOSTING;
use domain::hosting::access::{AccessKind, AccessRequest};
use hosting::Hosting;
use hosting::bucket_access::{self, A_FEW_PAGES};
use platform::auth::Admin;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// Ways into a bucket.
#[derive(Serialize, JsonSchema)]
struct BucketAccess {
    /// What for.
    kind: AccessKind,
    /// The bucket.
    bucket: String,
    /// The region it is in.
    region: String,
    /// When it ends.
    expires_at: Timestamp,
    /// A link for each file that was named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    /// Credentials for any S3 client.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Credentials>,
}

/// One file's link.
#[derive(Serialize, JsonSchema)]
struct Link {
    /// The file.
    key: String,
    /// How to send the request.
    method: &'static str,
    /// Where to.
    url: String,
    /// The `Content-Type` to send with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
}

/// Credentials that reach one bucket.
#[derive(Serialize, JsonSchema)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// Whether they may write; not while the plan's storage is full.
    writable: bool,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(60, MINUTE)]).serve(create_bucket_access)
}

async fn create_bucket_access(app: App, call: Call<Admin, AccessRequest>) -> Result<Reply<BucketAccess>> {
    let wanted = call.body.clone().check()?;
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    // What the state alone refuses is refused before anything outside is asked.
    wanted.decide(&site, &call.caller.entitlements, 0)?;
    let bucket = site.bucket.clone().ok_or_else(|| Error::internal("an active site without a bucket"))?;
    let stored = match wanted.kind {
        AccessKind::Download => 0,
        AccessKind::Upload | AccessKind::Session => {
            let allowed =
                call.caller.entitlements.product(HOSTING).map_or(0, |plan| plan.limit("storage_bytes"));
            match bucket_access::stored_bytes(&app, &bucket, allowed, A_FEW_PAGES).await? {
                // There are more files than can be counted now: what was measured counts too.
                (bytes, false) => bytes.max(hosting.stored_bytes_of(site.id).await?),
                (bytes, true) => bytes,
            }
        }
    };
    let writable = wanted.decide(&site, &call.caller.entitlements, stored)?;

    let session = bucket_access::open(&app, &site, &bucket, &wanted, writable, call.caller.user()).await?;
    let mut links = Vec::with_capacity(wanted.keys.len());
    for key in &wanted.keys {
        let url = session.link(&app, &bucket, key, &wanted, call.now).await?;
        let method = if wanted.kind == AccessKind::Upload { "PUT" } else { "GET" };
        links.push(Link { key: key.clone(), method, url, content_type: wanted.content_type.clone() });
    }
    let is_session = wanted.kind == AccessKind::Session;
    let reply = Reply::ok(BucketAccess {
        kind: wanted.kind,
        bucket,
        region: app.aws().region().map(ToString::to_string).unwrap_or_default(),
        expires_at: if is_session { session.expires_at } else { call.now + wanted.lasting },
        links,
        session: is_session.then_some(Credentials {
            access_key_id: session.access_key_id,
            secret_access_key: session.secret_access_key,
            session_token: session.session_token,
            writable,
        }),
    });
    // Credentials stay out of the table: the record of this reply is taken and not written, so a repeat of the request
    // gets fresh ones.
    drop(call.once(&reply)?);
    Ok(reply)
}

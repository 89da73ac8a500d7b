//! Ways into a site's bucket: a session of the access role, narrowed to what was asked for, and links signed with it.
//!
//! Links are signed with such a session too, not with the function's own credentials: those may end before the link
//! does, and reach further than the link should.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_sts::types::Tag;
use domain::hosting::Site;
use domain::hosting::access::{AccessKind, AccessWanted, SHORTEST_SESSION};
use domain::{Timestamp, UserId};
use platform::{App, Error, Result};
use serde::Deserialize;

/// How many pages of a thousand objects are counted while somebody waits for the answer.
pub const A_FEW_PAGES: usize = 50;
/// How many are counted where nobody waits.
pub const MANY_PAGES: usize = 2_000;

#[derive(Deserialize)]
struct Settings {
    site_access_role_arn: String,
}

/// A session that reaches one bucket.
pub struct Session {
    /// For any S3 client.
    pub access_key_id: String,
    /// For any S3 client.
    pub secret_access_key: String,
    /// For any S3 client.
    pub session_token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Opens a session on a site's bucket for a person.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn open(
    app: &App,
    site: &Site,
    bucket: &str,
    wanted: &AccessWanted,
    may_write: bool,
    person: UserId,
) -> Result<Session> {
    let settings: Settings = app.config()?;
    let tag = Tag::builder().key("site").value(site.id.to_string()).build().map_err(Error::caused)?;
    let lasting = wanted.lasting.max(SHORTEST_SESSION);
    let call = aws_sdk_sts::Client::new(app.aws())
        .assume_role()
        .role_arn(settings.site_access_role_arn)
        .role_session_name(person.to_string())
        .duration_seconds(i32::try_from(lasting.as_secs()).unwrap_or(900))
        .policy(wanted.session_policy(bucket, may_write))
        .tags(tag);
    let answer = call.send().await.map_err(|error| Error::aws("sts", error))?;
    let made = answer.credentials.ok_or_else(|| Error::internal("STS gave no credentials"))?;
    Ok(Session {
        access_key_id: made.access_key_id,
        secret_access_key: made.secret_access_key,
        session_token: made.session_token,
        expires_at: Timestamp::from_secs(made.expiration.secs()),
    })
}

impl Session {
    /// A link that a file is put to or got from until `lasting` after `now`.
    ///
    /// # Errors
    /// `internal`.
    pub async fn link(
        &self,
        app: &App,
        bucket: &str,
        key: &str,
        wanted: &AccessWanted,
        now: Timestamp,
    ) -> Result<String> {
        let client = self.client(app);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let signing = PresigningConfig::builder()
            .start_time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .expires_in(wanted.lasting)
            .build()
            .map_err(Error::caused)?;
        let signed = if wanted.kind == AccessKind::Upload {
            let length = wanted.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
            let put = client.put_object().bucket(bucket).key(key).set_content_length(length);
            let put = put.set_content_type(wanted.content_type.clone()).presigned(signing).await;
            put.map_err(|error| Error::aws("s3", error))?
        } else {
            let get = client.get_object().bucket(bucket).key(key).presigned(signing).await;
            get.map_err(|error| Error::aws("s3", error))?
        };
        Ok(signed.uri().to_owned())
    }

    fn client(&self, app: &App) -> aws_sdk_s3::Client {
        let token = Some(self.session_token.clone());
        let credentials = Credentials::new(
            self.access_key_id.clone(),
            self.secret_access_key.clone(),
            token,
            None,
            "site access",
        );
        // The content is not known when a link is signed, so its checksum cannot be part of it.
        let settings = aws_sdk_s3::config::Builder::from(app.aws())
            .credentials_provider(credentials)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        aws_sdk_s3::Client::from_conf(settings.build())
    }
}

/// How many bytes are in a bucket, older versions aside, and whether that is all; no more are counted once there are more than
/// `enough`.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn stored_bytes(app: &App, bucket: &str, enough: u64, most_pages: usize) -> Result<(u64, bool)> {
    let client = aws_sdk_s3::Client::new(app.aws());
    let (mut bytes, mut after) = (0_u64, None);
    for _ in 0..most_pages {
        let call = client.list_objects_v2().bucket(bucket).set_continuation_token(after);
        let page = call.send().await.map_err(|error| Error::aws("s3", error))?;
        let sizes =
            page.contents().iter().map(|object| u64::try_from(object.size().unwrap_or(0)).unwrap_or(0));
        bytes = bytes.saturating_add(sizes.sum());
        after = page.next_continuation_token;
        if after.is_none() || bytes > enough {
            return Ok((bytes, after.is_none()));
        }
    }
    Ok((bytes, false))
}

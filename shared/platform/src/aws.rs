//! What every AWS SDK client of a function is built with.
//!
//! In Lambda everything needed stands in the environment; the SDK's default chains would look for profiles, web identities
//! and metadata services as well, which costs a cold start more than all the rest.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use crate::config;

/// One try of a call: a second one and an answer fit into the ten seconds of most functions.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(4);
/// A call with its retries.
const OPERATION: Duration = Duration::from_secs(8);

pub(crate) fn configuration() -> SdkConfig {
    let endpoint = config::optional("AWS_ENDPOINT_URL");
    // The TLS client reads the machine's root certificates when it is made; an endpoint without TLS needs none.
    let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let http = if is_plain {
        Builder::new().build_http()
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let region = config::optional("AWS_REGION").or_else(|| config::optional("AWS_DEFAULT_REGION"));
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(region.map(Region::new))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts);
    builder.set_endpoint_url(endpoint);
    if let (Some(id), Some(secret)) =
        (config::optional("AWS_ACCESS_KEY_ID"), config::optional("AWS_SECRET_ACCESS_KEY"))
    {
        let token = config::optional("AWS_SESSION_TOKEN");
        let credentials = Credentials::new(id, secret, token, None, "environment");
        builder = builder.credentials_provider(SharedCredentialsProvider::new(credentials));
    }
    builder.build()
}

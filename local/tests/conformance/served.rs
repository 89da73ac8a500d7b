//! A cloud behind a small HTTP server on a free port, and the SDK clients that reach it.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use local::Clock;
use local::aws::{Cloud, CloudConfig};
use tokio::net::TcpListener;

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ACCOUNT: &str = "000000000000";

/// A served cloud. It is gone, with its files, when it is dropped.
pub(crate) struct Served {
    pub(crate) cloud: Cloud,
    pub(crate) clock: Clock,
    pub(crate) url: String,
    server: tokio::task::JoinHandle<()>,
    /// Held for its end.
    folder: Option<tempfile::TempDir>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::keeping(Clock::new(None)).await
    }

    /// A cloud whose time passes only when it is moved.
    pub(crate) async fn still() -> Self {
        Self::keeping(Clock::still()).await
    }

    async fn keeping(clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Self::with(folder.path(), clock).await;
        served.folder = Some(folder);
        served
    }

    /// A cloud on files that outlive it.
    pub(crate) async fn on(folder: &Path) -> Self {
        Self::with(folder, Clock::new(None)).await
    }

    async fn with(folder: &Path, clock: Clock) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = CloudConfig {
            data: folder.to_owned(),
            clock: clock.clone(),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            base_url: url.clone(),
        };
        let cloud = Cloud::open(config).await.unwrap();
        let server = tokio::spawn(serve(listener, cloud.clone()));
        Self { cloud, clock, url, server, folder: None }
    }

    /// What the account's owner's clients are made of.
    pub(crate) fn config(&self) -> SdkConfig {
        self.config_of(Credentials::new("local", "secret", None, None, "test"))
    }

    pub(crate) fn config_of(&self, credentials: Credentials) -> SdkConfig {
        let provider = aws_credential_types::provider::SharedCredentialsProvider::new(credentials);
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(provider)
            .build()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds)).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, cloud: Cloud) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let cloud = cloud.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let cloud = cloud.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let response = cloud.handle(http::Request::from_parts(parts, body)).await;
                Ok::<_, Infallible>(response.map(Full::<Bytes>::new))
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// A client without the SDK: for links.
#[allow(clippy::disallowed_methods, reason = "it plays somebody who follows a link, not a function")]
pub(crate) fn http_client() -> reqwest::Client {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    outcome: Result<T, E>,
) -> String {
    let error = outcome.expect_err("a refusal is expected");
    match error.code() {
        Some(code) => code.to_owned(),
        None => panic!("no code in {error:?}"),
    }
}

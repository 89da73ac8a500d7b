//! Puts the stack together: port, services, templates, functions, and what starts them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::activity::Activity;
use crate::aws::rights::Principal;
use crate::aws::{Cloud, CloudConfig};
use crate::gateway::{self, Routes};
use crate::instances::Instances;
use crate::keys::{self, STAGE, Secrets};
use crate::lambda::{FunctionError, Lambda, Settings as LambdaSettings};
use crate::sources::queue::Disorder;
use crate::sources::schedule::Schedules;
use crate::sources::stream::Pauses;
use crate::stripe::{self, Stripe, StripeConfig};
use crate::template::{self, Model, Surroundings};
use crate::{Clock, Context, Error, Result, binaries, deploy, sources};

/// The account that the local stack plays.
pub const ACCOUNT: &str = "000000000000";
/// The region that the local stack plays.
pub const REGION: &str = "eu-west-1";
/// The domain of customers' sites: browsers resolve every name under `localhost` to this machine.
pub const SITES_DOMAIN: &str = "sites.localhost";

/// How a stack is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of `template.yaml`.
    pub workspace: PathBuf,
    /// Where data is kept; `None` keeps nothing.
    pub data: Option<PathBuf>,
    /// The port; `None` takes a free one.
    pub port: Option<u16>,
    /// Schedules fire as time passes; otherwise only when the driver moves the clock.
    pub real_time: bool,
    /// The functions' logs and the build's output go to standard error.
    pub aloud: bool,
    /// The moment the stack's time begins at, where that is still to come; `None` begins now.
    pub starts_at: Option<Timestamp>,
}

/// What the parts of a stack need to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `127.0.0.1:4567`.
    pub address: String,
    /// `http://localhost:4567`.
    pub url: String,
    /// The account's number.
    pub account: String,
    /// The region's name.
    pub region: String,
    /// The domain of customers' sites.
    pub sites_domain: String,
    /// Schedules fire as time passes.
    pub real_time: bool,
    /// The folder of the data.
    pub data: PathBuf,
}

/// A stack's parts, shared by all that happens in it.
pub struct Core {
    /// What all parts know.
    pub settings: Settings,
    /// What the templates ask for.
    pub model: Model,
    /// The time.
    pub clock: Clock,
    /// What is going on.
    pub activity: Activity,
    /// AWS.
    pub cloud: Cloud,
    /// The machines of the fake EC2.
    pub instances: Instances,
    /// The fake Stripe.
    pub stripe: Stripe,
    /// The functions.
    pub lambda: Lambda,
    /// Where HTTP requests go.
    pub routes: Routes,
    /// What starts by time.
    pub schedules: Schedules,
    /// What tests do to deliveries.
    pub disorder: Disorder,
    /// Stream mappings that wait to try again.
    pub pauses: Pauses,
    /// The secrets that were made for this stack.
    pub secrets: Secrets,
}

/// As many files as a few stacks at once may have open: many shells allow 1,024.
const OPEN_FILES: u64 = 16_384;

/// A stack that runs until this is dropped.
pub struct Running {
    /// Its parts.
    pub core: Arc<Core>,
    tasks: JoinSet<()>,
    pollers: JoinSet<()>,
    /// Removed with the stack, when it keeps nothing.
    _folder: Option<TempDir>,
}

impl Core {
    /// Runs a function (by `verb_noun`) once with an event, past everything that would start it.
    ///
    /// # Errors
    /// When there is no such function, or the event is no JSON; the function's own failure is inside.
    pub async fn run_once(&self, function: &str, event: &[u8]) -> Result<Result<Bytes, FunctionError>> {
        let found = self.model.function(function);
        let found = found.ok_or_else(|| Error::new(format!("there is no function `{function}`")))?;
        let mut event: Value = serde_json::from_slice(event).context("the event is no JSON")?;
        // A sample of an HTTP event knows no secret; without it the function would refuse a direct call.
        if event["requestContext"]["http"].is_object() && event["headers"].is_object() {
            event["headers"]["x-origin-secret"] = self.origin_secret().into();
        }
        let payload = Bytes::from(event.to_string());
        match self.lambda.invoke_when_free(&found.name, payload).await {
            Ok(invocation) => Ok(invocation.result),
            Err(refused) => Err(Error::new(format!("{function}: {refused:?}"))),
        }
    }

    /// What CloudFront would send along, so that functions know it.
    #[must_use]
    pub fn origin_secret(&self) -> &str {
        let secret = self.secrets.get(&keys::platform_secret());
        secret.and_then(|secret| secret["origin_secret"].as_str()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.abort_all();
        self.pollers.abort_all();
        self.core.lambda.stop();
    }
}

impl Running {
    /// Starts a stack.
    ///
    /// # Errors
    /// In words for the person who started it.
    pub async fn start(options: Options) -> Result<Self> {
        let binaries = binaries::ready(&options.workspace, options.aloud).await?;
        Self::start_with(options, &binaries).await
    }

    /// Starts a stack on binaries that are there.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub async fn start_with(options: Options, binaries: &Path) -> Result<Self> {
        // Each function is a process with pipes and connections. Where no more is allowed, what there is may do.
        let _allowed = rlimit::increase_nofile_limit(OPEN_FILES);
        let listeners = listen(options.port).await?;
        let port =
            listeners.first().map(TcpListener::local_addr).transpose()?.map_or(0, |address| address.port());
        let (data, folder) = data_folder(options.data.as_deref())?;
        let settings = Settings {
            address: format!("127.0.0.1:{port}"),
            url: format!("http://localhost:{port}"),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            sites_domain: SITES_DOMAIN.to_owned(),
            real_time: options.real_time,
            data: data.clone(),
        };
        let aws_url = format!("http://{}", settings.address);
        let secrets = keys::kept(&data)?;
        let model = model(&options.workspace, &settings, &secrets)?;
        binaries::check(&model, binaries)?;

        let clock_file = data.join("clock");
        let clock = Clock::new(Some(clock_file.clone()));
        // Functions read the file from their first invocation on.
        clock.advance(Duration::ZERO).context("writing the clock's file")?;
        if let Some(moment) = options.starts_at {
            clock.advance_to(moment).context("writing the clock's file")?;
        }
        let cloud = Cloud::open(CloudConfig {
            data: data.clone(),
            clock: clock.clone(),
            region: settings.region.clone(),
            account: settings.account.clone(),
            base_url: aws_url.clone(),
        })
        .await
        .context("opening the embedded AWS services")?;
        deploy::deploy(&model, &cloud, &secrets).await?;

        let activity = Activity::default();
        // Not the cloud itself, which holds the functions to kill them: neither would ever end.
        let principals = Arc::clone(cloud.principals());
        let lambda = Lambda::new(
            LambdaSettings {
                address: settings.address.clone(),
                binaries: binaries.to_owned(),
                clock_file,
                region: settings.region.clone(),
                account: settings.account.clone(),
                echo: options.aloud,
            },
            &model.functions,
            activity.clone(),
            Box::new(move |function, key, alive| {
                if alive {
                    let principal = Principal {
                        function: function.verb.clone(),
                        pid: Arc::default(),
                        statements: function.statements.clone(),
                    };
                    principals.set(key, principal);
                } else {
                    principals.remove(key);
                }
            }),
        );
        let killing = lambda.clone();
        cloud.faults().set_killer(Arc::new(move |key| killing.kill(key)));
        let instances = Instances::open(cloud.clone(), clock.clone(), &data.join("instances"), aws_url)?;
        let stripe = Stripe::open(StripeConfig {
            data,
            clock: clock.clone(),
            stack_url: settings.url.clone(),
            address: format!("http://{}", settings.address),
            secret: secrets.get(&keys::billing_secret()).cloned().unwrap_or_default(),
            activity: activity.clone(),
            cloud: cloud.clone(),
        })?;
        let schedules = Schedules::new(&model, clock.now(), &settings.region, &settings.account)?;
        let core = Arc::new(Core {
            routes: Routes::new(&model),
            settings,
            model,
            clock,
            activity,
            cloud,
            instances,
            stripe,
            lambda,
            schedules,
            disorder: Disorder::default(),
            pauses: Pauses::default(),
            secrets,
        });
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(gateway::serve(listener, Arc::clone(&core)));
        }
        if options.real_time {
            tasks.spawn(crate::driver::keep_time(Arc::clone(&core)));
        }
        let pollers = sources::start(&core);
        Ok(Self { core, tasks, pollers, _folder: folder })
    }
}

/// Reads the templates as the local stack deploys them.
///
/// # Errors
/// With file and line.
pub fn model(workspace: &Path, settings: &Settings, secrets: &Secrets) -> Result<Model> {
    let accounts =
        secrets.get(&keys::accounts_secret()).ok_or_else(|| Error::new("the accounts secret is missing"))?;
    let url = &settings.url;
    let parameters: BTreeMap<String, String> = [
        ("Stage", STAGE.to_owned()),
        ("ApiUrl", url.clone()),
        ("Issuer", url.clone()),
        ("AppUrl", format!("{url}/_local/app")),
        ("AllowedOrigins", format!("{url},http://localhost:3000,http://localhost:5173")),
        ("TokenKeys", keys::jwks(accounts)?.to_string()),
        ("SitesDomain", settings.sites_domain.clone()),
        ("StripeUrl", format!("{url}{}", stripe::PATH)),
        ("ResolverUrl", "http://192.0.2.53/resolve".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let around = Surroundings {
        region: settings.region.clone(),
        account: settings.account.clone(),
        aws_url: format!("http://{}", settings.address),
        api_url: url.clone(),
        secrets: secrets.clone(),
    };
    template::read(&workspace.join("template.yaml"), &format!("tenantry-{STAGE}"), around, &parameters)
}

/// Listens on both loopback addresses, as `localhost` may mean either; on one when the port does not matter.
async fn listen(port: Option<u16>) -> Result<Vec<TcpListener>> {
    let Some(port) = port else {
        return Ok(vec![TcpListener::bind("127.0.0.1:0").await.context("finding a free port")?]);
    };
    let first = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            let other = port.saturating_add(1);
            return Error::new(format!(
                "port {port} is in use, perhaps by another stack: stop it, or take another port with `cargo run -- --port {other}`"
            ));
        }
        Error::new(format!("cannot listen on port {port}: {error}"))
    })?;
    // A machine without IPv6 is fine.
    let second = TcpListener::bind(("::1", port)).await.ok();
    Ok(std::iter::once(first).chain(second).collect())
}

fn data_folder(kept: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    match kept {
        Some(path) => {
            std::fs::create_dir_all(path).context(format!("making the data folder {}", path.display()))?;
            Ok((path.to_owned(), None))
        }
        None => {
            let folder = tempfile::Builder::new()
                .prefix("tenantry-")
                .tempdir()
                .context("making a temporary folder")?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}

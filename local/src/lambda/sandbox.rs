//! One process of a function: started with its environment, given one invocation at a time, killed when asked.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Hosted, Settings, lock};
use crate::template::model::Function;

/// A function's own failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// `Runtime.ExitError`, `Sandbox.Timedout`, or the function's own word.
    pub kind: String,
    /// In words.
    pub message: String,
}

/// Where a process is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It has not yet asked for work.
    Starting,
    /// It asks for work.
    Ready,
    /// It told why it cannot start.
    Failed(String),
    /// It is gone.
    Ended(String),
}

impl State {
    pub(super) fn told(&self) -> String {
        match self {
            Self::Starting => "the process has not asked for work".to_owned(),
            Self::Ready => "the process went away".to_owned(),
            Self::Failed(why) => format!("the function could not start: {why}"),
            Self::Ended(how) => format!("Runtime exited with error: {how}"),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Ended(_))
    }
}

/// One invocation on its way to a process.
pub(super) struct Job {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) deadline_millis: i64,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What a process answered.
pub(super) enum Answer {
    Reply(Bytes),
    Error(FunctionError),
}

/// One process.
pub(super) struct Sandbox {
    pub(super) id: String,
    pub(super) access_key: String,
    pub(super) arn: String,
    pub(super) modified: Option<SystemTime>,
    state: watch::Sender<State>,
    /// Shared between who waits for its end and who kills it.
    child: Mutex<Option<Child>>,
    give: mpsc::UnboundedSender<Job>,
    take: tokio::sync::Mutex<mpsc::UnboundedReceiver<Job>>,
    current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
}

impl Sandbox {
    /// A process yet to be started: it must be known by its id and key before it runs, as it asks for work at once.
    pub(super) fn new(settings: &Settings, function: &Function, number: u64, binary: &Path) -> Arc<Self> {
        let word = crate::random::word();
        let (give, take) = mpsc::unbounded_channel();
        Arc::new(Self {
            id: format!("{}-{number}-{}", function.verb, &word[..6]),
            access_key: format!("AKIA{}", word.to_ascii_uppercase()),
            arn: format!(
                "arn:aws:lambda:{}:{}:function:{}",
                settings.region, settings.account, function.name
            ),
            modified: modified(binary),
            state: watch::Sender::new(State::Starting),
            child: Mutex::new(None),
            give,
            take: tokio::sync::Mutex::new(take),
            current: Mutex::new(None),
        })
    }

    /// Starts it.
    pub(super) fn start(
        self: &Arc<Self>,
        settings: &Settings,
        hosted: &Arc<Hosted>,
        binary: &Path,
    ) -> Result<(), String> {
        let mut child = self
            .command(settings, hosted, binary)
            .spawn()
            .map_err(|error| format!("the binary {} cannot be started: {error}", binary.display()))?;
        let output = [
            child.stdout.take().map(|pipe| tokio::spawn(copy(pipe, Arc::clone(hosted), settings.echo))),
            child.stderr.take().map(|pipe| tokio::spawn(copy(pipe, Arc::clone(hosted), settings.echo))),
        ];
        *lock(&self.child) = Some(child);
        tokio::spawn(watch_over(Arc::clone(self), output));
        Ok(())
    }

    fn command(&self, settings: &Settings, hosted: &Hosted, binary: &Path) -> Command {
        let function = &hosted.function;
        let local = format!("http://{}", settings.address);
        let mut command = Command::new(binary);
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // The template's own variables come first: it cannot redirect what the host decides.
        command.envs(&function.environment);
        command.envs([
            // The Rust runtime takes a whole URL here, so that each process can have its own path.
            ("AWS_LAMBDA_RUNTIME_API", format!("{local}/_runtime/{}", self.id)),
            ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
            // A partner is told the stream, and who kills by access key must know it again.
            ("AWS_LAMBDA_LOG_STREAM_NAME", self.access_key.clone()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
            ("AWS_REGION", settings.region.clone()),
            ("AWS_DEFAULT_REGION", settings.region.clone()),
            ("AWS_ACCESS_KEY_ID", self.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", format!("secret-of-{}", self.access_key)),
            ("AWS_ENDPOINT_URL", local.clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("CLOCK_FILE", settings.clock_file.display().to_string()),
            ("INTERNET_PROXY", local),
            ("TZ", ":UTC".to_owned()),
            ("RUST_BACKTRACE", "1".to_owned()),
        ]);
        command
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits for the first request for work, or for the end.
    pub(super) async fn ready(&self) -> State {
        self.reach(|state| *state != State::Starting).await
    }

    /// Waits for the end.
    pub(super) async fn ended(&self) -> State {
        self.reach(State::is_over).await
    }

    async fn reach(&self, wanted: impl FnMut(&State) -> bool) -> State {
        let mut states = self.state.subscribe();
        // The sender is in `self`, so waiting cannot fail.
        states.wait_for(wanted).await.map_or(State::Starting, |state| state.clone())
    }

    /// Sends SIGKILL; when this returns the process runs no further instruction.
    pub(super) fn kill(&self) {
        if let Some(child) = lock(&self.child).as_mut() {
            // It may be gone already, which is as good.
            let _ = child.start_kill();
        }
    }

    /// Waits for the process to end, without keeping it from being killed meanwhile.
    async fn exit(&self) -> std::io::Result<ExitStatus> {
        poll_fn(|context| match lock(&self.child).as_mut() {
            Some(child) => pin!(child.wait()).poll(context),
            None => Poll::Ready(Err(std::io::Error::other("the process was not started"))),
        })
        .await
    }

    pub(super) fn give(&self, job: Job) {
        // The receiver is in `self`, so giving cannot fail.
        let _ = self.give.send(job);
    }

    /// The process asks for work: the next invocation, whose answer is from now on expected.
    pub(super) async fn next(&self) -> Option<(String, Bytes, i64)> {
        self.state.send_if_modified(|state| {
            let first = *state == State::Starting;
            if first {
                *state = State::Ready;
            }
            first
        });
        let job = self.take.lock().await.recv().await?;
        *lock(&self.current) = Some((job.request_id.clone(), job.answer));
        Some((job.request_id, job.payload, job.deadline_millis))
    }

    /// The process answers; false when nobody waits for that invocation.
    pub(super) fn answer(&self, request_id: &str, answer: Answer) -> bool {
        let mut current = lock(&self.current);
        match current.take() {
            Some((id, waiting)) if id == request_id => waiting.send(answer).is_ok(),
            other => {
                *current = other;
                false
            }
        }
    }

    /// The process says that it cannot start.
    pub(super) fn failed(&self, why: String) {
        self.state.send_replace(State::Failed(why));
    }
}

async fn watch_over(sandbox: Arc<Sandbox>, output: [Option<tokio::task::JoinHandle<()>>; 2]) {
    let status = sandbox.exit().await;
    for copying in output.into_iter().flatten() {
        // Its last words belong before its end; a pipe that a grandchild holds must not keep us.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), copying).await;
    }
    let told = status.map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string());
    sandbox.state.send_if_modified(|state| {
        let fresh = !matches!(state, State::Failed(_));
        if fresh {
            *state = State::Ended(told);
        }
        fresh
    });
}

async fn copy(pipe: impl AsyncRead + Unpin, hosted: Arc<Hosted>, aloud: bool) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if aloud {
            echo(&hosted.function.verb, &line);
        }
        lock(&hosted.record).line(line);
    }
}

/// Writes a function's log line to standard error.
pub(super) fn echo(verb: &str, line: &str) {
    use std::io::Write;
    // Nobody may be reading any more, which is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{verb}  {line}");
}

/// When a binary was last built.
pub(super) fn modified(binary: &Path) -> Option<SystemTime> {
    std::fs::metadata(binary).ok()?.modified().ok()
}

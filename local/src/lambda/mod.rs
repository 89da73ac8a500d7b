//! The Lambda host: one process per concurrent execution of a function, started on first use and used again.

pub mod record;
mod runtime_api;
mod sandbox;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::activity::Activity;
use crate::clock::{self, Stopwatch};
use crate::template::model::Function;
use record::Record;
use sandbox::{Answer, Job, Sandbox, State};

pub use sandbox::FunctionError;

/// Executions at once of a function that reserves none; more wait, as two cores gain nothing by more processes.
const AT_ONCE: usize = 16;
/// Idle processes kept in all; past that the one idle the longest ends.
const IDLE_AT_MOST: usize = 64;
/// How long an idle process is kept.
const IDLE_FOR: Duration = Duration::from_secs(600);
/// How long a process may take to its first request for work. AWS gives 10 s; a laptop that compiles meanwhile is slower.
const INIT_LIMIT: Duration = Duration::from_secs(30);

/// What every function's process is told.
pub struct Settings {
    /// Where this stack listens: `127.0.0.1:4567`.
    pub address: String,
    /// The folder of the binaries.
    pub binaries: PathBuf,
    /// The file of the clock's offset.
    pub clock_file: PathBuf,
    /// The region's name.
    pub region: String,
    /// The account's number.
    pub account: String,
    /// Function logs also go to this process's standard error.
    pub echo: bool,
}

/// Makes an access key known as a function's, or forgets it.
pub type Enlist = Box<dyn Fn(&Function, &str, bool) + Send + Sync>;

/// All functions and their processes; clones share them.
#[derive(Clone)]
pub struct Lambda {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    functions: BTreeMap<String, Arc<Hosted>>,
    sandboxes: Mutex<HashMap<String, Arc<Sandbox>>>,
    activity: Activity,
    enlist: Enlist,
}

/// A function with its processes and its record.
pub struct Hosted {
    /// As the template states it.
    pub function: Function,
    /// What it did so far.
    pub record: Mutex<Record>,
    idle: Mutex<Vec<(Arc<Sandbox>, Stopwatch)>>,
    slots: Arc<Semaphore>,
}

/// What came of an invocation.
#[derive(Debug)]
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// The reply, or the function's error.
    pub result: Result<Bytes, FunctionError>,
    /// A process was started for it.
    pub cold: bool,
    /// How long it took, starting the process included.
    pub took: Duration,
}

/// Why a function was not even started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No such function.
    Unknown,
    /// Its reserved concurrency is used up.
    Throttled,
}

impl Lambda {
    /// A host for these functions.
    #[must_use]
    pub fn new(settings: Settings, functions: &[Function], activity: Activity, enlist: Enlist) -> Self {
        let hosted = functions.iter().map(|function| {
            let slots = function.reserved_concurrency.unwrap_or(AT_ONCE);
            let hosted = Hosted {
                function: function.clone(),
                record: Mutex::default(),
                idle: Mutex::default(),
                slots: Arc::new(Semaphore::new(slots)),
            };
            (function.name.clone(), Arc::new(hosted))
        });
        let inner =
            Inner { settings, functions: hosted.collect(), sandboxes: Mutex::default(), activity, enlist };
        Self { inner: Arc::new(inner) }
    }

    /// The functions by full name.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Hosted>> {
        self.inner.functions.values()
    }

    /// The function of that full name.
    #[must_use]
    pub fn hosted(&self, name: &str) -> Option<&Arc<Hosted>> {
        self.inner.functions.get(name)
    }

    /// How many executions a poller may start at once.
    #[must_use]
    pub fn at_once(function: &Function) -> usize {
        function.reserved_concurrency.unwrap_or(AT_ONCE).max(1)
    }

    /// Runs a function once and waits for its answer.
    ///
    /// # Errors
    /// When it is not even started; its own failure is in [`Invocation::result`].
    pub async fn invoke(&self, name: &str, payload: Bytes) -> Result<Invocation, Refused> {
        let hosted = self.inner.functions.get(name).ok_or(Refused::Unknown)?;
        let permit = if hosted.function.reserved_concurrency.is_some() {
            Arc::clone(&hosted.slots).try_acquire_owned().map_err(|_| {
                lock(&hosted.record).throttled += 1;
                Refused::Throttled
            })?
        } else {
            free_slot(hosted).await?
        };
        Ok(self.execute(hosted, payload, permit).await)
    }

    /// As [`Lambda::invoke`], but waits while the reserved concurrency is used up, as a poller does.
    ///
    /// # Errors
    /// When there is no such function.
    pub async fn invoke_when_free(&self, name: &str, payload: Bytes) -> Result<Invocation, Refused> {
        let hosted = self.inner.functions.get(name).ok_or(Refused::Unknown)?;
        let permit = free_slot(hosted).await?;
        Ok(self.execute(hosted, payload, permit).await)
    }

    async fn execute(
        &self,
        hosted: &Arc<Hosted>,
        payload: Bytes,
        permit: OwnedSemaphorePermit,
    ) -> Invocation {
        let _busy = self.inner.activity.begin();
        let started = Stopwatch::start();
        let request_id = request_id();
        let (sandbox, cold) = match self.idle(hosted) {
            Some(sandbox) => (sandbox, false),
            None => match self.start(hosted) {
                Ok(sandbox) => (sandbox, true),
                Err(message) => {
                    let failure = FunctionError { kind: "Runtime.InvalidEntrypoint".into(), message };
                    return self.finish(hosted, request_id, Err(failure), true, started);
                }
            },
        };
        let result = self.run(hosted, &sandbox, &request_id, payload, cold).await;
        if sandbox.state() == State::Ready {
            self.rest(hosted, sandbox);
        } else {
            self.forget(hosted, &sandbox);
        }
        drop(permit);
        self.finish(hosted, request_id, result, cold, started)
    }

    async fn run(
        &self,
        hosted: &Hosted,
        sandbox: &Arc<Sandbox>,
        request_id: &str,
        payload: Bytes,
        cold: bool,
    ) -> Result<Bytes, FunctionError> {
        let timeout = hosted.function.timeout;
        let exit = |state: State| FunctionError {
            kind: "Runtime.ExitError".into(),
            message: format!("RequestId: {request_id} Error: {}", state.told()),
        };
        if cold {
            let born = Stopwatch::start();
            match tokio::time::timeout(INIT_LIMIT, sandbox.ready()).await {
                Ok(State::Ready) => lock(&hosted.record).started(born.elapsed()),
                Ok(state) => return Err(exit(state)),
                Err(_) => {
                    sandbox.kill();
                    let message = format!("the process asked for no work within {} s", INIT_LIMIT.as_secs());
                    return Err(FunctionError { kind: "Runtime.InitTimeout".into(), message });
                }
            }
        }
        let (answer, answered) = oneshot::channel();
        let deadline = clock::real_millis() + i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        sandbox.give(Job { request_id: request_id.to_owned(), payload, deadline_millis: deadline, answer });
        tokio::select! {
            biased;
            answer = answered => match answer {
                Ok(Answer::Reply(body)) => Ok(body),
                Ok(Answer::Error(error)) => Err(error),
                Err(_) => Err(exit(sandbox.ended().await)),
            },
            state = sandbox.ended() => Err(exit(state)),
            () = tokio::time::sleep(timeout) => {
                sandbox.kill();
                let message = format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64());
                Err(FunctionError { kind: "Sandbox.Timedout".into(), message })
            }
        }
    }

    /// A process that waits for work, if its binary is still the one it was started from.
    fn idle(&self, hosted: &Hosted) -> Option<Arc<Sandbox>> {
        loop {
            let (sandbox, _) = lock(&hosted.idle).pop()?;
            let path = self.binary(&hosted.function);
            if sandbox.state() == State::Ready && sandbox::modified(&path) == sandbox.modified {
                return Some(sandbox);
            }
            self.forget(hosted, &sandbox);
        }
    }

    fn start(&self, hosted: &Arc<Hosted>) -> Result<Arc<Sandbox>, String> {
        let number = lock(&hosted.record).next_number();
        let (settings, binary) = (&self.inner.settings, self.binary(&hosted.function));
        let sandbox = Sandbox::new(settings, &hosted.function, number, &binary);
        (self.inner.enlist)(&hosted.function, &sandbox.access_key, true);
        lock(&self.inner.sandboxes).insert(sandbox.id.clone(), Arc::clone(&sandbox));
        if let Err(why) = sandbox.start(settings, hosted, &binary) {
            self.forget(hosted, &sandbox);
            return Err(why);
        }
        Ok(sandbox)
    }

    fn rest(&self, hosted: &Hosted, sandbox: Arc<Sandbox>) {
        lock(&hosted.idle).push((sandbox, Stopwatch::start()));
        if lock(&self.inner.sandboxes).len() > IDLE_AT_MOST {
            let oldest = |hosted: &&Arc<Hosted>| lock(&hosted.idle).first().map(|(_, since)| *since);
            let longest = self.functions().filter(|one| oldest(one).is_some()).min_by_key(oldest);
            if let Some(hosted) = longest {
                let first = {
                    let mut idle = lock(&hosted.idle);
                    (!idle.is_empty()).then(|| idle.remove(0))
                };
                if let Some((sandbox, _)) = first {
                    self.forget(hosted, &sandbox);
                }
            }
        }
    }

    /// Ends the processes that nobody needed for a long while.
    pub fn reap(&self) {
        for hosted in self.functions() {
            let old: Vec<_> = {
                let mut idle = lock(&hosted.idle);
                let (old, kept) = idle.drain(..).partition(|(_, since)| since.elapsed() > IDLE_FOR);
                *idle = kept;
                old
            };
            for (sandbox, _) in old {
                self.forget(hosted, &sandbox);
            }
        }
    }

    fn forget(&self, hosted: &Hosted, sandbox: &Arc<Sandbox>) {
        sandbox.kill();
        (self.inner.enlist)(&hosted.function, &sandbox.access_key, false);
        lock(&self.inner.sandboxes).remove(&sandbox.id);
    }

    fn finish(
        &self,
        hosted: &Hosted,
        request_id: String,
        result: Result<Bytes, FunctionError>,
        cold: bool,
        started: Stopwatch,
    ) -> Invocation {
        let took = started.elapsed();
        lock(&hosted.record).finished(cold, took, result.as_ref().err());
        if let Err(error) = &result {
            self.say(&hosted.function.verb, &format!("{}: {}", error.kind, error.message));
        }
        Invocation { request_id, result, cold, took }
    }

    fn say(&self, verb: &str, line: &str) {
        if self.inner.settings.echo {
            sandbox::echo(verb, line);
        }
    }

    /// The path of a function's binary.
    #[must_use]
    pub fn binary(&self, function: &Function) -> PathBuf {
        self.inner.settings.binaries.join(format!("{}{}", function.verb, std::env::consts::EXE_SUFFIX))
    }

    /// Kills the process that has this access key, as a lost machine would.
    pub fn kill(&self, access_key: &str) {
        let found =
            lock(&self.inner.sandboxes).values().find(|sandbox| sandbox.access_key == access_key).cloned();
        if let Some(sandbox) = found {
            sandbox.kill();
        }
    }

    /// Ends every process.
    pub fn stop(&self) {
        for sandbox in lock(&self.inner.sandboxes).values() {
            sandbox.kill();
        }
    }

    fn sandbox(&self, id: &str) -> Option<Arc<Sandbox>> {
        lock(&self.inner.sandboxes).get(id).cloned()
    }
}

impl Hosted {
    /// Processes alive and idle, for the page.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        lock(&self.idle).len()
    }
}

async fn free_slot(hosted: &Hosted) -> Result<OwnedSemaphorePermit, Refused> {
    Arc::clone(&hosted.slots).acquire_owned().await.map_err(|_| Refused::Throttled)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lambda's ids look like UUIDs.
fn request_id() -> String {
    let hex = hex::encode(crate::random::bytes::<16>());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

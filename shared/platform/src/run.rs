//! What all ways in share: the runtime's loop, the panic boundary, `--describe`.

use std::cell::RefCell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::{ExitCode, Termination};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::{App, Error, Result, config};

/// How a function's process ends.
#[derive(Debug)]
pub struct Exit(ExitCode);

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.0
    }
}

/// Runs the function until Lambda stops it; or, started with `--describe` in a debug build, tells what it is.
pub(crate) fn run<P, R, F>(describe: impl FnOnce() -> Value, work: impl Fn(App, P) -> F) -> Exit
where
    P: DeserializeOwned,
    R: Serialize,
    F: Future<Output = Result<R>>,
{
    if cfg!(debug_assertions) && std::env::args().any(|argument| argument == "--describe") {
        return say(&describe().to_string());
    }
    if config::optional("AWS_LAMBDA_RUNTIME_API").is_none() {
        return complain(
            "This is a Lambda function: it runs inside Lambda, or in the local stack (`cargo run`).",
        );
    }
    spin(&|app, event| {
        let done = serde_json::from_str(event.get()).map(|payload| work(app, payload));
        Box::pin(async move { to_raw_value(&done.map_err(Error::caused)?.await?).map_err(Error::caused) })
    })
}

/// A handler without its types: so that Lambda's loop is compiled once, and not again in every function.
type Work<'a> = &'a dyn for<'e> Fn(App, &'e RawValue) -> LocalBoxFuture<'a, Result<Box<RawValue>>>;

/// Lambda's loop: takes events and gives back answers until the process is stopped.
fn spin(work: Work<'_>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("The runtime does not start: {error}")),
    };
    std::panic::set_hook(Box::new(|panic| PANIC.set(Some(panic.to_string()))));
    let app = App::start();
    let turns = Runtime::new(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let done = work(app.invoked(&event.context), &event.payload);
        // In a box, as the runtime wraps this type so often that the compiler would not follow a larger one.
        Box::pin(async move { done.await.map_err(|error| lambda_runtime::Error::from(error.code())) })
    }));
    match std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(turns.run()))) {
        Ok(Ok(())) => Exit(ExitCode::SUCCESS),
        Ok(Err(error)) => complain(&format!("The runtime's loop ended: {error}")),
        Err(_) => complain(&format!("The runtime's loop panicked: {}", panic_message())),
    }
}

thread_local! {
    /// What the last panic said; the hook keeps it for the log line instead of printing it.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does the work; a panic in it is an internal error of this one item, not the end of the process.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    // Nothing of a panicked item is used again: its app and call are its own.
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done,
        Err(_) => Err(Error::internal(panic_message())),
    }
}

fn panic_message() -> String {
    PANIC.take().unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The name of the binary: the function's, wherever it lies.
pub(crate) fn binary_name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[allow(clippy::print_stdout)]
fn say(text: &str) -> Exit {
    println!("{text}");
    Exit(ExitCode::SUCCESS)
}

#[allow(clippy::print_stderr)]
fn complain(text: &str) -> Exit {
    eprintln!("{text}");
    Exit(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_panic_is_one_items_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended: Result<()> = runtime.block_on(guarded(async { panic!("boom") }));
        assert_eq!(ended.unwrap_err().code(), "internal");
        assert_eq!(runtime.block_on(guarded(async { Ok(1) })).unwrap(), 1);
    }
}

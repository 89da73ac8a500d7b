//! `cargo run`: the whole cloud on one machine.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use local::clock::Stopwatch;
use local::stack::{Options, Running};
use local::{Context, Error, Result, binaries, keys, openapi, tour};

const HELP: &str = "\
Tenantry on one machine.

  cargo run                              start, and keep data in .tenantry/
  cargo run -- tour                      play the main job from outside, on a running stack or one of its own
  cargo run -- tour billing              play the life of a customer: trial, plan, unpaid invoice, end
  cargo run -- invoke <function> [file]  run one function once, with the event in the file
  cargo run -- openapi                   write openapi.json
  cargo run -- keys                      print a new signing secret and its public keys, for a deployment

  --port <number>   listen there (4567)
  --fresh           forget the kept data first
  --memory          keep nothing
  --help            this
";

const PORT: u16 = 4567;

enum Command {
    Run,
    Tour(tour::Route),
    Invoke { function: String, event: Option<PathBuf> },
    Openapi,
    Keys,
    Help,
}

struct Arguments {
    command: Command,
    port: u16,
    fresh: bool,
    memory: bool,
}

fn main() -> ExitCode {
    let done = arguments().and_then(|arguments| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(obey(arguments))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments> {
    let mut parser = lexopt::Parser::from_env();
    let mut arguments = Arguments { command: Command::Run, port: PORT, fresh: false, memory: false };
    let mut words: Vec<String> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => arguments.port = parser.value()?.parse()?,
            Long("fresh") => arguments.fresh = true,
            Long("memory") => arguments.memory = true,
            Short('h') | Long("help") => arguments.command = Command::Help,
            Value(word) => words.push(word.string()?),
            other => return Err(Error::new(format!("{}; see `cargo run -- --help`", other.unexpected()))),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {}
        ["run"] => arguments.command = Command::Run,
        ["tour"] => arguments.command = Command::Tour(tour::Route::Hosting),
        ["tour", "billing"] => arguments.command = Command::Tour(tour::Route::Billing),
        ["invoke", function] => {
            arguments.command = Command::Invoke { function: (*function).to_owned(), event: None }
        }
        ["invoke", function, file] => {
            arguments.command =
                Command::Invoke { function: (*function).to_owned(), event: Some(PathBuf::from(file)) };
        }
        ["openapi"] => arguments.command = Command::Openapi,
        ["keys"] => arguments.command = Command::Keys,
        other => {
            return Err(Error::new(format!(
                "`{}` is no command; see `cargo run -- --help`",
                other.join(" ")
            )));
        }
    }
    Ok(arguments)
}

async fn obey(arguments: Arguments) -> Result<()> {
    match &arguments.command {
        Command::Help => say(HELP),
        Command::Run => run(&arguments).await?,
        Command::Tour(route) => tour::play(*route, arguments.port, options(&arguments, false)?).await?,
        Command::Invoke { function, event } => invoke(&arguments, function, event.as_ref()).await?,
        Command::Openapi => {
            let text = openapi::text(&openapi::document().await?)?;
            let file = binaries::workspace().join("openapi.json");
            std::fs::write(&file, text).context(format!("writing {}", file.display()))?;
            say("openapi.json is written.\n");
        }
        Command::Keys => {
            let key = keys::signing_key()?;
            say(&format!(
                "The secret tenantry/<stage>/accounts (keep it secret):\n{}\n\nThe parameter TokenKeys:\n{}\n",
                serde_json::to_string_pretty(&key.secret)?,
                key.jwks
            ));
        }
    }
    Ok(())
}

fn options(arguments: &Arguments, aloud: bool) -> Result<Options> {
    let workspace = binaries::workspace();
    let data = (!arguments.memory).then(|| workspace.join(".tenantry"));
    if let Some(folder) = data.as_ref().filter(|folder| arguments.fresh && folder.exists()) {
        std::fs::remove_dir_all(folder).context(format!("forgetting {}", folder.display()))?;
    }
    Ok(Options {
        workspace,
        data,
        port: Some(arguments.port),
        real_time: true,
        aloud,
        starts_at: binaries::starts_at()?,
    })
}

async fn run(arguments: &Arguments) -> Result<()> {
    let options = options(arguments, true)?;
    let workspace = options.workspace.clone();
    let folder = binaries::ready(&workspace, true).await?;
    let started = Stopwatch::start();
    let kept = options.data.clone();
    let running = Running::start_with(options, &folder).await?;
    let settings = &running.core.settings;
    let (url, functions) = (&settings.url, running.core.model.functions.len());
    let data = kept.map_or_else(|| "nowhere (--memory)".to_owned(), |folder| folder.display().to_string());
    say(&format!(
        "
Tenantry is up: {functions} functions, {} ms.

  API       {url}/v1/health
  Page      {url}/_local     mail, queues, functions, clock
  Sites     http://<label>.{}:{}/
  Data      {data}

Next:
  cargo run -- tour                          the main job, step by step
  cargo run -- tour billing                  the life of a customer, in seconds
  curl {url}/v1/health
  curl {url}/v1/auth/signup -H 'content-type: application/json' \\
    -d '{{\"email\":\"anna@example.com\",\"password\":\"Test123!\",\"first_name\":\"Anna\"}}'
  then open {url}/_local and follow the link in the mail

Stop with Ctrl-C; nothing acknowledged is lost.

",
        started.elapsed().as_millis(),
        settings.sites_domain,
        arguments.port,
    ));
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
    drop(running);
    // The functions' processes are told to end; this lets the last of their words through.
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

async fn invoke(arguments: &Arguments, function: &str, event: Option<&PathBuf>) -> Result<()> {
    let event = match event {
        Some(file) => std::fs::read_to_string(file).context(format!("reading {}", file.display()))?,
        None => "{}".to_owned(),
    };
    serde_json::from_str::<serde_json::Value>(&event).context("the event is no JSON")?;
    let web = local::harness::Web::new(format!("http://127.0.0.1:{}", arguments.port));
    let path = format!("/_local/invoke/{function}");
    let headers = http::HeaderMap::new();
    let running = match web.send(http::Method::POST, &path, &headers, event.clone().into()).await {
        Ok(answer) => {
            say(&format!("{}\n", answer.text()));
            return if answer.status == 200 { Ok(()) } else { Err(Error::new("the function failed")) };
        }
        // Nothing runs there: a stack of its own does.
        Err(_) => {
            Running::start(Options { port: None, real_time: false, ..options(arguments, true)? }).await?
        }
    };
    match running.core.run_once(function, event.as_bytes()).await? {
        Ok(reply) => {
            say(&format!("{}\n", String::from_utf8_lossy(&reply)));
            Ok(())
        }
        Err(error) => Err(Error::new(format!("{}: {}", error.kind, error.message))),
    }
}

fn say(text: &str) {
    // Nobody may be reading any more, which is no failure of the stack.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

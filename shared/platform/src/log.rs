//! One line of JSON per invocation (in a batch, per item): what was asked, how it ended, how long it took.
//!
//! A line names requests, functions, routes and organisations by their ids, never people; texts that clients sent do not
//! get into it. Causes are told for our own and partners' failures alone.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::event::Origin;
use crate::{App, Error, metrics};

/// What a line tells beyond what the app and the origin know.
pub(crate) struct Entry<'a> {
    /// `http`, `queue`, `schedule`, `stream`.
    pub(crate) trigger: &'static str,
    /// The route, or the message's type.
    pub(crate) route: &'a str,
    /// The HTTP status, where there is one.
    pub(crate) status: Option<u16>,
    /// What went wrong, if anything.
    pub(crate) error: Option<&'a Error>,
    /// `dead_lettered`, `retried`, `replayed` ..., where it is not plain from the rest.
    pub(crate) note: Option<&'static str>,
}

/// Writes the line.
pub(crate) fn write(app: &App, origin: &Origin, entry: &Entry<'_>) {
    let mut text = Value::Object(line(app, origin, entry)).to_string();
    text.push('\n');
    // Nobody is left to tell when the log itself cannot be written.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn line(app: &App, origin: &Origin, entry: &Entry<'_>) -> Map<String, Value> {
    let failed = entry.error.is_some_and(|error| error.status() >= 500);
    let level = match entry.error {
        Some(_) if failed => "error",
        Some(_) => "warn",
        None => "info",
    };
    let millis = (app.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
    let mut line = Map::new();
    let mut tell = |name: &str, value: Value| {
        if !value.is_null() && value != "" {
            line.insert(name.to_owned(), value);
        }
    };
    tell("level", level.into());
    tell("at", json!(origin.now));
    tell("stage", app.stage().into());
    tell("function", app.function().into());
    tell("trigger", entry.trigger.into());
    tell("route", entry.route.into());
    tell("request_id", origin.request_id.as_str().into());
    tell("trace_id", origin.trace_id.as_str().into());
    tell("invocation_id", app.lambda_request_id().into());
    tell("org", json!(origin.org));
    tell("status", json!(entry.status));
    tell("millis", millis.into());
    tell("cold", app.is_cold().into());
    tell("note", json!(entry.note));
    if let Some(error) = entry.error {
        tell("code", error.code().into());
        if failed {
            tell("causes", error.causes().into());
        }
    }
    metrics::embed(&mut line, origin.now.as_millis(), &app.take_metrics());
    line
}

#[cfg(test)]
mod tests {
    use domain::{OrgId, Timestamp};

    use super::*;

    #[test]
    fn a_line_tells_codes_and_keeps_texts() {
        let app = App::start();
        app.count("SitesActivated", 1);
        let origin = Origin {
            request_id: "r1".to_owned(),
            trace_id: String::new(),
            actor: "user:usr_1".to_owned(),
            now: Timestamp::from_secs(1),
            org: Some(OrgId::from_ulid(2)),
        };
        let refused = Error::refused("email_taken", "anna@example.com is taken");
        let entry = Entry {
            trigger: "http",
            route: "POST /v1/auth/signup",
            status: Some(409),
            error: Some(&refused),
            note: None,
        };
        let told = line(&app, &origin, &entry);
        assert_eq!(told["code"], "email_taken");
        assert_eq!(told["level"], "warn");
        assert_eq!(told["SitesActivated"], json!([1.0]));
        assert!(!told.contains_key("causes") && !Value::Object(told).to_string().contains("anna"));

        let broken = Error::internal("table is gone");
        let told = line(&app, &origin, &Entry { error: Some(&broken), status: Some(500), ..entry });
        assert_eq!(told["causes"], json!(["table is gone"]));
        assert_eq!(told["level"], "error");
    }
}

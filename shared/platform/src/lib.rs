//! What all functions stand on: the ways in, the table, who calls, events, partners.
//!
//! A function is a file whose `main` names its way in, and a handler whose signature says the rest:
//!
//! ```ignore
//! fn main() -> Exit {
//!     http::limit(&[Limit::per_user(30, MINUTE)]).serve(deploy_site)
//! }
//!
//! async fn deploy_site(app: App, call: Call<Admin, NewSite>) -> Result<Reply<Operation, 202>> {
//!     call.caller.require_verified_email()?;
//!     let hosting = Hosting::of(&app, call.caller.org());
//!     let (site, operation) = call.body.request(&call.caller.entitlements, &hosting.usage().await?, call.now)?;
//!     let reply = Reply::accepted(operation);
//!     hosting.create(&site, &reply, &call).await?;
//!     Ok(reply)
//! }
//! ```
//!
//! | way in | handler | what it takes over |
//! |---|---|---|
//! | [`http::serve`] | `(App, Call<Actor, Body, Query>) -> Result<Reply<T, STATUS>>` | actor, limits, parsing, repeats, problems |
//! | [`queue::serve`] | `(App, Message<T>) -> Result<()>` | batches, envelopes, tries, dead letters |
//! | [`schedule::serve`] | `(App, Tick) -> Result<()>` | the moment that was meant |
//! | [`stream::serve`] | `(App, Change) -> Result<()>` | images, order, failures |
//!
//! All of them bound panics to one request or message, write one log line for each and tell what they are with `--describe`.
//!
//! **Time** is `now` of the call, message, tick or change; nothing else reads a clock ([`clock`]). **Settings** come typed from
//! [`App::config`], secrets from [`App::secret`].
//!
//! **The store** ([`store`]) writes state and event in one item:
//!
//! ```ignore
//! table.transact([
//!     Write::create(keys::site(org, site.id), "site", &site).event(call.event(org, &requested)),
//!     Write::update(keys::usage(org)).add("sites", 1).when("sites < :limit", [(":limit", limit)]).or(site_limit),
//! ].into_iter().chain(call.once(&reply)?)).await?;
//! ```
//!
//! A failed condition is the error that its write names with `or`; a version that somebody else raised is
//! [`Error::Conflict`]. Work that one run at a time may do is kept apart by a [`lease`].
//!
//! **Errors** ([`Error`]) say what it means to the client and, in a worker, whether to try again. A rule's
//! [`domain::Refusal`] converts by `?`.

mod app;
pub mod auth;
mod aws;
pub mod clock;
pub mod config;
pub mod ec2;
pub mod error;
pub mod event;
pub mod hash;
pub mod http;
pub mod lease;
mod log;
mod metrics;
pub mod page;
pub mod partner;
pub mod queue;
pub mod random;
mod run;
pub mod schedule;
mod secret;
pub mod store;
pub mod stream;
pub mod stripe;

pub use app::App;
pub use error::{Error, Problem, Result};
pub use event::{EventEnvelope, Origin};
pub use metrics::Unit;
pub use run::Exit;

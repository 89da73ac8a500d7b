//! HTTP: one endpoint, from API Gateway's event to its reply.
//!
//! `serve` lets the actor in, counts limits, parses, looks up repeats, calls the handler, and turns whatever comes out into
//! a reply and one log line.

mod describe;
mod idempotency;
mod limit;
mod parse;
mod reply;
mod request;

use std::future::Future;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::idempotency::Idempotency;
use self::reply::{GatewayReply, Wire};
use self::request::GatewayEvent;
use crate::auth::Actor;
use crate::event::Origin;
use crate::run::{Exit, guarded, run};
use crate::{App, Error, Result, log, random};

pub use limit::{HOUR, Limit, MINUTE};
pub use reply::Reply;
pub use request::{Call, RequestParts};

/// The way in for HTTP requests.
pub fn serve<A, B, Q, T, H, F, const STATUS: u16>(handler: H) -> Exit
where
    A: Actor,
    B: DeserializeOwned + JsonSchema + 'static,
    Q: DeserializeOwned + JsonSchema,
    T: Serialize + JsonSchema,
    H: Fn(App, Call<A, B, Q>) -> F + Copy,
    F: Future<Output = Result<Reply<T, STATUS>>>,
{
    limit(&[]).serve(handler)
}

/// The way in with limits: `http::limit(&[Limit::per_ip(5, MINUTE)]).serve(log_in)`.
#[must_use]
pub fn limit(limits: &[Limit]) -> Limited<'_> {
    Limited { limits }
}

/// A way in with limits.
#[derive(Debug, Clone, Copy)]
pub struct Limited<'a> {
    limits: &'a [Limit],
}

impl Limited<'_> {
    /// The way in for HTTP requests that are not too many.
    pub fn serve<A, B, Q, T, H, F, const STATUS: u16>(self, handler: H) -> Exit
    where
        A: Actor,
        B: DeserializeOwned + JsonSchema + 'static,
        Q: DeserializeOwned + JsonSchema,
        T: Serialize + JsonSchema,
        H: Fn(App, Call<A, B, Q>) -> F + Copy,
        F: Future<Output = Result<Reply<T, STATUS>>>,
    {
        let describe = || describe::describe::<A, B, Q, T>(STATUS, self.limits);
        run(describe, |app, event: GatewayEvent| async move {
            Ok::<GatewayReply, Error>(answer(&app, self.limits, RequestParts::new(event), handler).await)
        })
    }
}

async fn answer<A, B, Q, T, H, F, const STATUS: u16>(
    app: &App,
    limits: &[Limit],
    request: RequestParts,
    handler: H,
) -> GatewayReply
where
    A: Actor,
    B: DeserializeOwned + 'static,
    Q: DeserializeOwned,
    T: Serialize,
    H: Fn(App, Call<A, B, Q>) -> F + Copy,
    F: Future<Output = Result<Reply<T, STATUS>>>,
{
    let request_id = request.request_id().map(str::to_owned);
    let mut origin = Origin {
        request_id: request_id.unwrap_or_else(|| random::plain(app.now())),
        trace_id: app.trace_id().to_owned(),
        actor: String::new(),
        now: app.now(),
        org: None,
    };
    let route = request.route().to_owned();
    let done = guarded(admitted(app, limits, request, &mut origin, handler)).await;
    let note = done.as_ref().ok().filter(|wire| wire.is_replay()).map(|_| "replayed");
    let wire = done.as_ref().map_or_else(|error| Wire::problem(error, &origin.request_id), Wire::clone);
    let error = done.as_ref().err();
    log::write(
        app,
        &origin,
        &log::Entry { trigger: "http", route: &route, status: Some(wire.status), error, note },
    );
    wire.into_gateway(&origin.request_id)
}

async fn admitted<A, B, Q, T, H, F, const STATUS: u16>(
    app: &App,
    limits: &[Limit],
    request: RequestParts,
    origin: &mut Origin,
    handler: H,
) -> Result<Wire>
where
    A: Actor,
    B: DeserializeOwned + 'static,
    Q: DeserializeOwned,
    T: Serialize,
    H: Fn(App, Call<A, B, Q>) -> F + Copy,
    F: Future<Output = Result<Reply<T, STATUS>>>,
{
    if !request.came_by_front_door() {
        return Err(Error::forbidden("direct_call", "Call the public address of the API."));
    }
    let counted = limit::check_ip(app, limits, &request::network(request.ip())).await;
    limit::open_for_reads(counted, request.mutates())?;
    let caller = A::admit(app, &request, app.now()).await?;
    origin.actor = caller.label();
    origin.org = caller.org();
    let counted = limit::check_caller(app, limits, caller.user(), origin.org).await;
    limit::open_for_reads(counted, request.mutates())?;
    let query = parse::query(request.query())?;
    let body = parse::body(&request)?;

    let idempotency = Idempotency::of(&request, origin)?.map(Arc::new);
    if let Some(repeat) = &idempotency
        && let Some(reply) = repeat.replay(&app.table()).await?
    {
        return Ok(reply);
    }
    let call = Call {
        caller,
        body,
        query,
        now: app.now(),
        request,
        origin: origin.clone(),
        idempotency: idempotency.clone(),
    };
    let done = guarded(async { handler(app.clone(), call).await?.into_wire() }).await;
    match idempotency {
        Some(repeat) => once(app, &repeat, done).await,
        None => done,
    }
}

/// Sees to it that requests with the same key get the same reply, whoever of them won.
async fn once(app: &App, repeat: &Idempotency, done: Result<Wire>) -> Result<Wire> {
    match done {
        Ok(reply) if repeat.is_recorded() => Ok(reply),
        Ok(reply) => match app.table().write(repeat.record(reply.clone())?).await {
            Ok(()) => Ok(reply),
            // It is done, whether or not a repeat will be told so.
            Err(_) => Ok(repeat.replay(&app.table()).await.ok().flatten().unwrap_or(reply)),
        },
        // The winner's effect may be why this one was refused.
        Err(error) => match repeat.replay(&app.table()).await {
            Ok(Some(reply)) => Ok(reply),
            _ => Err(error),
        },
    }
}

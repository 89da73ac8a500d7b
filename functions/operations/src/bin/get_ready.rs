//! `GET /v1/ready`: tells whether tables, queues and bus can be reached, part by part; 503 if one cannot.

use operations::readiness::{Parts, Readiness};
use platform::auth::Public;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Exit, Result};

fn main() -> Exit {
    http::limit(&[Limit::per_ip(60, MINUTE)]).serve(get_ready)
}

async fn get_ready(app: App, _: Call<Public>) -> Result<Reply<Readiness>> {
    let parts: Parts = app.config()?;
    let readiness = parts.check(&app).await;
    let status = if readiness.ready { 200 } else { 503 };
    Ok(Reply::ok(readiness).status(status))
}

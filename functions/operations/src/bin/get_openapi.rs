//! `GET /v1/openapi.json`: the API's description, made from the functions themselves (`cargo run -- openapi`).

use platform::auth::Public;
use platform::http::{self, Call, Reply};
use platform::{App, Exit, Result};
use serde_json::Value;

/// The tests keep this file equal to what the functions say of themselves.
const DESCRIPTION: &[u8] = include_bytes!("../../../../openapi.json");

fn main() -> Exit {
    http::serve(get_openapi)
}

async fn get_openapi(_: App, _: Call<Public>) -> Result<Reply<Value>> {
    Ok(Reply::bytes("application/json", DESCRIPTION).header("cache-control", "public, max-age=300"))
}

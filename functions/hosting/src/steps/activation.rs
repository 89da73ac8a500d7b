//! The site becomes the customer's.

use platform::Result;
use serde_json::json;

use crate::engine::{Outcome, Run};

pub(super) async fn activate(run: &Run<'_>) -> Result<Outcome> {
    let (site, activated) = run.site.value.clone().activated(&run.operation, run.now());
    let event = run.origin.event(run.site.org, &activated);
    Ok(Outcome::with(json!({"activated_at": run.now()}))?.changing(site, Some(event)))
}

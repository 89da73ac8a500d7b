//! `POST /v1/hosting/operations/{operation}/cancel`: take back what an operation has done so far.
//!
//! Refused with `point_of_no_return` once the site is the customer's; cancelling what already turns back changes nothing.
//! For an admin of its organisation, and for staff.

use hosting::steward::Steward;
use hosting::view::OperationView;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};

/// A worker may move the operation on between the look at it and the write; then the rule is asked again.
const MOST_LOOKS: u32 = 5;

fn main() -> Exit {
    http::limit(&[Limit::per_user(20, MINUTE)]).serve(cancel_operation)
}

async fn cancel_operation(app: App, call: Call<Steward>) -> Result<Reply<OperationView, 202>> {
    let id = call.id("operation")?;
    let hosting = call.caller.around_operation(&app, id).await?;
    let mut looks = 1;
    loop {
        let stored = hosting.operation(id).await?;
        let (operation, _) = stored.value.clone().cancel(call.now)?;
        let reply = Reply::accepted(OperationView::from(&operation));
        match hosting.cancel(&stored, call.origin(), call.once(&reply)?).await {
            Err(Error::Conflict) if looks < MOST_LOOKS => looks += 1,
            Err(error) => return Err(error),
            Ok(_) => return Ok(reply),
        }
    }
}

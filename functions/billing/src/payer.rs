//! Who may see and who may spend: people with the billing right besides the roles.

use std::ops::Deref;

use domain::accounts::Role;
use domain::{OrgId, Timestamp, UserId};
use platform::auth::{Actor, Scheme, Viewer};
use platform::http::RequestParts;
use platform::{App, Error, Result};

/// Who may spend: the owner, and whoever has the billing right.
#[derive(Debug, Clone)]
pub struct Payer(Viewer);

/// Who may see what is spent: admins too.
#[derive(Debug, Clone)]
pub struct Accountant(Viewer);

macro_rules! actors {
    ($($actor:ident = $name:literal, $least:expr;)*) => {$(
        impl Deref for $actor {
            type Target = Viewer;

            fn deref(&self) -> &Viewer {
                &self.0
            }
        }

        impl Actor for $actor {
            const NAME: &'static str = $name;
            const SCHEME: Option<Scheme> = Viewer::SCHEME;

            async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
                let caller = Viewer::admit(app, request, now).await?;
                if caller.billing || caller.role >= $least {
                    return Ok(Self(caller));
                }
                Err(Error::forbidden("role_too_low", "This takes the billing right in the organisation."))
            }

            fn org(&self) -> Option<OrgId> {
                Actor::org(&self.0)
            }

            fn user(&self) -> Option<UserId> {
                Actor::user(&self.0)
            }

            fn label(&self) -> String {
                self.0.label()
            }
        }
    )*};
}

actors! {
    Payer = "payer", Role::Owner;
    Accountant = "accountant", Role::Admin;
}

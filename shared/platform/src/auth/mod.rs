//! Who calls: the actor is the handler's argument type, so that to compile is to have checked it.
//!
//! An access token says who and for which organisation; what they may do is read with one BatchGetItem per call, so that
//! revoking a session, changing a role and changing a plan act on the next request. The read is eventually consistent, at
//! half the price: DynamoDB may show the state before a change for the moments it takes to copy it, usually under a second.
//! A refusal is always looked at again with a consistent read.

mod actor;
pub mod keys;
pub(crate) mod token;

use std::future::Future;

use domain::{OrgId, Timestamp, UserId};
use serde::Serialize;

pub use actor::{Admin, Caller, Member, Operator, Owner, Public, SignedIn, Viewer, claims_of_any_age};

use crate::http::RequestParts;
use crate::{App, Result};

/// Somebody who calls an endpoint. Areas may define their own, such as a host that shows a token of its own.
pub trait Actor: Sized {
    /// The name in the API's description: `admin`.
    const NAME: &'static str;
    /// How they show who they are; `None` if nobody asks.
    const SCHEME: Option<Scheme>;

    /// Lets them in, or not.
    ///
    /// # Errors
    /// `Unauthenticated`, `Forbidden`, and what reading needs.
    fn admit(app: &App, request: &RequestParts, now: Timestamp) -> impl Future<Output = Result<Self>>;

    /// The organisation they act for.
    fn org(&self) -> Option<OrgId>;

    /// The person, if it is one.
    fn user(&self) -> Option<UserId> {
        None
    }

    /// How events and audit name them: `user:usr_…`.
    fn label(&self) -> String;
}

/// A security scheme of the API's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Scheme {
    /// The header `Authorization: Bearer …`.
    Bearer {
        /// The scheme's name in the description.
        name: &'static str,
        /// What the token looks like, as a hint to people: `JWT`.
        format: &'static str,
    },
    /// Another header.
    Header {
        /// The scheme's name in the description.
        name: &'static str,
        /// The header.
        header: &'static str,
    },
}

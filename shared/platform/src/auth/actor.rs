//! The actors that every area knows.

use std::ops::Deref;

use domain::accounts::access;
use domain::accounts::{
    AccessClaims, Entitlements, Membership, Organisation, Role, Session, User, UserState,
};
use domain::{OrgId, SessionId, Timestamp, UserId};
use serde::de::DeserializeOwned;

use super::{Actor, Scheme, keys};
use crate::http::RequestParts;
use crate::store::Item;
use crate::{App, Error, Result};

const TOKEN: Option<Scheme> = Some(Scheme::Bearer { name: "access_token", format: "JWT" });

/// Anybody.
#[derive(Debug, Clone, Copy)]
pub struct Public;

impl Actor for Public {
    const NAME: &'static str = "public";
    const SCHEME: Option<Scheme> = None;

    async fn admit(_: &App, _: &RequestParts, _: Timestamp) -> Result<Self> {
        Ok(Self)
    }

    fn org(&self) -> Option<OrgId> {
        None
    }

    fn label(&self) -> String {
        "public".to_owned()
    }
}

/// A person with a live session, acting for one organisation.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// For which organisation.
    pub org: OrgId,
    /// In which session.
    pub session: SessionId,
    /// What they may do there.
    pub role: Role,
    /// Whether they see invoices and change the plan.
    pub billing: bool,
    /// Whether their e-mail is verified.
    pub email_verified: bool,
    /// What the organisation may use.
    pub entitlements: Entitlements,
    /// The organisation.
    pub organisation: Organisation,
    /// When they last proved who they are.
    pub authenticated_at: Timestamp,
}

impl Caller {
    /// The organisation they act for.
    #[must_use]
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// The person.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// What costs money or writes to others asks for this first.
    ///
    /// # Errors
    /// `email_unverified` (403).
    pub fn require_verified_email(&self) -> Result<()> {
        if self.email_verified {
            return Ok(());
        }
        Err(Error::forbidden("email_unverified", "Follow the link in the verification mail first."))
    }

    /// Tells from the items that the token names whether the door is open.
    fn decide(claims: &AccessClaims, items: [Option<Item>; 3], now: Timestamp) -> Result<Self> {
        const REVOKED: Error = Error::Unauthenticated("session_revoked");
        let [session, membership, organisation] = items;
        let session: Session = parse(session)?.ok_or(REVOKED)?;
        let membership: Membership = parse(membership)?.ok_or(REVOKED)?;
        let organisation: Organisation = parse(organisation)?.ok_or(REVOKED)?;
        access::admit(&session, &membership, &organisation, claims.epoch, now)
            .map_err(|denied| Error::Unauthenticated(denied.code()))?;
        Ok(Self {
            user: claims.sub,
            org: claims.org,
            session: claims.sid,
            role: membership.role,
            billing: membership.billing,
            email_verified: membership.verified,
            entitlements: organisation.entitlements.clone().at(now),
            organisation,
            authenticated_at: session.authenticated_at,
        })
    }
}

/// What the caller's access token says.
fn claims(app: &App, request: &RequestParts, now: Timestamp) -> Result<AccessClaims> {
    app.keys()?.verify(bearer(request)?, now)
}

/// What the caller's access token says, whether or not its time, or its session, is over: enough to end that session.
///
/// # Errors
/// `missing_token`, `invalid_token`.
pub fn claims_of_any_age(app: &App, request: &RequestParts, now: Timestamp) -> Result<AccessClaims> {
    app.keys()?.read(bearer(request)?, now)
}

/// The token of the header `Authorization`. API keys will come by the same header and are told by their prefix.
fn bearer(request: &RequestParts) -> Result<&str> {
    let header = request.header("authorization").ok_or(Error::Unauthenticated("missing_token"))?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::Unauthenticated("missing_token"));
    }
    Ok(token.trim())
}

async fn signed_in(app: &App, request: &RequestParts, now: Timestamp) -> Result<Caller> {
    let claims = claims(app, request, now)?;
    let wanted = [
        keys::session(claims.sub, claims.sid),
        keys::membership(claims.org, claims.sub),
        keys::organisation(claims.org),
    ];
    let table = app.table_named("ACCOUNTS_TABLE");
    let decided = Caller::decide(&claims, three(table.get_items(&wanted).await?), now);
    match decided {
        // Nobody is turned away for items that are too new for a cheap read.
        Err(Error::Unauthenticated(_)) => {
            Caller::decide(&claims, three(table.get_items_consistent(&wanted).await?), now)
        }
        decided => decided,
    }
}

fn three(items: Vec<Option<Item>>) -> [Option<Item>; 3] {
    let mut items = items.into_iter();
    std::array::from_fn(|_| items.next().flatten())
}

fn parse<T: DeserializeOwned>(item: Option<Item>) -> Result<Option<T>> {
    item.map(|item| item.parse().map(|stored| stored.value)).transpose()
}

/// An actor for each role: whoever has that role or a higher one.
macro_rules! roles {
    ($($(#[$doc:meta])* $actor:ident = $name:literal, $least:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $actor(Caller);

        impl $actor {
            /// The organisation they act for.
            #[must_use]
            pub fn org(&self) -> OrgId {
                self.0.org
            }

            /// The person.
            #[must_use]
            pub fn user(&self) -> UserId {
                self.0.user
            }
        }

        impl Deref for $actor {
            type Target = Caller;

            fn deref(&self) -> &Caller {
                &self.0
            }
        }

        impl Actor for $actor {
            const NAME: &'static str = $name;
            const SCHEME: Option<Scheme> = TOKEN;

            async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
                let caller = signed_in(app, request, now).await?;
                if caller.role < $least {
                    let message = concat!("This takes the role ", $name, " in the organisation.");
                    return Err(Error::forbidden("role_too_low", message));
                }
                Ok(Self(caller))
            }

            fn org(&self) -> Option<OrgId> {
                Some(self.0.org)
            }

            fn user(&self) -> Option<UserId> {
                Some(self.0.user)
            }

            fn label(&self) -> String {
                format!("user:{}", self.0.user)
            }
        }
    )*};
}

roles! {
    /// Any person with a live session, whatever the role.
    SignedIn = "signed_in", Role::Viewer;
    /// Whoever may see.
    Viewer = "viewer", Role::Viewer;
    /// Whoever may work.
    Member = "member", Role::Member;
    /// Whoever may decide.
    Admin = "admin", Role::Admin;
    /// Whoever owns the organisation.
    Owner = "owner", Role::Owner;
}

/// Platform staff.
#[derive(Debug, Clone)]
pub struct Operator(Caller);

impl Deref for Operator {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Actor for Operator {
    const NAME: &'static str = "operator";
    const SCHEME: Option<Scheme> = TOKEN;

    async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
        let claims = claims(app, request, now)?;
        let wanted = [
            keys::session(claims.sub, claims.sid),
            keys::membership(claims.org, claims.sub),
            keys::organisation(claims.org),
            keys::user(claims.sub),
        ];
        let mut items = app.table_named("ACCOUNTS_TABLE").get_items_consistent(&wanted).await?;
        let user: Option<User> = parse(items.pop().flatten())?;
        let caller = Caller::decide(&claims, three(items), now)?;
        let staff = user.is_some_and(|user| user.operator && user.state == UserState::Active);
        if staff {
            Ok(Self(caller))
        } else {
            Err(Error::forbidden("not_staff", "This is for the platform's staff."))
        }
    }

    /// Staff act on any organisation, so on none of their own.
    fn org(&self) -> Option<OrgId> {
        None
    }

    fn user(&self) -> Option<UserId> {
        Some(self.0.user)
    }

    fn label(&self) -> String {
        format!("operator:{}", self.0.user)
    }
}

//! Whoever may decide about an operation or a move: an admin for the own organisation, the platform's staff for any.

use domain::{OperationId, OrgId, SiteId, Timestamp, UserId};
use platform::auth::{Actor, Admin, Operator, Scheme};
use platform::http::RequestParts;
use platform::{App, Error, Result};

use crate::{Hosting, HostingOfAll};

/// An admin of the organisation, or staff.
#[derive(Debug, Clone)]
pub enum Steward {
    /// Reaches what is the organisation's.
    Admin(Admin),
    /// Reaches everybody's.
    Staff(Operator),
}

impl Steward {
    /// Who it is.
    #[must_use]
    pub fn person(&self) -> UserId {
        match self {
            Self::Admin(admin) => admin.user(),
            Self::Staff(staff) => staff.user,
        }
    }

    /// What the organisation of an operation has, as far as the caller reaches.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn around_operation(&self, app: &App, operation: OperationId) -> Result<Hosting> {
        Ok(match self {
            Self::Admin(admin) => Hosting::of(app, admin.org()),
            Self::Staff(_) => Hosting::of(app, HostingOfAll::of(app).operation(operation).await?.org),
        })
    }

    /// What the organisation of a site has, as far as the caller reaches.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn around_site(&self, app: &App, site: SiteId) -> Result<Hosting> {
        Ok(match self {
            Self::Admin(admin) => Hosting::of(app, admin.org()),
            Self::Staff(_) => Hosting::of(app, HostingOfAll::of(app).site_by_id(site).await?.org),
        })
    }
}

impl Actor for Steward {
    const NAME: &'static str = "admin_or_operator";
    const SCHEME: Option<Scheme> = Admin::SCHEME;

    async fn admit(app: &App, request: &RequestParts, now: Timestamp) -> Result<Self> {
        match Operator::admit(app, request, now).await {
            Ok(staff) => Ok(Self::Staff(staff)),
            Err(Error::Forbidden(..)) => Ok(Self::Admin(Admin::admit(app, request, now).await?)),
            Err(error) => Err(error),
        }
    }

    fn org(&self) -> Option<OrgId> {
        match self {
            Self::Admin(admin) => Actor::org(admin),
            Self::Staff(staff) => Actor::org(staff),
        }
    }

    fn user(&self) -> Option<UserId> {
        Some(self.person())
    }

    fn label(&self) -> String {
        match self {
            Self::Admin(admin) => admin.label(),
            Self::Staff(staff) => staff.label(),
        }
    }
}

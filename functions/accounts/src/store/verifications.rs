//! Verification links.

use domain::UserId;
use domain::accounts::verification::dead_link;
use domain::accounts::{EmailVerified, User, Verification, VerificationRequested};
use platform::Origin;
use platform::auth::keys;
use platform::store::{NO_VALUES, Stored, Write};
use platform::{Error, Result};

use super::{Accounts, verification_key};

impl Accounts {
    /// The link that a person was sent last. A link may be followed the moment it was written, so this is no cheap read.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn verification(&self, user: UserId) -> Result<Option<Stored<Verification>>> {
        self.table.get_consistent(&verification_key(user)).await
    }

    /// A further link takes the place of the last one.
    ///
    /// # Errors
    /// `version_conflict` if that was followed or replaced meanwhile.
    pub async fn replace_link(
        &self,
        was: Option<&Stored<Verification>>,
        (is, requested): &(Verification, VerificationRequested),
        user: &User,
        origin: &Origin,
    ) -> Result<()> {
        let event = origin.envelope(user.organisations.first().copied(), requested);
        let write = match was {
            Some(was) => Write::replace(was, is),
            None => Write::create(verification_key(user.id), "verification", is).or(Error::Conflict),
        };
        self.table.write(write.event(event).expires_at(is.forgotten_at())).await
    }

    /// A link was followed: the person is verified, in each of their places too.
    ///
    /// # Errors
    /// `link_used_or_expired` if another request followed it first.
    pub async fn verify(
        &self,
        (was_link, link): (&Stored<Verification>, &Verification),
        (was_user, user): (&Stored<User>, &User),
        event: &EmailVerified,
        origin: &Origin,
    ) -> Result<()> {
        let event = origin.envelope(user.organisations.first().copied(), event);
        let places = user.organisations.iter().map(|&org| {
            Write::update(keys::membership(org, user.id))
                .set("verified", true)
                .when("attribute_exists(pk)", NO_VALUES)
        });
        let both = [
            // The used link keeps neither the token's event nor a way to be used again.
            Write::replace(was_link, link).expires_at(link.forgotten_at()).or(dead_link()),
            Write::replace(was_user, user).event(event),
        ];
        self.table.transact(both.into_iter().chain(places)).await
    }
}

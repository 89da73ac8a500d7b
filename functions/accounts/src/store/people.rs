//! People, their passwords and their places.

use domain::accounts::{
    Entitlements, Membership, NewAccount, Organisation, Session, User, Verification, VerificationRequested,
};
use domain::{Email, OrgId, Timestamp, UserId};
use platform::Origin;
use platform::auth::keys;
use platform::store::{Stored, Write};
use platform::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Accounts, Address, address_key, password_key, verification_key};

/// A password's hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credential {
    /// A PHC string.
    pub hash: String,
    /// When it was chosen.
    pub chosen_at: Timestamp,
}

/// A person in an organisation.
pub struct Member {
    /// Their place in it.
    pub membership: Membership,
    /// The organisation.
    pub organisation: Organisation,
}

impl Accounts {
    /// Refuses an address that somebody has. Only [`Accounts::open`] decides; this saves the cost of a hash.
    ///
    /// # Errors
    /// `email_taken`.
    pub async fn ensure_free(&self, email: &Email) -> Result<()> {
        match self.table.get::<Address>(&address_key(email)).await? {
            Some(_) => Err(email_taken()),
            None => Ok(()),
        }
    }

    /// Opens an account: address, person, password, organisation, place, session and verification link, or nothing.
    ///
    /// # Errors
    /// `email_taken`.
    pub async fn open(
        &self,
        account: &NewAccount,
        credential: &Credential,
        session: &Session,
        (verification, requested): &(Verification, VerificationRequested),
        origin: &Origin,
    ) -> Result<()> {
        let NewAccount { user, organisation, membership, signed_up, created } = account;
        let (id, org) = (user.id, organisation.id);
        self.table
            .transact([
                Write::create(address_key(&user.email), "address", &Address { user: id }).or(email_taken()),
                Write::create(keys::user(id), "user", user).event(origin.event(org, signed_up)),
                Write::create(password_key(id), "password", credential),
                Write::create(keys::organisation(org), "organisation", organisation)
                    .event(origin.event(org, created)),
                Write::create(keys::membership(org, id), "membership", membership),
                Write::create(keys::session(id, session.id), "session", session)
                    .expires_at(session.forgotten_at()),
                Write::create(verification_key(id), "verification", verification)
                    .event(origin.event(org, requested))
                    .expires_at(verification.forgotten_at()),
            ])
            .await
    }

    /// The person with this address.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn find(&self, email: &Email) -> Result<Option<Stored<User>>> {
        match self.table.get::<Address>(&address_key(email)).await? {
            Some(address) => self.table.get(&keys::user(address.user)).await,
            None => Ok(None),
        }
    }

    /// Who has this address, and their password's hash. It reads as often if nobody has. Somebody who has just signed up
    /// is found.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn credential(&self, email: &Email) -> Result<Option<(UserId, Credential)>> {
        const NOBODY: UserId = UserId::from_ulid(0);
        let address = self.table.get_consistent::<Address>(&address_key(email)).await?;
        let user = address.map_or(NOBODY, |address| address.user);
        let credential = self.table.get_consistent::<Credential>(&password_key(user)).await?;
        Ok(credential.map(|credential| (user, credential.value)))
    }

    /// A person, as the last write left them: somebody who has just signed up is found.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn person(&self, user: UserId) -> Result<Stored<User>> {
        self.table.get_consistent(&keys::user(user)).await?.ok_or(Error::NotFound)
    }

    /// A person's place in an organisation, as the last write left it.
    ///
    /// # Errors
    /// `no_organisation` (403) if they left it.
    pub async fn member(&self, user: UserId, org: OrgId) -> Result<Member> {
        let gone = || Error::forbidden("no_organisation", "You do not belong to this organisation any more.");
        let wanted = [keys::membership(org, user), keys::organisation(org)];
        let mut items = self.table.get_items_consistent(&wanted).await?.into_iter();
        let mut next = || items.next().flatten().ok_or_else(gone);
        Ok(Member { membership: next()?.parse()?.value, organisation: next()?.parse()?.value })
    }
}

impl Accounts {
    /// Writes what an organisation may use, unless it has something newer.
    ///
    /// # Errors
    /// `not_found` for an organisation that does not exist.
    pub async fn entitle(&self, org: OrgId, entitlements: &Entitlements) -> Result<()> {
        let key = keys::organisation(org);
        let newer = Write::update(key.clone())
            .set("entitlements", entitlements)
            .when("entitlements.version < :version", [(":version", entitlements.version)]);
        match self.table.write(newer).await {
            Err(Error::Conflict) => {
                self.table.get_consistent::<Organisation>(&key).await?.map(drop).ok_or(Error::NotFound)
            }
            done => done,
        }
    }
}

fn email_taken() -> Error {
    Error::refused("email_taken", "This address has an account; log in, or reset the password.")
}

//! People of a test: strangers, those who sign up, and those of one organisation in different roles.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use domain::accounts::Role;
use http::Request;
use serde_json::{Value, json};

use super::{Client, Stack, told};
use crate::{Error, Result, keys};

/// Every person calls from an address of their own, so that limits by address touch one alone (198.18.0.0/15 is for tests).
static NEXT_ADDRESS: AtomicU32 = AtomicU32::new(1);

/// The password of everybody who signs up here.
pub const PASSWORD: &str = "Test123!";

impl Stack {
    /// Somebody who is not signed in.
    #[must_use]
    pub fn client(&self) -> Client {
        let number = NEXT_ADDRESS.fetch_add(1, Ordering::Relaxed) % (1 << 17);
        let address = IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number));
        Client::new(self.web.clone(), address, self.core().origin_secret())
    }

    /// Signs a new person up, through the gateway.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn sign_up(&self, email: &str) -> Client {
        let client = self.client();
        let body = json!({
            "email": email, "password": PASSWORD, "first_name": "Anna", "last_name": "Example",
            "company": "Example", "locale": "en", "accept_terms": true,
        });
        let session = client.post("/v1/auth/signup", body).await.expect(201);
        client.with_session(session)
    }

    /// Signs a new person up and follows the link in the mail.
    ///
    /// # Panics
    /// When that is refused, or no mail comes.
    pub async fn verified(&self, email: &str) -> Client {
        let client = self.sign_up(email).await;
        self.verify(&client).await;
        client
    }

    /// Follows the link in the verification mail.
    ///
    /// # Panics
    /// When there is no such mail, or the link is refused.
    pub async fn verify(&self, client: &Client) {
        let mails = self.mails_to(client.email()).await;
        let token = mails.iter().rev().find_map(|mail| mail.token("/verify-email"));
        let token = token.unwrap_or_else(|| panic!("no verification mail for {}", client.email()));
        self.client().post("/v1/auth/verify-email", json!({ "token": token })).await.expect(200);
        self.settle().await;
    }

    /// A new, verified person in the organisation of `owner`, in this role.
    ///
    /// There are no invitations yet: the membership is written into the accounts' table, and a token is signed for it.
    ///
    /// # Panics
    /// When signing up is refused.
    pub async fn join(&self, owner: &Client, email: &str, role: Role) -> Client {
        let person = self.verified(email).await;
        told(self.try_join(owner, person, role).await)
    }

    async fn try_join(&self, owner: &Client, person: Client, role: Role) -> Result<Client> {
        let items = self.table("accounts").items();
        let find = |pk: String, sk: &str| {
            let found = items
                .iter()
                .find(|item| item["pk"] == pk && item["sk"].as_str().is_some_and(|key| key.starts_with(sk)));
            found.cloned().ok_or_else(|| Error::new(format!("no item {pk} {sk} in the accounts table")))
        };
        let mut membership = find(format!("ORG#{}", person.org()), &format!("MEMBER#{}", person.user()))?;
        membership["pk"] = format!("ORG#{}", owner.org()).into();
        membership["org"] = owner.org().into();
        membership["role"] = serde_json::to_value(role)?;
        // Whoever signs up pays for what is theirs; whoever joins does not.
        membership["billing"] = (role == Role::Owner).into();
        // Copied keys of indexes would list the person where they were, and a copied event would be relayed again.
        if let Some(fields) = membership.as_object_mut() {
            fields.retain(|field, _| field != "event" && !field.starts_with("gsi"));
        }
        self.put_item("accounts", &membership).await?;
        let mut session = find(format!("USER#{}", person.user()), "SESSION#")?;
        session["org"] = owner.org().into();
        if let Some(fields) = session.as_object_mut() {
            fields.remove("event");
        }
        self.put_item("accounts", &session).await?;

        let now = self.now().as_secs();
        let claims = json!({
            "iss": self.url(), "aud": "tenantry", "sub": person.user(), "org": owner.org(), "sid": session["id"],
            "epoch": session["epoch"], "jti": crate::random::word(), "iat": now, "exp": now + 15 * 60,
            "auth_time": now, "amr": ["pwd"], "typ": "access",
        });
        let token = keys::sign(&self.core().secrets[&keys::accounts_secret()], &claims)?;
        let mut joined = person.session.clone();
        joined["token"] = token.into();
        joined["organisation"]["id"] = owner.org().into();
        joined["role"] = serde_json::to_value(role)?;
        Ok(person.with_session(joined))
    }

    /// Writes an item of plain JSON into an area's table, past every function; its stream shows it.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn put_item(&self, area: &str, item: &Value) -> Result<()> {
        let attributes: serde_json::Map<String, Value> = item
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), attribute(value)))
            .collect();
        let input = json!({ "TableName": super::full_name(area), "Item": attributes });
        let core = self.core();
        let scope = format!("local/20260101/{}/dynamodb/aws4_request", core.settings.region);
        let request = Request::post("/")
            .header("x-amz-target", "DynamoDB_20120810.PutItem")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
            )
            .body(Bytes::from(input.to_string()))?;
        let response = core.cloud.handle(request).await;
        if response.status().is_success() {
            return Ok(());
        }
        Err(Error::new(String::from_utf8_lossy(response.body()).into_owned()))
    }
}

/// Plain JSON as DynamoDB writes it.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(truth) => json!({ "BOOL": truth }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(items) => json!({ "L": items.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(fields) => {
            let fields: serde_json::Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            json!({ "M": fields })
        }
    }
}

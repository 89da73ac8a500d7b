//! The people of the whole-product tests: one organisation with a person of each role and a site, and a stranger.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::accounts::Role;
use local::harness::{Answer, Client, Stack};
use serde_json::{Value, json};

/// Long enough for any provisioning, in simulated time.
pub(crate) const PROVISIONING: Duration = Duration::from_secs(30 * 60);

/// Everybody who calls.
pub(crate) struct Cast {
    pub(crate) stack: Stack,
    pub(crate) people: Vec<(&'static str, Client)>,
    /// Values for the parameters of paths, by name.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Cast {
    /// Signs everybody up, lets the owner deploy a site, and waits until it is served.
    pub(crate) async fn assemble() -> Self {
        let stack = Stack::start().await;
        let owner = stack.verified("owner@example.com").await;
        let stranger = stack.verified("stranger@example.net").await;
        let admin = stack.join(&owner, "admin@example.com", Role::Admin).await;
        let member = stack.join(&owner, "member@example.com", Role::Member).await;
        let viewer = stack.join(&owner, "viewer@example.com", Role::Viewer).await;

        let deployed = owner.post("/v1/hosting/sites", json!({"label": "castle"})).await.expect(202);
        let site = text(&deployed, "/site");
        let operation = text(&deployed, "/id");
        until_state(&stack, &owner, &site, "active").await;

        let parameters = BTreeMap::from([("site".to_owned(), site), ("operation".to_owned(), operation)]);
        let people = vec![
            ("nobody", stack.client()),
            ("stranger", stranger),
            ("viewer", viewer),
            ("member", member),
            ("admin", admin),
            ("owner", owner),
        ];
        Self { stack, people, parameters }
    }

    pub(crate) fn person(&self, name: &str) -> &Client {
        &self.people.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// A route's path with real ids where the cast has them, and the sample's elsewhere.
    pub(crate) fn path(&self, route: &str, sample: &Value) -> String {
        let filled = route.split('/').map(|part| {
            let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
                return part.to_owned();
            };
            let own = self.parameters.get(name).cloned();
            own.or_else(|| sample["pathParameters"][name].as_str().map(str::to_owned))
                .unwrap_or_else(|| panic!("the sample of {route} has no pathParameters.{name}"))
        });
        let path = filled.collect::<Vec<_>>().join("/");
        match sample["rawQueryString"].as_str() {
            Some(query) if !query.is_empty() => format!("{path}?{query}"),
            _ => path,
        }
    }
}

/// Lets simulated time pass until a site has this state.
pub(crate) async fn until_state(stack: &Stack, client: &Client, site: &str, state: &str) {
    let path = format!("/v1/hosting/sites/{site}");
    let what = format!("the site is {state}");
    stack.run_until(&what, PROVISIONING, async || client.get(&path).await.json()["state"] == state).await;
}

/// Calls a route by its method's name.
pub(crate) async fn call(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Answer {
    client.send(method.parse().unwrap(), path, body.cloned()).await
}

/// A string inside a document.
pub(crate) fn text(document: &Value, pointer: &str) -> String {
    match document.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("no text at {pointer} in {document}"),
    }
}

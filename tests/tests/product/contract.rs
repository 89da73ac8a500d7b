//! `openapi.json` is up to date, and every operation's success has been seen and is as described.

use std::collections::BTreeSet;

use local::harness::{Answer, Client};
use serde_json::{Value, json};
use tests::tree;

use crate::billing_story;
use crate::cast::{Cast, call, text, until_state};
use crate::description::Description;
use crate::hosting_story;

/// What only a host's agent can call with success: its token comes with the user data of its instance. The instances of
/// the local stack call them whenever a site is provisioned; the area's own tests look at their answers.
const AGENTS_ONLY: [&str; 3] =
    ["POST /v1/hosts/register", "POST /v1/hosts/{host}/report", "GET /v1/hosts/{host}/names/{fqdn}"];

/// What only Stripe can call with success: it signs its bodies. The local Stripe does so at each purchase; the area's own
/// tests look at the answers.
const STRIPE_ONLY: [&str; 2] = ["POST /v1/webhooks/stripe", "POST /v1/stripe-webhook"];

#[tokio::test(flavor = "multi_thread")]
async fn the_published_description_is_up_to_date() {
    let described = local::openapi::document().await.unwrap();
    tree::keep("openapi.json", &local::openapi::text(&described).unwrap());
}

pub(crate) struct Story {
    description: Description,
    seen: BTreeSet<String>,
    faults: Vec<String>,
}

impl Story {
    /// Calls a route, which must succeed; compares the answer with the description.
    pub(crate) async fn tell(
        &mut self,
        client: &Client,
        route: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let (method, template) = route.split_once(' ').unwrap();
        let answer = call(client, method, path, body.as_ref()).await;
        assert!(answer.status < 300, "{route} answered {}: {}", answer.status, answer.text());
        self.faults.extend(self.description.fault(method, template, &answer));
        self.seen.insert(route.to_owned());
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_success_is_as_described() {
    let cast = Cast::assemble().await;
    let stack = &cast.stack;
    let nobody = stack.client();
    let owner = cast.person("owner");
    let (site, operation) = (&cast.parameters["site"], &cast.parameters["operation"]);
    let mut story = Story { description: Description::read(), seen: BTreeSet::new(), faults: Vec::new() };

    for route in [
        "GET /v1/health",
        "GET /v1/ready",
        "GET /v1/version",
        "GET /v1/openapi.json",
        "GET /.well-known/jwks.json",
    ] {
        story.tell(&nobody, route, route.trim_start_matches("GET "), None).await;
    }

    let password = "Test123!";
    let person = |email: &str| Some(json!({"email": email, "password": password, "first_name": "Zoë"}));
    let entrance = ["POST /v1/auth/signup", "POST /v1/auth/register"];
    for (route, email) in entrance.into_iter().zip(["zoe@example.com", "zoe@example.org"]) {
        story.tell(&nobody, route, route.trim_start_matches("POST "), person(email)).await;
    }
    stack.settle().await;
    let link = stack.mails_to("zoe@example.com").await[0].links()[0].clone();
    let token = link.split_once("token=").unwrap().1;
    let again = Some(json!({"email": "zoe@example.org"}));
    story
        .tell(&nobody, "POST /v1/auth/verify-email", "/v1/auth/verify-email", Some(json!({"token": token})))
        .await;
    story.tell(&nobody, "POST /v1/auth/verify-email/resend", "/v1/auth/verify-email/resend", again).await;
    let credentials = Some(json!({"email": "zoe@example.com", "password": password}));
    let signed_in = story.tell(&nobody, "POST /v1/auth/login", "/v1/auth/login", credentials).await.json();
    let refresh = Some(json!({"refresh_token": text(&signed_in, "/refresh_token")}));
    story.tell(&nobody, "POST /v1/auth/refresh", "/v1/auth/refresh", refresh).await;
    story.tell(owner, "GET /v1/me", "/v1/me", None).await;
    let message =
        json!({"name": "Zoë", "email": "zoe@example.com", "subject": "Hello", "message": "Is it live?"});
    story.tell(&nobody, "POST /v1/contact", "/v1/contact", Some(message)).await;

    let sites = "/v1/hosting/sites";
    story.tell(owner, "GET /v1/hosting/sites", sites, None).await;
    story.tell(owner, "GET /v1/hosting/sites/{site}", &format!("{sites}/{site}"), None).await;
    let status = "GET /v1/hosting/sites/{site}/deployment";
    story.tell(owner, status, &format!("{sites}/{site}/deployment"), None).await;
    story
        .tell(owner, "GET /v1/deployment-status/{site}", &format!("/v1/deployment-status/{site}"), None)
        .await;
    let logs = format!("/v1/hosting/operations/{operation}/logs");
    story.tell(owner, "GET /v1/hosting/operations/{operation}/logs", &logs, None).await;
    story.tell(owner, "GET /v1/hosting/subdomains/{label}", "/v1/hosting/subdomains/free-label", None).await;
    let access = "POST /v1/hosting/sites/{site}/access";
    let upload = json!({"kind": "upload", "key": "index.html", "content_type": "text/html", "expires_in_seconds": 900});
    story.tell(owner, access, &format!("{sites}/{site}/access"), Some(upload)).await;

    // A second organisation's operation halts and goes on; a third's is taken back on its way.
    let stranger = cast.person("stranger");
    stack.faults().on("run_operation", "s3", "CreateBucket").always().fail(409, "BucketAlreadyExists");
    let halted = Some(json!({"label": "halted"}));
    let halted = story.tell(stranger, "POST /v1/hosting/sites", sites, halted).await.json();
    until_state(stack, stranger, &text(&halted, "/site"), "failed").await;
    stack.faults().clear();
    let retry = format!("/v1/hosting/operations/{}/retry", text(&halted, "/id"));
    story.tell(stranger, "POST /v1/hosting/operations/{operation}/retry", &retry, None).await;
    until_state(stack, stranger, &text(&halted, "/site"), "active").await;

    let zoe = nobody.with_session(signed_in);
    let stopped =
        story.tell(&zoe, "POST /v1/deploy", "/v1/deploy", Some(json!({"label": "taken-back"}))).await.json();
    // Between two turns: a worker at work would be a conflict.
    stack.settle().await;
    let cancel = format!("/v1/hosting/operations/{}/cancel", text(&stopped, "/id"));
    story.tell(&zoe, "POST /v1/hosting/operations/{operation}/cancel", &cancel, None).await;
    until_state(stack, &zoe, &text(&stopped, "/site"), "rolled_back").await;

    billing_story::tell(stack, &mut story).await;
    hosting_story::tell(&mut story).await;

    story.tell(owner, "DELETE /v1/hosting/sites/{site}", &format!("{sites}/{site}"), None).await;
    story.tell(owner, "POST /v1/auth/logout", "/v1/auth/logout", None).await;
    stack.settle().await;

    let unseen: Vec<String> = story
        .description
        .operations()
        .into_iter()
        .map(|(method, path)| format!("{method} {path}"))
        .filter(|route| !story.seen.contains(route) && !AGENTS_ONLY.contains(&route.as_str()))
        .filter(|route| !STRIPE_ONLY.contains(&route.as_str()))
        .collect();
    assert!(unseen.is_empty(), "no success of these was seen: {unseen:?}");
    assert!(story.faults.is_empty(), "not as described:\n{}", story.faults.join("\n"));
}

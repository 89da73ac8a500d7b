//! What the description says of hosting beyond a site's building, seen with success: a site's life, its domain, its mail, the fleet.

use std::time::Duration;

use local::harness::people::PASSWORD;
use local::harness::{Client, Stack};
use serde_json::{Value, json};

use crate::billing_story::staff;
use crate::cast::{text, until_state};
use crate::contract::Story;

const LONG: Duration = Duration::from_secs(90 * 60);
const SITE: &str = "/v1/hosting/sites/{site}";
const DOMAIN: &str = "/v1/hosting/domains/{domain}";

/// Calls every route of hosting that the other stories do not, on a stack of its own: this takes hours of its time.
pub(crate) async fn tell(story: &mut Story) {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    entitle(&stack, &anna, "shared").await;
    let deployed = anna.post("/v1/hosting/sites", json!({"label": "acme"})).await.expect(202);
    let site = text(&deployed, "/site");
    until_state(&stack, &anna, &site, "active").await;
    let operation = format!("/v1/hosting/operations/{}", text(&deployed, "/id"));
    story.tell(&anna, "GET /v1/hosting/operations/{operation}", &operation, None).await;
    for path in ["/v1/dashboard", "/v1/hosting/dashboard"] {
        story.tell(&anna, &format!("GET {path}"), path, None).await;
    }
    let here = format!("/v1/hosting/sites/{site}");
    let staff = staff(&stack).await;
    life(&stack, story, (&anna, &staff), &here).await;
    domain(&stack, story, &anna).await;
    mail(&stack, story, &anna, &here).await;
    fleet(&stack, story, (&anna, &staff), &here).await;
}

async fn life(stack: &Stack, story: &mut Story, (anna, staff): (&Client, &Client), here: &str) {
    let backups = format!("{here}/backups");
    let begun = story.tell(anna, &format!("POST {SITE}/backups"), &backups, None).await.json();
    until_over(stack, &begun).await;
    let listed = story.tell(anna, &format!("GET {SITE}/backups"), &backups, None).await.json();
    let restore = format!("{backups}/{}/restore", text(&listed, "/items/0/id"));
    let route = format!("POST {SITE}/backups/{{backup}}/restore");
    until_over(stack, &story.tell(anna, &route, &restore, None).await.json()).await;
    let label = Some(json!({"label": "acme-shop"}));
    let renamed = story.tell(anna, &format!("POST {SITE}/rename"), &format!("{here}/rename"), label).await;
    until_over(stack, &renamed.json()).await;

    let staff = &again(stack, staff).await;
    let reason = Some(json!({"reason": "The pages collect passwords."}));
    let held = story.tell(staff, &format!("POST {SITE}/suspend"), &format!("{here}/suspend"), reason).await;
    until_over(stack, &held.json()["operation"]).await;
    let let_go = story.tell(staff, &format!("POST {SITE}/resume"), &format!("{here}/resume"), None).await;
    until_over(stack, &let_go.json()["operation"]).await;
}

async fn domain(stack: &Stack, story: &mut Story, anna: &Client) {
    let anna = &again(stack, anna).await;
    let name = Some(json!({"name": "example.org"}));
    story.tell(anna, "POST /v1/hosting/domains", "/v1/hosting/domains", name).await;
    let here = "/v1/hosting/domains/example.org";
    story.tell(anna, &format!("GET {DOMAIN}"), here, None).await;
    let records = format!("{here}/records");
    let record = Some(json!({"name": "www.example.org", "type": "A", "values": ["192.0.2.1"]}));
    story.tell(anna, &format!("PUT {DOMAIN}/records"), &records, record).await;
    story.tell(anna, &format!("GET {DOMAIN}/records"), &records, None).await;
    let one = format!("{records}?name=www.example.org&type=A");
    story.tell(anna, &format!("DELETE {DOMAIN}/records"), &one, None).await;
}

async fn mail(stack: &Stack, story: &mut Story, anna: &Client, here: &str) {
    let (route, path) = (format!("{SITE}/email-domain"), format!("{here}/email-domain"));
    let verified = async || {
        let all = stack.table("hosting").of_kind("email_identity");
        all.iter().all(|identity| identity["state"] == "verified")
    };
    stack.run_until("the mail domain is verified", LONG, verified).await;
    let anna = &again(stack, anna).await;
    story.tell(anna, &format!("GET {route}"), &path, None).await;
    let letter = json!({"to": "omar@example.com", "subject": "Your order", "text": "It is on its way.", "from": "shop"});
    story.tell(anna, &format!("POST {SITE}/emails"), &format!("{here}/emails"), Some(letter)).await;
    // SES's news of the mail is counted with the domain.
    stack.settle().await;
    let mut failed = stack.table("hosting").of_kind("email_identity").remove(0);
    failed["state"] = json!("failed");
    stack.put_item("hosting", &failed).await.unwrap();
    story.tell(anna, &format!("POST {route}/retry"), &format!("{path}/retry"), None).await;
    let own = Some(json!({"domain": "mail.example.org"}));
    story.tell(anna, &format!("POST {route}"), &path, own).await;
    story.tell(anna, &format!("DELETE {route}"), &path, None).await;
    story.tell(anna, &format!("DELETE {DOMAIN}"), "/v1/hosting/domains/example.org", None).await;
    stack.settle().await;
}

async fn fleet(stack: &Stack, story: &mut Story, (anna, staff): (&Client, &Client), here: &str) {
    let (staff, hosts) = (again(stack, staff).await, "/v1/admin/hosting/hosts");
    let listed = story.tell(&staff, &format!("GET {hosts}"), hosts, None).await.json();
    let options = json!([{"instance_type": "t3.medium"}]);
    let settings = json!({"units_per_host": 5, "max_hosts": 3, "target_free": 0, "options": options});
    let pool = "/v1/admin/hosting/pools/shared";
    story.tell(&staff, "PUT /v1/admin/hosting/pools/{pool}", pool, Some(settings)).await;

    entitle(stack, anna, "dedicated").await;
    let anna = again(stack, anna).await;
    let moved = story.tell(&anna, &format!("POST {SITE}/migrate"), &format!("{here}/migrate"), None).await;
    until_over(stack, &moved.json()).await;
    let staff = again(stack, &staff).await;
    let drain = format!("{hosts}/{}/drain", text(&listed, "/items/0/id"));
    story.tell(&staff, "POST /v1/admin/hosting/hosts/{host}/drain", &drain, None).await;
    stack.settle().await;
}

async fn until_over(stack: &Stack, operation: &Value) {
    let id = text(operation, "/id");
    let over = async || {
        let all = stack.table("hosting").of_kind("operation");
        all.iter().any(|operation| operation["id"] == id && operation["state"] == "succeeded")
    };
    stack.run_until("the operation has succeeded", LONG, over).await;
}

/// The same person with a fresh session.
pub(crate) async fn again(stack: &Stack, client: &Client) -> Client {
    let fresh = stack.client();
    let body = json!({"email": client.email(), "password": PASSWORD});
    let session = fresh.post("/v1/auth/login", body).await.expect(200);
    fresh.with_session(session)
}

/// Gives an organisation a plan with domains, as billing's event to accounts would.
async fn entitle(stack: &Stack, client: &Client, mode: &str) {
    let key = format!("ORG#{}", client.org());
    let items = stack.table("accounts").items();
    let mut item = items.into_iter().find(|item| item["pk"] == key && item["sk"] == "META").unwrap();
    item.as_object_mut().unwrap().remove("event");
    let version = item["entitlements"]["version"].as_u64().unwrap();
    item["entitlements"]["version"] = json!(version + 1);
    let hosting = &mut item["entitlements"]["products"]["hosting"];
    (hosting["plan"], hosting["mode"]) = (json!("launch"), json!(mode));
    hosting["limits"]["custom_domains"] = json!(2);
    stack.put_item("accounts", &item).await.unwrap();
}

//! Hosts: a token makes one host, its key speaks for it alone, its reports only go on.

use domain::hosting::host_protocol::AgentConfig;
use local::Stack;
use local::aws::When;
use local::aws::ec2::Instance;
use local::harness::Client;
use serde_json::{Value, json};

use crate::{Asked, deploy, item, refused};

const REGISTER: &str = "/v1/hosts/register";

/// A machine that was launched for a site, whose agent the test plays itself.
struct Machine {
    instance: Instance,
    config: AgentConfig,
    asked: Asked,
}

impl Machine {
    async fn launched(stack: &Stack, anna: &Client) -> Self {
        let asked = deploy(anna, "acme").await;
        let there = async || !stack.cloud().ec2().instances().is_empty();
        stack.run_until("a machine is launched", crate::PATIENCE, there).await;
        let id = stack.cloud().ec2().instances()[0].id.clone();
        stack.core().instances.mute(&id);
        let known = async || stack.table("hosting").of_kind("host")[0]["ip"].is_string();
        stack.run_until("its address is known", crate::PATIENCE, known).await;
        let instance = stack.cloud().ec2().instances().remove(0);
        let config = AgentConfig::from_user_data(&instance.user_data).unwrap();
        Self { instance, config, asked }
    }

    fn registration(&self, nonce: &str) -> Value {
        json!({
            "host": self.config.host, "token": self.config.token, "nonce": nonce, "instance_id": self.instance.id,
            "ip": self.instance.public_ip, "agent_version": "1.0.0",
            "capacity": {"memory_mib": 4096, "disk_gib": 40},
        })
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/hosts/{}/{what}", self.config.host)
    }
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[tokio::test]
async fn e48_a_token_makes_one_host() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let machine = Machine::launched(&stack, &anna).await;
    let agent = stack.client();
    let body = machine.registration("0123456789abcdef");

    let invalid = (401, "invalid_host_token".to_owned());
    for (field, value) in [
        ("token", json!("another-token")),
        ("host", json!("host_00000000000000000000000001")),
        ("instance_id", json!("i-00000000000000000")),
        ("ip", json!("203.0.113.254")),
    ] {
        let answer = refused(agent.post(REGISTER, with(body.clone(), field, value))).await;
        assert_eq!(answer, invalid, "{field}");
    }
    let small = with(body.clone(), "capacity", json!({"memory_mib": 512, "disk_gib": 8}));
    assert_eq!(refused(agent.post(REGISTER, small)).await, (409, "capacity_too_small".to_owned()));
    assert_eq!(agent.post(REGISTER, with(body.clone(), "nonce", json!("short"))).await.status, 422);

    let first = agent.post(REGISTER, body.clone()).await.expect(200);
    insta::assert_json_snapshot!(first, {".host" => "[id]", ".key" => "[key]"}, @r#"
    {
      "host": "[id]",
      "key": "[key]",
      "manifest": {
        "generation": 0,
        "sites": []
      },
      "report_every_seconds": 30
    }
    "#);
    let again = agent.post(REGISTER, body.clone()).await.expect(200);
    assert_eq!(again["key"], first["key"], "the answer was lost on its way");
    let thief = machine.registration("fedcba9876543210");
    assert_eq!(refused(agent.post(REGISTER, thief)).await, invalid);

    let key = first["key"].as_str().unwrap();
    let report = json!({"generation": 0, "sites": [], "disk_used_bytes": 0});
    agent.with_token(key).post(&machine.path("report"), report).await.expect(200);
    assert_eq!(
        refused(agent.post(REGISTER, body)).await,
        invalid,
        "after the first report the token is worth nothing"
    );

    let stored = stack.table("hosting").of_kind("host").remove(0).to_string();
    assert!(!stored.contains(key) && !stored.contains(&machine.config.token), "only digests are stored");
    assert!(stack.logs("register_host").iter().all(|line| !line.contains(&machine.config.token)));
}

#[tokio::test]
async fn a_key_speaks_for_its_host_alone_and_reports_only_go_on() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    let machine = Machine::launched(&stack, &anna).await;
    let body = machine.registration("0123456789abcdef");
    let key = stack.client().post(REGISTER, body).await.expect(200)["key"].as_str().unwrap().to_owned();
    let agent = stack.client().with_token(&key);
    let report = |generation: u64| json!({"generation": generation, "sites": [], "disk_used_bytes": 7});
    let path = machine.path("report");

    let forged = format!("{}.{}", machine.config.host, "0".repeat(64));
    for wrong in [forged.as_str(), "nonsense", anna.token(), &key[..key.len() - 1], &machine.config.token] {
        let answer = refused(stack.client().with_token(wrong).post(&path, report(0))).await;
        assert_eq!(answer, (401, "invalid_host_key".to_owned()), "{wrong}");
    }
    assert_eq!(refused(stack.client().post(&path, report(0))).await, (401, "missing_token".to_owned()));
    assert_eq!(agent.get("/v1/hosting/sites").await.status, 401, "a host is no person");
    let elsewhere = refused(agent.post("/v1/hosts/host_00000000000000000000000001/report", report(0))).await;
    assert_eq!(elsewhere, (404, "not_found".to_owned()));

    agent.post(&path, report(0)).await.expect(200);
    let host = machine.config.host.to_string();
    let told = async || {
        // The machine's own agent is mute: this one keeps the host alive.
        agent.post(&path, report(0)).await.ok()["generation"].as_u64() > Some(0)
    };
    stack.run_until("the host is to serve the site", crate::PATIENCE, told).await;
    let manifest = agent.post(&path, report(0)).await.ok();
    let site = &manifest["sites"][0];
    assert_eq!((&site["site"], &site["fqdn"]), (&json!(machine.asked.site), &json!("acme.sites.localhost")));
    assert_eq!((&site["state"], &site["units"]), (&json!("serving"), &json!(1)));

    let name = |name: &str| machine.path(&format!("names/{name}"));
    assert_eq!(agent.get(&name("acme.sites.localhost")).await.status, 204);
    assert_eq!(agent.get(&name("ACME.sites.localhost")).await.status, 204, "names are the same in capitals");
    for foreign in ["other.sites.localhost", "sites.localhost", "acme.sites.localhost.evil.example", "%2e"] {
        assert_eq!(refused(agent.get(&name(foreign))).await, (404, "not_found".to_owned()), "{foreign}");
    }
    assert_eq!(stack.client().get(&name("acme.sites.localhost")).await.status, 401);

    let generation = manifest["generation"].as_u64().unwrap();
    let ahead = agent.post(&path, report(generation + 1)).await;
    assert_eq!((ahead.status, ahead.code().as_str()), (409, "stale_generation"));
    agent.post(&path, report(generation)).await.expect(200);
    assert_eq!(item(&stack, "host", &host)["applied_generation"], generation);
    let stale = agent.post(&path, report(generation - 1)).await;
    assert_eq!((stale.status, &stale.json()["applied"]), (409, &json!(generation)));
    agent.post(&path, report(generation)).await.expect(200);

    for (body, pointer) in [
        (json!({"generation": -1, "sites": [], "disk_used_bytes": 0}), "/generation"),
        (json!({"generation": 0, "disk_used_bytes": 0}), "/sites"),
        (
            json!({"generation": 0, "sites": [{"site": "x", "state": "serving"}], "disk_used_bytes": 0}),
            "/sites/0/site",
        ),
        (with(report(0), "token", json!("x")), "/token"),
    ] {
        let answer = agent.post(&path, body).await;
        assert_eq!((answer.status, &answer.json()["problems"][0]["pointer"]), (422, &json!(pointer)));
    }
}

#[tokio::test]
async fn an_answer_that_never_came_does_not_cost_a_machine() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    // Its third call takes the token; the machine never hears of it.
    stack.faults().kill("register_host", 3, When::After);
    let asked = crate::deployed(&stack, &anna, "acme").await;
    assert!(stack.faults().kills_left() == 0, "the function was killed");
    assert_eq!(item(&stack, "operation", &asked.operation)["state"], "succeeded");
    assert_eq!((stack.cloud().ec2().instances().len(), stack.table("hosting").of_kind("host").len()), (1, 1));
    let taken = stack.calls_of("register_host").iter().filter(|call| call.operation == "PutItem").count();
    assert_eq!(taken, 1, "the second try took nothing more");
}

#[tokio::test]
async fn a_machine_off_the_net_comes_back_as_the_same_host() {
    let stack = Stack::start().await;
    let anna = stack.verified("anna@example.com").await;
    crate::deployed(&stack, &anna, "acme").await;
    let instance = stack.cloud().ec2().instances().remove(0);
    let host = stack.table("hosting").of_kind("host").remove(0);
    let state =
        |stack: &Stack| stack.table("hosting").of_kind("host")[0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state(&stack), "ready");

    stack.core().instances.stop(&instance.id);
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 504);
    stack.run_until("it is missed", crate::PATIENCE, async || state(&stack) == "unhealthy").await;
    stack.core().instances.start(&instance.id);
    stack.run_until("it is back", crate::PATIENCE, async || state(&stack) == "ready").await;
    assert_eq!(stack.browse("http://acme.sites.localhost/").await.status, 200);
    assert_eq!(
        stack.table("hosting").of_kind("host")[0]["key_hash"],
        host["key_hash"],
        "it did not register again"
    );
}

//! The auditor: what must hold of table and AWS together, whatever happened before. Called at the end of every test that
//! disturbs something, when nothing is under way any more.

use std::collections::{BTreeMap, BTreeSet};

use local::Stack;
use local::aws::ec2::State;
use serde_json::Value;

/// States in which a site holds its label, its bucket and its names.
const STANDING: [&str; 7] =
    ["requested", "provisioning", "active", "migrating", "suspended", "failed", "deprovisioning"];

/// Everything at once.
pub(crate) async fn check(stack: &Stack) {
    stack.settle().await;
    let items = stack.table("hosting").items();
    let books = Books { stack, items };
    books.rooms_add_up();
    books.one_operation_a_site();
    books.labels_are_held_once();
    books.usage_adds_up();
    books.nobody_waits_in_vain();
    books.mail_domains_are_held_once();
    books.names_lead_to_hosts_that_carry_the_site();
    books.nothing_is_orphaned().await;
}

struct Books<'a> {
    stack: &'a Stack,
    items: Vec<Value>,
}

impl Books<'_> {
    fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.items.iter().filter(move |item| item["kind"] == kind)
    }

    fn site(&self, id: &Value) -> &Value {
        self.of("site").find(|site| site["id"] == *id).unwrap_or_else(|| panic!("there is no site {id}"))
    }

    fn is_standing(site: &Value) -> bool {
        STANDING.iter().any(|state| site["state"] == *state)
    }

    /// I3: what is taken of a host is what its sites keep, and the index says the same.
    fn rooms_add_up(&self) {
        for host in self.of("host") {
            let kept: Vec<&Value> =
                self.of("reservation").filter(|kept| kept["host"] == host["id"]).collect();
            let sum = |field: &str| kept.iter().map(|kept| number(&kept[field])).sum::<i64>();
            let free = number(&host["free_units"]);
            assert_eq!(number(&host["cap_units"]) - free, sum("units"), "units of {host}");
            assert_eq!(
                number(&host["cap_disk_mib"]) - number(&host["free_disk_mib"]),
                sum("disk_mib"),
                "disk of {host}"
            );
            assert_eq!(number(&host["sites"]), i64::try_from(kept.len()).unwrap(), "sites of {host}");
            assert!(free >= 0, "{host}");
            assert_eq!(number(&host["gsi1sk"]), free, "the index of {host}");
            let foreign = kept.iter().any(|kept| kept["site"] != host["for_site"]);
            assert!(host["for_site"].is_null() || !foreign, "somebody else's machine: {host}");
        }
        for kept in self.of("reservation") {
            let site = self.site(&kept["site"]);
            let names_it =
                ["host", "target_host", "former_host"].iter().any(|field| site[field] == kept["host"]);
            assert!(names_it, "room is kept for a site that does not know it: {kept} {site}");
        }
    }

    /// I4: at most one operation is at work on a site, and the site names it.
    fn one_operation_a_site(&self) {
        for site in self.of("site") {
            let at_work: Vec<&Value> = self
                .of("operation")
                .filter(|operation| operation["site"] == site["id"])
                .filter(|operation| {
                    !["succeeded", "rolled_back", "failed"].iter().any(|over| operation["state"] == *over)
                })
                .map(|operation| &operation["id"])
                .collect();
            let named: Vec<&Value> =
                Some(&site["current_op"]).into_iter().filter(|id| !id.is_null()).collect();
            assert_eq!(at_work, named, "{site}");
        }
    }

    /// I5: a live label belongs to one site that stands, and every standing site has its label.
    fn labels_are_held_once(&self) {
        let live: BTreeSet<String> = self
            .of("label_claim")
            .filter(|claim| claim["state"] == "live")
            .map(|claim| format!("{} {}", text(&claim["label"]), text(&claim["site"])))
            .collect();
        let standing: BTreeSet<String> = self
            .of("site")
            .filter(|site| Self::is_standing(site))
            .map(|site| format!("{} {}", text(&site["label"]), text(&site["id"])))
            .collect();
        assert_eq!(live, standing);
    }

    fn usage_adds_up(&self) {
        let orgs: BTreeSet<String> = self.of("site").map(|site| text(&site["org"])).collect();
        for org in orgs {
            let standing =
                self.of("site").filter(|site| site["org"] == org && Self::is_standing(site)).count();
            let counted =
                self.items.iter().find(|item| item["pk"] == format!("ORG#{org}") && item["sk"] == "USAGE");
            assert_eq!(
                counted.map_or(0, |usage| number(&usage["sites"])),
                i64::try_from(standing).unwrap(),
                "{org}"
            );
        }
    }

    /// Each mail domain is claimed for the site that has it, and nothing else is.
    fn mail_domains_are_held_once(&self) {
        let claimed: BTreeSet<String> =
            self.of("mail_claim").map(|claim| format!("{} {}", text(&claim["pk"]), claim["site"])).collect();
        let stored: BTreeSet<String> = self
            .of("email_identity")
            .map(|one| format!("SES#{} {}", text(&one["domain"]), one["site"]))
            .collect();
        assert_eq!((claimed.len(), &claimed), (self.of("email_identity").count(), &stored));
    }

    fn nobody_waits_in_vain(&self) {
        for waiter in self.of("waiter") {
            let operation = self.of("operation").find(|operation| operation["id"] == waiter["operation"]);
            assert_eq!(operation.map(|operation| &operation["state"]), Some(&"waiting".into()), "{waiter}");
        }
    }

    /// I5: each address record names the host that carries its site; the name servers have what is stored, and no more.
    fn names_lead_to_hosts_that_carry_the_site(&self) {
        let zones = self.stack.cloud().route53().zones().into_iter();
        let zone = zones.into_iter().find(|zone| zone.name == "sites.localhost.").unwrap();
        let served: BTreeSet<String> = self
            .stack
            .cloud()
            .route53()
            .records(&zone.id)
            .into_iter()
            .filter(|record| record.name.trim_end_matches('.') != zone.name.trim_end_matches('.'))
            .map(|record| {
                format!("{} {} {:?}", record.name.trim_end_matches('.'), record.kind, record.values)
            })
            .collect();
        let mut stored = BTreeSet::new();
        for item in self.of("dns_record").filter(|item| item["zone"] == "sites.localhost") {
            let record = &item["record"];
            let values: Vec<String> = record["values"].as_array().unwrap().iter().map(text).collect();
            if item["state"] == "insync" {
                stored.insert(format!("{} {} {values:?}", text(&record["name"]), text(&record["type"])));
            }
            let site = self.site(&item["site"]);
            assert!(Self::is_standing(site), "a record of a site that is gone: {item}");
            if record["type"] == "A" {
                let host = if site["host"].is_null() { &site["target_host"] } else { &site["host"] };
                let host =
                    self.of("host").find(|item| item["id"] == *host).unwrap_or_else(|| panic!("{site}"));
                assert_eq!(values, [text(&host["ip"])], "{item}");
            }
        }
        assert_eq!(served, stored);
        assert_eq!(self.of("dns_change").count(), 0, "the queue of the zone");
    }

    /// I8: nothing in AWS without an owner in the table, and the other way round.
    async fn nothing_is_orphaned(&self) {
        let cloud = self.stack.cloud();
        // A host that is on its way out has its machine and address until the next look at it.
        let leaving: BTreeSet<String> = self
            .of("host")
            .filter(|host| host["state"] == "terminating")
            .map(|host| text(&host["id"]))
            .collect();
        let stays = |tags: &BTreeMap<String, String>| !leaving.contains(tags["tenantry:host"].as_str());
        let running: BTreeSet<String> = cloud
            .ec2()
            .instances()
            .into_iter()
            .filter(|instance| matches!(instance.state(self.stack.now()), State::Pending | State::Running))
            .filter(|instance| stays(&instance.tags))
            .map(|instance| format!("{} {}", instance.id, instance.tags["tenantry:host"]))
            .collect();
        let hosts: BTreeSet<String> = self
            .of("host")
            .filter(|host| {
                !["terminated", "terminating", "failed"].iter().any(|state| host["state"] == *state)
            })
            .map(|host| format!("{} {}", text(&host["instance_id"]), text(&host["id"])))
            .collect();
        assert_eq!(running, hosts);

        // Each host that is up has one address, and none is left of those that are gone.
        let led: BTreeSet<String> = cloud
            .ec2()
            .addresses()
            .into_iter()
            .filter(|address| stays(&address.tags))
            .map(|address| {
                format!("{} {} {:?}", address.public_ip, address.tags["tenantry:host"], address.instance)
            })
            .collect();
        let known: BTreeSet<String> = self
            .of("host")
            .filter(|host| {
                ["bootstrapping", "ready", "unhealthy", "draining"]
                    .iter()
                    .any(|state| host["state"] == *state)
            })
            .map(|host| {
                format!(
                    "{} {} {:?}",
                    text(&host["ip"]),
                    text(&host["id"]),
                    host["instance_id"].as_str().map(str::to_owned)
                )
            })
            .collect();
        assert_eq!(led, known);

        let buckets: BTreeSet<String> = crate::buckets(self.stack).await.into_iter().collect();
        let owned: BTreeSet<String> =
            self.of("site").filter_map(|site| site["bucket"].as_str()).map(str::to_owned).collect();
        assert_eq!(buckets, owned);

        let own = |name: &String| name.ends_with(".sites.localhost");
        let identities: BTreeSet<String> =
            cloud.ses().identities().into_iter().map(|identity| identity.name).filter(own).collect();
        let wanted: BTreeSet<String> =
            self.of("email_identity").map(|identity| text(&identity["domain"])).filter(own).collect();
        assert_eq!(identities, wanted);
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

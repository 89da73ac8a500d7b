//! The main job: from a sign-up to a site that is served.

use std::cell::RefCell;

use http::Method;
use serde_json::{Value, json};

use super::{Person, Tour, ensure, fine, note, shown, step, text};
use crate::{Error, Result};

impl Tour {
    pub(super) async fn host(&self) -> Result<()> {
        let person = self.sign_up().await?;
        self.verify(&person).await?;
        let site = self.deploy(&person).await?;
        let deployed = self.watch(&person, &site).await?;
        self.browse(&deployed).await?;
        self.bucket(&deployed).await?;
        self.dns(&deployed).await?;
        self.mail_identity(&person, &site, &deployed).await?;
        self.announcement(&deployed).await
    }

    pub(super) async fn deploy(&self, person: &Person) -> Result<String> {
        step("Ask for a site");
        let label = format!("tour-{}", self.word);
        let operation = self
            .api(Some(person), Method::POST, "/v1/hosting/sites", Some(json!({ "label": label })), 202)
            .await?;
        fine(&format!("{} is requested: {}", text(&operation, "/fqdn")?, text(&operation, "/id")?));
        let answer = self
            .send(Some(person), Method::POST, "/v1/hosting/sites", Some(json!({ "label": label })))
            .await?;
        ensure(
            answer.status == 202,
            "the same request with the same key is answered with the same operation",
        )?;
        ensure(answer.json()["id"] == operation["id"], "and makes nothing new")?;
        text(&operation, "/site")
    }

    pub(super) async fn watch(&self, person: &Person, site: &str) -> Result<Value> {
        step("Watch it being built");
        let path = format!("/v1/hosting/sites/{site}/deployment");
        let shown = RefCell::new(String::new());
        self.wait("the site to be built", async || {
            let status = self.api(Some(person), Method::GET, &path, None, 200).await?;
            let operation = status.get("operation").unwrap_or(&status);
            let line = format!(
                "{:>3} %  {}  {}",
                operation["percent"],
                operation["state"].as_str().unwrap_or_default(),
                operation["step"].as_str().unwrap_or_default()
            );
            if *shown.borrow() != line {
                note(&line);
                shown.replace(line);
            }
            match operation["state"].as_str() {
                Some("succeeded") => Ok(Some(())),
                Some("needs_attention" | "compensating" | "compensated" | "failed") => {
                    Err(Error::new(format!("building stopped: {}", operation["error"])))
                }
                _ => Ok(None),
            }
        })
        .await?;
        let site =
            self.api(Some(person), Method::GET, &format!("/v1/hosting/sites/{site}"), None, 200).await?;
        let site = site.get("site").cloned().unwrap_or(site);
        ensure(site["state"] == "active", "the site is active")?;
        Ok(site)
    }

    async fn browse(&self, site: &Value) -> Result<()> {
        step("Open it in a browser");
        let url = format!("http://{}:{}/", text(site, "/fqdn")?, self.port);
        self.wait("the site's page", async || {
            let answer = self.web.browse(&url).await?;
            Ok((answer.status == 200 && !answer.body.is_empty()).then_some(()))
        })
        .await?;
        fine(&format!("{url} answers"));
        let other = format!("http://nobody-{}.{}/", self.word, crate::stack::SITES_DOMAIN);
        let answer = self.web.browse(&other).await?;
        ensure(answer.status != 200, "a name that nobody has does not")
    }

    async fn bucket(&self, site: &Value) -> Result<()> {
        step("Look at its bucket");
        let bucket = text(site, "/bucket")?;
        let versioning = self.aws("s3", &format!("/{bucket}?versioning")).await?;
        ensure(versioning.text().contains("<Status>Enabled</Status>"), "it keeps versions")?;
        let block = self.aws("s3", &format!("/{bucket}?publicAccessBlock")).await?.text();
        let private = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
        ensure(private.iter().all(|rule| block.contains(&format!("<{rule}>true</{rule}>"))), "it is private")
    }

    async fn dns(&self, site: &Value) -> Result<()> {
        step("Look at its DNS records");
        let name = text(site, "/fqdn")?;
        let found = self
            .wait("the DNS records to be in sync", async || {
                let all = self.local("dns").await?;
                let own = |record: &&Value| {
                    record["name"].as_str().is_some_and(|known| known.trim_end_matches('.').ends_with(&name))
                };
                let records: Vec<&Value> = all.as_array().into_iter().flatten().filter(own).collect();
                let synced = records.iter().all(|record| record["in_sync"] == true);
                let lines = records
                    .iter()
                    .map(|record| format!("{} {}", shown(&record["type"]), shown(&record["name"])));
                let lines: Vec<String> = lines.collect();
                Ok((synced && lines.iter().any(|line| line.starts_with("A "))).then_some(lines))
            })
            .await?;
        for line in &found {
            note(line);
        }
        fine("all changes are INSYNC");
        Ok(())
    }

    async fn mail_identity(&self, person: &Person, site: &str, deployed: &Value) -> Result<()> {
        step("Wait until mail from its name is believed (DKIM)");
        let domain = text(deployed, "/fqdn")?;
        let seen = RefCell::new(Vec::<String>::new());
        self.wait("the mail domain to be verified", async || {
            let identities = self.local("identities").await?;
            let mut known = identities.as_array().into_iter().flatten();
            let found = known.find(|identity| identity["name"].as_str() == Some(&domain));
            let ses = found.map_or("absent", |identity| shown(&identity["dkim"])).to_lowercase();
            let path = format!("/v1/hosting/sites/{site}");
            let view = self.api(Some(person), Method::GET, &path, None, 200).await?;
            let ours = view.pointer("/mail/state").map_or("absent", shown).to_owned();
            if seen.borrow().last() != Some(&ours) {
                note(&format!("the site says {ours}, SES says {ses}"));
                seen.borrow_mut().push(ours.clone());
            }
            Ok((ses == "success" && ours == "verified").then_some(()))
        })
        .await?;
        ensure(seen.borrow().iter().any(|state| state == "pending"), "it was pending, and is verified")
    }

    async fn announcement(&self, site: &Value) -> Result<()> {
        step("Receive the mail that the site is ready");
        let name = text(site, "/fqdn")?;
        let subject = self
            .wait("the mail about the site", async || {
                let mail = self.mail(|mail| mail["text"].to_string().contains(&name)).await?;
                Ok(mail.and_then(|mail| mail["subject"].as_str().map(str::to_owned)))
            })
            .await?;
        fine(&format!("received: {subject}"));
        self.no_dead_letters().await
    }
}

//! The scene that stories play on: sites, a mail server, a webhook receiver, and Farwatch watching the
//! sites with somebody to tell.

use std::time::Duration;

use anyhow::Context;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use serde_json::{Value, json};

use crate::mail_server::{MailEncryption, MailServer};
use crate::nginx::{Nginx, Server};
use crate::system::{System, SystemBuilder};
use crate::wait::eventually;
use crate::webhook_receiver::WebhookReceiver;

/// All checks must be in force, and run, by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Everything a story needs.
#[derive(Debug)]
pub struct Scene {
    /// The sites, one server each.
    pub nginx: Nginx,
    /// Takes Farwatch's mail.
    pub mail: MailServer,
    /// Takes its webhooks.
    pub webhooks: WebhookReceiver,
    /// What they are signed with.
    pub webhook_secret: String,
    /// Farwatch.
    pub system: System,
    sites: Vec<(String, CheckId)>,
}

impl Scene {
    /// Sets it: every site works, is watched every 10 s, and has been seen up.
    pub fn set(sites: &[&str], system: SystemBuilder) -> anyhow::Result<Self> {
        let servers: Vec<Server> = sites.iter().map(|site| Server::http(&working(site))).collect();
        let nginx = Nginx::start(&servers)?;
        let mail = MailServer::start(MailEncryption::StartTls)?;
        let webhooks = WebhookReceiver::start(Vec::new())?;
        let system = system
            .flag(format!("--smtp-url={}", mail.url()))
            .flag(format!("--smtp-ca-file={}", mail.ca_file().display()))
            .flag("--mail-from=farwatch@watch.example")
            .start()?;
        let (contact, webhook_secret) = somebody_to_tell(&system, &webhooks)?;
        let mut scene = Self { nginx, mail, webhooks, webhook_secret, system, sites: Vec::new() };
        scene.watch_all(sites, &contact)?;
        Ok(scene)
    }

    fn watch_all(&mut self, sites: &[&str], contact: &str) -> anyhow::Result<()> {
        for (index, site) in sites.iter().enumerate() {
            let check = json!({
                "name": site, "module": "http", "interval": 10, "contacts": [contact],
                "config": { "url": self.nginx.url(index, "/"), "body_contains": site },
            });
            let made = self.system.api().post("/v1/checks", &check)?;
            let id = made["id"].as_str().context("a check without an id")?.parse()?;
            self.sites.push(((*site).to_owned(), id));
        }
        eventually("every check to be run and up", SETTLE_LIMIT, || {
            let mut all_up = true;
            for site in sites {
                all_up &= self.results(site)?.iter().any(|result| result["status"] == "up");
            }
            Ok(all_up.then_some(()))
        })
    }

    /// The sites with their checks.
    pub fn sites(&self) -> &[(String, CheckId)] {
        &self.sites
    }

    /// The check of a site.
    pub fn check_id(&self, site: &str) -> CheckId {
        self.sites[self.index(site)].1
    }

    /// The site answers with an error from now on.
    pub fn break_site(&mut self, site: &str) -> anyhow::Result<()> {
        self.nginx.replace(self.index(site), "location / { return 503 'out of order'; }")
    }

    /// The site works again.
    pub fn repair_site(&mut self, site: &str) -> anyhow::Result<()> {
        self.nginx.replace(self.index(site), &working(site))
    }

    /// The site refuses whoever comes from this address.
    pub fn deny(&mut self, site: &str, address: std::net::IpAddr) -> anyhow::Result<()> {
        // `return` comes before access rules, so the page is a file of the server's own.
        let body = format!(
            "location / {{ deny {address}; allow all; try_files /none @page; }} location @page {{ return 200 'welcome to {site}'; }}"
        );
        self.nginx.replace(self.index(site), &body)
    }

    fn index(&self, site: &str) -> usize {
        self.sites.iter().position(|(name, _)| name == site).expect("a story names sites that it watches")
    }

    /// The check of a site as the API shows it.
    pub fn check(&self, site: &str) -> anyhow::Result<Value> {
        self.system.api().get(&format!("/v1/checks/{}", self.check_id(site)))
    }

    /// Every run of a site's due slots in the last hour, in the order they were committed.
    pub fn results(&self, site: &str) -> anyhow::Result<Vec<Value>> {
        let page = self.system.api().get(&format!("/v1/checks/{}/results?all=true&limit=200", self.check_id(site)))?;
        let items = page["items"].as_array().context("results are no list")?;
        Ok(items.iter().filter(|result| result["order"].is_null()).cloned().collect())
    }

    /// The host that ran the site's last slot.
    pub fn runner_of(&self, site: &str) -> anyhow::Result<String> {
        let results = self.results(site)?;
        Ok(text(&results.last().context("a check that was never run")?["host_name"]))
    }

    /// The incidents so far.
    pub fn incidents(&self) -> anyhow::Result<Vec<Value>> {
        let page = self.system.api().get("/v1/incidents")?;
        Ok(page["items"].as_array().context("incidents are no list")?.clone())
    }

    /// How a host stands, by its name.
    pub fn host(&self, name: &str) -> anyhow::Result<Value> {
        let hosts = self.system.api().get("/v1/hosts")?;
        let found = hosts["items"].as_array().and_then(|hosts| hosts.iter().find(|host| host["name"] == name).cloned());
        found.with_context(|| format!("there is no host {name}"))
    }

    /// The account of all slots of [from, to).
    pub fn ledger(&self, from: UnixMs, to: UnixMs) -> anyhow::Result<Value> {
        self.system.api().get(&format!("/v1/ledger?from={}&to={}", from.0, to.0))
    }
}

/// A text of the API; empty where there is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A moment of the API.
pub fn moment(value: &Value) -> anyhow::Result<UnixMs> {
    value.as_i64().map(UnixMs).context("no moment")
}

fn working(site: &str) -> String {
    format!("location / {{ return 200 'welcome to {site}'; }}")
}

fn somebody_to_tell(system: &System, webhooks: &WebhookReceiver) -> anyhow::Result<(String, String)> {
    let api = system.api();
    let contact = text(&api.post("/v1/contacts", &json!({ "name": "on-call" }))?["id"]);
    let channels = format!("/v1/contacts/{contact}/channels");
    api.post(&channels, &json!({ "kind": "email", "address": "on-call@watch.example" }))?;
    let webhook = api.post(&channels, &json!({ "kind": "webhook", "url": webhooks.url() }))?;
    Ok((contact, text(&webhook["secret"])))
}

//! The stage: sites, a mail server, a webhook receiver, and Farwatch with somebody to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use farwatch_proto::id::CheckId;
use farwatch_tests::mail_server::{MailEncryption, MailServer};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use farwatch_tests::webhook_receiver::WebhookReceiver;
use serde_json::{Value, json};

use crate::timeline::Timeline;

/// The sites that are watched, each every 10 s. The first one will break.
const SITES: [&str; 12] =
    ["shop", "blog", "api", "docs", "mail", "wiki", "login", "search", "status", "cdn", "forum", "shop-eu"];
/// How long a returning host proves itself: short, so that the story is.
pub(crate) const WARMUP: &str = "3s";
/// How long the killed host stays dead.
pub(crate) const RESTART_AFTER: &str = "15s";
/// All checks must be in force, and run, by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(40);

/// Everything the story needs.
pub(crate) struct Stage {
    pub(crate) nginx: Nginx,
    pub(crate) mail: MailServer,
    pub(crate) webhooks: WebhookReceiver,
    pub(crate) webhook_secret: String,
    pub(crate) system: System,
    /// By name.
    pub(crate) checks: BTreeMap<&'static str, CheckId>,
}

impl Stage {
    pub(crate) fn set(timeline: &Timeline) -> anyhow::Result<Self> {
        let sites: Vec<Server> = SITES.iter().map(|site| Server::http(&working(site))).collect();
        let nginx = Nginx::start(&sites)?;
        let mail = MailServer::start(MailEncryption::StartTls)?;
        let webhooks = WebhookReceiver::start(Vec::new())?;
        timeline.tell(&format!("nginx serves {} sites; a mail server and a webhook receiver listen", SITES.len()));
        let system = System::builder()
            .flag(format!("--warmup={WARMUP}"))
            .flag(format!("--restart-after={RESTART_AFTER}"))
            .flag(format!("--smtp-url={}", mail.url()))
            .flag(format!("--smtp-ca-file={}", mail.ca_file().display()))
            .flag("--mail-from=farwatch@watch.example")
            .start()?;
        timeline.tell("farwatch is up: control and five hosts (not independent: they share this machine)");
        let (contact, webhook_secret) = somebody_to_tell(&system, &webhooks)?;
        let mut stage = Self { nginx, mail, webhooks, webhook_secret, system, checks: BTreeMap::new() };
        stage.watch_all(&contact)?;
        timeline.tell(&format!("{} checks every 10 s are in force, and every site is up", SITES.len()));
        Ok(stage)
    }

    fn watch_all(&mut self, contact: &str) -> anyhow::Result<()> {
        let api = self.system.api();
        for (index, site) in SITES.iter().enumerate() {
            let check = json!({
                "name": site, "module": "http", "interval": 10, "contacts": [contact],
                "config": { "url": self.nginx.url(index, "/"), "body_contains": site },
            });
            let made = api.post("/v1/checks", &check)?;
            self.checks.insert(site, made["id"].as_str().context("a check without an id")?.parse()?);
        }
        eventually("every check to be run and up", SETTLE_LIMIT, || {
            let mut all_run = true;
            for site in SITES {
                all_run &= self.results(site)?.iter().any(|result| result["status"] == "up");
            }
            Ok(all_run.then_some(()))
        })
    }

    /// The site answers with an error from now on.
    pub(crate) fn break_site(&mut self, site: &str) -> anyhow::Result<()> {
        self.nginx.replace(self.index(site), "location / { return 503 'out of order'; }")
    }

    /// The site works again.
    pub(crate) fn repair_site(&mut self, site: &str) -> anyhow::Result<()> {
        self.nginx.replace(self.index(site), &working(site))
    }

    fn index(&self, site: &str) -> usize {
        SITES.iter().position(|name| *name == site).expect("the story breaks a site that it watches")
    }

    /// A check as the API shows it.
    pub(crate) fn check(&self, site: &str) -> anyhow::Result<Value> {
        self.system.api().get(&format!("/v1/checks/{}", self.checks[site]))
    }

    /// The results of a check's due slots, oldest first.
    pub(crate) fn results(&self, site: &str) -> anyhow::Result<Vec<Value>> {
        let page = self.system.api().get(&format!("/v1/checks/{}/results?limit=500", self.checks[site]))?;
        let items = page["items"].as_array().context("results are no list")?;
        Ok(items.iter().filter(|result| result["order"].is_null()).cloned().collect())
    }
}

fn working(site: &str) -> String {
    format!("location / {{ return 200 'welcome to {site}'; }}")
}

fn somebody_to_tell(system: &System, webhooks: &WebhookReceiver) -> anyhow::Result<(String, String)> {
    let api = system.api();
    let contact = api.post("/v1/contacts", &json!({ "name": "on-call" }))?;
    let contact = contact["id"].as_str().context("a contact without an id")?.to_owned();
    let channels = format!("/v1/contacts/{contact}/channels");
    api.post(&channels, &json!({ "kind": "email", "address": "on-call@watch.example" }))?;
    let webhook = api.post(&channels, &json!({ "kind": "webhook", "url": webhooks.url() }))?;
    let secret = webhook["secret"].as_str().context("a webhook without a secret")?.to_owned();
    Ok((contact, secret))
}

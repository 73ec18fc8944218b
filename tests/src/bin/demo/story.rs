//! What happens, in three acts.

use std::time::Duration;

use anyhow::Context;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::wait::eventually;
use rustix::process::Signal;
use serde_json::Value;

use crate::timeline::Timeline;
use crate::{RESTART_AFTER, WARMUP};

/// The site that breaks.
const BROKEN: &str = "shop";
/// Ten seconds to the next slot, and what detecting and telling may take beyond.
const TELL_LIMIT: Duration = Duration::from_secs(25);
/// Five seconds of silence, and a slot.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(30);
/// The restart, the warm-up, ten seconds of notice, and a slot.
const RETURN_LIMIT: Duration = Duration::from_secs(70);
/// Two good slots and a round.
const RECOVERY_LIMIT: Duration = Duration::from_secs(45);

/// The outage, as it was opened.
pub(crate) struct Outage {
    incident: String,
    /// From the start of the first failed run to the webhook.
    pub(crate) detect_ms: i64,
}

/// The take-over.
pub(crate) struct Takeover {
    /// From the death to the first run by a neighbour.
    pub(crate) takeover_ms: i64,
}

/// Act one: a site breaks, and people are told.
pub(crate) fn outage(scene: &mut Scene, timeline: &Timeline) -> anyhow::Result<Outage> {
    scene.break_site(BROKEN)?;
    timeline.tell(&format!("{BROKEN} breaks: it answers 503"));
    let failed = eventually("a failed run", TELL_LIMIT, || {
        Ok(scene.results(BROKEN)?.into_iter().find(|result| result["status"] == "down"))
    })?;
    let failed_at = moment(&failed["started"])?;
    timeline.tell(&format!("suspect: {} saw {}", text(&failed["host_name"]), text(&failed["message"])));
    let told_at = eventually("the webhook", TELL_LIMIT, || Ok((!scene.webhooks.requests().is_empty()).then(now)))?;
    let incident = text(&eventually("the incident", TELL_LIMIT, || {
        Ok(Some(scene.check(BROKEN)?["open_incident"].clone()).filter(Value::is_string))
    })?);
    let detail = scene.system.api().get(&format!("/v1/incidents/{incident}"))?;
    for voice in detail["events"][0]["voices"].as_array().context("an incident without voices")? {
        timeline.tell(&format!("  vote {}: {}", text(&voice["host_name"]), text(&voice["answer"])));
    }
    timeline.tell(&format!("incident {incident} opened: {} of {} had to agree", detail["need"], detail["of"]));
    timeline.tell(&format!("webhook received: {}", text(&scene.webhooks.requests()[0].json()?["type"])));
    let mail = eventually("the mail", TELL_LIMIT, || Ok(scene.mail.mails()?.into_iter().next()))?;
    timeline.tell(&format!("mail received: {}", mail.subject()));
    Ok(Outage { incident, detect_ms: told_at.since(failed_at) })
}

/// Act two: a host dies while the incident is open, and comes back.
pub(crate) fn death_and_return(scene: &Scene, timeline: &Timeline) -> anyhow::Result<Takeover> {
    let (site, victim) = someone_elses_host(scene)?;
    let pid = scene.system.host_pid(&victim)?;
    scene.system.signal(pid, Signal::KILL)?;
    let died_at = now();
    timeline.tell(&format!("kill -9 {victim}, which runs {site}; it is started again after {RESTART_AFTER}"));
    let taken = eventually("a neighbour to take over", TAKEOVER_LIMIT, || {
        let later = |result: &Value| {
            result["host_name"] != victim.as_str() && moment(&result["started"]).is_ok_and(|at| at > died_at)
        };
        Ok(scene.results(site)?.into_iter().find(later))
    })?;
    let takeover_ms = moment(&taken["started"])?.since(died_at);
    timeline.tell(&format!(
        "{} runs {site} now, {:.1} s after the death",
        text(&taken["host_name"]),
        takeover_ms as f64 / 1000.0
    ));
    let back_from = eventually("the host to be linked again", RETURN_LIMIT, || {
        let hosts = scene.system.api().get("/v1/hosts")?;
        let is_back =
            |host: &&Value| host["name"] == victim.as_str() && host["standing"] != "away" && host["connected"] == true;
        Ok(hosts["items"].as_array().and_then(|hosts| hosts.iter().find(is_back)).map(|_| now()))
    })?;
    timeline.tell(&format!("{victim} is back and proves itself for {WARMUP}, then 10 s of notice"));
    let returned = eventually("the check to return", RETURN_LIMIT, || {
        let again = |result: &Value| {
            result["host_name"] == victim.as_str() && moment(&result["slot"]).is_ok_and(|slot| slot > back_from)
        };
        Ok(scene.results(site)?.into_iter().find(again))
    })?;
    let late_ms = moment(&returned["started"])?.since(moment(&returned["slot"])?);
    timeline.tell(&format!("{site} is run by {victim} again, {late_ms} ms after its slot"));
    Ok(Takeover { takeover_ms })
}

/// Act three: the site works again, and people are told.
pub(crate) fn recovery(scene: &mut Scene, timeline: &Timeline, outage: &Outage) -> anyhow::Result<()> {
    scene.repair_site(BROKEN)?;
    timeline.tell(&format!("{BROKEN} is repaired"));
    eventually("the incident to be resolved", RECOVERY_LIMIT, || {
        let incident = scene.system.api().get(&format!("/v1/incidents/{}", outage.incident))?;
        Ok((incident["state"] == "resolved").then_some(()))
    })?;
    timeline.tell("recovery confirmed: two good slots, and the vantage points agree");
    eventually("the recovery to be told", TELL_LIMIT, || {
        Ok((scene.webhooks.requests().len() >= 2 && scene.mail.mails()?.len() >= 2).then_some(()))
    })?;
    timeline.tell(&format!("webhook received: {}", text(&scene.webhooks.requests()[1].json()?["type"])));
    timeline.tell(&format!("mail received: {}", scene.mail.mails()?[1].subject()));
    scene.webhooks.verify(&scene.webhook_secret)?;
    timeline.tell("both webhooks carry valid signatures, says the reference verifier");
    Ok(())
}

/// A site that works, and the host that runs it.
fn someone_elses_host(scene: &Scene) -> anyhow::Result<(&str, String)> {
    let (site, _) = scene.sites().iter().find(|(site, _)| site != BROKEN).context("there is one site only")?;
    Ok((site, scene.runner_of(site)?))
}

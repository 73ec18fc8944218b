//! The short flags of the module `heartbeat`.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::duration::seconds;

/// The config of the module `heartbeat`, for short.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Of the module heartbeat")]
pub(super) struct JobArgs {
    /// The job calls at least so often
    #[arg(long, value_parser = seconds, value_name = "TIME", conflicts_with = "cron")]
    period: Option<Duration>,
    /// When the job calls, in the five fields of a crontab
    #[arg(long, value_name = "FIELDS")]
    cron: Option<String>,
    /// By the clocks of which place --cron is meant, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// How late it may be
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    grace: Option<Duration>,
    /// How long a run may take, where the job says when it starts
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    run_max: Option<Duration>,
}

impl JobArgs {
    pub(super) fn config(&self) -> Map<String, Value> {
        let whole_seconds = |time: Option<Duration>| time.map(|time| json!(time.as_secs()));
        let said = [
            ("period_s", whole_seconds(self.period)),
            ("cron", self.cron.as_ref().map(|cron| json!(cron))),
            ("timezone", self.timezone.as_ref().map(|zone| json!(zone))),
            ("grace_s", whole_seconds(self.grace)),
            ("run_max_s", whole_seconds(self.run_max)),
        ];
        said.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
    }
}

//! How a customer says when a job is to call, and what makes that acceptable.

use farwatch_proto::time::UnixMs;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rhythm::Rhythm;

/// The shortest period: a job that calls more often is a service, which is better asked than listened to.
const PERIOD_MIN_S: u32 = 10;
/// The longest: a year, with a leap day.
const PERIOD_MAX_S: u32 = 366 * 86_400;
/// The shortest grace: what a signal may take on its way, tried again once.
const GRACE_MIN_S: u32 = 5;
/// The grace where none is said.
const GRACE_DEFAULT_S: u32 = 300;
/// The longest cron expression: a list of every minute is 170 signs long.
const CRON_MAX: usize = 256;
/// The zone of a cron expression where none is said.
const ZONE_DEFAULT: &str = "UTC";
/// By what moment it is seen whether an expression ever comes. Any will do, for calendars repeat.
const SOME_MOMENT: UnixMs = UnixMs(1_800_000_000_000);

/// The config of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    extend("examples" = [
        {"period_s": 86400, "grace_s": 3600},
        {"cron": "30 3 * * 1-5", "timezone": "Europe/Berlin", "grace_s": 900, "run_max_s": 7200},
    ]),
    extend("x-outcomes" = [
        {"code": "missed", "status": "down", "when": "No signal came until the grace was over."},
        {"code": "failed", "status": "down", "when": "The job said that it failed, or ended with an exit status other than 0."},
        {"code": "ran-too-long", "status": "down", "when": "The job said that it began, and not within `run_max_s` that it ended."},
    ])
)]
pub struct HeartbeatConfig {
    /// The job calls at least once in so many seconds. Say either this or `cron`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", title = "Period", extend("unit" = "s"), range(min = PERIOD_MIN_S, max = PERIOD_MAX_S), example = 86_400)]
    pub period_s: Option<u32>,
    /// When the job calls: minute, hour, day of month, month and day of week, as in crontab; `@daily` and its like are understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", title = "Cron", length(min = 1, max = CRON_MAX), example = &"30 3 * * 1-5")]
    pub cron: Option<String>,
    /// By the clocks of which place `cron` is meant: a name of the IANA time zone database; UTC where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", title = "Time zone", length(min = 1, max = 64), example = &"Europe/Berlin")]
    pub timezone: Option<String>,
    /// How many seconds after its moment a call may still come before people are told.
    #[serde(default = "grace_default")]
    #[schemars(title = "Grace", extend("unit" = "s"), range(min = GRACE_MIN_S, max = PERIOD_MAX_S), example = 900)]
    pub grace_s: u32,
    /// How many seconds a run may take, where the job says when it starts; as long as the grace where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", title = "Longest run", extend("unit" = "s"), range(min = GRACE_MIN_S, max = PERIOD_MAX_S), example = 7_200)]
    pub run_max_s: Option<u32>,
}

const fn grace_default() -> u32 {
    GRACE_DEFAULT_S
}

/// A field of a config that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Which.
    pub field: &'static str,
    /// Why, and what to do.
    pub message: String,
}

/// A config that makes sense.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    rhythm: Rhythm,
    grace_ms: i64,
    run_max_ms: i64,
}

impl Heartbeat {
    /// What a config means, or everything that is wrong with it.
    pub fn try_new(config: &HeartbeatConfig) -> Result<Self, Vec<Unusable>> {
        let mut wrong = Vec::new();
        let rhythm = rhythm(config).map_err(|unusable| wrong.push(unusable)).ok();
        wrong.extend(out_of("grace_s", Some(config.grace_s), GRACE_MIN_S));
        wrong.extend(out_of("run_max_s", config.run_max_s, GRACE_MIN_S));
        match rhythm {
            Some(rhythm) if wrong.is_empty() => Ok(Self {
                rhythm,
                grace_ms: i64::from(config.grace_s) * 1000,
                run_max_ms: i64::from(config.run_max_s.unwrap_or(config.grace_s)) * 1000,
            }),
            _ => Err(wrong),
        }
    }

    pub(super) const fn rhythm(&self) -> &Rhythm {
        &self.rhythm
    }

    pub(super) const fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    pub(super) const fn run_max_ms(&self) -> i64 {
        self.run_max_ms
    }
}

fn rhythm(config: &HeartbeatConfig) -> Result<Rhythm, Unusable> {
    match (config.period_s, &config.cron) {
        (Some(_), Some(_)) => {
            Err(unusable("cron", "either `period_s` or `cron` says when the job calls; leave one away"))
        }
        (None, None) => Err(unusable("period_s", "say when the job calls, by `period_s` or by `cron`")),
        (Some(_), None) if config.timezone.is_some() => {
            Err(unusable("timezone", "a period is the same everywhere; a time zone goes with `cron`"))
        }
        (Some(period_s), None) => match out_of("period_s", Some(period_s), PERIOD_MIN_S) {
            Some(unusable) => Err(unusable),
            None => Ok(Rhythm::Period { ms: i64::from(period_s) * 1000 }),
        },
        (None, Some(cron)) => rhythm_of_cron(cron, config.timezone.as_deref().unwrap_or(ZONE_DEFAULT)),
    }
}

fn rhythm_of_cron(cron: &str, zone: &str) -> Result<Rhythm, Unusable> {
    if cron.len() > CRON_MAX {
        return Err(unusable("cron", format!("{} signs are too many; use at most {CRON_MAX}", cron.len())));
    }
    let fields = cron.split_whitespace().count();
    if fields != 5 && !cron.trim_start().starts_with('@') {
        return Err(unusable("cron", format!("{cron:?} has {fields} fields; cron has five, such as 30 3 * * 1-5")));
    }
    let zone = TimeZone::get(zone).map_err(|_| {
        unusable("timezone", format!("{zone:?} is no time zone; use a name such as Europe/Berlin, or UTC"))
    })?;
    let rhythm =
        Rhythm::of_cron(cron, zone).map_err(|why| unusable("cron", format!("{cron:?} cannot be read: {why}")))?;
    if rhythm.ever_comes(SOME_MOMENT) { Ok(rhythm) } else { Err(unusable("cron", format!("{cron:?} never comes"))) }
}

fn out_of(field: &'static str, value: Option<u32>, min: u32) -> Option<Unusable> {
    let value = value.filter(|value| !(min..=PERIOD_MAX_S).contains(value))?;
    Some(unusable(field, format!("{value} s cannot be; use {min} to {PERIOD_MAX_S}")))
}

fn unusable(field: &'static str, message: impl Into<String>) -> Unusable {
    Unusable { field, message: message.into() }
}

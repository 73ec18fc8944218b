//! What one tenant may have and do, and whether it may have more.
//!
//! A quota is asked when something is added: a module, a check, more runs. Nothing that runs is ever stopped by one, for
//! a customer's monitoring must not end in silence; what a run may take is limited by its sandbox, and how often it may
//! connect by `egress/caps`. It stores nothing and asks nobody.

use std::fmt;

use farwatch_proto::interval::Interval;

/// Modules of one tenant, each version counted: a version a week for four years.
pub const MODULES_DEFAULT: u32 = 200;
/// The bytes of these together: two hundred compiled ones are some 20 MB, and as many with an interpreter as anybody
/// keeps are twenty of 12 MB each.
pub const MODULE_BYTES_DEFAULT: u64 = 256 << 20;
/// Runs a minute that the schedule of one tenant's checks asks for: 10,000 streams at the shortest interval, a tenth of
/// what a cell is built for.
pub const RUNS_PER_MINUTE_DEFAULT: u32 = 60_000;
/// CPU seconds that the modules a tenant brought may take in an hour, on all hosts together: one core, all the time.
pub const CPU_SECONDS_PER_HOUR_DEFAULT: u32 = 3_600;

/// Runs a minute that the checks of one tenant may send to one target: two hundred checks at the shortest interval, or
/// 25 of them that are watched from eight places each. Nobody needs more to know whether one server is up.
pub const TARGET_RUNS_PER_MINUTE_OF_TENANT: u32 = 1_200;
/// And those of all tenants together: five that watch the same as closely as one may. It keeps further checks from being
/// written, and no check that is there from being run.
pub const TARGET_RUNS_PER_MINUTE_OF_ALL: u32 = 6_000;

const MINUTES_OF_DAY: u64 = 1_440;

/// The quotas of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Modules, each version counted.
    pub modules: u32,
    /// The bytes of these.
    pub module_bytes: u64,
    /// Runs a minute, by the schedule.
    pub runs_per_minute: u32,
    /// CPU seconds an hour of runs by modules of its own, as measured.
    pub cpu_seconds_per_hour: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            modules: MODULES_DEFAULT,
            module_bytes: MODULE_BYTES_DEFAULT,
            runs_per_minute: RUNS_PER_MINUTE_DEFAULT,
            cpu_seconds_per_hour: CPU_SECONDS_PER_HOUR_DEFAULT,
        }
    }
}

/// How many runs a schedule asks for. Every interval divides a day, so a day's are a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunsPerDay(pub u64);

impl RunsPerDay {
    /// Of a check with so many streams. Standbys and confirmations are not counted: they run when something is wrong,
    /// which is not the customer's choice.
    pub fn of(interval: Interval, streams: u16) -> Self {
        Self(86_400 / u64::from(interval.seconds()) * u64::from(streams))
    }

    /// Of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// So many a minute, with what is over.
    pub const fn per_minute(self) -> u64 {
        self.0.div_ceil(MINUTES_OF_DAY)
    }

    const fn is_within(self, per_minute: u32) -> bool {
        self.0 <= per_minute as u64 * MINUTES_OF_DAY
    }
}

/// Which quota was reached, or which cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Of modules.
    Modules,
    /// Of their bytes.
    ModuleBytes,
    /// Of runs a minute.
    RunsPerMinute,
    /// Of CPU seconds an hour.
    CpuSecondsPerHour,
    /// Of runs a minute to one target, by one tenant.
    TargetOfTenant,
    /// Of runs a minute to one target, by all tenants.
    TargetOfAll,
}

impl Quota {
    /// The word that stands for it in answers and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Modules => "modules",
            Self::ModuleBytes => "module-bytes",
            Self::RunsPerMinute => "runs-per-minute",
            Self::CpuSecondsPerHour => "cpu-seconds-per-hour",
            Self::TargetOfTenant => "target-runs-per-minute",
            Self::TargetOfAll => "target-runs-per-minute-of-all",
        }
    }

    /// What is counted.
    const fn noun(self) -> &'static str {
        match self {
            Self::Modules => "modules, each version counted",
            Self::ModuleBytes => "bytes of modules",
            Self::RunsPerMinute => "runs a minute",
            Self::CpuSecondsPerHour => "CPU seconds of your own modules in the last hour",
            Self::TargetOfTenant => "runs a minute to this target",
            Self::TargetOfAll => "runs a minute to this target, by all who watch it",
        }
    }

    /// What whoever meets it may do.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Modules | Self::ModuleBytes => {
                "take a version back that no check is run by (`farwatch module delete`), or ask your operator for more"
            }
            Self::RunsPerMinute => {
                "give checks longer intervals or fewer vantage points, pause or delete some, or ask your operator for more"
            }
            Self::CpuSecondsPerHour => {
                "what runs goes on; `farwatch module list NAME` shows what each version takes: run it less often, or ask your \
                 operator for more"
            }
            Self::TargetOfTenant => "give the checks of this target longer intervals or fewer vantage points",
            Self::TargetOfAll => {
                "it is watched closely already; give this check a longer interval, or ask your operator"
            }
        }
    }
}

/// A quota that does not bear what was wanted. What it shows is quota, used, wanted and remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub quota: Quota,
    /// How much there may be.
    pub most: u64,
    /// How much there is.
    pub used: u64,
    /// How much more was wanted.
    pub wanted: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, most, used, wanted } = self;
        let (noun, remedy) = (quota.noun(), quota.remedy());
        write!(f, "there may be {most} {noun}; there are {used}")?;
        match quota {
            Quota::CpuSecondsPerHour => write!(f, "; {remedy}"),
            _ => write!(f, ", and {wanted} more are wanted; {remedy}"),
        }
    }
}

impl std::error::Error for Exceeded {}

/// The modules that a tenant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    /// How many, each version counted.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Quotas {
    /// Whether one more module of so many bytes may be added to these.
    pub fn judge_module(&self, used: Modules, bytes: u64) -> Result<(), Exceeded> {
        let exceeded = |quota, most, used, wanted| Err(Exceeded { quota, most, used, wanted });
        if used.count >= self.modules.into() {
            return exceeded(Quota::Modules, self.modules.into(), used.count, 1);
        }
        if used.bytes.saturating_add(bytes) > self.module_bytes {
            return exceeded(Quota::ModuleBytes, self.module_bytes, used.bytes, bytes);
        }
        Ok(())
    }

    /// Whether checks that ask for so many runs may ask for more by this change, which takes some away. Who asks for no
    /// more than before may always do so, whatever the quota has become.
    pub fn judge_runs(&self, others: RunsPerDay, before: RunsPerDay, after: RunsPerDay) -> Result<(), Exceeded> {
        judge_schedule(Quota::RunsPerMinute, self.runs_per_minute, others, before, after)
    }

    /// Whether a tenant whose own modules took so much in the last hour may have more run by them.
    pub fn judge_cpu(&self, used_us: u64) -> Result<(), Exceeded> {
        let (most, used) = (self.cpu_seconds_per_hour.into(), used_us / 1_000_000);
        if used < most { Ok(()) } else { Err(Exceeded { quota: Quota::CpuSecondsPerHour, most, used, wanted: 0 }) }
    }
}

/// The runs that others are making to the target of a check: of the same tenant, and of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetRuns {
    /// By other checks of the tenant.
    pub of_tenant: RunsPerDay,
    /// By all other checks, those of the tenant among them.
    pub of_all: RunsPerDay,
}

/// Whether one target may be watched more closely by this change.
pub fn judge_target(others: TargetRuns, before: RunsPerDay, after: RunsPerDay) -> Result<(), Exceeded> {
    let TargetRuns { of_tenant, of_all } = others;
    judge_schedule(Quota::TargetOfTenant, TARGET_RUNS_PER_MINUTE_OF_TENANT, of_tenant, before, after)?;
    judge_schedule(Quota::TargetOfAll, TARGET_RUNS_PER_MINUTE_OF_ALL, of_all, before, after)
}

fn judge_schedule(
    quota: Quota,
    per_minute: u32,
    others: RunsPerDay,
    before: RunsPerDay,
    after: RunsPerDay,
) -> Result<(), Exceeded> {
    if after <= before || others.and(after).is_within(per_minute) {
        return Ok(());
    }
    let used = others.and(before).per_minute();
    Err(Exceeded { quota, most: per_minute.into(), used, wanted: RunsPerDay(after.0 - before.0).per_minute() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(seconds: u32, streams: u16) -> RunsPerDay {
        RunsPerDay::of(Interval::from_seconds(seconds).unwrap(), streams)
    }

    #[test]
    fn runs_are_counted_by_interval_and_streams() {
        for (seconds, streams, per_minute) in
            [(10, 1, 6), (10, 8, 48), (20, 1, 3), (60, 1, 1), (300, 2, 1), (86_400, 1, 1), (60, 0, 0)]
        {
            assert_eq!(runs(seconds, streams).per_minute(), per_minute, "{seconds} s, {streams} streams");
        }
        // A thousand checks of one a day are less than one a minute each.
        assert_eq!(RunsPerDay(1_000 * runs(86_400, 1).0).per_minute(), 1);
    }

    #[test]
    fn a_module_must_fit_by_number_and_by_bytes() {
        let quotas = Quotas { modules: 2, module_bytes: 100, ..Quotas::default() };
        for (count, used, bytes, refused) in [
            (0, 0, 100, None),
            (1, 60, 40, None),
            (1, 60, 41, Some((Quota::ModuleBytes, 100, 60, 41))),
            (2, 0, 1, Some((Quota::Modules, 2, 2, 1))),
            (9, 0, 1, Some((Quota::Modules, 2, 9, 1))),
            (1, 60, u64::MAX, Some((Quota::ModuleBytes, 100, 60, u64::MAX))),
        ] {
            let judged = quotas.judge_module(Modules { count, bytes: used }, bytes).err();
            let told = judged.map(|it| (it.quota, it.most, it.used, it.wanted));
            assert_eq!(told, refused, "{count} {used} {bytes}");
        }
    }

    #[test]
    fn runs_may_be_as_many_as_the_quota_says_and_always_fewer_than_before() {
        let quotas = Quotas { runs_per_minute: 12, ..Quotas::default() };
        let none = RunsPerDay(0);
        assert!(quotas.judge_runs(runs(10, 1), none, runs(10, 1)).is_ok());
        let refused = quotas.judge_runs(runs(10, 1), none, runs(10, 2)).unwrap_err();
        assert_eq!((refused.most, refused.used, refused.wanted), (12, 6, 12));
        // The quota was lowered meanwhile: a check may be slowed down, and not be hurried.
        assert!(quotas.judge_runs(runs(10, 4), runs(10, 2), runs(20, 2)).is_ok());
        assert!(quotas.judge_runs(runs(10, 4), runs(20, 2), runs(20, 2)).is_ok());
        assert!(quotas.judge_runs(runs(10, 4), runs(20, 2), runs(10, 2)).is_err());
    }

    #[test]
    fn cpu_is_reached_by_the_second() {
        let quotas = Quotas { cpu_seconds_per_hour: 10, ..Quotas::default() };
        assert!(quotas.judge_cpu(9_999_999).is_ok());
        assert_eq!(quotas.judge_cpu(10_000_000).unwrap_err().used, 10);
    }

    #[test]
    fn a_target_is_watched_so_closely_and_no_closer() {
        let tenant = |checks: u64| RunsPerDay(checks * runs(10, 1).0);
        let others = |of_tenant, of_all| TargetRuns { of_tenant: tenant(of_tenant), of_all: tenant(of_all) };
        let judged = |others| judge_target(others, RunsPerDay(0), runs(10, 1)).err().map(|it| it.quota);
        assert_eq!(judged(others(199, 199)), None);
        assert_eq!(judged(others(200, 200)), Some(Quota::TargetOfTenant));
        assert_eq!(judged(others(0, 999)), None);
        assert_eq!(judged(others(0, 1_000)), Some(Quota::TargetOfAll));
    }

    #[test]
    fn an_answer_says_quota_used_wanted_and_remedy() {
        let exceeded = Quotas { module_bytes: 100, ..Quotas::default() }
            .judge_module(Modules { count: 1, bytes: 60 }, 41)
            .unwrap_err();
        let said = exceeded.to_string();
        for part in ["100 bytes of modules", "there are 60", "41 more", "farwatch module delete", "operator"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

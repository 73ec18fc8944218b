//! A try: one run of a config that no check has, ordered by control and answered by one host.
//!
//! It goes by the link alone and is lost with it; nothing of it is a result. What a host tells of one is cut to limits, so
//! that it always fits a message, and says that it was cut.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::SecretVersion;
use crate::id::{CheckId, ModuleHash, OrderId, TenantId};
use crate::outcome::{ATTRIBUTES_MAX, CODE_MAX_BYTES, Detail, MESSAGE_MAX_BYTES, SHOWN_MAX, Status};
use crate::time::UnixMs;

/// The feature of a host that takes tries.
pub const FEATURE_TRY: &str = "try";
/// The most hosts that one question asks, as many as vote on an outage.
pub const TRY_HOSTS_MAX: usize = 5;
/// How long a host takes to fetch, compile and load the module of a try. A small machine compiles the largest built-in
/// module in a few seconds; whoever waits for a try does not wait for a slower one.
pub const TRY_LOAD_MAX_MS: u32 = 15_000;
/// One text that came from the target, as JSON: four times what is shown of it, for signs that JSON has to spell out.
const SHOWN_JSON_MAX_BYTES: usize = 16 * 1024;
/// All attributes, as JSON: what the most of them may weigh, and what stands around.
const ATTRIBUTES_JSON_MAX_BYTES: usize = 48 * 1024;
/// All lines of the log, as JSON: twice what the sandbox keeps.
const LOG_JSON_MAX_BYTES: usize = 32 * 1024;
/// A code or a sentence, as JSON: signs are spelled out by six bytes at most.
const SENTENCE_JSON_MAX_BYTES: usize = 6 * MESSAGE_MAX_BYTES;

/// An order to run a config now, that belongs to no check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryOrder {
    /// What the answer names.
    pub id: OrderId,
    /// On whose behalf.
    pub tenant: TenantId,
    /// What stands for the check where a module is told of it and where secrets are bound to it. No check has it.
    pub check: CheckId,
    /// The module that runs.
    pub module: ModuleHash,
    /// The config as the module itself prepared it.
    #[serde(with = "crate::link::base64_bytes")]
    pub prepared: Vec<u8>,
    /// How long the run may take, in milliseconds.
    pub timeout_ms: u32,
    /// The secrets that the config names, with values for this one host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretVersion>,
    /// When it was ordered, by control's clock.
    pub ordered_at: UnixMs,
}

/// Why a host made no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Untried {
    /// It has no place left for a run outside the schedule.
    Full,
    /// It could not fetch or load the module.
    Module,
    /// It has lost its references, and what it sees means nothing.
    Insane,
    /// A reason this version does not know.
    #[serde(other)]
    Unknown,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryEnd {
    /// It was run.
    Ran(Box<TryRun>),
    /// It was not.
    NotRun {
        /// Why, in a word.
        why: Untried,
        /// And in a sentence, where there is more to say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
}

/// How much a line of a log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For whoever looks for a mistake.
    Debug,
    /// Worth knowing.
    Info,
    /// Not as it should be.
    Warn,
    /// Wrong.
    Error,
}

/// A line that a module logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says, without the values of secrets.
    pub message: String,
}

/// All that one run has to say, whether it was good or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TryRun {
    /// What is known of the target.
    #[serde(with = "status_code")]
    pub status: Status,
    /// The latency the module judged by, in microseconds; 0 where there was none.
    pub latency_us: u32,
    /// Its words, what it measured, and what came from the target.
    pub detail: Detail,
    /// What the module logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
    /// Lines of the log that were left out.
    #[serde(default)]
    pub log_dropped: u32,
    /// Whether anything else was left out for its size.
    #[serde(default)]
    pub is_cut: bool,
    /// When it started, by the host's corrected wall clock.
    pub started: UnixMs,
    /// How long it took.
    pub duration_us: u32,
    /// The CPU time that the module took, without its probes.
    pub cpu_us: u64,
    /// The most memory that the module had.
    pub memory_bytes: u64,
}

impl TryRun {
    /// The same, cut so that it fits a message whatever signs it is made of.
    #[must_use]
    pub fn fitting(mut self) -> Self {
        let Detail { code, message, attributes, shown } = &mut self.detail;
        let before = (message.len(), attributes.len(), shown.len());
        code.truncate(code.floor_char_boundary(CODE_MAX_BYTES));
        cut_to(message, SENTENCE_JSON_MAX_BYTES);
        attributes.truncate(ATTRIBUTES_MAX);
        keep_within(attributes, ATTRIBUTES_JSON_MAX_BYTES);
        shown.truncate(SHOWN_MAX);
        let is_any_shorter = shown.iter_mut().fold(false, |any, shown| {
            shown.what.truncate(shown.what.floor_char_boundary(CODE_MAX_BYTES));
            cut_to(&mut shown.text, SHOWN_JSON_MAX_BYTES) || any
        });
        self.is_cut |= is_any_shorter || before != (message.len(), attributes.len(), shown.len());
        let lines = self.log.len();
        keep_within(&mut self.log, LOG_JSON_MAX_BYTES);
        self.log_dropped = self.log_dropped.saturating_add(u32::try_from(lines - self.log.len()).unwrap_or(u32::MAX));
        self
    }
}

/// How much a value takes of a message.
fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |text| text.len())
}

/// Cuts a text so that it takes no more of a message than this; whether that was needed.
fn cut_to(text: &mut String, max_bytes: usize) -> bool {
    let mut room = max_bytes.saturating_sub(json_bytes(&""));
    let fitting = text.char_indices().find_map(|(at, sign)| {
        let bytes = json_bytes(&sign) - json_bytes(&"");
        match room.checked_sub(bytes) {
            Some(left) => {
                room = left;
                None
            }
            None => Some(at),
        }
    });
    fitting.inspect(|end| text.truncate(*end)).is_some()
}

/// Leaves out what comes last, until the rest takes no more than this.
fn keep_within<T: Serialize>(values: &mut Vec<T>, max_bytes: usize) {
    let mut room = max_bytes;
    let fits = |value: &&T| {
        let bytes = json_bytes(value).saturating_add(1);
        room.checked_sub(bytes).inspect(|left| room = *left).is_some()
    };
    let fitting = values.iter().take_while(fits).count();
    values.truncate(fitting);
}

/// A status by its stored code.
mod status_code {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::outcome::Status;

    pub(super) fn serialize<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(status.code())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        let code = u8::deserialize(deserializer)?;
        Status::from_code(code).ok_or_else(|| D::Error::custom(format_args!("{code} is no status")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::PREPARED_MAX_BYTES;
    use crate::link::{FRAME_MAX_BYTES, FromControl, FromHost};
    use crate::outcome::{Attribute, Shown, Value};

    fn run(text: &str) -> TryRun {
        let attribute = |_| Attribute { key: "k".to_owned(), value: Value::Text(text.to_owned()) };
        let line = |_| LogLine { level: LogLevel::Info, message: text.to_owned() };
        TryRun {
            status: Status::Down,
            latency_us: 7,
            detail: Detail {
                code: text.to_owned(),
                message: text.to_owned(),
                attributes: (0..80).map(attribute).collect(),
                shown: vec![Shown { what: text.to_owned(), text: text.to_owned() }; 6],
            },
            log: (0..64).map(line).collect(),
            log_dropped: 1,
            is_cut: false,
            started: UnixMs(1),
            duration_us: 2,
            cpu_us: 3,
            memory_bytes: 4,
        }
    }

    fn tried(run: TryRun) -> FromHost {
        FromHost::Tried { order: OrderId::from_bytes([1; 16]), end: TryEnd::Ran(Box::new(run)) }
    }

    #[test]
    fn what_fits_is_told_whole_and_reads_back() {
        let whole = TryRun {
            detail: Detail { attributes: Vec::new(), shown: Vec::new(), ..run("ä\n").detail },
            ..run("ä\n")
        };
        assert_eq!(whole.clone().fitting(), whole);
        let message = tried(whole);
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.starts_with(r#"{"kind":"tried""#), "{text}");
        assert_eq!(serde_json::from_str::<FromHost>(&text).unwrap(), message);
    }

    #[test]
    fn whatever_it_is_made_of_it_fits_a_message_and_says_that_it_was_cut() {
        for sign in ["a", "\u{1}", "ä", "\"", "\u{fffd}"] {
            for length in [100, 600, 20_000] {
                let cut = run(&sign.repeat(length)).fitting();
                assert!(cut.is_cut, "{sign:?}");
                let told = cut.log.len() + cut.log_dropped as usize;
                assert_eq!(told, 65, "{sign:?}");
                let bytes = serde_json::to_string(&tried(cut)).unwrap().len();
                assert!(bytes < FRAME_MAX_BYTES, "{bytes} bytes of {sign:?}");
            }
        }
    }

    #[test]
    fn the_largest_order_fits_a_message() {
        let secret = SecretVersion { name: "n".repeat(64), version: u32::MAX, sealed: vec![250; 4_096 + 48] };
        let order = TryOrder {
            id: OrderId::from_bytes([1; 16]),
            tenant: TenantId::from_bytes([2; 16]),
            check: CheckId::from_bytes([3; 16]),
            module: ModuleHash([4; 32]),
            prepared: vec![250; PREPARED_MAX_BYTES],
            timeout_ms: 10_000,
            secrets: vec![secret; 8],
            ordered_at: UnixMs(1),
        };
        let message = FromControl::Try { order: Box::new(order) };
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.len() < FRAME_MAX_BYTES, "{} bytes", text.len());
        assert_eq!(serde_json::from_str::<FromControl>(&text).unwrap(), message);
    }

    #[test]
    fn a_reason_of_a_newer_host_is_read_all_the_same() {
        let newer =
            r#"{"kind":"tried","order":"ord_00000000000000000000000000000001","end":{"not_run":{"why":"tired"}}}"#;
        let read: FromHost = serde_json::from_str(newer).unwrap();
        assert!(matches!(read, FromHost::Tried { end: TryEnd::NotRun { why: Untried::Unknown, .. }, .. }), "{read:?}");
    }
}

//! A recording as a file: what a run was given, and every call of its probes. It is JSON that a person can read and keep
//! beside the tests of a module.

use std::fs;
use std::path::Path;

use farwatch_host::recording::Call;
use farwatch_proto::id::ModuleHash;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::{CANNOT_CREATE, Failure, NO_INPUT, OrFail, REFUSED};

/// Says that a file is a recording, and in which form.
const FORM: &str = "farwatch_recording";
/// The form that is written and read.
const VERSION: u64 = 1;
/// The largest file that is read, in bytes: 32 answers of 1 MiB, each spelled out at four times its length.
const FILE_MAX_BYTES: u64 = 128 << 20;

/// See the file's documentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Recording {
    /// The module that ran, for people.
    pub(super) module: String,
    /// Its bytes. Others may be run by it: that is what it is for.
    pub(super) hash: ModuleHash,
    pub(super) config: Value,
    pub(super) timeout_ms: u32,
    /// The time that the module was told.
    pub(super) now_ms: u64,
    /// The names of the secrets that it had.
    pub(super) secrets: Vec<String>,
    pub(super) calls: Vec<Call>,
}

impl Recording {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let place = path.display();
        let unreadable = |error| Failure::new(NO_INPUT, format_args!("cannot read the recording {place}: {error}"));
        let length = fs::metadata(path).map_err(unreadable)?.len();
        if length > FILE_MAX_BYTES {
            return Err(Failure::new(REFUSED, format_args!("{place} has {length} bytes; no recording has so many")));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::of_text(&text).map_err(|why| Failure::new(REFUSED, format_args!("{place} is no recording: {why}")))
    }

    fn of_text(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match value[FORM].as_u64() {
            Some(VERSION) => serde_json::from_value(value).map_err(|error| error.to_string()),
            Some(other) => Err(format!("it has form {other}, and this program reads {VERSION}")),
            None => Err(format!("it does not say `{FORM}`")),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = self.text().or_fail(CANNOT_CREATE)?;
        let place = path.display();
        fs::write(path, text)
            .map_err(|error| Failure::new(CANNOT_CREATE, format_args!("cannot write the recording {place}: {error}")))
    }

    fn text(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(&File { farwatch_recording: VERSION, recording: self })?;
        text.push('\n');
        Ok(text)
    }
}

/// How it is written: what it is stands first.
#[derive(Serialize)]
struct File<'r> {
    farwatch_recording: u64,
    #[serde(flatten)]
    recording: &'r Recording,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recording() -> Recording {
        let call =
            json!({"probe": "tcp.send", "connection": 0, "request": {"bytes": "x"}, "answer": null, "began_us": 1});
        Recording {
            module: "page@1.2.0".to_owned(),
            hash: ModuleHash([7; 32]),
            config: json!({"url": "http://a.example"}),
            timeout_ms: 10_000,
            now_ms: 1_700_000_000_000,
            secrets: vec!["mail".to_owned()],
            calls: vec![serde_json::from_value(call).unwrap()],
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(Recording::of_text(&recording().text().unwrap()), Ok(recording()));
    }

    #[test]
    fn what_is_no_recording_is_told() {
        for (text, words) in [
            ("{", "EOF"),
            ("{}", "does not say"),
            (r#"{"farwatch_recording": 2}"#, "form 2"),
            (r#"{"farwatch_recording": 1}"#, "missing field"),
        ] {
            let why = Recording::of_text(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}

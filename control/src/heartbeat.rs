//! The module that has no code: `heartbeat`, for jobs that call control.
//!
//! To whoever makes a check it is a module like any other, with a schema and a version; no host ever holds it. How its jobs
//! are judged is `core/heartbeat`'s.

use farwatch_core::heartbeat::{Heartbeat, HeartbeatConfig, Unusable};
use farwatch_proto::interval::Interval;
use serde_json::Value;

use crate::builtin::ModuleDescription;
use crate::spec::{FieldProblem, Wish};

/// What it is called.
pub const NAME: &str = "heartbeat";
/// Changes with the meaning of its config.
const VERSION: &str = "0.1.0";
/// In how many streams it is due: none, for nobody runs it.
pub(crate) const STREAMS: u16 = 0;

/// What it says of itself.
pub fn description() -> ModuleDescription {
    let mut config_schema = schemars::schema_for!(HeartbeatConfig);
    config_schema.remove("$schema");
    ModuleDescription {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        summary: "Waits for a job to call, and is down when it does not, or says that it failed.".to_owned(),
        config_schema: config_schema.to_value(),
        capabilities: Vec::new(),
        is_called: true,
    }
}

/// The config as it is kept with a revision, or what is wrong with it.
pub(crate) fn prepare(config: &Value) -> Result<Vec<u8>, Vec<FieldProblem>> {
    let parsed: HeartbeatConfig = serde_path_to_error::deserialize(config).map_err(|error| vec![misread(&error)])?;
    let wrong = |one: Unusable| FieldProblem::new(format!("/{}", one.field), one.message);
    Heartbeat::try_new(&parsed).map_err(|all| all.into_iter().map(wrong).collect::<Vec<_>>())?;
    Ok(serde_json::to_vec(&parsed).expect("a config is numbers and texts, so it always serialises"))
}

/// The config that is kept with a revision.
pub(crate) fn read(prepared: &[u8]) -> anyhow::Result<Heartbeat> {
    let config: HeartbeatConfig = serde_json::from_slice(prepared)?;
    Heartbeat::try_new(&config).map_err(|wrong| anyhow::anyhow!("a heartbeat that cannot be meant: {wrong:?}"))
}

fn misread(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldProblem {
    let path = error.path().to_string();
    let pointer = if path == "." { String::new() } else { format!("/{path}") };
    FieldProblem::new(pointer, error.inner().to_string())
}

/// What a wish says that means nothing where no host runs anything.
pub(crate) fn meaningless(wish: &Wish) -> Vec<FieldProblem> {
    let said = [
        ("/interval", wish.interval != Interval::default(), "its config says when the job is to call"),
        ("/timeout_ms", wish.timeout_ms.is_some(), "`run_max_s` says how long a run of the job may take"),
        ("/location", wish.location.is_some(), "no host runs it"),
        ("/labels", !wish.labels.is_empty(), "no host runs it"),
        ("/streams", wish.streams != 1, "no host runs it"),
        ("/confirm", wish.confirm.is_some(), "nobody else can be asked"),
        ("/repeat", wish.repeat != farwatch_proto::check::Repeat::Safe, "no host runs it"),
    ];
    let said = said.into_iter().filter(|(_, is_said, _)| *is_said);
    said.map(|(field, _, why)| {
        FieldProblem::new(field, format!("this means nothing to a heartbeat: {why}; leave it away"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_kept_as_it_is_meant_or_refused_by_its_field() {
        let prepared = prepare(&json!({"period_s": 60})).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&prepared).unwrap(), json!({"period_s": 60, "grace_s": 300}));
        assert!(read(&prepared).is_ok() && read(b"{}").is_err());
        for (config, pointer) in [
            (json!({}), "/period_s"),
            (json!({"period_s": "often"}), "/period_s"),
            (json!({"cron": "x"}), "/cron"),
            (json!({"url": "https://a.example"}), "/url"),
        ] {
            let wrong = prepare(&config).unwrap_err();
            assert_eq!(wrong[0].pointer, pointer, "{config}: {wrong:?}");
        }
    }

    #[test]
    fn what_is_said_of_hosts_is_refused() {
        let wish = |more: Value| {
            let mut wish = json!({"name": "backup", "module": "heartbeat"});
            wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Wish>(wish).unwrap()
        };
        assert_eq!(meaningless(&wish(json!({}))), []);
        let wrong = meaningless(&wish(json!({"streams": 2, "interval": "5min", "confirm": {"need": 2}})));
        let pointers: Vec<&str> = wrong.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/interval", "/streams", "/confirm"]);
    }

    #[test]
    fn it_says_of_itself_what_a_form_needs() {
        let told = description();
        let grace = &told.config_schema["properties"]["grace_s"];
        assert_eq!((&grace["default"], &grace["title"]), (&json!(300), &json!("Grace")));
        assert_eq!(told.config_schema["examples"].as_array().map(Vec::len), Some(2));
    }
}

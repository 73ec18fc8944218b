//! Metrics as text: OpenMetrics for whoever asks for it, and the older text of Prometheus for everybody else.

use std::fmt::Write;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text of Prometheus, version 0.0.4.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The format that a caller accepts, by its header.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Classic }
    }

    /// Its media type.
    pub const fn media(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Metrics as they are sent.
pub struct Exposition {
    /// The text.
    pub text: String,
    /// How it is written.
    pub format: Format,
}

impl Exposition {
    pub(super) fn of(registries: &[Registry], format: Format) -> Self {
        let mut text = String::new();
        let written = registries.iter().try_for_each(|registry| encode_registry(&mut text, registry));
        written.and_then(|()| encode_eof(&mut text)).expect("a text takes whatever is written to it");
        match format {
            Format::OpenMetrics => Self { text, format },
            Format::Classic => Self { text: classic(&text), format },
        }
    }
}

/// The older text names a family by its samples, so a counter has its `_total` in the head too, and knows no information
/// metrics and no end.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len() + open.len() / 8);
    let mut about: Option<(&str, &str)> = None;
    for line in open.lines() {
        let is_written = match (line.strip_prefix("# HELP "), line.strip_prefix("# TYPE ")) {
            (Some(help), _) => {
                about = help.split_once(' ');
                Ok(())
            }
            (None, Some(kind)) => head(&mut text, about.take(), kind),
            (None, None) if line.starts_with('#') => Ok(()),
            (None, None) => writeln!(text, "{line}"),
        };
        is_written.expect("a text takes whatever is written to it");
    }
    text
}

fn head(text: &mut String, about: Option<(&str, &str)>, kind: &str) -> std::fmt::Result {
    let (name, kind) = kind.split_once(' ').unwrap_or((kind, "untyped"));
    let (suffix, kind) = match kind {
        "counter" => ("_total", kind),
        "info" => ("_info", "gauge"),
        _ => ("", kind),
    };
    if let Some((_, about)) = about {
        writeln!(text, "# HELP {name}{suffix} {about}")?;
    }
    writeln!(text, "# TYPE {name}{suffix} {kind}")
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::info::Info;

    use super::*;

    #[test]
    fn both_formats_name_a_counter_as_their_readers_expect() {
        let written = |format| {
            let mut registry = Registry::with_prefix("farwatch");
            let counter: Counter = Counter::default();
            counter.inc();
            registry.register("flushes", "Rows", counter);
            registry.register("build", "Which", Info::new([("version", "1")]));
            Exposition::of(&[registry], format).text
        };
        assert_eq!(
            written(Format::Classic),
            "# HELP farwatch_flushes_total Rows.\n# TYPE farwatch_flushes_total counter\nfarwatch_flushes_total 1\n\
             # HELP farwatch_build_info Which.\n# TYPE farwatch_build_info gauge\nfarwatch_build_info{version=\"1\"} 1\n"
        );
        assert!(
            written(Format::OpenMetrics)
                .starts_with("# HELP farwatch_flushes Rows.\n# TYPE farwatch_flushes counter\n")
        );
        assert!(written(Format::OpenMetrics).ends_with("# EOF\n"));
    }

    #[test]
    fn whoever_asks_for_openmetrics_gets_it() {
        assert_eq!(
            Format::accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
            Format::OpenMetrics
        );
        assert_eq!(Format::accepted("*/*"), Format::Classic);
    }
}

//! The text of our own registry, read back: families, their samples, labels and values.
//!
//! It reads what `metrics` writes and is no parser for others' texts; a line that it does not understand is left out.

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// Samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Family<'t> {
    pub(super) name: &'t str,
    pub(super) kind: Kind,
    pub(super) about: &'t str,
    pub(super) samples: Vec<Sample<'t>>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'t> {
    /// Its whole name.
    pub(super) name: &'t str,
    pub(super) labels: Vec<(&'t str, String)>,
    pub(super) value: Value,
}

/// A whole number stays one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Whole(i64),
    Fraction(f64),
}

impl Value {
    /// The same as a fraction.
    #[allow(clippy::cast_precision_loss, reason = "a sum is one already, and no count of ours is as large")]
    pub(super) const fn fraction(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Fraction(fraction) => fraction,
        }
    }

    /// The same as a count.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole and not negative")]
    pub(super) fn count(self) -> u64 {
        match self {
            Self::Whole(whole) => u64::try_from(whole).unwrap_or(0),
            Self::Fraction(fraction) => fraction as u64,
        }
    }
}

/// Every family of a text.
pub(super) fn families(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut about = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            about = help.split_once(' ').map_or("", |(_, about)| about);
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            families.extend(family(typed, std::mem::take(&mut about)));
        } else if let (Some(family), Some(sample)) = (families.last_mut(), sample(line)) {
            family.samples.push(sample);
        }
    }
    families
}

fn family<'t>(typed: &'t str, about: &'t str) -> Option<Family<'t>> {
    let (name, kind) = typed.split_once(' ')?;
    let kind = match kind {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "info" => Kind::Info,
        _ => return None,
    };
    Some(Family { name, kind, about, samples: Vec::new() })
}

fn sample(line: &str) -> Option<Sample<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    Some(Sample { name, labels, value: value(rest.trim())? })
}

/// Labels up to the brace that closes them, and what is behind it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, quoted) = rest.trim_start_matches(',').split_once("=\"")?;
        let (text, behind) = unquoted(quoted)?;
        labels.push((name, text));
        rest = behind;
    }
}

/// A label's text up to the quote that closes it, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut read = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((read, &text[at + 1..])),
            '\\' => read.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            _ => read.push(letter),
        }
    }
    None
}

fn value(text: &str) -> Option<Value> {
    let whole = text.parse().ok().map(Value::Whole);
    whole.or_else(|| text.parse().ok().map(Value::Fraction))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::EncodeLabelSet;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family as Counters;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Label {
        route: String,
        method: &'static str,
    }

    #[test]
    fn what_the_registry_writes_is_read_back() {
        let odd = "/v1/checks/{check}, \"a\\b\"\n}";
        let counters: Counters<Label, Counter> = Counters::default();
        counters.get_or_create(&Label { route: odd.to_owned(), method: "GET" }).inc_by(7);
        let mut registry = Registry::default();
        registry.register("requests", "Requests, all of them", counters);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let labels = vec![("route", odd.to_owned()), ("method", "GET".to_owned())];
        let sample = Sample { name: "requests_total", labels, value: Value::Whole(7) };
        let about = "Requests, all of them.";
        let family = Family { name: "requests", kind: Kind::Counter, about, samples: vec![sample] };
        assert_eq!(families(&text), [family]);
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let text = "a 1\n# TYPE b gauge\nb 1.5\nb{x=\"1\n\nb nothing\nb{} -2\n# TYPE c summary\n# EOF\n";
        let [family] = &families(text)[..] else { panic!("{:?}", families(text)) };
        let values: Vec<Value> = family.samples.iter().map(|sample| sample.value).collect();
        assert_eq!(values, [Value::Fraction(1.5), Value::Whole(-2)]);
    }
}

//! Metrics of our registry as OTLP has them.
//!
//! Names are those of `/metrics`, so that one word is one metric wherever it is read. What counts up is cumulative since
//! the process started.

use super::messages::{
    Data, Gauge, Histogram, HistogramPoint, KeyValue, Metric, MetricsRequest, Number, NumberPoint, Resource,
    ResourceMetrics, Scope, ScopeMetrics, Sum, Temporality,
};
use super::openmetrics::{Family, Kind, Sample, Value, families};

/// The label of a histogram's buckets.
const BUCKET_BOUND: &str = "le";

/// When something was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    /// Since when, in nanoseconds of Unix time.
    pub(super) from_ns: u64,
    /// Until when.
    pub(super) until_ns: u64,
}

/// All metrics of this text.
pub(super) fn request(text: &str, resource: Resource, scope: Scope, period: Period) -> MetricsRequest {
    let metrics = families(text).iter().filter_map(|family| metric(family, period)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics }];
    let resource_metrics = vec![ResourceMetrics { resource: Some(resource), scope_metrics }];
    MetricsRequest { resource_metrics }
}

/// A family as a metric; none where it has no samples.
fn metric(family: &Family<'_>, period: Period) -> Option<Metric> {
    let first = family.samples.first()?;
    let (name, data) = match family.kind {
        Kind::Counter => (first.name, sum(family, true, period)),
        Kind::Info => (first.name, sum(family, false, period)),
        Kind::Gauge => (first.name, Data::Gauge(Gauge { data_points: numbers(family, period) })),
        Kind::Histogram => (family.name, histogram(family, period)),
    };
    let unit = unit_of(family.name).to_owned();
    Some(Metric { name: name.to_owned(), description: family.about.to_owned(), unit, data: Some(data) })
}

/// Units stand in our names, in full; OTLP has the short words of UCUM beside the name.
fn unit_of(name: &str) -> &'static str {
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    }
}

fn sum(family: &Family<'_>, is_monotonic: bool, period: Period) -> Data {
    let aggregation_temporality = Temporality::Cumulative.into();
    Data::Sum(Sum { data_points: numbers(family, period), aggregation_temporality, is_monotonic })
}

fn numbers(family: &Family<'_>, period: Period) -> Vec<NumberPoint> {
    let point = |sample: &Sample<'_>| NumberPoint {
        attributes: attributes(sample),
        start_time_unix_nano: period.from_ns,
        time_unix_nano: period.until_ns,
        value: Some(match sample.value {
            Value::Whole(whole) => Number::AsInt(whole),
            Value::Fraction(fraction) => Number::AsDouble(fraction),
        }),
    };
    family.samples.iter().map(point).collect()
}

fn attributes(sample: &Sample<'_>) -> Vec<KeyValue> {
    let labels = sample.labels.iter().filter(|(name, _)| *name != BUCKET_BOUND);
    labels.map(|(name, text)| KeyValue::text(name, text)).collect()
}

/// The samples of a histogram's labels stand together, and begin with the sum.
fn histogram(family: &Family<'_>, period: Period) -> Data {
    let mut points: Vec<HistogramPoint> = Vec::new();
    // Buckets are told up to their bounds, and wanted between them.
    let mut below = 0;
    for sample in &family.samples {
        let value = sample.value;
        match (sample.name.strip_prefix(family.name), points.last_mut()) {
            (Some("_sum"), _) => {
                below = 0;
                points.push(HistogramPoint {
                    attributes: attributes(sample),
                    start_time_unix_nano: period.from_ns,
                    time_unix_nano: period.until_ns,
                    sum: Some(value.fraction()),
                    ..HistogramPoint::default()
                });
            }
            (Some("_count"), Some(point)) => point.count = value.count(),
            (Some("_bucket"), Some(point)) => {
                let up_to = value.count();
                point.bucket_counts.push(up_to.saturating_sub(std::mem::replace(&mut below, up_to)));
                point.explicit_bounds.extend(bound(sample));
            }
            _ => {}
        }
    }
    let aggregation_temporality = Temporality::Cumulative.into();
    Data::Histogram(Histogram { data_points: points, aggregation_temporality })
}

/// Up to where a bucket counts; the last one has no end.
fn bound(sample: &Sample<'_>) -> Option<f64> {
    let (_, text) = sample.labels.iter().find(|(name, _)| *name == BUCKET_BOUND)?;
    text.parse().ok().filter(|bound: &f64| bound.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Period = Period { from_ns: 5, until_ns: 9 };

    fn metrics(text: &str) -> Vec<Metric> {
        let request = request(text, Resource::default(), Scope::default(), PERIOD);
        request.resource_metrics.into_iter().flat_map(|of| of.scope_metrics).flat_map(|of| of.metrics).collect()
    }

    #[test]
    fn each_kind_becomes_its_own_and_keeps_its_name() {
        let text = "# HELP fw_cpu_seconds Time.\n# TYPE fw_cpu_seconds counter\nfw_cpu_seconds_total 1.5\n\
                    # TYPE fw_hosts gauge\nfw_hosts{state=\"heard\"} 3\n# TYPE fw_build info\n\
                    fw_build_info{version=\"1\"} 1\n# TYPE fw_none counter\n";
        let [cpu, hosts, build] = &metrics(text)[..] else { panic!("{:?}", metrics(text)) };
        assert_eq!(
            (cpu.name.as_str(), cpu.unit.as_str(), cpu.description.as_str()),
            ("fw_cpu_seconds_total", "s", "Time.")
        );
        let Some(Data::Sum(sum)) = &cpu.data else { panic!("{cpu:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == Temporality::Cumulative as i32);
        assert_eq!(sum.data_points[0].value, Some(Number::AsDouble(1.5)));
        assert_eq!((sum.data_points[0].start_time_unix_nano, sum.data_points[0].time_unix_nano), (5, 9));
        let Some(Data::Gauge(gauge)) = &hosts.data else { panic!("{hosts:?}") };
        assert_eq!(gauge.data_points[0].value, Some(Number::AsInt(3)));
        assert_eq!(gauge.data_points[0].attributes, [KeyValue::text("state", "heard")]);
        assert_eq!(build.name, "fw_build_info");
        assert!(matches!(&build.data, Some(Data::Sum(sum)) if !sum.is_monotonic));
    }

    #[test]
    fn a_histogram_counts_between_its_bounds() {
        let series = |route: &str, counts: [u64; 3]| {
            let [a, b, all] = counts;
            format!(
                "fw_took_seconds_sum{{route=\"{route}\"}} 2.5\nfw_took_seconds_count{{route=\"{route}\"}} {all}\n\
                 fw_took_seconds_bucket{{le=\"0.1\",route=\"{route}\"}} {a}\n\
                 fw_took_seconds_bucket{{le=\"1.0\",route=\"{route}\"}} {b}\n\
                 fw_took_seconds_bucket{{le=\"+Inf\",route=\"{route}\"}} {all}\n"
            )
        };
        let text = format!("# TYPE fw_took_seconds histogram\n{}{}", series("/a", [1, 4, 6]), series("/b", [2, 2, 2]));
        let [took] = &metrics(&text)[..] else { panic!("{:?}", metrics(&text)) };
        let Some(Data::Histogram(histogram)) = &took.data else { panic!("{took:?}") };
        let [a, b] = &histogram.data_points[..] else { panic!("{histogram:?}") };
        assert_eq!((a.count, a.sum, &a.bucket_counts[..]), (6, Some(2.5), &[1, 3, 2][..]));
        assert_eq!(a.explicit_bounds, [0.1, 1.0]);
        assert_eq!((&b.attributes[..], &b.bucket_counts[..]), (&[KeyValue::text("route", "/b")][..], &[2, 0, 0][..]));
    }
}

use proptest::prelude::*;

use super::*;

const DAY_MS: i64 = 86_400_000;
const T: UnixMs = UnixMs(1_800_000_000_000);

fn config(json: serde_json::Value) -> HeartbeatConfig {
    serde_json::from_value(json).unwrap()
}

fn daily() -> Heartbeat {
    Heartbeat::try_new(&config(serde_json::json!({"period_s": 86_400, "grace_s": 600, "run_max_s": 3600}))).unwrap()
}

fn cron(expression: &str, zone: &str) -> Heartbeat {
    let config = config(serde_json::json!({"cron": expression, "timezone": zone, "grace_s": 60}));
    Heartbeat::try_new(&config).unwrap()
}

fn heard(signals: &[(Signal, UnixMs)]) -> Record {
    let mut record = Record::default();
    for (signal, at) in signals {
        record.hear(signal, *at);
    }
    record
}

fn code(outlook: &Outlook) -> &'static str {
    match &outlook.standing {
        Standing::Unheard => "unheard",
        Standing::Good => "good",
        Standing::Down(trouble) => trouble.code,
    }
}

fn moment(text: &str) -> UnixMs {
    UnixMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

#[test]
fn a_job_that_never_called_is_not_judged() {
    let found = outlook(&daily(), &Record::default(), &[], T);
    assert_eq!((code(&found), found.wakes_at()), ("unheard", None));
    let logged = heard(&[(Signal::Logged, T)]);
    assert_eq!(code(&outlook(&daily(), &logged, &[], T + 9 * DAY_MS)), "unheard");
}

#[test]
fn a_job_is_missed_once_the_grace_is_over() {
    let record = heard(&[(Signal::Succeeded, T)]);
    let deadline = T + DAY_MS + 600_000;
    let before = outlook(&daily(), &record, &[], deadline + -1);
    assert_eq!((code(&before), before.due, before.wakes_at()), ("good", Some(T + DAY_MS), Some(deadline)));
    let Standing::Down(trouble) = outlook(&daily(), &record, &[], deadline).standing else { panic!("not down") };
    assert_eq!((trouble.since, trouble.code), (T + DAY_MS, "missed"));
    assert_eq!(
        trouble.message,
        "expected a signal by 2027-01-16 08:00:00 UTC, and none came within 600 s of that; the last one came at \
         2027-01-15 08:00:00 UTC"
    );
}

#[test]
fn a_failure_counts_until_the_next_success_and_from_the_first_of_it() {
    let failed = |words: &str, exit| Signal::Failed { exit, words: words.to_owned() };
    let mut record = heard(&[(Signal::Succeeded, T), (failed("disk full", Some(3)), T + 5), (failed("", None), T + 9)]);
    let Standing::Down(trouble) = outlook(&daily(), &record, &[], T + 10).standing else { panic!("not down") };
    assert_eq!((trouble.since, trouble.message.as_str()), (T + 5, "the job ended with exit status 3: disk full"));
    record.hear(&Signal::Succeeded, T + 20);
    assert_eq!(code(&outlook(&daily(), &record, &[], T + 21)), "good");
}

#[test]
fn a_run_that_does_not_end_is_down_and_one_that_ends_is_measured() {
    let mut record = heard(&[(Signal::Succeeded, T), (Signal::Started, T + 1000)]);
    let running = outlook(&daily(), &record, &[], T + 2000);
    assert_eq!((code(&running), running.deadline), ("good", Some(T + 1000 + 3_600_000)));
    assert_eq!(code(&outlook(&daily(), &record, &[], T + 1000 + 3_600_000)), "ran-too-long");
    assert_eq!(record.hear(&Signal::Succeeded, T + 4000), Some(3000));
    assert_eq!((record.took_ms, code(&outlook(&daily(), &record, &[], T + DAY_MS))), (Some(3000), "good"));
}

#[test]
fn what_may_have_been_said_while_nobody_listened_is_not_held_against_the_job() {
    let record = heard(&[(Signal::Succeeded, T)]);
    let due = T + DAY_MS;
    let gap = |from: UnixMs, to: UnixMs| Period { from, to };
    let late = due + 3_600_000;
    let around = [gap(due + -60_000, due + 60_000)];
    let excused = outlook(&daily(), &record, &around, late);
    assert_eq!((code(&excused), excused.due), ("good", Some(around[0].to + DAY_MS)));
    let long_before = [gap(T + 1000, T + 60_000)];
    assert_eq!(code(&outlook(&daily(), &record, &long_before, late)), "missed");
    let after = [gap(due + 600_000, due + 700_000)];
    assert_eq!(code(&outlook(&daily(), &record, &after, late)), "missed");
    let running = heard(&[(Signal::Started, T)]);
    assert_eq!(code(&outlook(&daily(), &running, &[gap(T + 5, T + 9)], T + 4_000_000)), "good");
}

#[test]
fn whoever_was_paused_has_the_whole_time_again() {
    let mut record = heard(&[(Signal::Succeeded, T), (Signal::Failed { exit: None, words: String::new() }, T + 5)]);
    record.watch_again(T + 30 * DAY_MS);
    let found = outlook(&daily(), &record, &[], T + 30 * DAY_MS);
    assert_eq!((code(&found), found.due), ("good", Some(T + 31 * DAY_MS)));
    let mut never = Record::default();
    never.watch_again(T);
    assert_eq!(code(&outlook(&daily(), &never, &[], T + 30 * DAY_MS)), "unheard");
}

#[test]
fn cron_goes_by_the_clocks_of_its_zone() {
    let berlin = cron("30 3 * * *", "Europe/Berlin");
    let winter = heard(&[(Signal::Succeeded, moment("2026-11-28T02:31:00Z"))]);
    assert_eq!(outlook(&berlin, &winter, &[], T).due, Some(moment("2026-11-29T02:30:00Z")));
    let summer = heard(&[(Signal::Succeeded, moment("2026-07-01T01:31:00Z"))]);
    assert_eq!(outlook(&berlin, &summer, &[], T).due, Some(moment("2026-07-02T01:30:00Z")));
}

#[test]
fn clocks_that_are_set_forward_or_back_make_a_night_neither_missed_nor_doubled() {
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    // In the night of 28 March 2027 there is no 2:30; the job runs when the hour has been skipped.
    let before = heard(&[(Signal::Succeeded, moment("2027-03-27T01:31:00Z"))]);
    let due = outlook(&nightly, &before, &[], T).due.unwrap();
    assert!(due >= moment("2027-03-28T00:59:00Z") && due <= moment("2027-03-28T02:00:00Z"), "{due}");
    // In that of 31 October 2027 there are two; one call serves the day.
    let called = heard(&[(Signal::Succeeded, moment("2027-10-31T00:31:00Z"))]);
    assert_eq!(outlook(&nightly, &called, &[], T).due, Some(moment("2027-11-01T01:30:00Z")));
}

#[test]
fn a_call_that_is_early_by_the_difference_of_clocks_counts_for_its_moment() {
    let hourly = cron("0 * * * *", "UTC");
    let record = heard(&[(Signal::Succeeded, moment("2026-11-28T02:59:58Z"))]);
    assert_eq!(outlook(&hourly, &record, &[], T).due, Some(moment("2026-11-28T04:00:00Z")));
}

#[test]
fn what_cannot_be_meant_is_refused_by_its_field() {
    let cases = [
        (serde_json::json!({}), "period_s", "by `period_s` or by `cron`"),
        (serde_json::json!({"period_s": 60, "cron": "* * * * *"}), "cron", "leave one away"),
        (serde_json::json!({"period_s": 60, "timezone": "UTC"}), "timezone", "goes with `cron`"),
        (serde_json::json!({"period_s": 9}), "period_s", "use 10 to"),
        (serde_json::json!({"period_s": 60, "grace_s": 1}), "grace_s", "use 5 to"),
        (serde_json::json!({"period_s": 60, "run_max_s": 4_000_000_000_u32}), "run_max_s", "use 5 to"),
        (serde_json::json!({"cron": "* * * *"}), "cron", "has 4 fields"),
        (serde_json::json!({"cron": "61 * * * *"}), "cron", "cannot be read"),
        (serde_json::json!({"cron": "0 0 30 2 *"}), "cron", "never comes"),
        (serde_json::json!({"cron": "0 0 * * *", "timezone": "Mars/Olympus"}), "timezone", "is no time zone"),
        (serde_json::json!({"cron": "9".repeat(300)}), "cron", "at most 256"),
    ];
    for (json, field, words) in cases {
        let wrong = Heartbeat::try_new(&config(json.clone())).unwrap_err();
        assert!(wrong.iter().any(|one| one.field == field && one.message.contains(words)), "{json}: {wrong:?}");
    }
}

proptest! {
    /// Whatever a job says and whatever gaps there were: it is down exactly when it said so or its deadline is over, and
    /// what wakes us is always ahead.
    #[test]
    fn it_is_judged_by_its_deadline_alone(
        calls in prop::collection::vec((0..4_u8, 0..200_000_i64), 0..8),
        gaps in prop::collection::vec((0..300_000_i64, 1..50_000_i64), 0..4),
        now in 0..900_000_i64,
    ) {
        let heartbeat = Heartbeat::try_new(&config(serde_json::json!({"period_s": 60, "grace_s": 10}))).unwrap();
        let mut at = T;
        let mut record = Record::default();
        for (kind, later) in calls {
            at = at + later;
            let signal = match kind {
                0 => Signal::Started,
                1 => Signal::Succeeded,
                2 => Signal::Failed { exit: None, words: String::new() },
                _ => Signal::Logged,
            };
            record.hear(&signal, at);
        }
        let gaps: Vec<Period> =
            gaps.into_iter().map(|(from, length)| Period { from: T + from, to: T + from + length }).collect();
        let now = at + now;
        let found = outlook(&heartbeat, &record, &gaps, now);
        match &found.standing {
            Standing::Unheard => prop_assert!(record.called.is_none()),
            Standing::Good => {
                prop_assert!(record.failed.is_none());
                prop_assert!(found.wakes_at().unwrap() > now);
            }
            Standing::Down(trouble) => {
                prop_assert!(record.failed.is_some() || found.deadline.unwrap() <= now);
                prop_assert!(trouble.since <= now);
            }
        }
        // A job that calls now, and says that all is well, is well.
        record.hear(&Signal::Succeeded, now);
        prop_assert_eq!(code(&outlook(&heartbeat, &record, &gaps, now)), "good");
    }
}

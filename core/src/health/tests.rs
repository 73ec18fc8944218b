use super::*;

fn well() -> Observed {
    Observed {
        database: Answered::AfterMs(2),
        somebody_leads: Some(true),
        leading: Some(Leading { shown_ms_ago: 400, heard: 5, ..Leading::default() }),
        tasks: vec![TaskSeen { name: "tell", period_ms: 1000, ran_ms_ago: Some(900), error: None }],
        dead_deliveries: 0,
        unreadable_rows: 0,
        overdue_ms: Some(100),
        own_incidents: (0, 0),
    }
}

fn with(change: impl FnOnce(&mut Observed)) -> Vec<(Severity, &'static str)> {
    let mut observed = well();
    change(&mut observed);
    findings(&observed).into_iter().map(|finding| (finding.severity, finding.code)).collect()
}

fn led(change: impl FnOnce(&mut Leading)) -> Vec<(Severity, &'static str)> {
    with(|observed| change(observed.leading.as_mut().unwrap()))
}

#[test]
fn a_house_that_is_well_has_no_findings() {
    assert_eq!(with(|_| {}), []);
    assert_eq!(with(|follower| follower.leading = None), []);
    assert_eq!(worst(&findings(&well())), None);
}

#[test]
fn whatever_keeps_it_from_its_work_is_failing() {
    use Severity::Failing;
    assert_eq!(with(|seen| seen.database = Answered::Not("gone".to_owned())), [(Failing, "database-away")]);
    assert_eq!(with(|seen| seen.somebody_leads = Some(false)), [(Failing, "no-leader")]);
    assert_eq!(led(|leader| leader.shown_ms_ago = 10_001), [(Failing, "leader-stuck")]);
    assert_eq!(led(|leader| (leader.heard, leader.silent) = (0, 2)), [(Failing, "hosts-silent")]);
}

#[test]
fn what_deserves_a_look_is_degraded() {
    use Severity::Degraded;
    assert_eq!(with(|seen| seen.database = Answered::AfterMs(501)), [(Degraded, "database-slow")]);
    assert_eq!(led(|leader| leader.heard = 0), [(Degraded, "no-hosts")]);
    assert_eq!(led(|leader| leader.silent = 1), [(Degraded, "hosts-silent")]);
    assert_eq!(led(|leader| leader.contradicted = 1), [(Degraded, "hosts-cut-off")]);
    assert_eq!(led(|leader| leader.unable = 1), [(Degraded, "hosts-unable")]);
    assert_eq!(led(|leader| leader.full_disks = 1), [(Degraded, "host-disks-full")]);
    assert_eq!(led(|leader| leader.dropped_results = 1), [(Degraded, "results-given-up")]);
    assert_eq!(led(|leader| leader.unconfirmed = 1), [(Degraded, "checks-unconfirmed")]);
    assert_eq!(led(|leader| leader.insane = 1), [(Degraded, "hosts-insane")]);
    assert_eq!(led(|leader| leader.beyond_capacity = 1), [(Degraded, "hosts-beyond-capacity")]);
    assert_eq!(with(|seen| seen.tasks[0].error = Some("no".to_owned())), [(Degraded, "task-failing")]);
    assert_eq!(with(|seen| seen.tasks[0].ran_ms_ago = Some(60_001)), [(Degraded, "task-late")]);
    assert_eq!(with(|seen| seen.dead_deliveries = 1), [(Degraded, "deliveries-dead")]);
    assert_eq!(with(|seen| seen.overdue_ms = Some(120_001)), [(Degraded, "deliveries-late")]);
    assert_eq!(with(|seen| seen.own_incidents = (1, 3)), [(Degraded, "slots-missed")]);
}

#[test]
fn a_panel_that_too_many_do_not_see_is_what_broke() {
    let seen = |passing, failing| led(|leader| leader.panel = PanelCount { passing, failing });
    assert_eq!(seen(4, 1), []);
    assert_eq!(seen(4, 2), [(Severity::Degraded, "references-broken")]);
    assert_eq!(seen(0, 5), [(Severity::Degraded, "references-broken")]);
}

#[test]
fn a_task_with_a_long_period_is_not_late_before_three_of_them() {
    let task = |ran_ms_ago| TaskSeen { name: "fold", period_ms: 600_000, ran_ms_ago, error: None };
    assert_eq!(with(|seen| seen.tasks[0] = task(Some(1_800_000))), []);
    assert_eq!(with(|seen| seen.tasks[0] = task(Some(1_800_001))), [(Severity::Degraded, "task-late")]);
    assert_eq!(with(|seen| seen.tasks[0] = task(None)), []);
}

#[test]
fn the_worst_stands_first() {
    let both = with(|seen| {
        seen.dead_deliveries = 1;
        seen.somebody_leads = Some(false);
    });
    assert_eq!(both, [(Severity::Failing, "no-leader"), (Severity::Degraded, "deliveries-dead")]);
}

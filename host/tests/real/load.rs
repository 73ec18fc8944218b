use std::time::Duration;

use farwatch_proto::id::CheckId;
use farwatch_proto::link::FromControl;
use farwatch_tests::nginx::{Nginx, Server};

use crate::running::{World, assign, now, soon_due, welcome};

fn cpu_by_thread() -> std::collections::BTreeMap<String, f64> {
    let mut all = std::collections::BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default().trim().to_owned();
        let ns: f64 = std::fs::read_to_string(path.join("schedstat"))
            .unwrap_or_default()
            .split(' ')
            .next()
            .unwrap_or("0")
            .parse()
            .unwrap_or(0.0);
        *all.entry(name).or_default() += ns / 1e3;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore]
async fn load() {
    let count: u32 = std::env::var("CHECKS").map_or(2500, |it| it.parse().unwrap());
    let nginx = Nginx::start(&[Server::http("access_log off; location / { return 200 fine; }")]).unwrap();
    let mut world = World::start().await;
    let (module, prepared) = world.http_check(&nginx.url(0, "/")).await;
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    let base = soon_due(module, prepared);
    let all: Vec<_> = (0..count)
        .map(|n| {
            let mut it = base.clone();
            it.check = CheckId::of_key(&[&n.to_be_bytes()]);
            it.in_force_from = Some(now() + 2000);
            it
        })
        .collect();
    let parts: Vec<_> = all.chunks(100).map(<[_]>::to_vec).collect();
    let last = parts.len() - 1;
    for (n, put) in parts.into_iter().enumerate() {
        let FromControl::Assign { since, to, forget, put, .. } = assign(1, put) else { unreachable!() };
        link.say(&FromControl::Assign { since, to, last: n == last, put, forget }).await;
    }
    let (mut results, mut measured) = (0, None);
    let mut lateness = Vec::new();
    let mut bad = 0;
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(45) {
        let (batch, b) = link.hear_results().await;
        link.say(&FromControl::Committed { mark: b.to() }).await;
        if start.elapsed() > Duration::from_secs(14) {
            if measured.is_none() {
                measured = Some(cpu_by_thread());
                results = 0;
            }
            results += batch.len();
            lateness.extend(batch.iter().map(|r| r.started.since(r.slot)));
            bad += batch.iter().filter(|r| r.outcome.detail.is_some()).count();
        }
    }
    let (before, after) = (measured.unwrap(), cpu_by_thread());
    lateness.sort_unstable();
    println!(
        "results={results} bad={bad} late p50={} p99={} max={}",
        lateness[lateness.len() / 2],
        lateness[lateness.len() * 99 / 100],
        lateness[lateness.len() - 1]
    );
    for (name, us) in &after {
        println!("  {name}: {:.1} us per run", (us - before.get(name).unwrap_or(&0.0)) / results as f64);
    }
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmRSS") || l.starts_with("Threads"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    world.stop_host().await;
}

//! `make compare`: the cases of http, tcp, dns and icmp, judged by their modules and by what people use instead.
//!
//! Where the verdicts differ, `docs/compare.md` has to say why. What nobody has explained fails it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use farwatch_guest_cases::beside::{Verdict, blackbox, plugins};
use farwatch_guest_cases::case::{self, Case};
use farwatch_guest_cases::server;
use farwatch_guest_cases::stage::{COMPILE, Stage, Standing};
use farwatch_proto::outcome::Status;

/// The modules whose protocols all of them speak.
const MODULES: [&str; 4] = ["http", "tcp", "dns", "icmp"];
/// Where differences are explained.
const EXPLANATIONS: &str = "../../docs/compare.md";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(COMPILE) {
        return farwatch_sandbox::compile_child::main();
    }
    let compared = compare();
    server::end_all();
    match compared {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A case that is set, and what the others are asked about it.
struct Set {
    case: Case,
    standing: Standing,
    blackbox: Option<blackbox::Question>,
    plugin: Option<plugins::Question>,
}

fn compare() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}", exporter_version()?, plugins::version()?)?;
    let stage = Stage::new()?;
    let directory = tempfile::tempdir()?;
    let authority = directory.path().join("authority.pem");
    fs::write(&authority, server::AUTHORITY.pem())?;
    let mut sets = Vec::new();
    for case in case::all()?.into_iter().filter(|case| MODULES.contains(&case.module())) {
        let standing = stage.set(&case)?;
        let config = &standing.config;
        let blackbox = blackbox::question(case.module(), config, case.timeout_ms, &authority);
        let plugin = plugins::question(case.module(), config, case.timeout_ms);
        sets.push(Set { case, standing, blackbox, plugin });
    }
    let questions = sets.iter().filter_map(|set| Some((set.case.name.as_str(), set.blackbox.as_ref()?)));
    let exporter = blackbox::Blackbox::start(questions)?;
    let explained = explanations()?;
    let mut tally = Tally::default();
    for set in &sets {
        let asked = set.blackbox.as_ref().map(|question| ("blackbox", exporter.ask(&set.case.name, question)));
        let run = set.plugin.as_ref().map(|question| ("plugins", question.ask()));
        let others: Vec<_> = asked.into_iter().chain(run).collect();
        if others.is_empty() {
            continue;
        }
        let ours = verdict(&stage.look(&set.case, &set.standing)?.outcome.status);
        for (name, theirs) in others {
            let theirs = theirs.with_context(|| format!("{name} on {}", set.case.name))?;
            let row = [set.case.name.clone(), ours.word().to_owned(), format!("{name}: {}", theirs.word())];
            writeln!(out, "{:<32} ours {:<8} {}", row[0], row[1], tally.note(&row, ours == theirs, &explained))?;
        }
    }
    let Tally { cases, same, explained, unexplained } = tally;
    writeln!(out, "compare: cases={cases} same={same} explained={explained} unexplained={unexplained}")?;
    ensure!(unexplained == 0, "{unexplained} differences are not explained in docs/compare.md");
    Ok(())
}

/// How many verdicts there were. A case that two were asked about counts twice.
#[derive(Default)]
struct Tally {
    cases: u32,
    same: u32,
    explained: u32,
    unexplained: u32,
}

impl Tally {
    fn note(&mut self, row: &[String; 3], is_same: bool, explanations: &BTreeSet<[String; 3]>) -> String {
        self.cases += 1;
        let (counter, word) = if is_same {
            (&mut self.same, "the same")
        } else if explanations.contains(row) {
            (&mut self.explained, "explained")
        } else {
            (&mut self.unexplained, "NOT EXPLAINED")
        };
        *counter += 1;
        format!("{:<20} {word}", row[2])
    }
}

const fn verdict(status: &Status) -> Verdict {
    match status {
        Status::Up | Status::Degraded => Verdict::Up,
        Status::Down => Verdict::Down,
        Status::Unknown(_) => Verdict::Unknown,
    }
}

/// The differences that are explained: the first three cells of each row of the table whose fourth says something.
fn explanations() -> anyhow::Result<BTreeSet<[String; 3]>> {
    let path = case::folder().join("..").join(EXPLANATIONS);
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            [case, ours, theirs, why] if !why.is_empty() => {
                Some([*case, *ours, *theirs].map(|cell| cell.trim_matches('`').to_owned()))
            }
            _ => None,
        }
    };
    Ok(text.lines().filter_map(row).collect())
}

fn exporter_version() -> anyhow::Result<String> {
    let told = Command::new(blackbox::PROGRAM).arg("--version").output();
    let told = told.context("the exporter cannot be started; install prometheus-blackbox-exporter")?;
    let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    Ok(told.lines().next().unwrap_or_default().to_owned())
}

//! `farwatch`: one binary, one word per role. This file is its table of contents.

mod backup;
mod client;
mod compile;
mod completions;
mod control;
mod duration;
mod exit;
mod host;
mod log;
mod otlp_args;
mod output;
mod reach;
mod register;
mod restore;
mod settings;
mod stop;
mod tell_args;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use backup::BackupArgs;
use client::audit::AuditArgs;
use client::channel::ChannelArgs;
use client::check::CheckArgs;
use client::contact::ContactArgs;
use client::delivery::DeliveryArgs;
use client::explain::ExplainArgs;
use client::fleet::FleetArgs;
use client::health::HealthArgs;
use client::heartbeat::HeartbeatArgs;
use client::incident::IncidentArgs;
use client::ledger::LedgerArgs;
use client::module::ModuleArgs;
use client::raw::{MetricsArgs, OpenapiArgs};
use client::release::ReleaseArgs;
use client::secret::SecretArgs;
use client::self_check::SelfCheckArgs;
use client::status::StatusArgs;
use client::tasks::TasksArgs;
use client::tenant::TenantArgs;
use client::token::TokenArgs;
use completions::CompletionsArgs;
use control::ControlArgs;
use exit::{Failure, USAGE};
use host::HostArgs;
use restore::RestoreArgs;
use up::UpArgs;

/// A run makes some hundred small allocations; this allocator saves a tenth of a host's CPU over the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "Examples:
  farwatch up
  farwatch check create http --name shop --url https://shop.example.com --every 10s
  farwatch incident list --state open
  farwatch ledger --since 24h

Settings come from flags, then from the environment, then from one TOML file with a table per role: see --settings.

Exit codes are those of sysexits.h: 64 a bad flag or setting, 65 refused by the API, 66 an unreadable file, 69 not
available, 70 failed, 73 a file cannot be made, 77 not allowed.";

/// An uptime monitor that is itself up
#[derive(Parser, Debug)]
#[command(name = "farwatch", version = farwatch_proto::VERSION, after_help = EXAMPLES, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand, Debug)]
enum Word {
    Up(UpArgs),
    Control(ControlArgs),
    Host(HostArgs),
    Fleet(FleetArgs),
    Release(ReleaseArgs),
    Secret(SecretArgs),
    Check(CheckArgs),
    Heartbeat(HeartbeatArgs),
    Incident(IncidentArgs),
    Delivery(DeliveryArgs),
    Contact(ContactArgs),
    Channel(ChannelArgs),
    Ledger(LedgerArgs),
    Explain(ExplainArgs),
    Module(ModuleArgs),
    Token(TokenArgs),
    Tenant(TenantArgs),
    Audit(AuditArgs),
    Health(HealthArgs),
    SelfCheck(SelfCheckArgs),
    Status(StatusArgs),
    Tasks(TasksArgs),
    Metrics(MetricsArgs),
    Openapi(OpenapiArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Completions(CompletionsArgs),
}

impl Word {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Up(args) => up::run(&args),
            Self::Control(args) => control::run(args),
            Self::Host(args) => args.run(),
            Self::Fleet(args) => args.run(),
            Self::Release(args) => args.run(),
            Self::Secret(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Heartbeat(args) => args.run(),
            Self::Incident(args) => args.run(),
            Self::Delivery(args) => args.run(),
            Self::Contact(args) => args.run(),
            Self::Channel(args) => args.run(),
            Self::Ledger(args) => args.run(),
            Self::Explain(args) => args.run(),
            Self::Module(args) => args.run(),
            Self::Token(args) => args.run(),
            Self::Tenant(args) => args.run(),
            Self::Audit(args) => args.run(),
            Self::Health(args) => args.run(),
            Self::SelfCheck(args) => args.run(),
            Self::Status(args) => args.run(),
            Self::Tasks(args) => args.run(),
            Self::Metrics(args) => args.run(),
            Self::Openapi(args) => args.run(),
            Self::Backup(args) => args.run(),
            Self::Restore(args) => args.run(),
            Self::Completions(args) => args.run(),
        }
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == compile::WORD) {
        return farwatch_sandbox::compile_child::main();
    }
    if std::env::var_os(up::EXIT_WITH_PARENT).is_some() {
        stop::end_with_parent();
    }
    run(std::env::args_os().collect()).unwrap_or_else(|failure| failure.tell())
}

/// The words of this program, and the flag that names its settings file.
fn command() -> Command {
    Line::command().arg(settings::flag())
}

fn run(words: Vec<OsString>) -> Result<ExitCode, Failure> {
    let file = settings::File::named_by(&command(), &words)?;
    let matches = file.applied_to(command()).try_get_matches_from(words);
    match matches.and_then(|matches| Ok((Line::from_arg_matches(&matches)?, matches))) {
        Ok((line, matches)) => {
            line.word.run().map_err(|failure| failure.blaming(&file.in_force(&matches)))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(told) => {
            // Help that cannot be printed is not missed.
            let _ = told.print();
            match told.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(ExitCode::SUCCESS),
                _ => Ok(ExitCode::from(USAGE)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    fn is_taken(line: &str) -> bool {
        let matches = command().try_get_matches_from(line.split(' '));
        matches.and_then(|matches| Line::from_arg_matches(&matches)).is_ok()
    }

    #[test]
    fn connection_flags_may_stand_behind_the_verb() {
        for line in [
            "farwatch check list --json --api http://127.0.0.1:1",
            "farwatch host list --token-file t",
            "farwatch check create http --name a --url https://a.example --every 10s --no-wait",
            "farwatch check create http --name a --config a.json --settings f",
            "farwatch ledger --since 24h --check shop",
            "farwatch ledger --from 1 --to 2",
            "farwatch ledger --by host --since 24h",
            "farwatch channel add ops --webhook https://hooks.example",
            "farwatch token create deploy --scope read --tenant acme",
            "farwatch check edit shop interval=30s config.url=https://a.example --json",
            "farwatch contact edit ops name=night",
            "farwatch channel edit chn_1 secret=",
            "farwatch host edit fra-1 weight=3 labels.disk=ssd",
            "farwatch host invite --provider p --region eu --name fra-2 --control c.example:8401",
            "farwatch host join --token fwj_1 --provider p --region eu --data d --peer-address 192.0.2.1:8402",
            "farwatch host drain fra-1 --no-wait --json",
            "farwatch host drain fra-1 --limit 10min",
            "farwatch host undrain fra-1",
            "farwatch host retire fra-1 --force",
            "farwatch release push farwatch --as 1.4.0",
            "farwatch fleet upgrade --to 1.4.0 --max-unavailable 3",
            "farwatch fleet upgrade --resume --no-wait",
            "farwatch tenant edit acme name=corp",
            "farwatch audit --limit 200",
            "farwatch audit ledger --from 1 --to 2 --check shop --json",
            "farwatch delivery list --dead --json",
            "farwatch delivery list --incident inc_1",
            "farwatch delivery retry dlv_1",
            "farwatch audit --actor tok_1 --action refused. --since 24h",
            "farwatch status --watch",
            "farwatch status --watch 5s --json",
            "farwatch backup f --without-history --json",
            "farwatch restore f --database postgres://h/n",
            "farwatch delivery release --all",
            "farwatch delivery drop dlv_1 dlv_2",
            "farwatch module test a.wasm --url https://a.example --secret a=b --record f --allow-net ::1/128 --json",
        ] {
            assert!(is_taken(line), "{line}");
        }
        for line in [
            "farwatch",
            "farwatch check",
            "farwatch check create http",
            "farwatch ledger --from 1",
            "farwatch channel add ops --email a@b.org --webhook https://hooks.example",
            "farwatch check edit shop",
            "farwatch host join --provider p --region eu",
            "farwatch audit --limit 201",
            "farwatch audit --limit 20 ledger",
            "farwatch delivery list",
            "farwatch delivery list --dead --incident inc_1",
            "farwatch incident list --own --state open",
            "farwatch delivery release",
            "farwatch delivery drop dlv_1 --all",
            "farwatch backup",
            "farwatch fleet upgrade",
            "farwatch fleet upgrade --to 1.4.0 --stop",
            "farwatch module test a.wasm --record f --replay f",
            "farwatch sing",
        ] {
            assert!(!is_taken(line), "{line}");
        }
    }
}

//! The settings file: one TOML file with a table per role, read before the command line and weaker than it.
//!
//! Its values become the defaults of the flags they name. So flags come before the environment and the environment
//! before the file, for every setting alike, and no role knows where a value came from. The whole file is judged,
//! whichever word is run: a mistake is told when it was made and not when it is needed.

mod document;
mod setting;

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::client;
use crate::exit::{Failure, NO_INPUT, USAGE};
use document::tables;
use setting::{CLIENT, ROLES, Setting, settings};

/// The file that is read where no other is named.
const DEFAULT_FILE: &str = "/etc/farwatch/farwatch.toml";
/// The flag that names another.
const FLAG: &str = "settings";

/// The flag that names the file.
pub(crate) fn flag() -> Arg {
    Arg::new(FLAG)
        .long(FLAG)
        .env("FARWATCH_SETTINGS")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help(format!("The settings file, weaker than flags and environment; {DEFAULT_FILE} where there is one"))
}

/// What the file says, in order and judged.
#[derive(Debug, Default)]
pub(crate) struct File {
    path: PathBuf,
    settings: Vec<Setting>,
}

impl File {
    /// The file that this command line or the environment names, or the usual one.
    pub(crate) fn named_by(command: &Command, words: &[OsString]) -> Result<Self, Failure> {
        // What is wrong with the words is told when they are read in earnest; who asks for help gets it without a file.
        let Ok(matches) = command.clone().ignore_errors(true).try_get_matches_from(words) else {
            return Ok(Self::default());
        };
        let named = matches.get_one::<PathBuf>(FLAG);
        let path = named.map_or(Path::new(DEFAULT_FILE), PathBuf::as_path);
        let is_role = matches.subcommand_name().is_some_and(|word| ROLES.contains(&word));
        let error = match fs::read_to_string(path) {
            Ok(text) => return Self::of_text(command, path, &text),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::NotFound if named.is_none() => Ok(Self::default()),
            // It may hold secrets of the servers, which are not for everybody who asks the API.
            ErrorKind::PermissionDenied if named.is_none() && !is_role => Ok(Self::default()),
            _ => {
                let what = format!("cannot read the settings file {}: {error}", path.display());
                Err(Failure::new(NO_INPUT, format_args!("{what}; --{FLAG} names another")))
            }
        }
    }

    fn of_text(command: &Command, path: &Path, text: &str) -> Result<Self, Failure> {
        let wrong = |line, what| Failure::new(USAGE, format_args!("{}:{line}: {what}", path.display()));
        let mut judged = Vec::new();
        for table in tables(text).map_err(|why| wrong(why.line, why.what))? {
            judged.extend(settings(command, &table).map_err(|(line, what)| wrong(line, what))?);
        }
        Ok(Self { path: path.to_owned(), settings: judged })
    }

    /// The command with the file's values as the defaults of its flags.
    pub(crate) fn applied_to(&self, command: Command) -> Command {
        let command = ROLES.into_iter().fold(command, |command, role| {
            command.mut_subcommand(role, |word| word.mut_args(|arg| self.with_default(role, arg)))
        });
        self.for_clients(command)
    }

    /// The flags that all client words share, wherever they stand.
    fn for_clients(&self, command: Command) -> Command {
        let is_said = |arg: &Arg| arg.get_long().is_some_and(client::is_said_by_environment);
        command
            .mut_args(|arg| if arg.is_global_set() && !is_said(&arg) { self.with_default(CLIENT, arg) } else { arg })
            .mut_subcommands(|word| self.for_clients(word))
    }

    fn with_default(&self, table: &str, arg: Arg) -> Arg {
        let is_its = |setting: &&Setting| setting.table == table && Some(setting.key.as_str()) == arg.get_long();
        let Some(setting) = self.settings.iter().find(is_its).filter(|setting| !setting.values.is_empty()) else {
            return arg;
        };
        // Help shows defaults; a secret is shown nowhere.
        let is_secret = arg.is_hide_env_values_set();
        arg.default_values(setting.values.clone()).hide_default_value(is_secret)
    }

    /// Where the values in force came from, for those that are the file's: flags, and the places in the file.
    pub(crate) fn in_force(&self, matches: &ArgMatches) -> Vec<(String, String)> {
        let Some((word, matches)) = matches.subcommand() else { return Vec::new() };
        let is_in_force = |setting: &&Setting| {
            let id = setting.key.replace('-', "_");
            setting.table == word && matches.value_source(&id) == Some(ValueSource::DefaultValue)
        };
        let place = |setting: &Setting| {
            let Setting { table, key, line, .. } = setting;
            (format!("--{key}"), format!("{}:{line}: [{table}] {key}", self.path.display()))
        };
        self.settings.iter().filter(is_in_force).map(place).collect()
    }
}

#[cfg(test)]
mod tests;

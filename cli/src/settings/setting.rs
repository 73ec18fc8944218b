//! What the settings file may say: the flags of each role, and values of the kind each flag takes.

use std::any::TypeId;

use clap::{Arg, ArgAction, Command};

use super::document::{Entry, Given, Table};

/// The roles that have a table with the flags of their own word.
pub(super) const ROLES: [&str; 3] = ["up", "control", "host"];
/// The table of the words that ask the API. It has the flags that all of them share.
pub(super) const CLIENT: &str = "client";
/// One of those words.
const A_CLIENT_WORD: &str = "check";

/// One setting of the file that was found to be in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) table: String,
    /// The name of the flag, without its dashes.
    pub(super) key: String,
    /// As the command line would have them; none where the setting is an empty list, or a switch that is off.
    pub(super) values: Vec<String>,
    pub(super) line: usize,
}

/// The flags that a table may set. Hidden ones are for tests and stay flags.
pub(super) fn options<'a>(command: &'a Command, table: &str) -> Option<Vec<(&'a str, &'a Arg)>> {
    let is_client = table == CLIENT;
    let word = if is_client { A_CLIENT_WORD } else { *ROLES.iter().find(|role| **role == table)? };
    let args = command.find_subcommand(word)?.get_arguments();
    let set = args.filter(|arg| arg.is_global_set() == is_client && !arg.is_hide_set());
    Some(set.filter_map(|arg| Some((arg.get_long()?, arg))).collect())
}

/// The settings of a table, or the line of the first that is wrong and what to do about it.
pub(super) fn settings(command: &Command, table: &Table) -> Result<Vec<Setting>, (usize, String)> {
    let Some(options) = options(command, &table.name) else {
        let what = format!("[{}]: there is no such table; use [{}] or [{CLIENT}]", table.name, ROLES.join("], ["));
        return Err((table.line, what));
    };
    let setting = |entry: &Entry| {
        let Some((_, arg)) = options.iter().find(|(long, _)| *long == entry.key) else {
            let known: Vec<&str> = options.iter().map(|(long, _)| *long).collect();
            return Err(format!("there is no such setting; use one of {}", known.join(", ")));
        };
        let values = values(arg, &entry.value)?;
        judge(arg, &entry.key, &values)?;
        Ok(Setting { table: table.name.clone(), key: entry.key.clone(), values, line: entry.line })
    };
    let told = |entry: &Entry, what: String| (entry.line, format!("[{}] {}: {what}", table.name, entry.key));
    table.entries.iter().map(|entry| setting(entry).map_err(|what| told(entry, what))).collect()
}

/// The values as the command line would have them.
fn values(arg: &Arg, given: &Given) -> Result<Vec<String>, String> {
    match (arg.get_action(), given) {
        (ArgAction::SetTrue, Given::Truth(truth)) => Ok(truth.then(|| "true".to_owned()).into_iter().collect()),
        (ArgAction::SetTrue, _) => Err("write true or false".to_owned()),
        (ArgAction::Append, Given::List(items)) => items.iter().map(|item| single(arg, item)).collect(),
        // One is a list of one, as it is on the command line.
        (ArgAction::Append, given) => single(arg, given).map(|value| vec![value]),
        (_, given) => single(arg, given).map(|value| vec![value]),
    }
}

fn single(arg: &Arg, given: &Given) -> Result<String, String> {
    match given {
        Given::Number(number) if is_number(arg) => Ok(number.clone()),
        _ if is_number(arg) => Err("write a whole number, without quotes".to_owned()),
        Given::Text(text) => Ok(text.clone()),
        _ => Err("write text in quotes".to_owned()),
    }
}

fn is_number(arg: &Arg) -> bool {
    let numbers = [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
    numbers.iter().any(|number| arg.get_value_parser().type_id() == *number)
}

/// Asks the flag itself whether it takes these values.
fn judge(arg: &Arg, key: &str, values: &[String]) -> Result<(), String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let line = values.iter().map(|value| format!("--{key}={value}"));
    let alone = Command::new("file").no_binary_name(true).disable_help_flag(true).arg(arg.clone().global(false));
    let Err(error) = alone.try_get_matches_from(line) else { return Ok(()) };
    // The flag's own words; clap's would name a flag that nobody typed.
    let own = std::error::Error::source(&error).map(ToString::to_string);
    Err(own.unwrap_or_else(|| error.to_string().lines().next().unwrap_or_default().to_owned()))
}

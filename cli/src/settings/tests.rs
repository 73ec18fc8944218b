//! The settings file against the real flags.

use clap::FromArgMatches;

use super::*;
use crate::{Line, command};

/// The file that shows every setting, each commented out.
const SHOWN: &str = include_str!("../../../docs/farwatch.toml");

fn file(text: &str) -> Result<File, String> {
    File::of_text(&command(), Path::new("farwatch.toml"), text).map_err(|failure| format!("{failure:?}"))
}

/// What a command line comes to with this file.
fn line(text: &str, words: &str) -> String {
    let matches = file(text).unwrap().applied_to(command()).try_get_matches_from(words.split(' ')).unwrap();
    format!("{:?}", Line::from_arg_matches(&matches).unwrap())
}

/// The shown file with its settings in force.
fn uncommented() -> String {
    let is_setting =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    SHOWN.lines().map(|line| if is_setting(line) { format!("{}\n", &line[1..]) } else { format!("{line}\n") }).collect()
}

#[test]
fn the_shown_file_sets_nothing_and_names_every_setting() {
    assert_eq!(file(SHOWN).unwrap().settings, []);
    let shown = file(&uncommented()).unwrap();
    let command = command();
    for table in ["up", "control", "host", "client"] {
        let mut named: Vec<&str> = shown
            .settings
            .iter()
            .filter(|setting| setting.table == table)
            .map(|setting| setting.key.as_str())
            .collect();
        let mut flags: Vec<&str> = setting::options(&command, table).unwrap().iter().map(|(long, _)| *long).collect();
        named.sort_unstable();
        flags.sort_unstable();
        assert_eq!(named, flags, "[{table}]");
        assert!(flags.len() > 3, "[{table}]: {flags:?}");
    }
    shown.applied_to(command).debug_assert();
}

#[test]
fn a_setting_is_one_for_its_own_role_and_weaker_than_a_flag() {
    let text = "[host]\nrun-places = 7\nallow-net = ['10.0.0.0/8', '192.168.0.0/16']\n[up]\nhosts = 3\n";
    let set = line(text, "farwatch host");
    assert!(set.contains("run_places: 7") && set.contains("[\"10.0.0.0/8\", \"192.168.0.0/16\"]"), "{set}");
    let flagged = line(text, "farwatch host --run-places 8 --allow-net 172.16.0.0/12");
    assert!(flagged.contains("run_places: 8") && flagged.contains("allow_net: [\"172.16.0.0/12\"]"), "{flagged}");
    assert!(line(text, "farwatch up").contains("hosts: 3"));
    assert!(line(text, "farwatch up --hosts 2").contains("hosts: 2"));
}

#[test]
fn what_all_clients_share_is_set_wherever_it_stands() {
    let text = "[client]\ntoken-file = 'a'\njson = true\n";
    for words in ["farwatch check list", "farwatch host list", "farwatch tenant list", "farwatch health"] {
        let set = line(text, words);
        assert!(set.contains("token_file: Some(\"a\")") && set.contains("json: true"), "{set}");
        let flagged = line(text, &format!("{words} --token-file b"));
        assert!(flagged.contains("token_file: Some(\"b\")"), "{flagged}");
    }
    assert!(line("[client]\njson = false\n", "farwatch health").contains("json: false"));
    assert!(line("[client]\njson = false\n", "farwatch health --json").contains("json: true"));
}

#[test]
fn what_is_wrong_is_one_line_that_says_where_and_what_to_do() {
    for (text, begins, advises) in [
        ("[hosts]\n", "farwatch.toml:1: [hosts]: ", "[host]"),
        ("[host]\nrun-place = 1\n", "farwatch.toml:2: [host] run-place: ", "run-places"),
        ("[host]\nrun-places = '1'\n", "farwatch.toml:2: [host] run-places: ", "without quotes"),
        ("[host]\n\nrun-places = -1\n", "farwatch.toml:3: [host] run-places: ", "-1"),
        ("[host]\nrun-places = 1.5\n", "farwatch.toml:2: [host] run-places: ", "whole number"),
        ("[host]\nallow-net = [10]\n", "farwatch.toml:2: [host] allow-net: ", "quotes"),
        ("[up]\nwarmup = 60\n", "farwatch.toml:2: [up] warmup: ", "quotes"),
        ("[up]\nwarmup = 'soon'\n", "farwatch.toml:2: [up] warmup: ", "500ms"),
        ("[up]\nlink-via = ['127.0.0.1:1']\n", "farwatch.toml:2: [up] link-via: ", "link-listen"),
        ("[control]\napi-listen = '8400'\n", "farwatch.toml:2: [control] api-listen: ", "socket address"),
        ("[client]\njson = 'yes'\n", "farwatch.toml:2: [client] json: ", "true or false"),
        ("hosts = 3\n", "farwatch.toml:1: hosts: ", "[up]"),
        ("[up]\nhosts = 3\nhosts = 4\n", "farwatch.toml:3: ", ""),
    ] {
        let told = file(text).map(|_| ()).unwrap_err();
        assert!(told.contains("code: 64") && told.contains(begins) && told.contains(advises), "{told}");
        assert!(!told.contains("\\n"), "{told}");
    }
}

#[test]
fn secrets_of_the_file_are_not_in_the_help() {
    let text = "[up]\ndatabase = 'postgres://u:s3cret@h/n'\nsmtp-url = 'smtp://u:s3cret@h'\ndata = 'elsewhere'\n";
    let mut command = file(text).unwrap().applied_to(command());
    let help = command.find_subcommand_mut("up").unwrap().render_long_help().to_string();
    assert!(help.contains("elsewhere") && !help.contains("s3cret"), "{help}");
}

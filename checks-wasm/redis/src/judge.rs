//! What refusals mean, and whether a server is what it should be.

use farwatch_guest::dialogue::{SHOWN_MAX, Said, Wrong, down};
use farwatch_guest::escapes::show;

use crate::config::Role;
use crate::info::Info;

/// Servers that do not know a command repeat what stood behind it, which may be a password.
const REPEATED: &str = ", with args";

/// What a refusal means. `expected` is what should have come.
pub fn refused(expected: &str, words: &str) -> Wrong {
    let told = words.split(REPEATED).next().unwrap_or_default();
    down(code(words), format!("expected {expected}, got error `{}`", show(told.as_bytes(), SHOWN_MAX)))
}

/// The first word of a refusal says of what kind it is, but for the oldest ones.
fn code(words: &str) -> &'static str {
    let says = |part: &str| words.contains(part);
    match words.split(' ').next().unwrap_or_default() {
        "WRONGPASS" | "NOAUTH" => "login-refused",
        "NOPERM" => "permission-denied",
        "LOADING" => "loading",
        "MASTERDOWN" => "replica-detached",
        "BUSY" => "busy",
        "MISCONF" => "misconfigured",
        "DENIED" => "host-refused",
        "ERR" if says("max number of clients") => "too-many-connections",
        "ERR" if says("DB index") => "database-missing",
        "ERR" if says("AUTH") || says("invalid password") => "login-refused",
        _ => "command-refused",
    }
}

/// Judges the role, where one is expected. A replica must be connected to its primary.
///
/// # Errors
/// When it is another.
pub fn role(expected: Option<Role>, info: &Info) -> Said<()> {
    let Some(expected) = expected else { return Ok(()) };
    let word = |role| if role == Role::Primary { "a primary" } else { "a replica" };
    let Some(found) = info.role else {
        return Err(down("role-unexpected", format!("expected {}, got a server that does not say", word(expected))));
    };
    if found != expected {
        return Err(down("role-unexpected", format!("expected {}, got {}", word(expected), word(found))));
    }
    if expected == Role::Replica && info.is_attached != Some(true) {
        let message = "expected a replica that is connected to its primary, got one that is not";
        return Err(down("replica-detached", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_codes_and_do_not_repeat_what_was_said() {
        for (words, code) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", "login-refused"),
            ("NOAUTH Authentication required.", "login-refused"),
            ("ERR invalid password", "login-refused"),
            ("ERR Client sent AUTH, but no password is set", "login-refused"),
            ("NOPERM this user has no permissions", "permission-denied"),
            ("LOADING Redis is loading the dataset in memory", "loading"),
            ("MASTERDOWN Link with MASTER is down", "replica-detached"),
            ("ERR max number of clients reached", "too-many-connections"),
            ("ERR DB index is out of range", "database-missing"),
            ("DENIED Redis is running in protected mode", "host-refused"),
            ("MISCONF Errors writing to the AOF file", "misconfigured"),
            ("BUSY Redis is busy running a script", "busy"),
            ("ERR no", "command-refused"),
            ("", "command-refused"),
        ] {
            let Wrong::Found(_, found, message) = refused("`PONG`", words) else { panic!("{words}") };
            assert_eq!((found, message), (code, format!("expected `PONG`, got error `{words}`")));
        }
        let unknown = "ERR unknown command 'AUTH', with args beginning with: 'geheim'";
        let Wrong::Found(_, code, message) = refused("`OK`", unknown) else { panic!("{unknown}") };
        assert_eq!(code, "login-refused");
        assert!(!message.contains("geheim"), "{message}");
    }

    #[test]
    fn a_role_is_judged_where_one_is_expected() {
        let replica = |is_attached| Info { role: Some(Role::Replica), is_attached, ..Info::default() };
        let primary = Info { role: Some(Role::Primary), ..Info::default() };
        for (expected, info, code) in [
            (None, replica(Some(false)), "ok"),
            (None, Info::default(), "ok"),
            (Some(Role::Primary), primary, "ok"),
            (Some(Role::Primary), replica(Some(true)), "role-unexpected"),
            (Some(Role::Replica), replica(Some(true)), "ok"),
            (Some(Role::Replica), replica(Some(false)), "replica-detached"),
            (Some(Role::Replica), replica(None), "replica-detached"),
            (Some(Role::Replica), Info::default(), "role-unexpected"),
        ] {
            let found = match role(expected, &info) {
                Ok(()) => "ok",
                Err(Wrong::Found(_, code, _)) => code,
                Err(_) => "another",
            };
            assert_eq!(found, code, "{expected:?} {info:?}");
        }
    }
}

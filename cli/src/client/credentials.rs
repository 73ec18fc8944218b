//! Where the API is and what opens it: flags before environment, environment before what `farwatch up` wrote.
//!
//! What the settings file says comes as flags, and only where the environment says nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::ClientArgs;
use crate::exit::{Failure, NO_INPUT, USAGE};

/// Where `farwatch up` keeps its data when it is told nothing else.
const DATA_DEFAULT: &str = "farwatch-data";
/// The files it writes for clients.
const API_FILE: &str = "api.url";
const TOKEN_FILE: &str = "admin.token";
/// What every token begins with.
const TOKEN_PREFIX: &str = "fw_";

/// A variable that is set to something.
fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the environment says what this flag would say.
pub(crate) fn is_said_by_environment(flag: &str) -> bool {
    let names: &[&str] = match flag {
        "api" => &["FARWATCH_API"],
        "token-file" => &["FARWATCH_TOKEN", "FARWATCH_TOKEN_FILE"],
        "tenant" => &["FARWATCH_TENANT"],
        _ => &[],
    };
    names.iter().any(|name| text(name).is_some())
}

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    api: Option<String>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    tenant: Option<String>,
    data: Option<PathBuf>,
}

impl Environment {
    pub(super) fn read() -> Self {
        Self {
            api: text("FARWATCH_API"),
            token: text("FARWATCH_TOKEN"),
            token_file: text("FARWATCH_TOKEN_FILE").map(PathBuf::from),
            tenant: text("FARWATCH_TENANT"),
            data: text("FARWATCH_DATA").map(PathBuf::from),
        }
    }

    fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| PathBuf::from(DATA_DEFAULT))
    }
}

/// What a client needs to be let in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The API's URL, without a slash at its end.
    pub(super) api: String,
    /// The token.
    pub(super) token: String,
    /// The tenant that is meant.
    pub(super) tenant: Option<String>,
}

impl Credentials {
    pub(super) fn find(args: &ClientArgs, environment: &Environment) -> Result<Self, Failure> {
        Ok(Self {
            api: api(args, environment)?,
            token: token(args, environment)?,
            tenant: args.tenant.clone().or_else(|| environment.tenant.clone()),
        })
    }
}

fn api(args: &ClientArgs, environment: &Environment) -> Result<String, Failure> {
    let named = args.api.clone().or_else(|| environment.api.clone());
    let url = match named {
        Some(url) => url,
        None => {
            let file = environment.data().join(API_FILE);
            fs::read_to_string(&file).map_err(|_| {
                let advice = "start `farwatch up` in this directory; or name the folder of one that is up in \
                              FARWATCH_DATA, or an API with --api or FARWATCH_API";
                Failure::new(NO_INPUT, format_args!("there is no {}; {advice}", file.display()))
            })?
        }
    };
    let url = url.trim().trim_end_matches('/');
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url.to_owned());
    }
    Err(Failure::new(USAGE, format_args!("{url:?} is no URL of an API; write it like http://127.0.0.1:8400")))
}

fn token(args: &ClientArgs, environment: &Environment) -> Result<String, Failure> {
    if let Some(file) = &args.token_file {
        return token_in(file);
    }
    if let Some(token) = &environment.token {
        return judged(token, "FARWATCH_TOKEN");
    }
    match &environment.token_file {
        Some(file) => token_in(file),
        None => token_in(&environment.data().join(TOKEN_FILE)),
    }
}

fn token_in(file: &Path) -> Result<String, Failure> {
    let text = fs::read(file).map_err(|error| {
        let advice = "name another with --token-file, or set FARWATCH_TOKEN";
        Failure::new(NO_INPUT, format_args!("cannot read the token file {}: {error}; {advice}", file.display()))
    })?;
    judged(&String::from_utf8_lossy(&text), &format!("the file {}", file.display()))
}

fn judged(text: &str, place: &str) -> Result<String, Failure> {
    let token = text.trim();
    let is_token = token
        .strip_prefix(TOKEN_PREFIX)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_token {
        return Ok(token.to_owned());
    }
    let advice = "one begins with fw_, and `farwatch token create` makes one";
    Err(Failure::new(USAGE, format_args!("{place} holds no token; {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment { api: Some("http://a:1/".to_owned()), token: Some("fw_1".to_owned()), ..Environment::default() }
    }

    fn complaint(args: &ClientArgs, environment: &Environment) -> String {
        format!("{:?}", Credentials::find(args, environment).map(|_| ()).unwrap_err())
    }

    #[test]
    fn flags_come_before_the_environment() {
        let args = ClientArgs { api: Some("https://b".to_owned()), ..ClientArgs::default() };
        let found = Credentials::find(&args, &environment()).map_err(|failure| format!("{failure:?}")).unwrap();
        assert_eq!((found.api.as_str(), found.token.as_str(), found.tenant), ("https://b", "fw_1", None));
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_in_one_line() {
        let nothing = Environment { data: Some("no-such-directory".into()), ..Environment::default() };
        assert!(complaint(&ClientArgs::default(), &nothing).contains("start `farwatch up`"));
        let bad_url = Environment { api: Some("localhost".to_owned()), ..environment() };
        assert!(complaint(&ClientArgs::default(), &bad_url).contains("is no URL of an API"));
        let bad_token = Environment { token: Some("hunter2".to_owned()), ..environment() };
        let said = complaint(&ClientArgs::default(), &bad_token);
        assert!(said.contains("holds no token") && !said.contains("hunter2"), "{said}");
        let args = ClientArgs { token_file: Some("no-such-file".into()), ..ClientArgs::default() };
        assert!(complaint(&args, &environment()).contains("cannot read the token file no-such-file"));
    }
}

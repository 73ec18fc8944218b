//! What later steps use of an answer: a value in its JSON, a header, or what a regular expression finds.
//!
//! It is the peer's, so it is bounded, and it may hold no line break, for it may be put into a header.

use farwatch_guest::fields::Fields;
use farwatch_guest::headers::is_token;
use farwatch_guest::web::expect::{NEEDLE_MAX, is_regex};
use farwatch_guest::web::{json, test};
use serde_json::Value;

use crate::template;
use crate::wit::farwatch::check::http::{Response, Want};

/// The fields of a capture.
pub const FIELDS: &[&str] = &["name", "json_path", "header", "regex"];
/// The longest value: no server takes longer headers.
const VALUE_MAX: usize = 8_192;
/// A name of a header.
const HEADER_MAX: usize = 256;

/// See the file's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// By which later steps use it.
    pub name: String,
    source: Source,
    regex: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Body,
    Json(String),
    Header(String),
}

/// Code and sentence of why there is nothing to use.
pub type Missing = (&'static str, String);

/// Reads the fields.
pub fn read(fields: &mut Fields<'_>) -> Capture {
    let name = fields.needed("name", "by which name later steps use it", template::NAME_MAX).unwrap_or_default();
    if fields.get("name").is_some_and(Value::is_string) && !template::is_name(name) {
        fields.bad("name", format!("`{name}` is no name; use lower case letters, digits and underscores"));
    }
    let path = fields.text("json_path", json::PATH_MAX);
    if let Some(Err(error)) = path.map(json::is_path) {
        fields.bad("json_path", format!("`json_path` is no JSONPath: {error}"));
    }
    let header = fields.text("header", HEADER_MAX);
    if let Some(header) = header.filter(|header| !is_token(header)) {
        fields.bad("header", format!("`{header}` is no header name"));
    }
    let regex = fields.regex("regex", NEEDLE_MAX, is_regex).map(str::to_owned);
    let source = match (path, header) {
        (Some(_), Some(_)) => {
            fields.bad("header", "a value is captured from one place; leave out `header`, or `json_path`".to_owned());
            Source::Body
        }
        (Some(path), None) => Source::Json(path.to_owned()),
        (None, Some(header)) => Source::Header(header.to_ascii_lowercase()),
        (None, None) => Source::Body,
    };
    if source == Source::Body && fields.get("regex").is_none() && path.is_none() {
        let message = "`regex` is missing; say what to capture by it, by `json_path`, or by `header`".to_owned();
        fields.add("config-missing-field", "/regex".to_owned(), message);
    }
    Capture { name: name.to_owned(), source, regex }
}

impl Capture {
    /// What of an answer it needs.
    pub fn wants(&self) -> Want {
        if matches!(self.source, Source::Header(_)) { Want::HEADERS } else { Want::BODY }
    }

    /// The value that an answer has for it.
    ///
    /// # Errors
    /// Why it has none that can be used.
    pub fn take(&self, response: &Response) -> Result<String, Missing> {
        let missing = |got: String| ("capture-missing", format!("expected a value for `{}`, got {got}", self.name));
        let text = self.text(response).map_err(&missing)?;
        let value = match &self.regex {
            None => text,
            Some(pattern) => {
                matched(pattern, &text).ok_or_else(|| missing(format!("nothing that `{pattern}` matches")))?
            }
        };
        if value.len() > VALUE_MAX {
            let message = format!("the value for `{}` has {} bytes, more than {VALUE_MAX}", self.name, value.len());
            return Err(("capture-invalid", message));
        }
        if value.contains(char::is_control) {
            let message = format!("the value for `{}` holds a line break or another control character", self.name);
            return Err(("capture-invalid", message));
        }
        Ok(value)
    }

    fn text(&self, response: &Response) -> Result<String, String> {
        match &self.source {
            Source::Body => Ok(String::from_utf8_lossy(&response.body).into_owned()),
            Source::Header(name) => {
                let header = response.headers.iter().find(|(other, _)| other == name);
                header.map(|(_, value)| value.clone()).ok_or_else(|| format!("no header `{name}`"))
            }
            Source::Json(path) => {
                let value = json::parse(&response.body).map_err(|wrong| format!("a body that {wrong}"))?;
                let found = json::find(path, &value).first().map(|value| test::text(value));
                found.ok_or_else(|| format!("nothing at `{path}`"))
            }
        }
    }
}

/// What the first group matches, or all that is matched where there is no group.
fn matched(pattern: &str, text: &str) -> Option<String> {
    let captures = farwatch_guest::pattern::compile(pattern).ok()?.captures(text)?;
    captures.get(1).or_else(|| captures.get(0)).map(|found| found.as_str().to_owned())
}

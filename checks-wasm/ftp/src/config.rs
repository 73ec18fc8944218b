//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::credentials::{self, Credentials};
use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where FTP servers listen (RFC 959, RFC 4217).
pub const KIND: Kind = Kind { port: 21, tls_port: 990, can_start_tls: true, security: Security::None, alpn: &[] };
/// No file system has longer paths.
const PATH_MAX: usize = 4_096;
/// The largest size of a file that a limit can be.
const BYTES_MAX: u64 = i64::MAX as u64;

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who logs in; anybody where there is nobody.
    pub credentials: Option<Credentials>,
    /// The directory that must be there.
    pub directory: Option<String>,
    /// The file that must be there.
    pub file: Option<String>,
    /// And have as many bytes.
    pub file_bytes_min: Option<i64>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"ftp.example.com\"}",
        fields: &[service::FIELDS, credentials::FIELDS, &["directory", "file", "file_bytes_min"]],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let credentials = Credentials::read(fields, &service);
        let directory = path(fields, "directory");
        let file = path(fields, "file");
        let file_bytes_min = fields.number("file_bytes_min", 1, BYTES_MAX).map(|bytes| bytes as i64);
        if fields.get("file_bytes_min").is_some() && fields.get("file").is_none() {
            fields.bad("file_bytes_min", "`file_bytes_min` is about a file; give `file`, or leave it out".to_owned());
        }
        Self { service, credentials, directory, file, file_bytes_min }
    }
}

fn path(fields: &mut Fields<'_>, field: &str) -> Option<String> {
    let path = fields.text(field, PATH_MAX)?;
    if path.is_empty() || path.contains(char::is_control) {
        fields.bad(field, format!("`{field}` must be a path without line breaks"));
    }
    Some(path.to_owned())
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let read = |said: &str| reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let config = read(r#"{"host": "a.example"}"#);
        assert!(config.credentials.is_none() && config.directory.is_none() && config.file.is_none());
        assert_eq!(config.service.security, Security::None);
        let config = read(
            r#"{"host": "a", "security": "starttls", "username": "anna", "password": {"secret": "pw"},
                "directory": "/backup", "file": "last night.tar", "file_bytes_min": 1000}"#,
        );
        assert_eq!((config.directory.as_deref(), config.file.as_deref()), (Some("/backup"), Some("last night.tar")));
        assert_eq!((config.file_bytes_min, config.credentials.unwrap().username.as_str()), (Some(1_000), "anna"));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""directory": """#, "/directory"),
            (r#""file": "a\r\nDELE b""#, "/file"),
            (r#""file": "a", "file_bytes_min": 0"#, "/file_bytes_min"),
            (r#""file_bytes_min": 1"#, "/file_bytes_min"),
            (r#""username": "a", "password": {"secret": "b"}"#, "/password"),
            (r#""username": "anonymous""#, "/password"),
            (r#""path": "a""#, "/path"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a.example", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}

//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::secret::Secret;
use farwatch_guest::service::{PLAIN_FIELDS, Service};

use crate::host_key::{KeyType, is_fingerprint};

/// Where SSH is spoken.
const PORT: u16 = 22;
/// A server has a key of each kind, and new ones before the old ones go.
const FINGERPRINTS_MAX: usize = 8;
/// `SHA256:` and 43 characters are 50 bytes.
const FINGERPRINT_MAX: usize = 64;
/// No system has longer names.
const USERNAME_MAX: usize = 255;

/// What a run does and expects.
pub struct Config {
    /// The server.
    pub service: Service,
    /// What its host key may be; any if none is said.
    pub fingerprints: Vec<String>,
    /// The kind of host key that is asked for.
    pub host_key_type: Option<KeyType>,
    /// Whether a server that offers what nobody should use is degraded.
    pub degraded_on_weak: bool,
    /// Who logs in, if anybody does.
    pub login: Option<Login>,
}

/// A login.
pub struct Login {
    /// Who.
    pub username: String,
    /// By what.
    pub proof: Proof,
}

/// What proves who logs in.
pub enum Proof {
    /// A password.
    Password(Secret),
    /// A private key.
    Key(Secret),
}

impl Proof {
    /// In a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Key(_) => "key",
        }
    }
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"shell.example.com\"}",
        fields: &[
            PLAIN_FIELDS,
            &["fingerprints", "host_key_type", "degraded_on_weak_algorithms", "username", "password", "private_key"],
        ],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let kinds = [("ed25519", KeyType::Ed25519), ("ecdsa", KeyType::Ecdsa), ("rsa", KeyType::Rsa)];
        Self {
            service: Service::without_tls(fields, PORT),
            fingerprints: fingerprints(fields),
            host_key_type: fields.choice("host_key_type", &kinds),
            degraded_on_weak: fields.boolean("degraded_on_weak_algorithms").unwrap_or(false),
            login: login(fields),
        }
    }
}

fn fingerprints(fields: &mut Fields<'_>) -> Vec<String> {
    let said = fields.texts("fingerprints", FINGERPRINTS_MAX, FINGERPRINT_MAX);
    for (index, text) in said.iter().enumerate().filter(|(_, text)| !text.is_empty() && !is_fingerprint(text)) {
        let message = format!("`{text}` is no fingerprint; write what `ssh-keygen -l -f KEY` shows: SHA256:…");
        fields.add("config-bad-value", format!("/fingerprints/{index}"), message);
    }
    said.into_iter().map(str::to_owned).collect()
}

fn login(fields: &mut Fields<'_>) -> Option<Login> {
    let username = fields.text("username", USERNAME_MAX).map(str::to_owned);
    let password = fields.secret("password");
    let key = fields.secret("private_key");
    let has_key = fields.get("private_key").is_some();
    if has_key && fields.get("password").is_some() {
        fields.bad("private_key", "`private_key` and `password` both prove who logs in; leave one out".to_owned());
    }
    let (name, proof) = match (key, password) {
        (key, _) if has_key => ("private_key", key.map(Proof::Key)),
        (_, password) => ("password", password.map(Proof::Password)),
    };
    let (username, proof) = fields.together(("username", username), (name, proof))?;
    Some(Login { username, proof })
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    const FINGERPRINT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

    fn read(fields: &str) -> Config {
        let config = format!(r#"{{"host": "a.example"{fields}}}"#);
        reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap()
    }

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = read("");
        assert!(config.fingerprints.is_empty() && config.host_key_type.is_none() && config.login.is_none());
        assert!(!config.degraded_on_weak);
        let config = read(&format!(
            r#", "port": 2222, "ip_version": 4, "degraded_above_ms": 500, "fingerprints": ["{FINGERPRINT}"],
            "host_key_type": "rsa", "degraded_on_weak_algorithms": true, "username": "watcher",
            "password": {{"secret": "pw"}}"#
        ));
        assert_eq!((config.fingerprints, config.host_key_type), (vec![FINGERPRINT.to_owned()], Some(KeyType::Rsa)));
        let login = config.login.unwrap();
        assert!(config.degraded_on_weak && login.username == "watcher" && login.proof.name() == "password");
        let login = read(r#", "username": "w", "private_key": {"secret": "key"}"#).login.unwrap();
        assert_eq!(login.proof.name(), "key");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""port": 0"#, "/port"),
            (r#""security": "tls""#, "/security"),
            (r#""fingerprints": ["MD5:00"]"#, "/fingerprints/0"),
            (r#""fingerprints": ["SHA256:abcd"]"#, "/fingerprints/0"),
            (r#""host_key_type": "dsa""#, "/host_key_type"),
            (r#""degraded_on_weak_algorithms": 1"#, "/degraded_on_weak_algorithms"),
            (r#""username": "w""#, "/password"),
            (r#""private_key": {"secret": "k"}"#, "/username"),
            (r#""username": "w", "private_key": "-----BEGIN""#, "/private_key"),
            (r#""username": "w", "password": {"secret": "p"}, "private_key": {"secret": "k"}"#, "/private_key"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).err().unwrap();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}

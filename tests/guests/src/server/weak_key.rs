//! A certificate whose key is too short, which the library of the tests refuses to make and the `openssl` command does not.

use std::fs;

use farwatch_tests::certificate::Certificate;

use super::{AUTHORITY, command};

/// RSA of so many bits was given up in 2013.
const BITS: &str = "1024";

/// A certificate of the authority that all checks trust, right in everything but its key.
pub(super) fn certificate() -> anyhow::Result<Certificate> {
    let directory = tempfile::tempdir()?;
    let here = directory.path();
    fs::write(here.join("authority.pem"), AUTHORITY.pem())?;
    fs::write(here.join("authority.key"), AUTHORITY.key_pem())?;
    fs::write(here.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")?;
    command::openssl(here, &["genrsa", "-out", "weak.key", BITS])?;
    command::openssl(here, &["req", "-new", "-key", "weak.key", "-subj", "/CN=weak", "-out", "weak.csr"])?;
    let signer = ["-CA", "authority.pem", "-CAkey", "authority.key", "-set_serial", "7", "-days", "30"];
    let asked = ["x509", "-req", "-in", "weak.csr", "-extfile", "names", "-out", "weak.pem"];
    command::openssl(here, &[&asked[..], &signer].concat())?;
    Ok(Certificate {
        chain_pem: fs::read_to_string(here.join("weak.pem"))?,
        key_pem: fs::read_to_string(here.join("weak.key"))?,
    })
}

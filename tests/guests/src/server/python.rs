//! Servers that are libraries of Python, of the environment that `setup/python.sh` makes: each is a small program around one.

use std::fs;
use std::net::TcpStream;

use farwatch_tests::ports::free_address;
use farwatch_tests::python::interpreter;
use farwatch_tests::server::{Server, path_text};
use serde_json::{Value, json};

use super::{Running, certificate};

/// Starts a program, which is told its two ports, its certificate and the settings as JSON. Where it speaks TLS is the fact
/// `tls_port`.
pub(super) fn start(program: &str, settings: &Value, certificate_word: Option<&str>) -> anyhow::Result<Running> {
    let certificate = certificate(certificate_word)?;
    let directory = tempfile::tempdir()?;
    let (address, tls) = (free_address()?, free_address()?);
    let file = |name: &str| directory.path().join(name);
    fs::write(file("chain.pem"), &certificate.chain_pem)?;
    fs::write(file("key.pem"), &certificate.key_pem)?;
    let told = json!({
        "port": address.port(), "tls_port": tls.port(), "chain": file("chain.pem"), "key": file("key.pem"),
        "settings": settings,
    });
    let python = interpreter()?;
    let ready = || Ok(TcpStream::connect(address).is_ok() && TcpStream::connect(tls).is_ok());
    let arguments = ["-c", program, &told.to_string()];
    let server = Server::start((path_text(&python)?, "python3-venv"), &arguments, directory, ready)?;
    Ok(Running::new(address, server).fact("tls_port", tls.port()))
}

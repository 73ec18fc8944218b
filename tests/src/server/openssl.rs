//! OpenSSL's own server: speaks versions of TLS that nobody should speak any more, and staples.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use super::{Server, path_text};
use crate::certificate::Certificate;
use crate::ports::free_address;

/// A server that is set up by the flags of `openssl s_server`.
#[derive(Debug)]
pub struct OpensslServer {
    /// The process.
    pub server: Server,
    /// Where it listens.
    pub address: SocketAddr,
}

impl OpensslServer {
    /// Starts it with this certificate, these flags, and this file in its directory, which it is started in.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(certificate: &Certificate, flags: &[&str], (name, file): (&str, &[u8])) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let here = path_text(directory.path())?.to_owned();
        fs::write(directory.path().join(name), file)?;
        fs::write(directory.path().join("chain.pem"), &certificate.chain_pem)?;
        fs::write(directory.path().join("key.pem"), &certificate.key_pem)?;
        let address = free_address()?;
        let (chain, key, accept) = (format!("{here}/chain.pem"), format!("{here}/key.pem"), address.to_string());
        let usual = ["s_server", "-quiet", "-accept", &accept, "-cert", &chain, "-cert_chain", &chain, "-key", &key];
        let arguments = [&usual, flags].concat();
        let ready = || Ok(TcpStream::connect(address).is_ok());
        let server = Server::start(("openssl", "openssl"), &arguments, directory, ready)?;
        Ok(Self { server, address })
    }
}

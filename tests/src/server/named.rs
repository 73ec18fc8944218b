//! BIND: answers for one zone over UDP, TCP and TLS.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use super::{Server, path_text};
use crate::certificate::Certificate;
use crate::ports::free_address;

/// A name server of one zone.
#[derive(Debug)]
pub struct Named {
    /// The process.
    pub server: Server,
    /// Where it answers over UDP and TCP.
    pub address: SocketAddr,
    /// Where it answers over TLS.
    pub tls: SocketAddr,
}

impl Named {
    /// Serves these records of the zone `example`, beside its SOA and NS.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(records: &str, certificate: &Certificate) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let here = path_text(directory.path())?.to_owned();
        fs::write(directory.path().join("chain.pem"), &certificate.chain_pem)?;
        fs::write(directory.path().join("key.pem"), &certificate.key_pem)?;
        let zone = format!(
            "$TTL 300\n@ IN SOA ns.example. admin.example. 7 3600 600 86400 60\n@ IN NS ns\nns IN A 192.0.2.1\n{records}\n"
        );
        fs::write(directory.path().join("zone"), zone)?;
        let (address, tls) = (free_address()?, free_address()?);
        let config = format!(
            "options {{ directory \"{here}\"; pid-file none; session-keyfile none; managed-keys-directory \"{here}\";\n\
             listen-on port {} {{ 127.0.0.1; }}; listen-on port {} tls local {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             recursion no; dnssec-validation no; }};\n\
             tls local {{ cert-file \"{here}/chain.pem\"; key-file \"{here}/key.pem\"; }};\n\
             controls {{ }};\n\
             zone \"example\" {{ type primary; file \"{here}/zone\"; }};\n",
            address.port(),
            tls.port()
        );
        fs::write(directory.path().join("named.conf"), config)?;
        let arguments = ["-g", "-n", "1", "-c", &format!("{here}/named.conf")];
        let ready = || Ok(TcpStream::connect(address).is_ok() && TcpStream::connect(tls).is_ok());
        let server = Server::start(("named", "bind9"), &arguments, directory, ready)?;
        Ok(Self { server, address, tls })
    }
}

//! Kamailio: a SIP server over UDP, TCP and TLS that does with every request what the case says.

use std::fs;
use std::net::TcpStream;

use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde::Deserialize;

use super::{Running, certificate, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What it does with a request, in the words of its config.
    #[serde(default = "usual_route")]
    route: String,
    certificate: Option<String>,
}

fn usual_route() -> String {
    "if (is_method(\"OPTIONS\")) { sl_send_reply(\"200\", \"OK\"); }".to_owned()
}

/// Ends with its children, who would outlive one that is killed.
struct Kamailio(Server);

impl Drop for Kamailio {
    fn drop(&mut self) {
        // One that has ended already is as good as one that does now.
        let _ = self.0.end();
    }
}

/// Starts it. Where it speaks TLS is the fact `tls_port`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let certificate = certificate(settings.certificate.as_deref())?;
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    fs::write(directory.path().join("chain.pem"), &certificate.chain_pem)?;
    fs::write(directory.path().join("key.pem"), &certificate.key_pem)?;
    let (address, tls) = (free_address()?, free_address()?);
    let config = format!(
        "#!KAMAILIO\ndebug=1\nlog_stderror=yes\nchildren=1\ntcp_children=1\nauto_aliases=no\nenable_tls=yes\n\
         listen=udp:{address}\nlisten=tcp:{address}\nlisten=tls:{tls}\n\
         loadmodule \"sl.so\"\nloadmodule \"pv.so\"\nloadmodule \"textops.so\"\nloadmodule \"tls.so\"\n\
         modparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n\
         modparam(\"tls\", \"certificate\", \"{here}/chain.pem\")\nmodparam(\"tls\", \"private_key\", \"{here}/key.pem\")\n\
         request_route {{\n{}\n}}\n",
        settings.route
    );
    fs::write(directory.path().join("kamailio.cfg"), config)?;
    let (config, process) = (format!("{here}/kamailio.cfg"), format!("{here}/pid"));
    // However the test ends, it is asked to end, and not killed.
    let arguments =
        ["--pdeathsig=TERM", "/usr/sbin/kamailio", "-DD", "-E", "-m", "32", "-M", "8", "-f", &config, "-P", &process]
            .into_iter()
            .chain(["-Y", &here])
            .collect::<Vec<_>>();
    let ready = || Ok(TcpStream::connect(address).is_ok() && TcpStream::connect(tls).is_ok());
    let server = Server::start(("setpriv", "kamailio"), &arguments, directory, ready)?;
    Ok(Running::new(address, Kamailio(server)).fact("tls_port", tls.port()))
}

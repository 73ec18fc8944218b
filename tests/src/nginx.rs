//! A private nginx on loopback: the target that most tests look at.
//!
//! Each server block gets a free port of its own and can be replaced while nginx runs. A machine without
//! nginx fails the test: none may pass by skipping.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::ports::free_address;
use crate::wait::eventually;

/// How long nginx may take to start, to reload or to stop, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(10);
/// One server block.
#[derive(Clone, Debug)]
pub struct Server {
    listen: &'static str,
    certificate: Option<Certificate>,
    body: String,
}

impl Server {
    /// Plain HTTP, with these directives inside the block.
    pub fn http(body: &str) -> Self {
        Self { listen: "", certificate: None, body: body.to_owned() }
    }

    /// HTTP/2 without TLS, by prior knowledge alone.
    pub fn cleartext_http2(body: &str) -> Self {
        Self { listen: " http2", ..Self::http(body) }
    }

    /// HTTPS with HTTP/1.1 only.
    pub fn https(certificate: Certificate, body: &str) -> Self {
        Self { listen: " ssl", certificate: Some(certificate), body: body.to_owned() }
    }

    /// HTTPS that offers HTTP/2 too.
    pub fn https_http2(certificate: Certificate, body: &str) -> Self {
        Self { listen: " ssl http2", ..Self::https(certificate, body) }
    }
}

/// A running nginx. It is stopped when dropped.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    directory: TempDir,
    servers: Vec<(SocketAddr, Server)>,
    generation: u32,
}

impl Nginx {
    /// Starts it with these servers and waits until it serves them.
    pub fn start(servers: &[Server]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::create_dir(directory.path().join("www"))?;
        let servers: Vec<_> =
            servers.iter().map(|server| anyhow::Ok((free_address()?, server.clone()))).collect::<Result<_, _>>()?;
        write_config(directory.path(), &servers, 0)?;
        let log = fs::File::create(directory.path().join("stderr"))?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .arg("-p")
            .arg(directory.path())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .context("nginx cannot be started; install the Debian package nginx-light")?;
        let mut nginx = Self { child, directory, servers, generation: 0 };
        nginx.wait_until_serving()?;
        Ok(nginx)
    }

    /// Where the server of this index listens.
    pub fn address(&self, index: usize) -> SocketAddr {
        self.servers[index].0
    }

    /// The URL of a path on the server of this index.
    pub fn url(&self, index: usize, path: &str) -> String {
        let (address, server) = &self.servers[index];
        let scheme = if server.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}{path}")
    }

    /// The directory that `root www;` serves.
    pub fn www(&self) -> PathBuf {
        self.directory.path().join("www")
    }

    /// Replaces the directives of one server and waits until the new ones are in force.
    pub fn replace(&mut self, index: usize, body: &str) -> anyhow::Result<()> {
        self.servers[index].1.body = body.to_owned();
        self.generation += 1;
        write_config(self.directory.path(), &self.servers, self.generation)?;
        let old = self.workers()?;
        kill_process(self.pid()?, Signal::HUP)?;
        self.wait_until_serving()?;
        // Until it ends, an old worker may take one more connection and answer it as before.
        eventually("nginx's old workers to end", PATIENCE, || Ok(self.workers()?.is_disjoint(&old).then_some(())))
    }

    fn workers(&self) -> anyhow::Result<BTreeSet<String>> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id()))?;
        Ok(children.split_whitespace().map(str::to_owned).collect())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("nginx has no process id")
    }

    /// An extra server tells which config is in force, since the old workers go on for a while.
    fn wait_until_serving(&mut self) -> anyhow::Result<()> {
        let told = self.directory.path().join("generation.sock");
        let log = self.directory.path().join("stderr");
        let wanted = self.generation.to_string();
        eventually("nginx to serve", PATIENCE, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", fs::read_to_string(&log)?);
            }
            let generation = ask_generation(&told)?;
            Ok((generation == wanted).then_some(()))
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A killed master would leave its workers behind; TERM stops them with it.
        if let Ok(pid) = self.pid() {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn ask_generation(socket: &Path) -> anyhow::Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit_once("\r\n\r\n").context("no body")?.1.to_owned())
}

/// Whether anybody accepts connections there.
pub fn is_listening(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn write_config(directory: &Path, servers: &[(SocketAddr, Server)], generation: u32) -> anyhow::Result<()> {
    let here = directory.display();
    // Workers of a root nginx would run as another user, who cannot read this directory.
    let user = if geteuid().is_root() { "user root root;" } else { "" };
    let mut blocks =
        format!("server {{ listen unix:{here}/generation.sock; location / {{ return 200 '{generation}'; }} }}\n");
    for (index, (address, server)) in servers.iter().enumerate() {
        let mut directives = format!("listen {address}{}; root {here}/www;", server.listen);
        if let Some(certificate) = &server.certificate {
            let (chain, key) = (directory.join(format!("{index}.crt")), directory.join(format!("{index}.key")));
            fs::write(&chain, &certificate.chain_pem)?;
            fs::write(&key, &certificate.key_pem)?;
            directives.push_str(&format!(
                " ssl_certificate {}; ssl_certificate_key {};",
                chain.display(),
                key.display()
            ));
        }
        blocks.push_str(&format!("server {{ {directives}\n{}\n}}\n", server.body));
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .collect();
    let config = format!(
        "{user}\ndaemon off;\nworker_processes 1;\npid {here}/pid;\nerror_log {here}/stderr;\n\
         events {{ worker_connections 1024; }}\nhttp {{\nssl_protocols TLSv1.2 TLSv1.3;\naccess_log {here}/access.log;\n{temporary}{blocks}}}\n"
    );
    Ok(fs::write(directory.join("nginx.conf"), config)?)
}

//! WASI 0.2 for guests that import it, with nothing of the host behind it.
//!
//! Interpreters and standard libraries do not start without it. They get no file, no environment and no argument; their
//! standard streams are lines of the run's log, and standard input is empty. Clocks tell the time, and a wait for one is
//! a wait of the run, which its deadline ends. Randomness counts as `entropy` does. Requests are the run's own probes,
//! and sockets go through the same gate. All of it is made when a guest first asks, so whoever does not pays nothing, and is gone with
//! its store.

pub(crate) mod sockets;
mod stdio;
mod web;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::exchange::Exchange;
use crate::limits::{WASI_HANDLES_MAX, WEB_HEADERS_MAX};
use crate::log::{Level, OpenLog};
use crate::run::Probes;
use crate::state::GuestState;
use crate::wasi::sockets::{Lookup, SocketGate};
use crate::wasi::stdio::Stream;
use crate::wasi::web::{Web, WebRequest};

/// The interfaces that are linked, of any version 0.2: they only ever gain functions.
pub(crate) const INTERFACES: [&str; 29] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether an import is of one of them.
pub(crate) fn is_linked(import: &str) -> bool {
    let Some((interface, version)) = import.split_once('@') else { return false };
    let is_release = |patch: &str| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    version.strip_prefix("0.2.").is_some_and(is_release) && INTERFACES.contains(&interface)
}

/// What one guest has of WASI.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    out: Stream,
    err: Stream,
    http: WasiHttpCtx,
    web: Web,
}

impl Wasi {
    pub(crate) fn new(
        log: &OpenLog,
        exchange: &Arc<Exchange>,
        gate: Option<Arc<dyn SocketGate>>,
        timeout: Duration,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(WASI_HANDLES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(WEB_HEADERS_MAX);
        Self {
            ctx: sockets::context(gate, exchange),
            table,
            out: Stream::new(log.clone(), Level::Info),
            err: Stream::new(log.clone(), Level::Warn),
            http,
            web: Web::new(Arc::clone(exchange), timeout),
        }
    }
}

/// What a guest has asked for without waiting for it.
pub(crate) enum Deferred {
    /// A request by `wasi:http`.
    Request(Box<WebRequest>),
    /// The addresses of a name.
    Lookup(Lookup),
}

impl Deferred {
    /// The run's side: has it done by the probes of the run.
    pub(crate) async fn make<P: Probes>(self, probes: &mut P) {
        match self {
            Self::Request(request) => request.make(|request| probes.fetch(request)).await,
            Self::Lookup(lookup) => lookup.make(|name| probes.look_up(name)).await,
        }
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { ctx, table, .. } = self.wasi();
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Wasi { http, table, web, .. } = self.wasi();
        WasiHttpCtxView { hooks: web, table, ctx: http }
    }
}

/// Stands for the resources of a guest where wasmtime's own code behind `wasi:io` wants nothing else.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Defines the imports.
///
/// # Errors
/// Never, unless a name is defined twice.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<_, Table>(linker, |state| &mut state.wasi().table)?;
    io::poll::add_to_linker::<_, Table>(linker, |state| &mut state.wasi().table)?;
    io::streams::add_to_linker::<_, Table>(linker, |state| &mut state.wasi().table)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, GuestState::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, GuestState::clocks)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, GuestState::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, GuestState::filesystem)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, GuestState::cli)?;
    cli::stdout::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    cli::stderr::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    random::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    insecure::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    insecure_seed::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    http::types::add_to_linker::<_, WasiHttp>(linker, &http::types::LinkOptions::default(), GuestState::http)?;
    http::outgoing_handler::add_to_linker::<_, WasiHttp>(linker, GuestState::http)?;
    sockets::link(linker)
}

impl cli::stdout::Host for GuestState {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let wasi = self.wasi();
        let stream: DynOutputStream = Box::new(wasi.out.clone());
        Ok(wasi.table.push(stream)?)
    }
}

impl cli::stderr::Host for GuestState {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let wasi = self.wasi();
        let stream: DynOutputStream = Box::new(wasi.err.clone());
        Ok(wasi.table.push(stream)?)
    }
}

impl random::Host for GuestState {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.entropy(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.entropy(8)?);
        Ok(u64::from_le_bytes(bytes))
    }
}

// What may be predictable comes from where the rest does: it is no dearer, and so has no limit of its own.
impl insecure::Host for GuestState {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.entropy(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self)
    }
}

impl insecure_seed::Host for GuestState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((random::Host::get_random_u64(self)?, random::Host::get_random_u64(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_release_of_the_version_is_linked_and_no_other() {
        for (import, linked) in [
            ("wasi:cli/stdout@0.2.0", true),
            ("wasi:cli/stdout@0.2.12", true),
            ("wasi:cli/stdout", false),
            ("wasi:cli/stdout@0.2", false),
            ("wasi:cli/stdout@0.2.", false),
            ("wasi:cli/stdout@0.2.0-rc-2023-11-10", false),
            ("wasi:cli/stdout@0.3.0", false),
            ("wasi:cli/run@0.2.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
        ] {
            assert_eq!(is_linked(import), linked, "{import}");
        }
    }
}

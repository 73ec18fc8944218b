//! WASI 0.2 for guests that import it, with nothing of the host behind it.
//!
//! Interpreters and standard libraries do not start without it. They get no file, no environment and no argument; their
//! standard streams are lines of the run's log, and standard input is empty. Clocks tell the time, and a wait for one is
//! a wait of the run, which its deadline ends. Randomness counts as `entropy` does. Requests are the run's own probes,
//! and sockets are refused. All of it is made when a guest first asks, so whoever does not pays nothing, and is gone with
//! its store.

mod stdio;
mod web;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, sockets};
use wasmtime_wasi::p2::{DynPollable, SocketError};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::exchange::Exchange;
use crate::limits::{WASI_HANDLES_MAX, WEB_HEADERS_MAX};
use crate::log::{Level, OpenLog};
use crate::state::GuestState;
use crate::wasi::stdio::Stream;
use crate::wasi::web::Web;

pub(crate) use crate::wasi::web::Deferred;

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
    pub(crate) fn new(log: &OpenLog, exchange: &Arc<Exchange>, timeout: Duration) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(WASI_HANDLES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(WEB_HEADERS_MAX);
        Self {
            // Without anything said, it has no files, no environment, no arguments, no input and no network.
            ctx: WasiCtx::builder().build(),
            table,
            out: Stream::new(log.clone(), Level::Info),
            err: Stream::new(log.clone(), Level::Warn),
            http,
            web: Web::new(Arc::clone(exchange), timeout),
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
    link_sockets(linker)
}

/// Sockets can be imported, and nobody gets one: without the `allow` of wasmtime's own code behind them, making one is
/// refused with `access-denied`, and what there is none of can neither connect nor listen.
fn link_sockets(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let options = network::LinkOptions::default();
    network::add_to_linker::<_, HasSelf<GuestState>>(linker, &options, |state| state)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    ip_name_lookup::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)
}

impl network::Host for GuestState {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        // No stream of a guest is that of a socket, so no error of one is.
        Ok(None)
    }
}

impl network::HostNetwork for GuestState {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.wasi().table.delete(network)?;
        Ok(())
    }
}

/// Names are not looked up. Wasmtime's own code would say so in other words, and has a resolver behind it.
impl ip_name_lookup::Host for GuestState {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        _name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        Err(ErrorCode::AccessDenied.into())
    }
}

/// There is none, so only a handle that a guest has made up can lead here.
impl ip_name_lookup::HostResolveAddressStream for GuestState {
    fn resolve_next_address(
        &mut self,
        _stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        Err(ErrorCode::AccessDenied.into())
    }

    fn subscribe(&mut self, _stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        Err(ResourceTableError::NotPresent.into())
    }

    fn drop(&mut self, _stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        Err(ResourceTableError::NotPresent.into())
    }
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

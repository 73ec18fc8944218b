//! `wasi:sockets` behind the gate of the probes: a guest may connect, send datagrams and look up names where a probe might,
//! and never listen.
//!
//! The sockets are wasmtime's own. Every address they are used with is judged here first, by the gate of the run, and each
//! connection, datagram and lookup is one of the probes that a run may make. Names are looked up by the host's resolver,
//! beside the guest. Nothing of it is evidence: what came over a socket is the module's own to tell.

use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, InputStream, OutputStream, Pollable, SocketError, StreamError,
    StreamResult, TcpSocket, subscribe,
};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSockets, WasiSocketsView};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::Deferred;
use crate::bindings::farwatch::check::types::Failure;
use crate::exchange::Exchange;
use crate::limits::{SOCKET_HEARD_MAX, SOCKET_SENT_MAX};
use crate::state::GuestState;
use crate::stop::TooMuch;

/// Where the connections of one run may go.
pub trait SocketGate: Send + Sync {
    /// Whether one may go there.
    fn admits(&self, remote: SocketAddr) -> bool;
}

/// The gate of a guest's sockets.
struct Sentry {
    gate: Arc<dyn SocketGate>,
    exchange: Arc<Exchange>,
    /// Whom the guest has sent datagrams to, from whom alone it gets any.
    peers: Mutex<BTreeSet<SocketAddr>>,
}

impl Sentry {
    fn admits(&self, address: SocketAddr, wish: SocketAddrUse) -> bool {
        match wish {
            // The system chooses from where to send: a guest that chose might answer at a place that others know.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
            SocketAddrUse::TcpConnect => self.gate.admits(address) && self.exchange.takes_probe(),
            SocketAddrUse::UdpSend => {
                let may_go = self.gate.admits(address) && self.exchange.takes_probe();
                if may_go {
                    self.peers().insert(address);
                }
                may_go
            }
            SocketAddrUse::UdpReceive => self.peers().contains(&address),
        }
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, BTreeSet<SocketAddr>> {
        // Addresses go in whole, so a panic elsewhere cannot have left half of one.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What wasmtime's own code lets a guest do: without a gate, nothing with sockets.
pub(super) fn context(gate: Option<Arc<dyn SocketGate>>, exchange: &Arc<Exchange>) -> WasiCtx {
    // Without anything said, it has no files, no environment, no arguments, no input and no network.
    let mut builder = WasiCtxBuilder::new();
    if let Some(gate) = gate {
        let sentry = Sentry { gate, exchange: Arc::clone(exchange), peers: Mutex::default() };
        builder.allow_tcp(true).allow_udp(true);
        builder.socket_addr_check(move |address, wish| Box::pin(ready(sentry.admits(address, wish))));
    }
    builder.build()
}

/// Defines the imports.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let options = network::LinkOptions::default();
    network::add_to_linker::<_, HasSelf<GuestState>>(linker, &options, |state| state)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, GuestState::sockets)?;
    ip_name_lookup::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    linker.allow_shadowing(true);
    let connected = linker.instance(TCP)?.func_wrap("[method]tcp-socket.finish-connect", finish_connect);
    linker.allow_shadowing(false);
    connected
}

/// The interface as wasmtime defines it.
const TCP: &str = "wasi:sockets/tcp@0.2.12";

/// The streams of a connection.
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

/// Wasmtime's own, whose streams count what goes over them.
fn finish_connect(
    mut store: StoreContextMut<'_, GuestState>,
    (socket,): (Resource<TcpSocket>,),
) -> wasmtime::Result<(Result<Streams, ErrorCode>,)> {
    let parent = Resource::<TcpSocket>::new_borrow(socket.rep());
    let mut view = store.data_mut().sockets();
    let (input, output) = match view.finish_connect(socket) {
        Ok(streams) => streams,
        Err(error) => return Ok((Err(error.downcast()?),)),
    };
    let stream = Counted { left: SOCKET_HEARD_MAX, stream: view.table.delete(input)? };
    let input: DynInputStream = Box::new(stream);
    let stream = Counted { left: SOCKET_SENT_MAX, stream: view.table.delete(output)? };
    let output: DynOutputStream = Box::new(stream);
    Ok((Ok((view.table.push_child(input, &parent)?, view.table.push_child(output, &parent)?)),))
}

/// A stream, and how many bytes may still go over it.
struct Counted<S> {
    left: usize,
    stream: S,
}

impl<S> Counted<S> {
    fn count(&mut self, bytes: usize) -> StreamResult<()> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| StreamError::Trap(TooMuch::OverSocket.into()))?;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted<DynInputStream> {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Counted<DynInputStream> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let read = self.stream.read(size)?;
        self.count(read.len())?;
        Ok(read)
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted<DynOutputStream> {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Counted<DynOutputStream> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len())?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

impl network::Host for GuestState {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.sockets().network_error_code(error)
    }
}

impl network::HostNetwork for GuestState {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.wasi().table.delete(network)?;
        Ok(())
    }
}

/// What a lookup found, or why nothing.
type Found = Result<Vec<IpAddr>, Failure>;

/// A lookup that its guest goes on beside.
pub(crate) struct Lookup {
    name: String,
    found: oneshot::Sender<Found>,
}

impl Lookup {
    /// The run's side: has it made, for as long as anybody waits for it.
    pub(super) async fn make<F: Future<Output = Found>>(self, look_up: impl FnOnce(String) -> F) {
        let Self { name, mut found } = self;
        tokio::select! {
            biased;
            () = found.closed() => {}
            addresses = look_up(name) => {
                // Nobody may be waiting any more.
                let _ = found.send(addresses);
            }
        }
    }
}

/// The addresses of a name as a guest holds them: a stream, by the word of `wasi:sockets`.
enum Addresses {
    /// They are looked up.
    Awaited(oneshot::Receiver<Found>),
    /// Those that were not taken yet, the next one last.
    Known(Result<Vec<IpAddr>, ErrorCode>),
}

impl Addresses {
    fn settle(&mut self, found: Found) {
        *self = Self::Known(found.map_err(|failure| word_for(&failure)).map(|mut addresses| {
            addresses.reverse();
            addresses
        }));
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        if let Self::Awaited(awaited) = self {
            let found = awaited.await.unwrap_or(Ok(Vec::new()));
            self.settle(found);
        }
    }
}

impl ip_name_lookup::Host for GuestState {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        let has_gate = self.has_gate();
        let exchange = Arc::clone(&self.exchange);
        let table = &mut self.wasi().table;
        table.get(&network)?;
        if !has_gate || !exchange.takes_probe() {
            return Err(ErrorCode::AccessDenied.into());
        }
        let (found, awaited) = oneshot::channel();
        exchange.defer(Deferred::Lookup(Lookup { name, found }));
        // The name of the type is wasmtime's; what lies at its place in the table is ours.
        Ok(Resource::new_own(table.push(Addresses::Awaited(awaited))?.rep()))
    }
}

impl ip_name_lookup::HostResolveAddressStream for GuestState {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let addresses = self.wasi().table.get_mut(&ours(&stream))?;
        if let Addresses::Awaited(awaited) = addresses {
            let Ok(found) = awaited.try_recv() else { return Err(ErrorCode::WouldBlock.into()) };
            addresses.settle(found);
        }
        match addresses {
            Addresses::Known(Ok(left)) => Ok(left.pop().map(Into::into)),
            Addresses::Known(Err(code)) => Err((*code).into()),
            Addresses::Awaited(_) => Err(ErrorCode::WouldBlock.into()),
        }
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.wasi().table, ours(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.wasi().table.delete(Resource::<Addresses>::new_own(stream.rep()))?;
        Ok(())
    }
}

/// What lies at the place of a stream of addresses.
fn ours(stream: &Resource<ResolveAddressStream>) -> Resource<Addresses> {
    Resource::new_borrow(stream.rep())
}

/// The word of `wasi:sockets` for a lookup that failed.
fn word_for(failure: &Failure) -> ErrorCode {
    match failure.code.as_str() {
        "egress-refused" | "fetch-limit" | "not-supported" => ErrorCode::AccessDenied,
        "request-invalid" => ErrorCode::InvalidArgument,
        "dns-not-found" | "dns-no-address" => ErrorCode::NameUnresolvable,
        "dns-timeout" => ErrorCode::TemporaryResolverFailure,
        _ => ErrorCode::PermanentResolverFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets pass what goes to one address.
    struct Only(IpAddr);

    impl SocketGate for Only {
        fn admits(&self, remote: SocketAddr) -> bool {
            remote.ip() == self.0
        }
    }

    fn sentry(probes: u32) -> Sentry {
        let gate = Arc::new(Only(IpAddr::from([192, 0, 2, 1])));
        Sentry { gate, exchange: Arc::new(Exchange::new(probes)), peers: Mutex::default() }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn connections_go_where_the_gate_lets_them_and_each_is_a_probe() {
        let sentry = sentry(2);
        assert!(!sentry.admits(address("192.0.2.2:80"), SocketAddrUse::TcpConnect), "it is refused and costs nothing");
        for may_go in [true, true, false] {
            assert_eq!(sentry.admits(address("192.0.2.1:80"), SocketAddrUse::TcpConnect), may_go);
        }
    }

    #[test]
    fn nobody_listens_or_chooses_where_to_send_from() {
        let sentry = sentry(9);
        for wish in [SocketAddrUse::TcpBind, SocketAddrUse::UdpBind] {
            assert!(sentry.admits(address("0.0.0.0:0"), wish) && sentry.admits(address("[::]:0"), wish));
            assert!(!sentry.admits(address("0.0.0.0:53"), wish) && !sentry.admits(address("192.0.2.1:0"), wish));
        }
        for wish in [SocketAddrUse::TcpListen, SocketAddrUse::TcpAccept] {
            assert!(!sentry.admits(address("0.0.0.0:0"), wish) && !sentry.admits(address("192.0.2.1:80"), wish));
        }
    }

    #[test]
    fn datagrams_come_from_those_alone_whom_some_were_sent_to() {
        let sentry = sentry(1);
        let (peer, other) = (address("192.0.2.1:53"), address("192.0.2.1:54"));
        assert!(!sentry.admits(peer, SocketAddrUse::UdpReceive));
        assert!(sentry.admits(peer, SocketAddrUse::UdpSend) && sentry.admits(peer, SocketAddrUse::UdpReceive));
        assert!(!sentry.admits(other, SocketAddrUse::UdpReceive));
        assert!(!sentry.admits(peer, SocketAddrUse::UdpSend), "each is a probe, and there are no more");
    }
}

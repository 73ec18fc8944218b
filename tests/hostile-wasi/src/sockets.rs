//! Sockets by every route: to connect, to listen, to send, to look up a name.

use std::net::SocketAddr;

use crate::wit::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::wit::wasi::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, Network,
};
use crate::wit::wasi::sockets::tcp::TcpSocket;
use crate::wit::wasi::sockets::udp::{OutgoingDatagram, UdpSocket};
use crate::wit::wasi::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

/// More connections than a run may make probes.
const STORM: usize = 40;

/// Does what the word says with this address or name, and tells what came of it, or the code that it got.
pub(crate) fn misuse(what: &str, target: &str) -> Option<String> {
    let network = instance_network::instance_network();
    let refused = match what {
        "tcp4" => tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).err(),
        "tcp6" => tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv6).err(),
        "udp4" => udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).err(),
        "udp6" => udp_create_socket::create_udp_socket(IpAddressFamily::Ipv6).err(),
        "lookup" => return Some(told(find(&network, "localhost"))),
        "lookup-address" => return Some(told(find(&network, "169.254.169.254"))),
        // A number is all that a handle is to a guest; the host must know that it gave none out.
        "connect-forged" => unsafe { TcpSocket::from_handle(1) }.start_connect(&network, loopback()).err(),
        "listen-forged" => unsafe { TcpSocket::from_handle(1) }.start_listen().err(),
        "bind-forged" => unsafe { TcpSocket::from_handle(1) }.start_bind(&network, loopback()).err(),
        "send-forged" => unsafe { UdpSocket::from_handle(1) }.stream(Some(loopback())).err(),
        "bind" => bind(&network, address(target)).err(),
        "listen" => listen(&network).err(),
        "talk" => return Some(told(talk(&network, target))),
        "ask" => return Some(told(ask(&network, target))),
        "find" => return Some(told(find(&network, target))),
        "storm" => return Some(told(storm(&network, target))),
        "pour" => return Some(told(pour(&network, target))),
        _ => return None,
    };
    Some(refused.map_or("granted", |code| code.name()).to_owned())
}

fn told(came: Result<String, ErrorCode>) -> String {
    came.unwrap_or_else(|code| code.name().to_owned())
}

fn loopback() -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 80, address: (127, 0, 0, 1) })
}

/// An address with a port, as a config writes it.
fn address(text: &str) -> IpSocketAddress {
    of_std(text.parse().unwrap())
}

fn of_std(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) })
        }
        SocketAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.ip().segments();
            let (port, address) = (address.port(), (a, b, c, d, e, f, g, h));
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info: 0, address, scope_id: 0 })
        }
    }
}

fn bind(network: &Network, local: IpSocketAddress) -> Result<TcpSocket, ErrorCode> {
    let socket = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_bind(network, local)?;
    socket.finish_bind()?;
    Ok(socket)
}

fn listen(network: &Network) -> Result<(), ErrorCode> {
    let socket = bind(network, address("0.0.0.0:0"))?;
    socket.start_listen()?;
    socket.finish_listen()
}

/// A connection. What comes first is dropped first, and a socket goes after its streams.
struct Connection {
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
}

fn connect(network: &Network, target: &str) -> Result<Connection, ErrorCode> {
    connect_to(network, target.parse().unwrap())
}

fn connect_to(network: &Network, target: SocketAddr) -> Result<Connection, ErrorCode> {
    let family = if target.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 };
    let socket = tcp_create_socket::create_tcp_socket(family)?;
    socket.start_connect(network, of_std(target))?;
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Err(code) => return Err(code),
            Ok((input, output)) => return Ok(Connection { input, output, _socket: socket }),
        }
    }
}

/// Says a line and tells what is answered, until the other side hangs up.
fn talk(network: &Network, target: &str) -> Result<String, ErrorCode> {
    let connection = connect(network, target)?;
    connection.output.blocking_write_and_flush(b"hello\n").map_err(|_| ErrorCode::ConnectionReset)?;
    let mut heard = Vec::new();
    loop {
        match connection.input.blocking_read(4_096) {
            Ok(bytes) => heard.extend(bytes),
            Err(StreamError::Closed) => return Ok(String::from_utf8_lossy(&heard).into_owned()),
            Err(StreamError::LastOperationFailed(_)) => return Err(ErrorCode::ConnectionReset),
        }
    }
}

/// Sends a datagram and tells the one that comes back.
fn ask(network: &Network, target: &str) -> Result<String, ErrorCode> {
    let socket = udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4)?;
    socket.start_bind(network, address("0.0.0.0:0"))?;
    socket.finish_bind()?;
    let (incoming, outgoing) = socket.stream(None)?;
    outgoing.check_send()?;
    outgoing.send(&[OutgoingDatagram { data: b"hello".to_vec(), remote_address: Some(address(target)) }])?;
    incoming.subscribe().block();
    let came = incoming.receive(1)?;
    Ok(came.first().map_or_else(String::new, |first| String::from_utf8_lossy(&first.data).into_owned()))
}

/// The addresses of a name.
fn find(network: &Network, name: &str) -> Result<String, ErrorCode> {
    let stream = ip_name_lookup::resolve_addresses(network, name)?;
    let mut found = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Err(ErrorCode::WouldBlock) => stream.subscribe().block(),
            Err(code) => return Err(code),
            Ok(None) => return Ok(found.join(" ")),
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => found.push(format!("{a}.{b}.{c}.{d}")),
            Ok(Some(IpAddress::Ipv6(_))) => found.push("v6".to_owned()),
        }
    }
}

/// Connects, and hangs up.
pub(crate) fn reach(target: SocketAddr) -> Result<(), ErrorCode> {
    connect_to(&instance_network::instance_network(), target).map(drop)
}

/// Sends a datagram, and waits for nothing.
pub(crate) fn send(target: SocketAddr) -> Result<(), ErrorCode> {
    let (family, any) = match target {
        SocketAddr::V4(_) => (IpAddressFamily::Ipv4, SocketAddr::from(([0; 4], 0))),
        SocketAddr::V6(_) => (IpAddressFamily::Ipv6, SocketAddr::from(([0_u16; 8], 0))),
    };
    let socket = udp_create_socket::create_udp_socket(family)?;
    socket.start_bind(&instance_network::instance_network(), of_std(any))?;
    socket.finish_bind()?;
    let (_incoming, outgoing) = socket.stream(None)?;
    outgoing.check_send()?;
    outgoing.send(&[OutgoingDatagram { data: b"hello".to_vec(), remote_address: Some(of_std(target)) }])?;
    Ok(())
}

/// The addresses of a name.
pub(crate) fn look_up(name: &str) -> Result<String, ErrorCode> {
    find(&instance_network::instance_network(), name)
}

/// How many connections are granted of many.
fn storm(network: &Network, target: &str) -> Result<String, ErrorCode> {
    let granted = (0..STORM).filter(|_| connect(network, target).is_ok()).count();
    Ok(granted.to_string())
}

/// Sends without end.
fn pour(network: &Network, target: &str) -> Result<String, ErrorCode> {
    let connection = connect(network, target)?;
    let chunk = [b'x'; 4_096];
    while connection.output.blocking_write_and_flush(&chunk).is_ok() {}
    Ok("cut".to_owned())
}

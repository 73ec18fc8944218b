//! Sockets by every route: to connect, to listen, to send, to look up a name.

use crate::wit::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::wit::wasi::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Network,
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
        "lookup" => ip_name_lookup::resolve_addresses(&network, "localhost").err(),
        "lookup-address" => ip_name_lookup::resolve_addresses(&network, "169.254.169.254").err(),
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

/// An address of IPv4 with a port, as a config writes it.
fn address(text: &str) -> IpSocketAddress {
    let mut numbers = text.split(['.', ':']).map(|number| number.parse::<u16>().unwrap());
    let mut next = || numbers.next().unwrap();
    let address = (next() as u8, next() as u8, next() as u8, next() as u8);
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port: next(), address })
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
    let socket = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_connect(network, address(target))?;
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

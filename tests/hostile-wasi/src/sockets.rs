//! Sockets by every route: to connect, to listen, to send, to look up a name.

use crate::wit::wasi::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use crate::wit::wasi::sockets::tcp::TcpSocket;
use crate::wit::wasi::sockets::udp::UdpSocket;
use crate::wit::wasi::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

/// Does what the word says, and tells the code that it got.
pub(crate) fn misuse(what: &str) -> Option<String> {
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
        _ => return None,
    };
    Some(refused.map_or("granted", |code| code.name()).to_owned())
}

fn loopback() -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 80, address: (127, 0, 0, 1) })
}

//! The IPv4 addresses that an IPv6 address carries and that some router on the way would unwrap.
//!
//! The mapped form (`::ffff:0:0/96`) is not here: it is the IPv4 address itself, and is made one before
//! anything is judged.

use std::net::{Ipv4Addr, Ipv6Addr};

/// No form carries more: Teredo names its server and its client.
const FORMS_MAX: usize = 2;

/// The IPv4 addresses inside this one, none for most.
pub(super) fn ipv4_forms(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    forms(address).into_iter().flatten()
}

fn forms(address: Ipv6Addr) -> [Option<Ipv4Addr>; FORMS_MAX] {
    let bits = address.to_bits();
    match address.segments() {
        // ::1 and :: are addresses of their own, and are judged as such.
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => [None, None],
        // IPv4-compatible (RFC 4291), IPv4-translated (RFC 2765) and NAT64's well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            [Some(at(bits, 96)), None]
        }
        [0x64, 0xff9b, 1, ..] => [Some(at(bits, 96)), Some(around_u_octet(bits))].map(unless_padding),
        // 6to4 (RFC 3056).
        [0x2002, ..] => [Some(at(bits, 16)), None],
        // Teredo (RFC 4380): the client's address is written inverted.
        [0x2001, 0, ..] => [Some(at(bits, 32)), Some(Ipv4Addr::from_bits(!at(bits, 96).to_bits()))],
        _ => [None, None],
    }
}

/// The 32 bits that follow this many others.
const fn at(bits: u128, skipped: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits((bits << skipped >> 96) as u32)
}

/// NAT64 of local use (RFC 8215) may embed behind a prefix of 48 bits, with the octet 64 to 71 left out.
const fn around_u_octet(bits: u128) -> Ipv4Addr {
    let high = (bits << 48 >> 112) as u32;
    let low = (bits << 72 >> 112) as u32;
    Ipv4Addr::from_bits(high << 16 | low)
}

/// Which of the two places holds the address of local-use NAT64 is not written in it. The other one holds
/// zeros, and a router sends nothing to 0.0.0.0/8.
fn unless_padding(form: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    form.filter(|address| address.octets()[0] != 0)
}

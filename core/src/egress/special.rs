//! The addresses that are not a public target, after the IANA special-purpose registries.
//!
//! Blocks that the registries call globally reachable (AS112, AMT) are public and not listed. IPv6 is
//! closed the other way round: what lies outside 2000::/3 is refused whether it has a name or not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a special address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Special {
    /// In words that fit behind "is refused:".
    pub(super) name: &'static str,
    /// Whether a cloud answers there with the secrets of its machine.
    pub(super) is_metadata: bool,
}

/// Metadata services, by the clouds that document them: the common IPv4 one, Azure's wire server (a
/// public-looking address), Alibaba's, Oracle's, AWS's and Google's IPv6 ones.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// A block as its first address, the length of its prefix, and its name.
struct Block<A>(A, u32, &'static str);

/// The narrower block stands first where two overlap.
const IPV4: [Block<[u8; 4]>; 16] = [
    Block([0, 0, 0, 0], 32, "the unspecified address"),
    Block([0, 0, 0, 0], 8, "this network (RFC 791)"),
    Block([10, 0, 0, 0], 8, "private (RFC 1918)"),
    Block([100, 64, 0, 0], 10, "shared by carrier-grade NAT (RFC 6598)"),
    Block([127, 0, 0, 0], 8, "loopback"),
    Block([169, 254, 0, 0], 16, "link-local"),
    Block([172, 16, 0, 0], 12, "private (RFC 1918)"),
    Block([192, 0, 0, 0], 24, "IETF protocol assignments"),
    Block([192, 0, 2, 0], 24, "documentation"),
    Block([192, 88, 99, 0], 24, "the retired 6to4 relay"),
    Block([192, 168, 0, 0], 16, "private (RFC 1918)"),
    Block([198, 18, 0, 0], 15, "benchmarking"),
    Block([198, 51, 100, 0], 24, "documentation"),
    Block([203, 0, 113, 0], 24, "documentation"),
    Block([224, 0, 0, 0], 4, "multicast"),
    Block([255, 255, 255, 255], 32, "broadcast"),
];

/// All that is left above multicast.
const IPV4_RESERVED: Block<[u8; 4]> = Block([240, 0, 0, 0], 4, "reserved");

const IPV6: [Block<[u16; 8]>; 15] = [
    Block([0, 0, 0, 0, 0, 0, 0, 0], 128, "the unspecified address"),
    Block([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    Block([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible"),
    Block([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "IPv4-translated"),
    Block([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "NAT64 of local use"),
    Block([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard-only"),
    Block([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo"),
    Block([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "IETF protocol assignments"),
    Block([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    Block([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    Block([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing identifiers"),
    Block([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private (unique local, RFC 4193)"),
    Block([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    Block([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local (retired)"),
    Block([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// Public addresses are handed out of this block alone, and NAT64's well-known prefix leads to them.
const IPV6_PUBLIC: [Block<[u16; 8]>; 2] =
    [Block([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, "global unicast"), Block([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64")];

/// What is special about this address, if anything is.
pub(super) fn of(address: IpAddr) -> Option<Special> {
    if METADATA.contains(&address) {
        return Some(Special { name: "a cloud's metadata service", is_metadata: true });
    }
    let name = match address {
        IpAddr::V4(address) => of_ipv4(address),
        IpAddr::V6(address) => of_ipv6(address),
    };
    name.map(|name| Special { name, is_metadata: false })
}

fn of_ipv4(address: Ipv4Addr) -> Option<&'static str> {
    IPV4.iter().chain([&IPV4_RESERVED]).find(|block| block.contains(address)).map(|block| block.2)
}

fn of_ipv6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(block) = IPV6.iter().find(|block| block.contains(address)) {
        return Some(block.2);
    }
    let is_public = IPV6_PUBLIC.iter().any(|block| block.contains(address));
    (!is_public).then_some("outside the public IPv6 space")
}

impl Block<[u8; 4]> {
    fn contains(&self, address: Ipv4Addr) -> bool {
        let differing = u32::from_be_bytes(self.0) ^ address.to_bits();
        differing.leading_zeros() >= self.1
    }
}

impl Block<[u16; 8]> {
    fn contains(&self, address: Ipv6Addr) -> bool {
        let [a, b, c, d, e, f, g, h] = self.0;
        let differing = Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits() ^ address.to_bits();
        differing.leading_zeros() >= self.1
    }
}

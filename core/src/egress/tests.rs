use proptest::prelude::*;

use super::*;

fn policy(allow_nets: &[&str], fleet_listeners: &[&str]) -> Policy {
    let nets = allow_nets.iter().map(|net| net.parse().unwrap()).collect();
    Policy::new(nets, fleet_listeners.iter().map(|listener| listener.parse().unwrap()).collect())
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

#[test]
fn public_addresses_pass() {
    for ip in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "192.31.196.1",
        "2606:4700::1111",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2a00::1",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
        "2002:808:808::1",
        "2620:4f:8000::1",
    ] {
        assert_eq!(policy(&[], &[]).judge(at(ip, 443)), Ok(()), "{ip}");
    }
}

#[test]
fn everything_special_is_refused_in_every_form() {
    for (ip, rule) in [
        ("0.0.0.0", "the unspecified address"),
        ("0.1.2.3", "this network (RFC 791)"),
        ("10.255.255.255", "private (RFC 1918)"),
        ("100.64.0.1", "shared by carrier-grade NAT (RFC 6598)"),
        ("100.100.100.200", "a cloud's metadata service"),
        ("127.0.0.1", "loopback"),
        ("127.255.0.1", "loopback"),
        ("168.63.129.16", "a cloud's metadata service"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "a cloud's metadata service"),
        ("172.31.255.255", "private (RFC 1918)"),
        ("192.0.0.192", "a cloud's metadata service"),
        ("192.0.0.9", "IETF protocol assignments"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "the retired 6to4 relay"),
        ("192.168.1.1", "private (RFC 1918)"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "the unspecified address"),
        ("::1", "loopback"),
        ("::7f00:1", "IPv4-compatible"),
        ("::808:808", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "a cloud's metadata service"),
        ("::ffff:0:a00:1", "IPv4-translated"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "a cloud's metadata service"),
        ("64:ff9b::", "the unspecified address"),
        ("64:ff9b:1::808:808", "NAT64 of local use"),
        ("100::1", "discard-only"),
        ("100:0:0:1::1", "outside the public IPv6 space"),
        ("2001::1", "Teredo"),
        ("2001:2::1", "IETF protocol assignments"),
        ("2001:10::1", "IETF protocol assignments"),
        ("2001:db8::1", "documentation"),
        ("2002:a00:1::1", "private (RFC 1918)"),
        ("2002:7f00:1::", "loopback"),
        ("3fff:fff::1", "documentation"),
        ("5f00::1", "segment routing identifiers"),
        ("fc00::1", "private (unique local, RFC 4193)"),
        ("fd00:ec2::254", "a cloud's metadata service"),
        ("fd20:ce::254", "a cloud's metadata service"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local (retired)"),
        ("ff02::1", "multicast"),
        ("4000::1", "outside the public IPv6 space"),
    ] {
        match policy(&[], &[]).judge(at(ip, 80)) {
            Err(Refusal::Special { rule: told, .. }) => assert_eq!(told, rule, "{ip}"),
            other => panic!("{ip}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_names_the_address_the_rule_and_the_flag() {
    let direct = policy(&[], &[]).judge(at("10.0.0.5", 80)).unwrap_err();
    assert_eq!(
        direct.to_string(),
        "10.0.0.5 is refused: private (RFC 1918); to let checks reach it, start the host with --allow-net 10.0.0.5/32"
    );
    let hidden = policy(&[], &[]).judge(at("64:ff9b::a00:5", 80)).unwrap_err();
    assert!(hidden.to_string().starts_with("64:ff9b::a00:5 leads to 10.0.0.5, which is refused: private"));
}

#[test]
fn an_operator_opts_a_network_in_and_no_other() {
    let opted = policy(&["10.1.0.0/16", "fd00::/8"], &[]);
    assert_eq!(opted.judge(at("10.1.2.3", 80)), Ok(()));
    assert_eq!(opted.judge(at("::ffff:10.1.2.3", 80)), Ok(()));
    assert_eq!(opted.judge(at("64:ff9b::a01:203", 80)), Ok(()));
    assert_eq!(opted.judge(at("fd12::1", 80)), Ok(()));
    assert!(opted.judge(at("10.2.0.1", 80)).is_err());
}

#[test]
fn opting_the_wrapping_in_does_not_open_what_is_wrapped() {
    let opted = policy(&["2001::/32", "64:ff9b:1::/48", "::/96"], &[]);
    assert!(opted.judge(at("2001:0:808:808::80ff:fffe", 80)).is_err(), "the Teredo client is 127.0.0.1");
    assert_eq!(opted.judge(at("2001:0:808:808::f7f7:f7f7", 80)), Ok(()));
    assert!(opted.judge(at("64:ff9b:1::a00:1", 80)).is_err());
    assert!(opted.judge(at("64:ff9b:1:a00:0:100::", 80)).is_err(), "10.0.0.1 behind a prefix of 48 bits");
    assert_eq!(opted.judge(at("64:ff9b:1:5db8:d8:2200::", 80)), Ok(()));
    assert!(opted.judge(at("::a00:1", 80)).is_err());
}

#[test]
fn a_wide_network_does_not_open_a_metadata_service() {
    assert!(policy(&["169.254.0.0/16"], &[]).judge(at("169.254.169.254", 80)).is_err());
    assert_eq!(policy(&["169.254.169.254/32"], &[]).judge(at("169.254.169.254", 80)), Ok(()));
}

#[test]
fn the_fleets_own_listeners_stay_closed() {
    let opted = policy(&["127.0.0.0/8", "::1/128"], &["127.0.0.1:9443", "0.0.0.0:7070", "[::ffff:8.8.8.8]:53"]);
    assert_eq!(opted.judge(at("127.0.0.1", 80)), Ok(()));
    for closed in
        [at("127.0.0.1", 9443), at("::ffff:127.0.0.1", 9443), at("8.8.8.8", 53), at("127.0.0.9", 7070), at("::1", 7070)]
    {
        assert!(matches!(opted.judge(closed), Err(Refusal::FleetListener(_))), "{closed}");
    }
    assert_eq!(opted.judge(at("127.0.0.2", 9443)), Ok(()), "another address of the machine is another listener");
    assert_eq!(opted.judge(at("9.9.9.9", 7070)), Ok(()), "a public port is not closed by a listener on all addresses");
    let told = opted.judge(at("127.0.0.1", 9443)).unwrap_err().to_string();
    assert!(!told.contains("--allow-net"));
}

#[test]
fn port_zero_is_refused() {
    assert!(matches!(policy(&[], &[]).judge(at("1.1.1.1", 0)), Err(Refusal::PortZero(_))));
}

fn wrappings(inner: Ipv4Addr) -> [IpAddr; 6] {
    let [a, b, c, d] = inner.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    [
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
    ]
    .map(IpAddr::V6)
}

use std::net::{Ipv4Addr, Ipv6Addr};

proptest! {
    #[test]
    fn no_wrapping_opens_what_is_closed(bits in any::<u32>(), port in 1..u16::MAX) {
        let inner = Ipv4Addr::from_bits(bits);
        if policy(&[], &[]).judge(SocketAddr::new(inner.into(), port)).is_err() {
            for wrapped in wrappings(inner) {
                prop_assert!(policy(&[], &[]).judge(SocketAddr::new(wrapped, port)).is_err(), "{}", wrapped);
            }
        }
    }

    #[test]
    fn the_remedy_a_refusal_names_is_one(bits in any::<u32>(), port in 1..u16::MAX) {
        let address = SocketAddr::new(Ipv4Addr::from_bits(bits).into(), port);
        if let Err(refusal) = policy(&[], &[]).judge(address) {
            let text = refusal.to_string();
            let net = text.rsplit_once("--allow-net ").unwrap().1;
            prop_assert_eq!(policy(&[net], &[]).judge(address), Ok(()));
        }
    }

    #[test]
    fn a_listener_is_closed_whatever_is_opted_in(bits in any::<u128>(), port in 1..u16::MAX) {
        let address = SocketAddr::new(Ipv6Addr::from_bits(bits).into(), port);
        let opted = Policy::new(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], vec![address]);
        prop_assert!(matches!(opted.judge(address), Err(Refusal::FleetListener(_))));
    }

    #[test]
    fn only_public_space_passes_without_an_opt_in(bits in any::<u128>()) {
        let address = Ipv6Addr::from_bits(bits);
        if policy(&[], &[]).judge(SocketAddr::new(address.into(), 80)).is_ok() {
            let [first, ..] = address.segments();
            prop_assert!(first & 0xe000 == 0x2000 || first == 0x64 || address.to_ipv4_mapped().is_some());
        }
    }
}

#[test]
fn what_the_operator_opted_in_is_known_in_every_form() {
    let policy = policy(&["10.0.0.0/8", "2001:4860::/32"], &[]);
    for (address, is_opted_in) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("64:ff9b::10.1.2.3", true),
        ("2001:4860::1", true),
        ("1.1.1.1", false),
        ("2606:4700::1", false),
    ] {
        assert_eq!(policy.is_opted_in(address.parse().unwrap()), is_opted_in, "{address}");
    }
}

//! Packets byte by byte, as the two standards have them, and packets that are cut anywhere.

use super::*;

#[test]
fn what_is_sent_is_what_the_standards_say() {
    let expected = b"\x10\x15\0\x04MQTT\x04\xc2\0\0\0\x01c\0\x01u\0\x03p:w";
    assert_eq!(connect(Version::V311, "c", Some("u"), Some("p:w")), expected);
    assert_eq!(connect(Version::V5, "c", None, None), b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01c");
    assert_eq!(subscribe(Version::V311, 1, "a/b", 1), b"\x82\x08\0\x01\0\x03a/b\x01");
    assert_eq!(subscribe(Version::V5, 1, "a/b", 0), b"\x82\x09\0\x01\0\0\x03a/b\0");
    assert_eq!(publish(Version::V311, 2, "a", 0, b"x"), b"\x30\x04\0\x01ax");
    assert_eq!(publish(Version::V5, 2, "a", 1, b"x"), b"\x32\x07\0\x01a\0\x02\0x");
    assert_eq!(puback(7), b"\x40\x02\0\x07");
    let long = publish(Version::V311, 2, "a", 0, &[b'x'; 200]);
    assert_eq!((&long[..3], long.len()), (b"\x30\xcb\x01".as_slice(), 206));
}

fn reason(code: u8, text: &str) -> Reason {
    Reason { code, text: text.to_owned() }
}

fn message(id: Option<u16>) -> Packet {
    Packet::Publish(Message { topic: "a".to_owned(), payload: b"x".to_vec(), id })
}

#[test]
fn answers_of_both_versions_are_read() {
    for (version, first, body, packet) in [
        (Version::V311, 0x20, b"\x01\x05".as_slice(), Packet::Connack(reason(5, ""))),
        (Version::V5, 0x20, b"\0\x87\0", Packet::Connack(reason(0x87, ""))),
        (Version::V5, 0x20, b"\0\x87\x09\x21\0\x0a\x1f\0\x03why", Packet::Connack(reason(0x87, "why"))),
        (Version::V5, 0x20, b"\0\0\x0a\x26\0\x01a\0\x01b\x13\0\x05", Packet::Connack(reason(0, ""))),
        (Version::V5, 0x20, b"\0\x84", Packet::Connack(reason(0x84, ""))),
        (Version::V311, 0x90, b"\0\x01\x80", Packet::Suback(1, reason(0x80, ""))),
        (Version::V5, 0x90, b"\0\x01\x05\x1f\0\x02no\x87", Packet::Suback(1, reason(0x87, "no"))),
        (Version::V311, 0x40, b"\0\x02", Packet::Puback(2, reason(0, ""))),
        (Version::V5, 0x40, b"\0\x02\x87\0", Packet::Puback(2, reason(0x87, ""))),
        (Version::V311, 0x30, b"\0\x01ax", message(None)),
        (Version::V311, 0x33, b"\0\x01a\0\x09x", message(Some(9))),
        (Version::V5, 0x31, b"\0\x01a\x02\x01\x01x", message(None)),
        (Version::V5, 0xe0, b"\x8e", Packet::Disconnect(reason(0x8e, ""))),
        (Version::V311, 0xd0, b"", Packet::Other),
    ] {
        assert_eq!(parse(version, first, body), Some(packet), "{first:x} {body:?}");
    }
}

#[test]
fn what_is_no_packet_is_none_wherever_it_ends() {
    for (first, body) in [
        (0x20, b"\0".as_slice()),
        (0x90, b"\0\x01\0"),
        (0x40, b"\0"),
        (0x30, b"\0\x05abc"),
        (0x32, b"\0\x01a\0"),
        (0x30, b"\0\x01a\xff\xff\xff\xff\x7f"),
        (0x30, b"\0\x01a\x09"),
        (0x10, b"\0\x04MQTT"),
        (0xf0, b""),
        (0x00, b""),
    ] {
        assert_eq!(parse(Version::V5, first, body), None, "{first:x} {body:?}");
    }
    assert_eq!(parse(Version::V311, 0xe0, b""), None, "a broker of 3.1.1 never says goodbye");
}

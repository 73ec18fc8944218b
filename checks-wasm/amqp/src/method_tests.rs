//! Methods byte by byte, as the standard has them, and methods that are cut anywhere.

use super::*;

#[test]
fn what_is_said_is_what_the_standard_has() {
    let login = start_ok("me", "p");
    assert!(
        login.starts_with(b"\0\x0a\0\x0b\0\0\0\x46\x07productS\0\0\0\x08Farwatch\x0ccapabilitiesF\0\0\0\x1f"),
        "{login:?}"
    );
    assert!(login.ends_with(b"authentication_failure_closet\x01\x05PLAIN\0\0\0\x05\0me\0p\x05en_US"), "{login:?}");
    assert_eq!(tune_ok(Tune { channel_max: 7, frame_max: 0x20000 }), b"\0\x0a\0\x1f\0\x07\0\x02\0\0\0\0");
    assert_eq!(open("/"), b"\0\x0a\0\x28\x01/\0\0");
    assert_eq!(channel_open(), b"\0\x14\0\x0a\0");
    assert_eq!(exchange_declare("e"), b"\0\x28\0\x0a\0\0\x01e\x06direct\x01\0\0\0\0");
    assert_eq!(queue_declare("q"), b"\0\x32\0\x0a\0\0\x01q\x01\0\0\0\0");
    assert_eq!(close(), b"\0\x0a\0\x32\0\xc8\x04done\0\0\0\0");
    assert_eq!((close_ok(), channel_close_ok()), (b"\0\x0a\0\x33".to_vec(), b"\0\x14\0\x29".to_vec()));
}

const START_BYTES: &[u8] =
    b"\0\x0a\0\x0a\0\x09\0\0\0\x21\x07productS\0\0\0\x06Rabbit\x07versionS\0\0\0\x013\0\0\0\x05PLAIN\0\0\0\x05en_US";

#[test]
fn what_is_heard_is_read() {
    let reason = |code, text: &str| Reason { code, text: text.to_owned() };
    let started =
        Start { product: Some("Rabbit".to_owned()), version: Some("3".to_owned()), mechanisms: "PLAIN".to_owned() };
    for (payload, method) in [
        (START_BYTES, Method::Start(started)),
        (b"\0\x0a\0\x1e\0\x07\0\x02\0\0\0\x3c", Method::Tune(Tune { channel_max: 7, frame_max: 0x20000 })),
        (b"\0\x0a\0\x29\0", Method::OpenOk),
        (b"\0\x14\0\x0b\0\0\0\0", Method::ChannelOpenOk),
        (b"\0\x28\0\x0b", Method::ExchangeDeclareOk),
        (b"\0\x32\0\x0b\x01q\0\0\0\x05\0\0\0\x02", Method::QueueDeclareOk(Counts { messages: 5, consumers: 2 })),
        (b"\0\x14\0\x28\x01\x94\x02no\0\x32\0\x0a", Method::ChannelClose(reason(404, "no"))),
        (b"\0\x0a\0\x32\x01\x93\x02no\0\0\0\0", Method::Close(reason(403, "no"))),
        (b"\0\x3c\0\x50", Method::Other),
    ] {
        assert_eq!(read(payload), Some(method), "{payload:?}");
    }
}

#[test]
fn what_is_cut_is_no_method() {
    for length in 0..START_BYTES.len() - 9 {
        assert_eq!(read(&START_BYTES[..length]), None, "{length}");
    }
    for payload in
        [b"\0\x0a".as_slice(), b"\0\x32\0\x0b\x01q\0\0\0\x05\0\0", b"\0\x0a\0\x32\x01\x93\x09no", b"\0\x0a\0\x1e\0"]
    {
        assert_eq!(read(payload), None, "{payload:?}");
    }
}

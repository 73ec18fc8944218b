//! Cipher suites that should not be accepted any more, by their IANA numbers.
//!
//! Those without encryption or authentication, for export, with RC4, DES or 3DES (RFC 7465, RFC 8996, RFC 9325), and a few
//! of the usual ones, to find whether an old version is spoken at all.

/// Suites that nobody should accept.
pub const WEAK: [(u16, &str); 14] = [
    (0x0001, "RSA_WITH_NULL_MD5"),
    (0x0002, "RSA_WITH_NULL_SHA"),
    (0x003b, "RSA_WITH_NULL_SHA256"),
    (0x0003, "RSA_EXPORT_WITH_RC4_40_MD5"),
    (0x0008, "RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0004, "RSA_WITH_RC4_128_MD5"),
    (0x0005, "RSA_WITH_RC4_128_SHA"),
    (0x0009, "RSA_WITH_DES_CBC_SHA"),
    (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0018, "DH_anon_WITH_RC4_128_MD5"),
    (0x0034, "DH_anon_WITH_AES_128_CBC_SHA"),
    (0xc007, "ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc011, "ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
];

/// Suites that whoever speaks an old version has one of.
pub const USUAL: [u16; 12] =
    [0xc009, 0xc00a, 0xc013, 0xc014, 0x002f, 0x0035, 0x0033, 0x0039, 0x000a, 0x0005, 0x0004, 0xc012];

/// The name of a suite, or its number.
pub fn name(suite: u16) -> String {
    let known = WEAK.iter().find(|(number, _)| *number == suite);
    known.map_or_else(|| format!("0x{suite:04x}"), |(_, name)| format!("TLS_{name}"))
}

//! The caller's span, by the header `traceparent` of W3C Trace Context.
//!
//! Whether a trace is kept is its beginner's decision. A header that is wrong counts as none, as the standard has it.

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace that the request belongs to.
    pub trace: [u8; 16],
    /// The caller's span in it.
    pub span: [u8; 8],
    /// Whether its beginner keeps it.
    pub is_kept: bool,
}

/// The version that is spoken; later ones begin like it and may go on behind another dash.
const VERSION: [u8; 1] = [0];
/// A version that no header may have.
const NO_VERSION: [u8; 1] = [0xff];
/// The flag of traces that are kept.
const KEPT: u8 = 1;

impl TraceParent {
    /// Reads the header.
    pub fn read(header: &str) -> Option<Self> {
        let mut parts = header.trim().splitn(5, '-');
        let version: [u8; 1] = bytes(parts.next()?)?;
        let (trace, span) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes(parts.next()?)?;
        let is_version_known = version != NO_VERSION && (version != VERSION || parts.next().is_none());
        let is_somebody = trace != [0; 16] && span != [0; 8];
        (is_version_known && is_somebody).then_some(Self { trace, span, is_kept: flags & KEPT != 0 })
    }
}

/// So many bytes as small hex digits.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let is_hex = digits.len() == 2 * N && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let mut read = [0; N];
    for (byte, pair) in read.iter_mut().zip(digits.as_bytes().chunks(2)).take_while(|_| is_hex) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    is_hex.then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_the_standard_are_read() {
        let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        let span = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
        for (header, is_kept) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09", true),
            (" 02-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later ", true),
        ] {
            assert_eq!(TraceParent::read(header), Some(TraceParent { trace, span, is_kept }), "{header}");
        }
    }

    #[test]
    fn what_is_wrong_counts_as_none() {
        for header in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-ä-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::read(header), None, "{header:?}");
        }
    }
}

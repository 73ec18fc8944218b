//! Echo requests and their answers as the wire has them (RFC 792, RFC 4443). Sends nothing.

/// The header: type, code, checksum, identifier, number.
const HEADER_BYTES: usize = 8;
/// The types of a request and of its answer.
const REQUEST_V4: u8 = 8;
const ANSWER_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const ANSWER_V6: u8 = 129;

/// What tells the answers to one probe's requests from all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    pub(super) is_v6: bool,
    /// Whether the socket is a raw one: it gets what is meant for others as well, over IPv4 with the header of IP, and
    /// only it leaves the identifier as it is.
    pub(super) is_raw: bool,
    pub(super) identifier: u16,
}

impl Echo {
    /// The request of this number, with so many bytes of data.
    pub(super) fn request(self, number: u16, data_bytes: usize) -> Vec<u8> {
        let kind = if self.is_v6 { REQUEST_V6 } else { REQUEST_V4 };
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend(self.identifier.to_be_bytes());
        packet.extend(number.to_be_bytes());
        packet.resize(HEADER_BYTES + data_bytes, 0);
        // Over IPv6 the checksum covers addresses, and the system makes it.
        if !self.is_v6 {
            let sum = checksum(&packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    }

    /// The number of the request that this packet answers, if it answers one of these.
    pub(super) fn answered(self, packet: &[u8]) -> Option<u16> {
        let packet = if self.is_raw && !self.is_v6 { without_ip_header(packet)? } else { packet };
        let header = packet.get(..HEADER_BYTES)?;
        let kind = if self.is_v6 { ANSWER_V6 } else { ANSWER_V4 };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let is_ours = header[..2] == [kind, 0] && (!self.is_raw || word(4) == self.identifier);
        is_ours.then(|| word(6))
    }
}

fn without_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let words = usize::from(packet.first()? & 0x0f);
    packet.get(words * 4..)
}

/// The internet checksum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it was folded to 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Echo = Echo { is_v6: false, is_raw: true, identifier: 0x1234 };

    fn answer(echo: Echo, number: u16) -> Vec<u8> {
        let mut packet = echo.request(number, 8);
        packet[0] = if echo.is_v6 { ANSWER_V6 } else { ANSWER_V4 };
        packet
    }

    #[test]
    fn a_request_has_a_checksum_that_comes_out_even() {
        for data_bytes in [8, 9, 1_232] {
            let request = V4.request(7, data_bytes);
            assert_eq!((request.len(), checksum(&request)), (8 + data_bytes, 0));
        }
        assert_eq!(V4.request(7, 0), [8, 0, 0xe5, 0xc4, 0x12, 0x34, 0, 7]);
    }

    #[test]
    fn only_answers_to_these_requests_count() {
        let with_ip = |packet: Vec<u8>| [vec![0x46; 24], packet].concat();
        assert_eq!(V4.answered(&with_ip(answer(V4, 300))), Some(300));
        assert_eq!(V4.answered(&with_ip(V4.request(300, 8))), None, "the request itself, which loopback shows as well");
        let other = Echo { identifier: 1, ..V4 };
        assert_eq!(V4.answered(&with_ip(answer(other, 300))), None);
        for cut in 0..24 + HEADER_BYTES {
            assert_eq!(V4.answered(&with_ip(answer(V4, 300))[..cut]), None);
        }
        let unprivileged = Echo { is_raw: false, ..V4 };
        assert_eq!(unprivileged.answered(&answer(other, 9)), Some(9), "the system has chosen the identifier");
        let v6 = Echo { is_v6: true, ..V4 };
        assert_eq!(v6.answered(&answer(v6, 5)), Some(5));
        assert_eq!(v6.answered(&answer(V4, 5)), None);
    }
}

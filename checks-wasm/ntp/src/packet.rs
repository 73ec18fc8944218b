//! Questions and answers of NTP version 4 as the wire has them (RFC 5905).

/// The length of a packet without extensions.
const LENGTH: usize = 48;
/// A client's question of version 4.
const QUESTION: u8 = 0x23;
/// A server's answer, without its warning bits and its version.
const MODE_SERVER: u8 = 4;
/// From 1900, where NTP counts from, to 1970.
const EPOCH_S: u64 = 2_208_988_800;

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// 3 where its clock is not synchronized.
    pub leap: u8,
    /// Steps from a clock that knows; 0 is a refusal.
    pub stratum: u8,
    /// Where the stratum is 0, why it refuses, by four letters.
    pub reference: [u8; 4],
    /// When the question came, by the server's clock, in Unix microseconds.
    pub received_us: u64,
    /// When it answered.
    pub sent_us: u64,
}

/// A question. Instead of its time it bears something that nobody can guess, and the answer must repeat that.
pub fn question(nonce: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; LENGTH];
    packet[0] = QUESTION;
    packet[40..].copy_from_slice(nonce.first_chunk::<8>().expect("as much was drawn"));
    packet
}

/// Reads the answer to a question; none where it is not one.
pub fn answer(question: &[u8], packet: &[u8]) -> Option<Answer> {
    let packet = packet.get(..LENGTH)?;
    if packet[0] & 7 != MODE_SERVER || packet[24..32] != question[40..] {
        return None;
    }
    let reference = packet[12..16].try_into().ok()?;
    let (received_us, sent_us) = (moment_us(&packet[32..40])?, moment_us(&packet[40..48])?);
    Some(Answer { leap: packet[0] >> 6, stratum: packet[1], reference, received_us, sent_us })
}

/// Seconds since 1900 and their fraction, as Unix microseconds. The second era begins in 2036: smaller numbers are of it.
fn moment_us(field: &[u8]) -> Option<u64> {
    let (seconds, fraction) = field.split_at_checked(4)?;
    let word = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes).map(u64::from);
    let (seconds, fraction) = (word(seconds)?, word(fraction)?);
    let since_1900 = if seconds < EPOCH_S { seconds + (1 << 32) } else { seconds };
    Some((since_1900 - EPOCH_S) * 1_000_000 + ((fraction * 1_000_000) >> 32))
}

/// How far the server's clock is ahead of ours, in microseconds: the answer is taken to be on its way as long as the
/// question was.
pub fn offset_us(answer: Answer, asked_us: u64, heard_us: u64) -> i64 {
    let ahead = |theirs: u64, ours: u64| i128::from(theirs) - i128::from(ours);
    let both = ahead(answer.received_us, asked_us) + ahead(answer.sent_us, heard_us);
    i64::try_from(both / 2).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_this_very_question_is_one() {
        let question = question(&[7; 8]);
        let mut packet = vec![0; LENGTH];
        packet[0] = 0x24;
        packet[1] = 2;
        packet[24..32].copy_from_slice(&[7; 8]);
        packet[32..40].copy_from_slice(&[0xe8, 0, 0, 0, 0x80, 0, 0, 0]);
        let read = answer(&question, &packet).unwrap();
        assert_eq!((read.leap, read.stratum, read.received_us), (0, 2, (0xe800_0000 - EPOCH_S) * 1_000_000 + 500_000));
        assert!(read.sent_us > read.received_us, "a time before 1970 is one after 2036");
        assert!(answer(&question, &packet[..47]).is_none());
        for (at, wrong) in [(0, 0x23), (24, 8), (31, 8)] {
            let mut other = packet.clone();
            other[at] = wrong;
            assert!(answer(&question, &other).is_none(), "{at}");
        }
    }

    #[test]
    fn the_way_there_and_back_do_not_count() {
        let answer = Answer { leap: 0, stratum: 1, reference: [0; 4], received_us: 1_500_000, sent_us: 1_600_000 };
        assert_eq!(offset_us(answer, 1_000_000, 1_300_000), 400_000);
        assert_eq!(offset_us(answer, 2_000_000, 2_300_000), -600_000);
    }
}

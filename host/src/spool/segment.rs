//! The bytes of one segment: a header, and frames that end with a checksum.
//!
//! A segment is only ever appended to, and by one boot of one host. A frame is the length of a pack, the
//! pack, and its CRC-32C. What lies behind the first frame that is torn or damaged does not count. This
//! file touches no disk.

use farwatch_proto::id::BootId;
use farwatch_proto::pack::{PACK_VERSION, PackError, Packer, Unpacker};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::BootMs;

/// What every segment begins with.
const MAGIC: [u8; 4] = *b"FwSp";
/// The version of the frames around the packs.
const SEGMENT_VERSION: u8 = 1;
/// Magic, both versions, the boot and the number of the segment.
pub(super) const HEADER_BYTES: usize = 4 + 1 + 1 + 16 + 4;
const CHECKSUM_BYTES: usize = 4;
/// A frame is closed when its pack has grown to this. One frame must fit a link message even after it was
/// packed anew with a dictionary of its own and one of its results has the largest detail.
const FRAME_PACK_BYTES: usize = 8 * 1024;
/// No pack of a frame is larger: one result more than fits, with the largest detail.
const FRAME_MAX_BYTES: usize = 128 * 1024;

/// Which segment: of which boot, and the how-manieth of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentKey {
    pub(super) boot: BootId,
    pub(super) number: u32,
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) key: SegmentKey,
    pub(super) opened: BootMs,
    /// Header and closed frames, as they are or will be on disk.
    bytes: Vec<u8>,
    packer: Packer,
}

impl Growing {
    pub(super) fn new(key: SegmentKey, opened: BootMs) -> Self {
        Self { key, opened, bytes: header(key), packer: Packer::default() }
    }

    pub(super) fn append(&mut self, result: &RunResult) {
        self.packer.push(result);
        if self.packer.len() >= FRAME_PACK_BYTES {
            self.close_frame();
        }
    }

    /// Makes a frame of what came since the last one, so that it can be written and sent.
    pub(super) fn close_frame(&mut self) {
        if self.packer.is_empty() {
            return;
        }
        let pack = self.packer.take();
        put_length(&mut self.bytes, pack.len());
        self.bytes.extend_from_slice(&pack);
        self.bytes.extend_from_slice(&crc32c::crc32c(&pack).to_le_bytes());
    }

    /// Header and closed frames.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether nothing was ever appended.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.len() == HEADER_BYTES && self.packer.is_empty()
    }

    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.close_frame();
        self.bytes
    }
}

fn header(key: SegmentKey) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_PACK_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[SEGMENT_VERSION, PACK_VERSION]);
    bytes.extend_from_slice(key.boot.as_bytes());
    bytes.extend_from_slice(&key.number.to_le_bytes());
    bytes
}

/// Whether these bytes begin as a segment of this key that this version can read.
pub(super) fn has_header(bytes: &[u8], key: SegmentKey) -> bool {
    bytes.get(..HEADER_BYTES).is_some_and(|found| *found == header(key)[..])
}

fn put_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

/// The pack of the frame at the start of these bytes and the length of the whole frame; `None` where no
/// whole and undamaged frame starts.
fn frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (mut length, mut prefix) = (0_usize, 0);
    loop {
        let byte = *bytes.get(prefix)?;
        length |= usize::from(byte & 0x7f) << (7 * prefix);
        prefix += 1;
        if byte < 0x80 {
            break;
        }
        if length > FRAME_MAX_BYTES {
            return None;
        }
    }
    let pack = bytes.get(prefix..prefix + length).filter(|_| (1..=FRAME_MAX_BYTES).contains(&length))?;
    let checksum = bytes[prefix + length..].first_chunk::<CHECKSUM_BYTES>()?;
    let is_whole = crc32c::crc32c(pack) == u32::from_le_bytes(*checksum);
    is_whole.then_some((pack, prefix + length + CHECKSUM_BYTES))
}

/// Where the last whole frame of these bytes ends.
pub(super) fn whole_end(bytes: &[u8]) -> usize {
    let mut end = HEADER_BYTES.min(bytes.len());
    while let Some((_, length)) = bytes.get(end..).and_then(frame) {
        end += length;
    }
    end
}

/// Reads the frames of one segment in order. Its dictionaries grow with it, so it starts at the start.
#[derive(Debug)]
pub(super) struct FrameReader {
    offset: usize,
    unpacker: Unpacker,
}

/// One frame, read.
pub(super) struct ReadFrame {
    pub(super) end: usize,
    pub(super) results: Vec<RunResult>,
    pub(super) pack_bytes: usize,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self { offset: HEADER_BYTES, unpacker: Unpacker::default() }
    }
}

impl FrameReader {
    /// Where the next frame starts.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// The next frame of bytes that start at `start` in the segment; `None` when there is none yet.
    pub(super) fn next(&mut self, bytes: &[u8], start: usize) -> Option<Result<ReadFrame, PackError>> {
        let rest = bytes.get(self.offset.checked_sub(start)?..)?;
        let (pack, length) = frame(rest)?;
        self.offset += length;
        let end = self.offset;
        let pack_bytes = pack.len();
        Some(self.unpacker.read(pack).map(|results| ReadFrame { end, results, pack_bytes }))
    }
}

#[cfg(test)]
pub(super) mod tests;

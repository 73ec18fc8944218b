//! The body of a journal row: the batches of one flush, compressed.
//!
//! A version byte, then deflate (RFC 1951) of one section per batch: host, boot, length, pack. Each
//! section has dictionaries of its own, so it is the batch as the host packed it.

use std::io::{Read, Write};

use anyhow::{Context, bail, ensure};
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::pack::{self, PACK_VERSION, Packer, Unpacker};
use farwatch_proto::run::RunResult;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// The version byte of a body.
const BODY_VERSION: u8 = 1;
/// No body unpacks to more: a flush gathers at most this many bytes, and a damaged one must not fill memory.
pub const BODY_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The results of one host in one row.
#[derive(Clone, Debug, PartialEq)]
pub struct HostResults {
    /// Who ran them.
    pub host: HostId,
    /// The start of its process.
    pub boot: BootId,
    /// What it found, in the order it found it.
    pub results: Vec<RunResult>,
}

/// The body of these results.
pub fn encode(sections: &[HostResults]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![BODY_VERSION], Compression::fast());
    for section in sections {
        let mut packer = Packer::default();
        section.results.iter().for_each(|result| packer.push(result));
        let packed = packer.take();
        let length = u32::try_from(packed.len()).expect("a flush is far smaller than 4 GiB");
        let parts =
            [&section.host.as_bytes()[..], section.boot.as_bytes(), &length.to_be_bytes(), &[PACK_VERSION], &packed];
        for part in parts {
            encoder.write_all(part).expect("writing to memory does not fail");
        }
    }
    encoder.finish().expect("writing to memory does not fail")
}

/// The results in a body.
pub fn decode(body: &[u8]) -> anyhow::Result<Vec<HostResults>> {
    let (version, compressed) = body.split_first().context("the journal row has no body")?;
    ensure!(*version == BODY_VERSION, "the journal row has body version {version}, this build reads {BODY_VERSION}");
    let mut bytes = Vec::new();
    DeflateDecoder::new(compressed)
        .take(BODY_MAX_BYTES)
        .read_to_end(&mut bytes)
        .context("the journal row is damaged")?;
    let mut rest = &bytes[..];
    let mut sections = Vec::new();
    while !rest.is_empty() {
        sections.push(section(&mut rest)?);
    }
    Ok(sections)
}

fn section(rest: &mut &[u8]) -> anyhow::Result<HostResults> {
    let host = HostId::from_bytes(array(rest)?);
    let boot = BootId::from_bytes(array(rest)?);
    let length = u32::from_be_bytes(array(rest)?) as usize;
    let [version] = array(rest)?;
    if !pack::is_known(version) {
        bail!("the journal row has pack version {version}, this build reads up to {PACK_VERSION}");
    }
    let (packed, after) = rest.split_at_checked(length).context("the journal row ends within a section")?;
    *rest = after;
    Ok(HostResults { host, boot, results: Unpacker::default().read(packed)? })
}

fn array<const N: usize>(rest: &mut &[u8]) -> anyhow::Result<[u8; N]> {
    let (taken, after) = rest.split_first_chunk().context("the journal row ends within a section")?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::StreamId;
    use farwatch_proto::id::{CheckId, ModuleHash};
    use farwatch_proto::outcome::Outcome;
    use farwatch_proto::run::{Purpose, RunCost, Terms};
    use farwatch_proto::time::{Stamp, UnixMs};

    use super::*;

    fn results(host: u8, count: i64) -> HostResults {
        let result = |n: i64| RunResult {
            stream: StreamId { check: CheckId::from_bytes([1; 16]), number: 0 },
            purpose: Purpose::Slot,
            slot: UnixMs(n * 10_000),
            terms: Terms { revision: 1, module: ModuleHash([2; 32]), view: Stamp { era: 1, n: 1 } },
            started: UnixMs(n * 10_000 + 4),
            duration_us: 30_000,
            cost: RunCost::default(),
            outcome: Outcome::up(29_000),
        };
        HostResults {
            host: HostId::from_bytes([host; 16]),
            boot: BootId::from_bytes([9; 16]),
            results: (0..count).map(result).collect(),
        }
    }

    #[test]
    fn a_body_reads_back_and_a_damaged_one_is_an_error() {
        let sections = vec![results(1, 100), results(2, 0), results(3, 1)];
        let body = encode(&sections);
        assert_eq!(decode(&body).unwrap(), sections);
        assert!(decode(&[]).is_err());
        assert!(decode(&[7, 1, 2]).unwrap_err().to_string().contains("version 7"));
        assert!(decode(&body[..body.len() - 4]).is_err());
    }
}

//! What other owners said of the slots of one stream.
//!
//! Kept as it comes, for the open slot and the one after it; who may say what is asked when it is used, by the view
//! that is known then.

use farwatch_proto::id::HostId;
use farwatch_proto::peer::Said;
use farwatch_proto::time::UnixMs;

/// Receipts kept of one stream. Owners are three, or twice as many while the fleet changes; more is noise or malice.
const RECEIPTS_MAX: usize = 16;

/// One statement of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of which slot.
    pub slot: UnixMs,
    /// Who said it.
    pub from: HostId,
    /// What it said last, but that `Done` is never taken back.
    pub said: Said,
}

/// What was said of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    all: Vec<Receipt>,
}

impl Receipts {
    /// Takes in what somebody said. Returns whether it says anything new.
    pub(super) fn note(&mut self, receipt: Receipt) -> bool {
        let is_full = self.all.len() >= RECEIPTS_MAX;
        let before = self.all.iter_mut().find(|known| known.slot == receipt.slot && known.from == receipt.from);
        match before {
            Some(before) if before.said == receipt.said || before.said == Said::Done => false,
            Some(before) => {
                before.said = receipt.said;
                true
            }
            None if is_full => false,
            None => {
                self.all.push(receipt);
                true
            }
        }
    }

    /// What this host said of the slot.
    pub(super) fn of(&self, host: HostId, slot: UnixMs) -> Option<Said> {
        self.at(slot).find(|receipt| receipt.from == host).map(|receipt| receipt.said)
    }

    /// What was said of the slot.
    pub(super) fn at(&self, slot: UnixMs) -> impl Iterator<Item = &Receipt> {
        self.all.iter().filter(move |receipt| receipt.slot == slot)
    }

    /// Slots before this one are settled.
    pub(super) fn forget_before(&mut self, slot: UnixMs) {
        self.all.retain(|receipt| receipt.slot >= slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::tests::host_id;

    fn receipt(slot: i64, from: u8, said: Said) -> Receipt {
        Receipt { slot: UnixMs(slot), from: host_id(from), said }
    }

    #[test]
    fn the_last_word_counts_but_what_is_done_stays_done() {
        let mut receipts = Receipts::default();
        for (said, is_new, then) in [
            (Said::Started, true, Said::Started),
            (Said::Started, false, Said::Started),
            (Said::Yields, true, Said::Yields),
            (Said::Done, true, Said::Done),
            (Said::Started, false, Said::Done),
        ] {
            assert_eq!(receipts.note(receipt(10, 1, said)), is_new);
            assert_eq!(receipts.of(host_id(1), UnixMs(10)), Some(then));
        }
        assert_eq!(receipts.of(host_id(2), UnixMs(10)), None);
    }

    #[test]
    fn what_is_settled_is_forgotten_and_noise_is_bounded() {
        let mut receipts = Receipts::default();
        for from in 0..100 {
            receipts.note(receipt(10, from, Said::Started));
        }
        assert_eq!(receipts.at(UnixMs(10)).count(), RECEIPTS_MAX);
        receipts.forget_before(UnixMs(11));
        assert!(receipts.note(receipt(20, 1, Said::Started)) && receipts.at(UnixMs(10)).next().is_none());
    }
}

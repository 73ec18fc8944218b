//! Whom this host hears, and whom it ever heard.
//!
//! Silences are measured by CLOCK_BOOTTIME. A host that was paused knows nothing of the time meanwhile: it waits for a
//! moment until everybody had an occasion to be heard again. One that starts has links to open besides, and takes nobody
//! for silent for as long as it would wait for somebody whom it hears. Nothing here sends a heartbeat.

use std::collections::BTreeMap;

use farwatch_proto::id::HostId;
use farwatch_proto::time::BootMs;

/// A peer this long silent is not waited for.
pub const PEER_SILENCE_MS: i64 = 3_500;
/// After a pause nobody is taken for silent for this long: one heartbeat, and some way for it to come.
pub const SETTLE_MS: i64 = 700;

/// Peers by their last sign of life.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// Every host with which a heartbeat was ever exchanged, and when it was last heard by this process.
    linked: BTreeMap<HostId, Option<BootMs>>,
    /// When this process began.
    began: BootMs,
    /// From when silence means something after the last pause.
    rested_from: BootMs,
}

impl Peers {
    /// A host that starts now, and that was ever linked to these.
    pub fn new(linked: impl IntoIterator<Item = HostId>, now: BootMs) -> Self {
        let linked = linked.into_iter().map(|host| (host, None)).collect();
        Self { linked, began: now, rested_from: now }
    }

    /// A frame came from this peer. Returns whether it was the first ever.
    pub fn hear(&mut self, host: HostId, now: BootMs) -> bool {
        self.linked.insert(host, Some(now)).is_none()
    }

    /// This host was paused until `now`: what it heard before says nothing any more.
    pub fn paused(&mut self, now: BootMs) {
        self.linked.values_mut().for_each(|heard| *heard = None);
        self.rested_from = now + SETTLE_MS;
    }

    /// Whether the pair has ever exchanged a heartbeat.
    pub fn is_linked(&self, host: HostId) -> bool {
        self.linked.contains_key(&host)
    }

    /// Whether the peer has been heard lately.
    pub fn is_heard(&self, host: HostId, now: BootMs) -> bool {
        self.silent_from(host).is_some_and(|silent| now < silent)
    }

    /// When the peer will be taken for silent if nothing comes; `None` where it already is.
    pub fn silent_from(&self, host: HostId) -> Option<BootMs> {
        (*self.linked.get(&host)?).map(|heard| heard + PEER_SILENCE_MS)
    }

    /// From when silence means something to a standby that waits so long for each better rank it hears: having just begun
    /// counts as having heard everybody for once that long.
    pub fn settled_from(&self, rank_delay_ms: i64) -> BootMs {
        self.rested_from.max(self.began + rank_delay_ms)
    }

    /// All that were ever linked, for keeping on disk.
    pub fn linked(&self) -> impl Iterator<Item = HostId> {
        self.linked.keys().copied()
    }

    /// Those heard lately.
    pub fn heard(&self, now: BootMs) -> impl Iterator<Item = HostId> {
        self.linked().filter(move |host| self.is_heard(*host, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::tests::host_id;

    #[test]
    fn a_peer_is_heard_until_its_silence_and_linked_for_good() {
        let mut peers = Peers::new([], BootMs(0));
        assert!(peers.hear(host_id(1), BootMs(1_000)) && !peers.hear(host_id(1), BootMs(2_000)));
        assert!(peers.is_heard(host_id(1), BootMs(5_499)) && !peers.is_heard(host_id(1), BootMs(5_500)));
        assert!(peers.is_linked(host_id(1)) && !peers.is_linked(host_id(2)));
        let again = Peers::new(peers.linked(), BootMs(0));
        assert!(again.is_linked(host_id(1)) && !again.is_heard(host_id(1), BootMs(1)));
    }

    #[test]
    fn a_pause_resets_what_was_heard_and_gives_everybody_time_to_be_heard_again() {
        let mut peers = Peers::new([], BootMs(0));
        peers.hear(host_id(1), BootMs(1_000));
        peers.paused(BootMs(2_000));
        assert!(!peers.is_heard(host_id(1), BootMs(2_001)) && peers.is_linked(host_id(1)));
        assert_eq!(peers.settled_from(1_500), BootMs(2_000 + SETTLE_MS));
    }

    #[test]
    fn whoever_has_just_begun_takes_nobody_for_silent_for_one_delay() {
        let mut peers = Peers::new([host_id(1)], BootMs(1_000));
        assert_eq!([1_500, 3_000].map(|delay_ms| peers.settled_from(delay_ms)), [BootMs(2_500), BootMs(4_000)]);
        peers.paused(BootMs(1_100));
        assert_eq!(peers.settled_from(1_500), BootMs(2_500), "a pause shortens nothing");
    }
}

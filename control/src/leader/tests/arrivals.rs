//! Hosts that come, as the worlds of these tests have them.

use super::*;

pub(super) fn arrival(outbox: mpsc::Sender<FromControl>, assigned: Option<Assigned>) -> Arrival {
    Arrival {
        sealing_key: None,
        connection: 1,
        outbox,
        boot: boot_id(),
        public_key: [].into(),
        version: "1".into(),
        release: None,
        can_upgrade: false,
        is_walled: false,
        can_try: true,
        places_by: [1].into(),
        run_places: 8,
        peer_address: None,
        assigned,
        view: None,
    }
}

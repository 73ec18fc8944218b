//! What the next view should be when nobody has died.

use farwatch_proto::fleet::{Standing, View, ViewHost};
use farwatch_proto::id::HostId;
use farwatch_proto::time::BootMs;

use super::{Fleet, Life, VOTER_SILENCE_MS};

impl Fleet {
    /// The newest view with every registered host in the standing it has earned, and the rule that all know. Number and moment are
    /// the newest view's own, so that no difference means equality.
    pub(super) fn target(&self, newest: &View, now: BootMs) -> View {
        let begins = !newest.hosts.iter().any(|host| host.standing == Standing::Active);
        let (strained, insane) = (self.strained(newest, now), self.insane_for_long(newest, now));
        let hosts = self.hosts.iter().map(|(id, life)| {
            let earned = self.earned(*id, life, newest, begins, now);
            let is_unfit = strained.contains(id) || insane.contains(id);
            let standing = if earned == Standing::Active && is_unfit { Standing::Warming } else { earned };
            ViewHost { id: *id, standing, facts: life.registered.facts.clone() }
        });
        View { hosts: hosts.collect(), placement_version: self.version_after(newest), ..newest.clone() }
    }

    /// Where no host owns yet, whoever is heard owns at once: there is nobody to take over from.
    fn earned(&self, id: HostId, life: &Life, newest: &View, begins: bool, now: BootMs) -> Standing {
        let stands = newest.standing(id).unwrap_or(Standing::Away);
        let heard = self.is_heard(id, VOTER_SILENCE_MS, now);
        if life.registered.drained || life.cannot_read(newest) || self.is_cut_off(id, newest, now) {
            return Standing::Away;
        }
        match stands {
            Standing::Away | Standing::Warming if begins && heard => Standing::Active,
            Standing::Away if heard => Standing::Warming,
            Standing::Warming if heard && life.is_steady(life.proving_ms(self.proving), now) => Standing::Active,
            stands => stands,
        }
    }
}

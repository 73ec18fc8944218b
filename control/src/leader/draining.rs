//! What a host that is being drained still owns.

use std::collections::BTreeMap;

use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use super::book::Book;
use super::state::State;

impl State {
    /// The streams that each drained host owns under the views of this moment. A planned view is the newest one before
    /// it is in force; until then the host owes what it owed.
    pub(super) fn owned_by_drained(&self, now: UnixMs) -> BTreeMap<HostId, u32> {
        let views = self.views.at(now).into_iter().chain([&self.newest]);
        let views: Vec<&View> = views.collect();
        let most = |host: HostId| views.iter().map(|view| owned(&self.book, host, view)).max().unwrap_or(0);
        self.fleet.drained().map(|host| (host, most(host))).collect()
    }
}

/// The streams of which this host is an owner of any rank. A host that is not active owns only where no other can.
fn owned(book: &Book, host: HostId, view: &View) -> u32 {
    let lists = book.pages().flat_map(|(_, page)| page.owners(view));
    u32::try_from(lists.filter(|owners| owners.contains(&host)).count()).unwrap_or(u32::MAX)
}

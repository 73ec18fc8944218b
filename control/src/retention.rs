//! What is forgotten, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::spawn::Spawner;
use crate::store::Store;
use crate::tasks::TaskList;

/// Journal rows are kept this long.
const JOURNAL_MS: i64 = 48 * 3_600_000;
/// Marks of segments that no longer grow are kept as long as the spool they are of may come back.
const MARKS_MS: i64 = 26 * 3_600_000;
/// How often old rows are looked for.
const PERIOD: Duration = Duration::from_secs(600);

/// Deletes what is too old, now and then.
pub(crate) fn start(spawner: &Spawner, tasks: &TaskList, store: Store, clock: Clock) {
    let about = ("retention", "Deletes journal rows and marks that are too old.", PERIOD);
    tasks.run(spawner, about, Arc::new(Notify::new()), move || {
        let store = store.clone();
        async move {
            let now = clock.wall();
            store.journal().delete_before(now - JOURNAL_MS).await?;
            store.host_marks().delete_before(now - MARKS_MS).await?;
            Ok(())
        }
    });
}

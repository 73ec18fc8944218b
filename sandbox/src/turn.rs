//! Whose turn it is to compute, among the guests of one thread that compute for long.
//!
//! A guest that has not yet computed for a whole tick runs whenever it can. One that has needs the turn for every further
//! poll, whatever it waited for before. So between two polls of anybody else on the thread at most one guest is beyond its
//! first tick, however many are. Whoever waits for the turn gets it in the order of asking. Nothing here ends anybody.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

thread_local! {
    static OF_THIS_THREAD: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// The right to compute for one poll. It is given back by being dropped, on whatever thread.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// Waits for the turn, and lets the others of this thread run.
pub(crate) async fn wait() -> Turn {
    let turn = OF_THIS_THREAD.with(Arc::clone);
    let turn = Turn { _permit: turn.acquire_owned().await.expect("nobody closes it") };
    // Only then: the runtime looks for timers and sockets once nobody can run, and so once for each turn.
    tokio::task::yield_now().await;
    turn
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_util::future::{join, join_all};
    use tokio::task::yield_now;

    use super::*;

    /// Those that compute for long, and how often each does.
    const HOGS: usize = 8;
    const POLLS: usize = 5;

    #[tokio::test(flavor = "current_thread")]
    async fn between_two_polls_of_another_at_most_one_has_the_turn_and_all_have_it_in_order() {
        let had = RefCell::new(Vec::new());
        let hogs = (0..HOGS).map(|hog| {
            let had = &had;
            async move {
                for _ in 0..POLLS {
                    let _turn = wait().await;
                    had.borrow_mut().push(hog);
                }
            }
        });
        let other = async {
            let mut seen = 0;
            while seen < HOGS * POLLS {
                yield_now().await;
                let now = had.borrow().len();
                assert!(now <= seen + 1, "{now} after {seen}");
                seen = now;
            }
        };
        join(join_all(hogs), other).await;
        assert_eq!(had.into_inner(), [0, 1, 2, 3, 4, 5, 6, 7].repeat(POLLS));
    }
}

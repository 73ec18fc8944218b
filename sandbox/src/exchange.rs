//! Where a guest hands its requests to whoever runs it, and where the time it computes is counted.
//!
//! A guest runs on a small stack of its own. A probe, with TLS beneath it, wants a deep one. So a guest's request is
//! laid down here, the guest is left waiting, and the probe is polled by the run itself on the thread's stack. That
//! also tells the guest's own CPU time from the host's.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::bindings::farwatch::check::types::Failure;
use crate::bindings::farwatch::check::{http, tcp};
use crate::clock;

/// What a guest came to when it was polled.
pub(crate) enum Step<T> {
    /// Its call is over.
    Finished(T),
    /// It waits for this probe.
    Asked(Asked),
    /// The host panicked beneath it.
    Panicked,
}

/// A probe that a guest waits for.
pub(crate) enum Asked {
    Http(http::Request),
    Tcp(tcp::Request),
}

/// Where the requests of one kind are laid down, and their answers.
pub(crate) struct Desk<Q, A> {
    asked: Mutex<Option<Q>>,
    answered: Mutex<Option<Result<A, Failure>>>,
}

impl<Q, A> Desk<Q, A> {
    fn new() -> Self {
        Self { asked: Mutex::new(None), answered: Mutex::new(None) }
    }

    /// The guest's side: lays down a request and waits for its answer.
    pub(crate) async fn ask(&self, request: Q) -> Result<A, Failure> {
        *lock(&self.asked) = Some(request);
        // The run polls the guest again by itself once it has the answer, so nobody needs to be woken.
        poll_fn(|_| lock(&self.answered).take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The run's side: lays down the answer.
    pub(crate) fn answer(&self, answer: Result<A, Failure>) {
        *lock(&self.answered) = Some(answer);
    }

    fn asked(&self) -> Option<Q> {
        lock(&self.asked).take()
    }
}

/// See the file's documentation.
pub(crate) struct Exchange {
    pub(crate) http: Desk<http::Request, http::Response>,
    pub(crate) tcp: Desk<tcp::Request, tcp::Response>,
    start: Instant,
    /// CPU time of the polls that are over, in nanoseconds.
    spent: AtomicU64,
    /// When the present poll began, in nanoseconds after `start`.
    poll_began: AtomicU64,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        let (spent, poll_began) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { http: Desk::new(), tcp: Desk::new(), start: clock::now(), spent, poll_began }
    }

    /// For how long the guest has computed so far.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    /// For how long it has computed since it was last polled. Only for use within a poll.
    pub(crate) fn present_poll(&self) -> Duration {
        Duration::from_nanos(self.elapsed().saturating_sub(self.poll_began.load(Ordering::Relaxed)))
    }

    /// The run's side: polls the guest until it is over or waits for a probe.
    pub(crate) async fn next<F: Future>(&self, mut guest: Pin<&mut F>) -> Step<F::Output> {
        poll_fn(|context| {
            let began = self.elapsed();
            self.poll_began.store(began, Ordering::Relaxed);
            let polled = catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(context)));
            self.spent.fetch_add(self.elapsed().saturating_sub(began), Ordering::Relaxed);
            match polled {
                Ok(Poll::Ready(result)) => Poll::Ready(Step::Finished(result)),
                Ok(Poll::Pending) => self.asked().map_or(Poll::Pending, |asked| Poll::Ready(Step::Asked(asked))),
                Err(_) => Poll::Ready(Step::Panicked),
            }
        })
        .await
    }

    fn asked(&self) -> Option<Asked> {
        self.http.asked().map(Asked::Http).or_else(|| self.tcp.asked().map(Asked::Tcp))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(clock::now().duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}

fn lock<T>(slot: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    // A slot is filled and emptied as a whole, so a panic elsewhere cannot have left half of one.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Where a guest hands its requests to whoever runs it, and where the time it computes is counted.
//!
//! A guest runs on a small stack of its own. A probe, with TLS beneath it, wants a deep one. So a guest's request is
//! laid down here, the guest is left waiting, and the probe is polled by the run itself on the thread's stack. That
//! also tells the guest's own CPU time from the host's.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::bindings::farwatch::check::types::Failure;
use crate::bindings::farwatch::check::{dns, http, icmp, tcp, tls, udp};
use crate::clock;
use crate::ticker::TICK;
use crate::turn::{self, Turn};
use crate::wasi::Deferred;

/// What a guest came to when it was polled.
pub(crate) enum Step<T> {
    /// Its call is over.
    Over(Over<T>),
    /// It waits for this.
    Asked(Question),
    /// It goes on beside this.
    Deferred(Deferred),
}

/// How a guest's call is over.
pub(crate) enum Over<T> {
    /// It returned, or was stopped.
    Finished(T),
    /// The host panicked beneath it.
    Panicked,
}

/// A connection of one run.
pub(crate) type ConnectionNumber = u32;

/// What a guest asks of the probes.
pub(crate) enum Question {
    Fetch(Asked<http::Request, Result<http::Response, Failure>>),
    Open(Asked<(ConnectionNumber, tcp::Target), Result<(), Failure>>),
    Send(Asked<(ConnectionNumber, Vec<u8>), Result<(), Failure>>),
    Receive(Asked<(ConnectionNumber, tcp::Until, u32), Result<tcp::Received, Failure>>),
    StartTls(Asked<(ConnectionNumber, tcp::TlsOptions), Result<(), Failure>>),
    Evidence(Asked<ConnectionNumber, tcp::Evidence>),
    Close(Asked<ConnectionNumber, ()>),
    Exchange(Asked<udp::Request, Result<udp::Response, Failure>>),
    ShakeHands(Asked<(tls::Target, Vec<String>), Result<tls::Handshake, Failure>>),
    Propose(Asked<(tls::Target, tls::Offer), Result<tls::Reply, Failure>>),
    Ping(Asked<icmp::Request, Result<icmp::Response, Failure>>),
    Query(Asked<dns::Request, Result<dns::Response, Failure>>),
    Secret(Asked<String, Option<String>>),
}

/// One question, and where its answer is laid down.
pub(crate) struct Asked<Q, A> {
    pub(crate) question: Q,
    answer: Arc<Mutex<Option<A>>>,
}

impl<Q, A> Asked<Q, A> {
    /// The run's side: has the question answered.
    pub(crate) async fn answer<F: Future<Output = A>>(self, by: impl FnOnce(Q) -> F) {
        let answer = by(self.question).await;
        *lock(&self.answer) = Some(answer);
    }
}

/// See the file's documentation.
pub(crate) struct Exchange {
    asked: Mutex<Option<Question>>,
    deferred: Mutex<VecDeque<Deferred>>,
    probes_left: AtomicU32,
    start: Instant,
    /// CPU time of the polls that are over, in nanoseconds.
    spent: AtomicU64,
    /// The part of it that was spent in polls of less than half a tick, in nanoseconds: no tick sees those.
    unseen: AtomicU64,
    /// When the present poll began, in nanoseconds after `start`.
    poll_began: AtomicU64,
    /// Whether a tick has seen the guest compute, which most never do.
    is_seen: AtomicBool,
    /// What this thread had computed when the present poll began, in nanoseconds; only of a guest that was seen.
    thread_began: AtomicU64,
    /// The wait for its turn of a guest that computes for long.
    turn: Mutex<Option<Pin<Box<dyn Future<Output = Turn> + Send>>>>,
}

impl Exchange {
    /// For a call that may make so many probes.
    pub(crate) fn new(probes: u32) -> Self {
        Self {
            asked: Mutex::new(None),
            deferred: Mutex::default(),
            probes_left: AtomicU32::new(probes),
            start: clock::now(),
            spent: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
            poll_began: AtomicU64::new(0),
            is_seen: AtomicBool::new(false),
            thread_began: AtomicU64::new(0),
            turn: Mutex::new(None),
        }
    }

    /// Takes one of the probes that the call may make, if any is left.
    pub(crate) fn takes_probe(&self) -> bool {
        let taken = |left: u32| left.checked_sub(1);
        self.probes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// How many of its probes the call has left.
    pub(crate) fn probes_left(&self) -> u32 {
        self.probes_left.load(Ordering::Relaxed)
    }

    /// The guest's side: lays down a question and waits for its answer.
    pub(crate) async fn ask<Q, A>(&self, question: Q, kind: impl FnOnce(Asked<Q, A>) -> Question) -> A {
        let answer = Arc::new(Mutex::new(None));
        *lock(&self.asked) = Some(kind(Asked { question, answer: answer.clone() }));
        // The run polls the guest again by itself once it has the answer, so nobody needs to be woken.
        poll_fn(|_| lock(&answer).take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The guest's side: lays down a request without waiting for it. There are no more of them than probes.
    pub(crate) fn defer(&self, request: Deferred) {
        lock(&self.deferred).push_back(request);
    }

    /// For how long the call has gone on.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos(self.elapsed())
    }

    /// For how long the guest has computed in polls that no tick sees.
    pub(crate) fn unseen(&self) -> Duration {
        Duration::from_nanos(self.unseen.load(Ordering::Relaxed))
    }

    /// For how long the guest has computed so far.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    /// For how long it has computed since it was last polled. Only for use within a poll.
    pub(crate) fn present_poll(&self) -> Duration {
        Duration::from_nanos(self.elapsed().saturating_sub(self.poll_began.load(Ordering::Relaxed)))
    }

    /// A tick has seen the guest compute. Returns what that costs it: the tick, or what the thread has computed in this poll
    /// where that is more, for nothing interrupts one long instruction. Only for use within a poll.
    pub(crate) fn seen_computing(&self) -> Duration {
        if !self.is_seen.swap(true, Ordering::Relaxed) {
            return TICK;
        }
        let began = Duration::from_nanos(self.thread_began.load(Ordering::Relaxed));
        clock::of_thread().saturating_sub(began).max(TICK)
    }

    /// The run's side: polls the guest until it is over or waits for a probe.
    pub(crate) async fn next<F: Future>(&self, mut guest: Pin<&mut F>) -> Step<F::Output> {
        poll_fn(|context| match self.poll(guest.as_mut(), context) {
            Poll::Ready(over) => Poll::Ready(Step::Over(over)),
            Poll::Pending => match lock(&self.asked).take() {
                Some(asked) => Poll::Ready(Step::Asked(asked)),
                None => {
                    lock(&self.deferred).pop_front().map_or(Poll::Pending, |next| Poll::Ready(Step::Deferred(next)))
                }
            },
        })
        .await
    }

    /// The run's side: polls the guest until it is over, and leaves what it asks for until later.
    pub(crate) async fn last<F: Future>(&self, mut guest: Pin<&mut F>) -> Over<F::Output> {
        poll_fn(|context| self.poll(guest.as_mut(), context)).await
    }

    fn poll<F: Future>(&self, guest: Pin<&mut F>, context: &mut Context<'_>) -> Poll<Over<F::Output>> {
        let _turn = if self.cpu() < TICK { None } else { Some(ready!(self.poll_turn(context))) };
        let began = self.elapsed();
        self.poll_began.store(began, Ordering::Relaxed);
        // The clock of a thread costs a call of the system, which most guests need not pay for.
        if self.is_seen.load(Ordering::Relaxed) {
            self.thread_began.store(nanoseconds(clock::of_thread()), Ordering::Relaxed);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| guest.poll(context)));
        let took = self.elapsed().saturating_sub(began);
        self.spent.fetch_add(took, Ordering::Relaxed);
        if Duration::from_nanos(took) < TICK / 2 {
            self.unseen.fetch_add(took, Ordering::Relaxed);
        }
        match polled {
            Ok(polled) => polled.map(Over::Finished),
            Err(_) => Poll::Ready(Over::Panicked),
        }
    }

    fn poll_turn(&self, context: &mut Context<'_>) -> Poll<Turn> {
        let mut wait = lock(&self.turn);
        let turn = ready!(wait.get_or_insert_with(|| Box::pin(turn::wait())).as_mut().poll(context));
        *wait = None;
        Poll::Ready(turn)
    }

    fn elapsed(&self) -> u64 {
        nanoseconds(clock::now().duration_since(self.start))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    // Slots and queues are filled and emptied by whole things, so a panic elsewhere cannot have left half of one.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

//! How far a probe has come, filled in as it proceeds.
//!
//! A probe that is stopped in the middle still says which step it was in and how long each step took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::evidence::{Failure, Phase, PhaseTimes, TlsInfo};
use super::wire::Marks;

/// A failure as the step that met it tells it; the trace knows the rest.
#[derive(Debug)]
pub(super) struct Mishap {
    pub(super) phase: Phase,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Mishap {
    pub(super) const fn new(phase: Phase, code: &'static str, message: String) -> Self {
        Self { phase, code, message }
    }
}

/// How far a probe has come.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    began: Instant,
    /// When the step that is under way began.
    step_began: Instant,
    phase: Phase,
    times: PhaseTimes,
    /// The address that was chosen.
    pub(super) remote: Option<SocketAddr>,
    /// What the handshake showed.
    pub(super) tls: Option<TlsInfo>,
    /// From the moment the connection stands, the wire knows better.
    marks: Option<Arc<Marks>>,
}

impl Trace {
    pub(super) const fn new(began: Instant) -> Self {
        let times = PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 0 };
        Self { began, step_began: began, phase: Phase::Prepare, times, remote: None, tls: None, marks: None }
    }

    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    pub(super) const fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.step_began = now;
    }

    /// Ends the step that is under way.
    pub(super) fn leave(&mut self, now: Instant) {
        let spent = Some(micros(now.saturating_duration_since(self.step_began)));
        match self.phase {
            Phase::Resolve => self.times.resolve = spent,
            Phase::Connect => self.times.connect = spent,
            Phase::Tls => self.times.tls = spent,
            // The wire tells the times of these, and nothing is timed before the first step.
            Phase::Prepare | Phase::Send | Phase::FirstByte | Phase::Transfer => {}
        }
        self.step_began = now;
    }

    /// The connection stands; these marks tell the rest.
    pub(super) fn hand_over(&mut self, marks: Arc<Marks>) {
        self.marks = Some(marks);
    }

    /// The step that is under way.
    pub(super) fn phase(&self) -> Phase {
        self.marks.as_ref().map_or(self.phase, |marks| marks.phase())
    }

    /// The times of a probe that got its whole answer.
    pub(super) fn finish(&self, now: Instant) -> PhaseTimes {
        self.times_at(now, true)
    }

    fn times_at(&self, now: Instant, is_complete: bool) -> PhaseTimes {
        let mut times = self.times;
        times.total = micros(now.saturating_duration_since(self.began));
        if let Some(marks) = &self.marks {
            marks.fill(&mut times, is_complete);
        }
        times
    }

    /// The whole failure, with the time that the failing step took until then.
    pub(super) fn fail(mut self, mishap: Mishap, now: Instant) -> Failure {
        if self.phase == mishap.phase {
            self.leave(now);
        }
        let times = self.times_at(now, false);
        let Mishap { phase, code, message } = mishap;
        let remote = self.remote.map(|remote| remote.to_string());
        Failure { phase, code: code.to_owned(), message, remote, times, tls: self.tls }
    }

    /// The failure of running out of time now.
    pub(super) fn time_out(self, limit: Duration, now: Instant) -> Failure {
        let phase = self.phase();
        self.time_out_in(phase, limit, now)
    }

    /// The same, for who knows better in which step.
    pub(super) fn time_out_in(self, phase: Phase, limit: Duration, now: Instant) -> Failure {
        let at = self.remote.map_or_else(String::new, |remote| format!(" with {remote}"));
        let message = format!("timed out after {} ms{at}, {}", limit.as_millis(), waiting(phase));
        self.fail(Mishap::new(phase, timeout_code(phase), message), now)
    }
}

/// A duration in microseconds; more than 71 minutes are told as that.
pub(super) fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The code of running out of time in a phase.
pub(super) const fn timeout_code(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare | Phase::Resolve => "dns-timeout",
        Phase::Connect => "connect-timeout",
        Phase::Tls => "tls-timeout",
        Phase::Send => "send-timeout",
        Phase::FirstByte => "first-byte-timeout",
        Phase::Transfer => "transfer-timeout",
    }
}

/// What was being waited for, in words that fit behind "timed out".
const fn waiting(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare | Phase::Resolve => "resolving the name",
        Phase::Connect => "opening the connection",
        Phase::Tls => "in the TLS handshake",
        Phase::Send => "sending the request",
        Phase::FirstByte => "waiting for the first byte of the answer",
        Phase::Transfer => "receiving the answer",
    }
}

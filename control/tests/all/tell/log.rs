//! Everything that this test process logs, whoever logs it and at whatever level.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LOGGED: Mutex<String> = Mutex::new(String::new());

struct Everything;

struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Words(&mut LOGGED.lock().unwrap_or_else(PoisonError::into_inner)));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Words(&mut LOGGED.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    fn event(&self, event: &Event<'_>) {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(logged, "\n{} ", event.metadata().target());
        event.record(&mut Words(&mut logged));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Keeps from now on what is logged.
pub(super) fn keep() {
    // Only the first test that asks is the one that sets it.
    let _ = tracing::subscriber::set_global_default(Everything);
}

/// What was logged since.
pub(super) fn kept() -> String {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

//! Why an exchange broke off, in our codes.

use std::error::Error;
use std::io;

use super::evidence::Phase;
use super::trace::{Mishap, timeout_code};

/// A broken connection, told from whatever error the protocol wrapped it in.
pub(super) fn of_error(phase: Phase, error: &(dyn Error + 'static)) -> Mishap {
    match find::<io::Error>(error) {
        Some(broken) => of_io(phase, broken),
        None => protocol(phase, error),
    }
}

/// The server said something that is not in its protocol.
pub(super) fn protocol(phase: Phase, error: &dyn Error) -> Mishap {
    let mut message = format!("the answer breaks the protocol: {error}");
    if let Some(cause) = error.source() {
        message = format!("{message}: {cause}");
    }
    Mishap::new(phase, "protocol-error", message)
}

/// The connection ended before the answer did.
pub(super) fn closed(phase: Phase) -> Mishap {
    let message = match phase {
        Phase::Transfer => "the server closed the connection in the middle of its answer",
        _ => "the server closed the connection without an answer",
    };
    Mishap::new(phase, "connection-closed", message.to_owned())
}

/// The head of the answer outgrew its limit.
pub(super) fn head_too_large(phase: Phase, max_bytes: usize) -> Mishap {
    let message = format!("the headers of the answer exceed {max_bytes} bytes or their number");
    Mishap::new(phase, "response-too-large", message)
}

/// A broken connection.
pub(super) fn of_io(phase: Phase, error: &io::Error) -> Mishap {
    // A server that wants a client's certificate says so only after the handshake.
    if let Some(alert @ rustls::Error::AlertReceived(_)) = find::<rustls::Error>(error) {
        return Mishap::new(Phase::Tls, "tls-handshake-failed", format!("the server refused the handshake: {alert}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => closed(phase),
        io::ErrorKind::TimedOut => Mishap::new(phase, timeout_code(phase), format!("the connection died: {error}")),
        io::ErrorKind::InvalidData => protocol(phase, error),
        io::ErrorKind::FileTooLarge => {
            let message = "more came before the answer than any answer begins with".to_owned();
            Mishap::new(phase, "response-too-large", message)
        }
        _ => Mishap::new(phase, "connection-reset", format!("the connection broke off: {error}")),
    }
}

/// The first of this type along the causes of an error. An `io::Error` hides what it wraps from its causes.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

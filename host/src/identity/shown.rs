//! The certificate that this host shows, which may be another from one handshake to the next.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use farwatch_core::certificate::Validity;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// See the file's documentation.
#[derive(Debug)]
pub(super) struct Shown {
    now: RwLock<(Arc<CertifiedKey>, Validity)>,
}

impl Shown {
    pub(super) fn new(key: CertifiedKey, validity: Validity) -> Self {
        Self { now: RwLock::new((Arc::new(key), validity)) }
    }

    pub(super) fn validity(&self) -> Validity {
        self.now().1
    }

    /// From now on it is this one.
    pub(super) fn replace(&self, key: CertifiedKey, validity: Validity) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(key), validity);
    }

    fn now(&self) -> RwLockReadGuard<'_, (Arc<CertifiedKey>, Validity)> {
        // It is replaced at once or not at all, so whoever panicked left nothing half done.
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.now().0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().0.clone())
    }
}

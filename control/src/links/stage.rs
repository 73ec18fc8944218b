//! What the tests of links speak of: a control process that signs, over a database of its own.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::certificate::LIFE_MS;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Destination, Links, Signing};
use crate::authority::Authority;
use crate::clock::Clock;
use crate::refusals::Refusals;
use crate::spawn::Spawner;
use crate::store::{AuditFilter, AuditRecord, DatabaseUrl, Store};

/// See the file's documentation.
pub(super) struct World {
    pub(super) links: Links,
    _directory: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = Store::open(&DatabaseUrl::file(&directory.path().join("farwatch.db"))).await.unwrap();
        let spawner = Spawner::default();
        let signing = Some(Arc::new(Signing { authority: authority(), life_ms: LIFE_MS }));
        let refusals = Refusals::start(&spawner, store.clone(), Clock);
        let destination = watch::channel(Destination::Elsewhere(None)).1;
        let config_changed = Arc::default();
        let links = Links { destination, store, signing, config_changed, refusals, clock: Clock, spawner };
        Self { links, _directory: directory }
    }

    /// What the audit log tells, once it tells so much.
    pub(super) async fn told(&self, action: &str, count: usize) -> Vec<AuditRecord> {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        for _ in 0..500 {
            let page = self.links.store.audit().list(&filter, None, 100).await.unwrap();
            if page.items.len() >= count {
                return page.items;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the audit log does not tell {action} {count} times");
    }
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Authority::new(params.self_signed(&key).unwrap().pem(), &key.serialize_pem()).unwrap()
}

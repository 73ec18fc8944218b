//! A host asks for a new certificate over its link: it gets one for the key that it has, in the name that its certificate
//! has, while it is registered.

use farwatch_core::certificate::Validity;
use farwatch_proto::link::FromControl;
use rcgen::PublicKeyData;
use serde_json::json;
use tracing::{info, warn};

use super::{Links, Peer};
use crate::authority::key_of_request;
use crate::refusals::{Culprit, Refusal};

/// The new certificate, or why there is none.
pub(super) async fn renew(links: &Links, peer: &Peer, request: &[u8]) -> FromControl {
    match certificate(links, peer, request).await {
        Ok(chain) => {
            info!(host = %peer.host, "certificate renewed");
            FromControl::Certificate { chain }
        }
        Err(reason) => {
            warn!(host = %peer.host, reason, "a certificate was not renewed");
            FromControl::NotRenewed { reason: reason.to_owned() }
        }
    }
}

async fn certificate(links: &Links, peer: &Peer, request: &[u8]) -> Result<String, &'static str> {
    let signing = links.signing.as_ref().ok_or("this control process has no ca.key")?;
    let refused = |why: &'static str| {
        links.refusals.note(Refusal {
            action: "refused.renewal",
            culprit: Culprit::Host(peer.host),
            entity: peer.host.to_string(),
            detail: json!({ "why": why, "address": peer.address.ip() }),
        });
        why
    };
    let key =
        key_of_request(request).map_err(|_| refused("the request cannot be read, or is not signed by its key"))?;
    if key.subject_public_key_info() != *peer.public_key {
        return Err(refused("the request is for another key than that of the link"));
    }
    let found = links.store.hosts().get(peer.host).await.map_err(|_| "the database does not answer just now")?;
    if found.is_none_or(|host| host.retired.is_some()) {
        return Err(refused("the host is not registered, or was retired"));
    }
    let validity = Validity::beginning(links.clock.wall(), signing.life_ms);
    signing.authority.certify_host(peer.host, &key, Some(validity)).map_err(|_| "the certificate could not be signed")
}

#[cfg(test)]
mod tests {
    use farwatch_proto::fleet::HostFacts;
    use farwatch_proto::id::HostId;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::authority::covers_host;
    use crate::links::stage::World;
    use crate::store::AuditRecord;

    const HOST: HostId = HostId::from_bytes([4; 16]);

    fn peer(key: &KeyPair) -> Peer {
        Peer { host: HOST, public_key: key.subject_public_key_info().into(), address: "192.0.2.7:1".parse().unwrap() }
    }

    async fn registered() -> World {
        let world = World::new().await;
        let facts: HostFacts = serde_json::from_value(json!({
            "name": "fra-1", "provider": "p", "asn": 1, "country": "DE", "continent": "EU", "region": "eu", "weight": 1,
        }))
        .unwrap();
        world.links.store.hosts().register(HOST, &facts, world.links.clock.wall()).await.unwrap();
        world
    }

    async fn asked(world: &World, peer: &Peer, key: &KeyPair) -> Result<String, String> {
        let request = CertificateParams::default().serialize_request(key).unwrap();
        match renew(&world.links, peer, request.der()).await {
            FromControl::Certificate { chain } => Ok(chain),
            FromControl::NotRenewed { reason } => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_registered_host_gets_a_new_certificate_for_the_key_of_its_link() {
        let (world, key) = (registered().await, KeyPair::generate().unwrap());
        let chain = asked(&world, &peer(&key), &key).await.unwrap();
        assert!(covers_host(&chain, HOST, &key, world.links.clock.wall()));
    }

    #[tokio::test]
    async fn another_key_a_retired_host_and_nonsense_get_none_and_are_told_of() {
        let (world, key, other) = (registered().await, KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        assert!(asked(&world, &peer(&key), &other).await.unwrap_err().contains("another key"));
        let nonsense = renew(&world.links, &peer(&key), b"please").await;
        assert!(matches!(nonsense, FromControl::NotRenewed { .. }), "{nonsense:?}");
        world.links.store.hosts().retire(HOST, world.links.clock.wall()).await.unwrap();
        assert!(asked(&world, &peer(&key), &key).await.unwrap_err().contains("retired"));
        let told = world.told("refused.renewal", 3).await;
        assert!(told.iter().all(|AuditRecord { entry, .. }| entry.actor == HOST.to_string()), "{told:?}");
    }

    #[tokio::test]
    async fn a_process_without_the_key_of_the_authority_says_so_and_blames_nobody() {
        let (mut world, key) = (registered().await, KeyPair::generate().unwrap());
        world.links.signing = None;
        assert!(asked(&world, &peer(&key), &key).await.unwrap_err().contains("no ca.key"));
    }
}

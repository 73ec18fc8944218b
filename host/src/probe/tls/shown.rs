//! What a server shows in a handshake, and what it answers to old ways of speaking.
//!
//! A bad certificate fails nothing here: it is what was looked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use farwatch_sandbox::tls::{Handshake, Offer, OldVersion, Reply, Target};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use super::hello::{self, Version};
use super::verdict::SignaturesOnly;
use crate::entropy;
use crate::probe::dial::host_of;
use crate::probe::evidence::{Failure, Phase};
use crate::probe::trace::{Mishap, Trace};
use crate::probe::{Prober, TIMEOUT_MAX_MS, tls};

/// Checks the signatures of one handshake, and keeps what the server stapled to it.
#[derive(Debug)]
struct Stapled {
    signatures: SignaturesOnly,
    ocsp_response: Mutex<Option<Vec<u8>>>,
}

impl ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let stapled = Some(ocsp_response.to_vec()).filter(|response| !response.is_empty());
        *self.ocsp_response.lock().expect("no holder of this lock panics") = stapled;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}

impl Prober {
    /// Shakes hands and closes.
    pub async fn shake_hands(&self, target: Target, alpn: &[String]) -> Result<Handshake, Failure> {
        self.look(&target, async |trace| self.show(&target, alpn, trace).await).await
    }

    /// Offers just this, and tells what the server made of it.
    pub async fn propose(&self, target: Target, offer: &Offer) -> Result<Reply, Failure> {
        self.look(&target, async |trace| self.hear_reply(&target, offer, trace).await).await
    }

    /// Does it within the time there is.
    async fn look<T>(
        &self,
        target: &Target,
        doing: impl AsyncFnOnce(&mut Trace) -> Result<T, Mishap>,
    ) -> Result<T, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let limit = Duration::from_millis(target.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let done = timeout_at(deadline, doing(&mut trace)).await;
        let now = self.clock.instant();
        match done {
            Ok(done) => done.map_err(|mishap| trace.fail(mishap, now)),
            Err(_) => Err(trace.time_out(limit, now)),
        }
    }

    async fn show(&self, target: &Target, alpn: &[String], trace: &mut Trace) -> Result<Handshake, Mishap> {
        let host = host_of(&target.host)?;
        let named = target.server_name.as_deref().map(host_of).transpose()?;
        let name = named.as_ref().unwrap_or(&host);
        let stream = self.dial(&host, target.port, target.ip_version, trace).await?;
        let signatures = SignaturesOnly::new(&self.tls.provider);
        let verifier = Arc::new(Stapled { signatures, ocsp_response: Mutex::new(None) });
        let mut config = ClientConfig::clone(&self.tls.nothing);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        if let Some(client) = &target.client {
            self.tls.show(client, &mut config)?;
        }
        config.dangerous().set_certificate_verifier(verifier.clone());
        trace.enter(Phase::Tls, self.clock.instant());
        let stream = tls::connect(Arc::new(config), stream, name).await?;
        let (info, complaint) = self.tls.judge(&stream, name, &self.clock, true)?;
        trace.leave(self.clock.instant());
        let ocsp_response = verifier.ocsp_response.lock().expect("no holder of this lock panics").take();
        Ok(Handshake {
            remote: trace.remote.map_or_else(String::new, |remote| remote.to_string()),
            times: trace.finish(self.clock.instant()),
            info,
            complaint: complaint.map(|complaint| complaint.message),
            ocsp_response,
        })
    }

    async fn hear_reply(&self, target: &Target, offer: &Offer, trace: &mut Trace) -> Result<Reply, Mishap> {
        let host = host_of(&target.host)?;
        let named = target.server_name.as_deref().map(host_of).transpose()?;
        let version = match offer.version {
            OldVersion::Ssl3 => Version::SSL3,
            OldVersion::Tls10 => Version::TLS10,
            OldVersion::Tls11 => Version::TLS11,
            OldVersion::Tls12 => Version::TLS12,
        };
        let greeting = hello::client(version, &offer.ciphers, named.as_ref().unwrap_or(&host), &entropy::bytes());
        let greeting = greeting.map_err(|why| Mishap::new(Phase::Prepare, "request-invalid", why))?;
        let mut stream = self.dial(&host, target.port, target.ip_version, trace).await?;
        trace.enter(Phase::Tls, self.clock.instant());
        let mut said = Vec::new();
        // A server that wants nothing to do with this may reset the connection at any time.
        if stream.write_all(&greeting).await.is_err() {
            return Ok(Reply::Refused(None));
        }
        loop {
            if let Some(reply) = hello::reply(version, &said) {
                return Ok(reply.map_or_else(Reply::Refused, Reply::Accepted));
            }
            match stream.read_buf(&mut said).await {
                Ok(0) | Err(_) => return Ok(Reply::Refused(None)),
                Ok(_) => {}
            }
        }
    }
}

//! Gets a module ready to run: from this disk where it is there, else from control by its hash.
//!
//! What comes is verified by the hash it was asked by, so it does not matter who sent it. It is compiled
//! by a child process and never by this one.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use farwatch_proto::id::ModuleHash;
use farwatch_proto::link::{CONTROL_NAME, MODULE_PATH};
use farwatch_sandbox::{MODULE_BYTES_MAX, Module, ModuleError, Sandbox};
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::identity::Identity;
use crate::link::dial;

/// The largest module over a slow link; then it is tried again.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Why a module is not ready.
#[derive(Debug)]
pub(crate) enum ModuleFailure {
    /// It will never be, on this host.
    Lasting(String),
    /// Another attempt may succeed.
    Passing(String),
}

/// Loads modules and fetches those that are missing.
#[derive(Clone)]
pub(crate) struct Loading {
    pub(crate) sandbox: Sandbox,
    pub(crate) identity: Identity,
    /// Where control is linked at present, if it is.
    pub(crate) control: watch::Receiver<Option<String>>,
}

impl Loading {
    /// The module of this hash, ready to run.
    pub(crate) async fn load(&self, hash: ModuleHash) -> Result<Module, ModuleFailure> {
        match self.sandbox.load(hash).await {
            Err(ModuleError::Missing(_) | ModuleError::Corrupt(_)) => {}
            loaded => return loaded.map_err(|error| failure(&error)),
        }
        let fetched = timeout(FETCH_LIMIT, self.fetch(hash)).await;
        let bytes = fetched
            .unwrap_or_else(|_| bail!("it did not come within {} s", FETCH_LIMIT.as_secs()))
            .map_err(|error| ModuleFailure::Passing(format!("{error:#}")))?;
        self.sandbox.save(hash, bytes.into()).await.map_err(|error| failure(&error))?;
        self.sandbox.load(hash).await.map_err(|error| failure(&error))
    }

    async fn fetch(&self, hash: ModuleHash) -> anyhow::Result<Bytes> {
        let mut bytes = BytesMut::new();
        let path = format!("{MODULE_PATH}/{}", hash.hex());
        self.fetch_pieces(&path, |piece| {
            ensure!(bytes.len() + piece.len() <= MODULE_BYTES_MAX, "it has more than {MODULE_BYTES_MAX} bytes");
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .await?;
        Ok(bytes.freeze())
    }

    /// Fetches what control has at this path, piece by piece.
    pub(crate) async fn fetch_pieces(
        &self,
        path: &str,
        mut take: impl FnMut(&Bytes) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut control = self.control.clone();
        let linked = control.wait_for(Option::is_some).await.context("the host stops")?.clone();
        let address = linked.context("control is not linked")?;
        let stream = dial::connect(&address, &self.identity).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path)
            .header(header::HOST, CONTROL_NAME)
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let exchange = async {
            let mut response = sender.send_request(request).await?;
            if !response.status().is_success() {
                bail!("control at {address} answered {}", response.status());
            }
            while let Some(frame) = response.body_mut().frame().await {
                if let Ok(piece) = frame?.into_data() {
                    take(&piece)?;
                }
            }
            Ok(())
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        // The connection has nothing more to say once the exchange is over; one that ends first ends it.
        tokio::select! {
            done = &mut exchange => done,
            ended = &mut connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}

fn failure(error: &ModuleError) -> ModuleFailure {
    match error {
        ModuleError::Refused(_) | ModuleError::WrongHash { .. } => ModuleFailure::Lasting(error.to_string()),
        _ => ModuleFailure::Passing(error.to_string()),
    }
}

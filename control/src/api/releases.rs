//! Releases: programs that hosts may run. A release is taken in as it comes, and is one only when all of it has the hash
//! that it was announced by.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::ReleaseHash;
use farwatch_proto::link::RELEASE_MAX_BYTES;
use farwatch_proto::time::UnixMs;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::auth::{Caller, Operator};
use super::extract::{Id, Params, Stream};
use super::openapi::{Kind, NoQuery, Parameter, query};
use super::problem::ApiError;
use super::routes::Routes;
use super::token::Scope;
use super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::{FieldProblem, check_word};
use crate::store::{Published, RELEASES_MAX, Release, Store, StoreError, UploadId};

/// One part in the database: few statements for a whole program, and each far below what a statement may weigh.
const PART_BYTES: usize = 1 << 20;

query!(
    PushQuery,
    [
        Parameter { name: "version", about: "The version of the program.", kind: Kind::Text },
        Parameter { name: "hash", about: "The SHA-256 that its bytes have.", kind: Kind::of::<ReleaseHash>() },
    ]
);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/releases", list)
        .about("Lists the releases that hosts may be upgraded to")
        .post("/v1/releases", push)
        .about("Takes in a release: the body is the program")
        .delete("/v1/releases/{id}", remove)
        .about("Forgets a release; hosts that run it go on")
}

/// A release, as it is shown.
#[derive(Serialize, JsonSchema)]
pub(super) struct ReleaseView {
    hash: ReleaseHash,
    version: String,
    size_bytes: u64,
    pushed: UnixMs,
}

#[derive(Serialize, JsonSchema)]
struct ReleasesView {
    /// The newest first.
    items: Vec<ReleaseView>,
}

impl From<Release> for ReleaseView {
    fn from(release: Release) -> Self {
        let Release { hash, version, size_bytes, pushed, .. } = release;
        Self { hash, version, size_bytes, pushed }
    }
}

async fn list(State(api): State<Api>, _: Operator, _: Params<NoQuery>) -> Result<Json<ReleasesView>, ApiError> {
    let items = api.store.releases().list().await?;
    Ok(Json(ReleasesView { items: items.into_iter().map(ReleaseView::from).collect() }))
}

/// To push what is a release already changes nothing.
async fn push(
    State(api): State<Api>,
    Operator(caller): Operator,
    params: Params<PushQuery>,
    Stream(mut body): Stream,
) -> Result<Json<ReleaseView>, ApiError> {
    let announced: ReleaseHash =
        params.parsed("hash")?.ok_or_else(|| ApiError::parameter("hash", "say the SHA-256 of the program"))?;
    let version = params.text("version").ok_or_else(|| ApiError::parameter("version", "say its version"))?.to_owned();
    check_word(&version).map_err(|wrong| ApiError::parameter("version", format!("the version {wrong}")))?;
    let now = api.clock.wall();
    let upload = UploadId(random_bytes());
    api.store.releases().begin(upload, now).await?;
    let mut incoming = Incoming::new(&api.store, upload);
    while let Some(piece) = body.next().await {
        let cut = |_| ApiError::Malformed("the body ended before it was whole; send it again".to_owned());
        incoming.take(&piece.map_err(cut)?).await?;
    }
    let (hash, size_bytes) = incoming.finish().await?;
    if hash != announced {
        let detail = format!("the body has the hash {hash}; it came damaged, or the hash is another file's");
        return Err(ApiError::parameter("hash", detail));
    }
    let release = Release { hash, version, size_bytes, upload, pushed: now };
    let deed = Deed { action: "release.push", entity: hash.to_string(), tenant: None, now };
    match api.signed(&caller, deed).releases().publish(&release).await? {
        Published::Now => Ok(Json(release.into())),
        Published::Before => known(&api, hash).await.map(|known| Json(known.into())),
        Published::NoRoom => {
            let detail = format!("{RELEASES_MAX} releases are kept; delete one that no host needs any more");
            Err(ApiError::Conflict(FieldProblem::new("", detail)))
        }
    }
}

async fn known(api: &Api, hash: ReleaseHash) -> Result<Release, ApiError> {
    let found = api.store.releases().list().await?.into_iter().find(|release| release.hash == hash);
    found.ok_or_else(|| ApiError::no_such("release", hash))
}

async fn remove(State(api): State<Api>, caller: Caller, Id(hash): Id<ReleaseHash>) -> Result<StatusCode, ApiError> {
    // Whoever does not run the fleet sees none of them.
    if caller.scope < Scope::Operator {
        return Err(ApiError::no_such("release", hash));
    }
    let deed = Deed { action: "release.delete", entity: hash.to_string(), tenant: None, now: api.clock.wall() };
    let is_gone = api.signed(&caller, deed).releases().delete(hash).await?;
    if is_gone { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::no_such("release", hash)) }
}

/// A release that is coming in.
struct Incoming<'s> {
    store: &'s Store,
    upload: UploadId,
    digest: Sha256,
    part: Vec<u8>,
    parts: u32,
    bytes: u64,
}

impl<'s> Incoming<'s> {
    fn new(store: &'s Store, upload: UploadId) -> Self {
        Self { store, upload, digest: Sha256::new(), part: Vec::with_capacity(PART_BYTES), parts: 0, bytes: 0 }
    }

    async fn take(&mut self, mut piece: &[u8]) -> Result<(), ApiError> {
        self.bytes += piece.len() as u64;
        if self.bytes > RELEASE_MAX_BYTES {
            return Err(ApiError::TooLarge { most_bytes: RELEASE_MAX_BYTES as usize });
        }
        self.digest.update(piece);
        while !piece.is_empty() {
            let (now, rest) = piece.split_at(piece.len().min(PART_BYTES - self.part.len()));
            self.part.extend_from_slice(now);
            piece = rest;
            if self.part.len() == PART_BYTES {
                self.keep().await?;
            }
        }
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), StoreError> {
        self.store.releases().put_part(self.upload, self.parts, &self.part).await?;
        self.part.clear();
        self.parts += 1;
        Ok(())
    }

    async fn finish(mut self) -> Result<(ReleaseHash, u64), ApiError> {
        if !self.part.is_empty() {
            self.keep().await?;
        }
        if self.bytes == 0 {
            return Err(ApiError::Malformed("the body is empty; it must be the program".to_owned()));
        }
        Ok((ReleaseHash(self.digest.finalize().into()), self.bytes))
    }
}

//! Releases by their hash, for hosts that were told to take one. They are sent as they are read.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use farwatch_proto::id::ReleaseHash;
use futures_util::stream;
use tracing::warn;

use super::{Links, Peer};
use crate::store::{Store, StoreError, UploadId};

/// The bytes of the release with this hash, in hex. The host verifies them by it.
pub(super) async fn fetch(
    State(links): State<Links>,
    Extension(peer): Extension<Peer>,
    Path(hash): Path<String>,
) -> Result<Body, StatusCode> {
    let hash: ReleaseHash = format!("rel_{hash}").parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let listed = links.store.releases().list().await.map_err(|error| {
        warn!(host = %peer.host, %hash, %error, "cannot read a release");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    let release = listed.into_iter().find(|release| release.hash == hash).ok_or(StatusCode::NOT_FOUND)?;
    let parts = stream::try_unfold((links.store, release.upload, 0), next_part);
    Ok(Body::from_stream(parts))
}

/// The next part, until there are no more. One that cannot be read cuts the answer off, and the host sees that.
async fn next_part(
    (store, upload, number): (Store, UploadId, u32),
) -> Result<Option<(Bytes, (Store, UploadId, u32))>, StoreError> {
    let part = store.releases().part(upload, number).await?;
    Ok(part.map(|bytes| (bytes.into(), (store, upload, number + 1))))
}

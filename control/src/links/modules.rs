//! Modules by their hash, for hosts that hold a check which needs them.

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use farwatch_proto::id::ModuleHash;
use tracing::warn;

use super::{Links, Peer};

/// The bytes of the module with this hash, in hex. The host verifies them by it.
pub(super) async fn fetch(
    State(links): State<Links>,
    Extension(peer): Extension<Peer>,
    Path(hash): Path<String>,
) -> Result<Bytes, StatusCode> {
    let hash: ModuleHash = format!("mod_{hash}").parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    match links.store.modules().bytes(hash).await {
        Ok(Some(bytes)) => Ok(bytes.into()),
        Ok(None) => Err(StatusCode::NOT_FOUND),
        Err(error) => {
            warn!(host = %peer.host, %hash, %error, "cannot read a module");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

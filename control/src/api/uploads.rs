//! Modules that are coming in: how many at once, how large, and how long one may take.
//!
//! A place is taken before the first byte is read, so that what uploads take of memory has a limit.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, header};
use farwatch_proto::id::TenantId;
use farwatch_sandbox::MODULE_BYTES_MAX;
use futures_util::StreamExt;

use super::problem::ApiError;

/// Uploads at once: each holds its module in memory about twice, and only one compiles at a time anyway. One tenant has
/// one of them, so that nobody takes both.
const UPLOADS_MAX: usize = 2;
/// When whoever finds no place may come again: a module of 60 KB is judged within a second.
const WAIT_MS: i64 = 2_000;
/// How long a body may take: the largest module over a line of 2 Mbit/s. Whoever is slower keeps others from their place.
const BODY_LIMIT: Duration = Duration::from_secs(60);
/// The media type of a component.
pub(super) const WASM: &str = "application/wasm";

/// The places, by who holds them. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<BTreeSet<TenantId>>>);

/// A place, until it is dropped.
pub(super) struct UploadPlace {
    tenant: TenantId,
    uploads: Uploads,
}

impl Uploads {
    /// A place for an upload of this tenant.
    pub(super) fn take(&self, tenant: TenantId) -> Result<UploadPlace, ApiError> {
        let full = |what| ApiError::TooMany { what, wait_ms: WAIT_MS };
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.contains(&tenant) {
            return Err(full("another module of this tenant is being taken in"));
        }
        if under_way.len() >= UPLOADS_MAX {
            return Err(full("as many modules are being taken in as may be at once"));
        }
        under_way.insert(tenant);
        Ok(UploadPlace { tenant, uploads: self.clone() })
    }
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        self.uploads.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
    }
}

/// The body of a request, which is said to be a component, and is not read yet.
pub(super) struct Component {
    /// How long it says that it is.
    length: Option<u64>,
    body: BodyDataStream,
}

impl<S: Send + Sync> FromRequest<S> for Component {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let said = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let is_wasm = said(header::CONTENT_TYPE).is_some_and(|said| said.trim().eq_ignore_ascii_case(WASM));
        if !is_wasm {
            return Err(ApiError::NotWasm);
        }
        let length = said(header::CONTENT_LENGTH).and_then(|said| said.parse().ok());
        Ok(Self { length, body: request.into_body().into_data_stream() })
    }
}

impl Component {
    /// All of it. Nothing is read of a body that says it is too large.
    pub(super) async fn read(self) -> Result<Vec<u8>, ApiError> {
        let late = |_| {
            let seconds = BODY_LIMIT.as_secs();
            ApiError::Malformed(format!("the module was not here within {seconds} s; send it over a faster line"))
        };
        tokio::time::timeout(BODY_LIMIT, self.read_on()).await.map_err(late)?
    }

    async fn read_on(mut self) -> Result<Vec<u8>, ApiError> {
        let too_large = ApiError::TooLarge { most_bytes: MODULE_BYTES_MAX };
        if self.length.is_some_and(|length| length > MODULE_BYTES_MAX as u64) {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        while let Some(piece) = self.body.next().await {
            let cut = |_| ApiError::Malformed("the body ended before it was whole; send it again".to_owned());
            let piece = piece.map_err(cut)?;
            if bytes.len() + piece.len() > MODULE_BYTES_MAX {
                return Err(too_large);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_one_place_and_all_have_two() {
        let uploads = Uploads::default();
        let tenant = |n| TenantId::from_bytes([n; 16]);
        let first = uploads.take(tenant(1)).ok();
        assert!(first.is_some() && matches!(uploads.take(tenant(1)), Err(ApiError::TooMany { .. })));
        let second = uploads.take(tenant(2)).ok();
        assert!(second.is_some() && matches!(uploads.take(tenant(3)), Err(ApiError::TooMany { .. })));
        drop(first);
        assert!(uploads.take(tenant(3)).is_ok());
    }
}

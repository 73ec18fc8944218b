//! Programs that hosts may run: their bytes in parts, under an upload that becomes a release once it is whole.
//!
//! Whether the bytes have the hash they were announced by is for whoever receives them to see. Bytes of a release are
//! never changed.

use farwatch_proto::id::ReleaseHash;
use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::transaction::Tx;
use super::{Store, StoreError};

/// Releases that are kept: the one in use, the one before it, and some to go back to. Each is some hundred megabytes.
pub const RELEASES_MAX: usize = 8;
/// An upload that has not become a release by then never will.
const UPLOAD_MEMORY_MS: i64 = 3_600_000;

/// An upload, named by whoever receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadId(pub [u8; 16]);

/// A release, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The hash of its bytes.
    pub hash: ReleaseHash,
    /// Its version, as it was pushed.
    pub version: String,
    /// Its length.
    pub size_bytes: u64,
    /// Where its bytes are.
    pub upload: UploadId,
    /// When it was pushed.
    pub pushed: UnixMs,
}

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is a release.
    Now,
    /// The same bytes are one already.
    Before,
    /// As many as may be kept are.
    NoRoom,
}

/// The releases.
#[derive(Clone, Copy, Debug)]
pub struct Releases<'s>(&'s Store);

impl Store {
    /// The releases.
    pub const fn releases(&self) -> Releases<'_> {
        Releases(self)
    }
}

impl Releases<'_> {
    /// Begins an upload, and sweeps away those that came to nothing.
    pub async fn begin(self, upload: UploadId, now: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sweep(tx, now.0 - UPLOAD_MEMORY_MS).await?;
                    sqlx::query("insert into release_upload (id, started_ms) values ($1, $2)")
                        .bind(upload.0.as_slice())
                        .bind(now.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Keeps the next part of an upload.
    pub async fn put_part(self, upload: UploadId, number: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into release_part (upload, number, bytes) values ($1, $2, $3) on conflict do nothing",
                    )
                    .bind(upload.0.as_slice())
                    .bind(i64::from(number))
                    .bind(bytes)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Makes a release of an upload that is whole.
    pub async fn publish(self, release: &Release) -> Result<Published, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    if find(tx, release.hash).await?.is_some() {
                        forget(tx, release.upload).await?;
                        return Ok(Published::Before);
                    }
                    if count(tx).await? >= RELEASES_MAX {
                        forget(tx, release.upload).await?;
                        return Ok(Published::NoRoom);
                    }
                    tx.note_author().await?;
                    insert(tx, release).await?;
                    Ok(Published::Now)
                })
            })
            .await
    }

    /// Every release, the newest first.
    pub async fn list(self) -> Result<Vec<Release>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select hash, version, size_bytes, upload, pushed_ms from release order by pushed_ms desc, hash",
                    )
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(release).collect()
                })
            })
            .await
    }

    /// One part of a release, if it has as many.
    pub async fn part(self, upload: UploadId, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select bytes from release_part where upload = $1 and number = $2")
                        .bind(upload.0.as_slice())
                        .bind(i64::from(number))
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(|row| row.bytes("bytes")).transpose()
                })
            })
            .await
    }

    /// Forgets a release and its bytes; says whether there was one.
    pub async fn delete(self, hash: ReleaseHash) -> Result<bool, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let Some(upload) = find(tx, hash).await? else { return Ok(false) };
                    tx.note_author().await?;
                    sqlx::query("delete from release where hash = $1")
                        .bind(hash.0.as_slice())
                        .execute(&mut *tx.connection)
                        .await?;
                    forget(tx, upload).await?;
                    Ok(true)
                })
            })
            .await
    }
}

async fn find(tx: &mut Tx<'_>, hash: ReleaseHash) -> Result<Option<UploadId>, StoreError> {
    let row = sqlx::query("select upload from release where hash = $1")
        .bind(hash.0.as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    row.as_ref().map(|row| row.id("upload", UploadId)).transpose()
}

async fn count(tx: &mut Tx<'_>) -> Result<usize, StoreError> {
    sqlx::query("select count(*) as releases from release").fetch_one(&mut *tx.connection).await?.number("releases")
}

async fn insert(tx: &mut Tx<'_>, release: &Release) -> Result<(), StoreError> {
    sqlx::query("insert into release (hash, version, size_bytes, upload, pushed_ms) values ($1, $2, $3, $4, $5)")
        .bind(release.hash.0.as_slice())
        .bind(release.version.as_str())
        .bind(stored(release.size_bytes))
        .bind(release.upload.0.as_slice())
        .bind(release.pushed.0)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Forgets the bytes of one upload.
async fn forget(tx: &mut Tx<'_>, upload: UploadId) -> Result<(), StoreError> {
    for statement in ["delete from release_part where upload = $1", "delete from release_upload where id = $1"] {
        sqlx::query(statement).bind(upload.0.as_slice()).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// Forgets uploads begun before this moment that are no releases.
async fn sweep(tx: &mut Tx<'_>, before_ms: i64) -> Result<(), StoreError> {
    for statement in [
        "delete from release_part where upload in (select id from release_upload \
         where started_ms < $1 and id not in (select upload from release))",
        "delete from release_upload where started_ms < $1 and id not in (select upload from release)",
    ] {
        sqlx::query(statement).bind(before_ms).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

fn release(row: &AnyRow) -> Result<Release, StoreError> {
    Ok(Release {
        hash: row.hash_of("hash", ReleaseHash)?,
        version: row.text("version")?,
        size_bytes: row.number("size_bytes")?,
        upload: row.id("upload", UploadId)?,
        pushed: row.moment("pushed_ms")?,
    })
}

//! What lets one machine join the fleet. Only hashes come here, as with the tokens of the API; whether a token lets
//! somebody in is judged in `core`.

use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::{HostId, JoinTokenId};
use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::{Columns, document_of};
use super::{Entity, Store, StoreError, hosts};

/// A token that has expired is remembered this long, so that whoever comes late is told so.
const REMEMBERED_MS: i64 = 86_400_000;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewJoinToken {
    /// Its id.
    pub id: JoinTokenId,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What the host will be called; absent where it may say so itself.
    pub name: Option<String>,
    /// What else the host will be. The name in it means nothing.
    pub facts: HostFacts,
    /// From when on it lets nobody in.
    pub expires: UnixMs,
}

/// Who joined by a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinUse {
    /// When.
    pub at: UnixMs,
    /// Which host it became.
    pub host: HostId,
    /// Its key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
}

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Its id.
    pub id: JoinTokenId,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What the host will be called; absent where it may say so itself.
    pub name: Option<String>,
    /// What else the host will be.
    pub facts: HostFacts,
    /// From when on it lets nobody in.
    pub expires: UnixMs,
    /// Who joined by it.
    pub used: Option<JoinUse>,
}

/// What became of an attempt to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The machine is a host now.
    Made,
    /// Somebody came first, perhaps the same machine; the token says who.
    Overtaken,
}

/// The join tokens.
#[derive(Clone, Copy, Debug)]
pub struct JoinTokens<'s>(&'s Store);

impl Store {
    /// The join tokens.
    pub const fn join_tokens(&self) -> JoinTokens<'_> {
        JoinTokens(self)
    }
}

impl JoinTokens<'_> {
    /// Makes one, and forgets those that are long past.
    pub async fn create(self, new: &NewJoinToken, now: UnixMs) -> Result<(), StoreError> {
        let facts = &document_of(&new.facts)?;
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("delete from join_token where expires_ms < $1")
                        .bind(now.0 - REMEMBERED_MS)
                        .execute(&mut *tx.connection)
                        .await?;
                    let inserted = sqlx::query(
                        "insert into join_token (id, hash, name, facts, created_ms, expires_ms) \
                         values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing",
                    )
                    .bind(new.id.as_bytes().as_slice())
                    .bind(new.hash.as_slice())
                    .bind(new.name.clone())
                    .bind(facts.as_str())
                    .bind(now.0)
                    .bind(new.expires.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    if inserted.rows_affected() == 0 {
                        // An attempt before this one was committed, and its answer lost.
                        tx.leave_unchanged();
                        return Ok(());
                    }
                    tx.note_author().await
                })
            })
            .await
    }

    /// The token of this id.
    pub async fn get(self, id: JoinTokenId) -> Result<Option<JoinToken>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select id, hash, name, facts, expires_ms, used_ms, host_id, public_key from join_token \
                         where id = $1",
                    )
                    .bind(id.as_bytes().as_slice())
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(join_token).transpose()
                })
            })
            .await
    }

    /// Registers a host and uses up the token it joins by, both or neither. Of two machines that come at once, one does.
    pub async fn redeem(self, id: JoinTokenId, facts: &HostFacts, joins: &JoinUse) -> Result<Redeemed, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.next_stamp(Entity::Host(joins.host), joins.at).await?;
                    let used = sqlx::query(
                        "update join_token set used_ms = $2, host_id = $3, public_key = $4 \
                         where id = $1 and used_ms is null and expires_ms > $2",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(joins.at.0)
                    .bind(joins.host.as_bytes().as_slice())
                    .bind(joins.public_key.as_slice())
                    .execute(&mut *tx.connection)
                    .await?;
                    let is_first = used.rows_affected() == 1;
                    if is_first && hosts::insert(tx, joins.host, facts, Some(&joins.public_key), joins.at).await? {
                        return Ok(Redeemed::Made);
                    }
                    tx.leave_unchanged();
                    Ok(Redeemed::Overtaken)
                })
            })
            .await
    }
}

fn join_token(row: &AnyRow) -> Result<JoinToken, StoreError> {
    let hash = row.bytes("hash")?.try_into().map_err(|_| StoreError::Corrupt("hash has not 32 bytes".to_owned()))?;
    let used = row.maybe_id("host_id", HostId::from_bytes)?.zip(row.maybe_moment("used_ms")?);
    let public_key = row.maybe_bytes("public_key")?.unwrap_or_default();
    Ok(JoinToken {
        id: row.id("id", JoinTokenId::from_bytes)?,
        hash,
        name: row.maybe_text("name")?,
        facts: row.document("facts")?,
        expires: row.moment("expires_ms")?,
        used: used.map(|(host, at)| JoinUse { at, host, public_key }),
    })
}

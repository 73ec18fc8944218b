//! What opens the API. Only hashes come here: a token that is lost cannot be read back, and a stolen database
//! opens nothing.

use farwatch_proto::id::{TenantId, TokenId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::page::{page_of, rows_for};
use super::transaction::Tx;
use super::{Change, Entity, Page, Store, StoreError};

/// The last use is kept this exactly; a write for every request would cost more than it tells.
const LAST_USED_EVERY_MS: i64 = 60_000;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Whom it speaks for; `None` is the operator.
    pub tenant: Option<TenantId>,
    /// What people call it.
    pub name: String,
    /// What it may do, in the words of the API.
    pub scope: String,
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// From when on it opens nothing; `None` is never.
    pub expires: Option<UnixMs>,
}

/// A token, without what would open anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whom it speaks for; `None` is the operator.
    pub tenant: Option<TenantId>,
    /// What people call it.
    pub name: String,
    /// What it may do, in the words of the API.
    pub scope: String,
    /// When it was made.
    pub created: UnixMs,
    /// From when on it opens nothing.
    pub expires: Option<UnixMs>,
    /// When it was last used, to a minute.
    pub last_used: Option<UnixMs>,
    /// When it was revoked.
    pub revoked: Option<UnixMs>,
}

/// The tokens.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'s>(&'s Store);

impl Store {
    /// The tokens.
    pub const fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }
}

impl Tokens<'_> {
    /// Makes one.
    pub async fn create(self, new: &NewToken, now: UnixMs) -> Result<Stamp, StoreError> {
        self.0.write(|tx| Box::pin(insert(tx, new, now))).await
    }

    /// Makes the operator's first token, unless the operator has one already, and says whether it did. Of two
    /// processes that start at once, one does.
    pub async fn create_first_of_operator(self, new: &NewToken, now: UnixMs) -> Result<bool, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    insert(tx, new, now).await?;
                    let another = sqlx::query("select id from token where tenant_id is null and id <> $1 limit 1")
                        .bind(new.id.as_bytes().as_slice())
                        .fetch_optional(&mut *tx.connection)
                        .await?;
                    if another.is_some() {
                        tx.leave_unchanged();
                    }
                    Ok(another.is_none())
                })
            })
            .await
    }

    /// The token of this hash, if it opens anything at `now`.
    pub async fn find_by_hash(self, hash: &[u8; 32], now: UnixMs) -> Result<Option<Token>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select id, tenant_id, name, scope, created_ms, expires_ms, last_used_ms, revoked_ms from token \
                         where hash = $1 and revoked_ms is null and (expires_ms is null or expires_ms > $2)",
                    )
                    .bind(hash.as_slice())
                    .bind(now.0)
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(token).transpose()
                })
            })
            .await
    }

    /// Notes that it was used, unless that was noted within the last minute.
    pub async fn touch_last_used(self, used: &Token, now: UnixMs) -> Result<(), StoreError> {
        if used.last_used.is_some_and(|last| now.since(last) < LAST_USED_EVERY_MS) {
            return Ok(());
        }
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query(
                        "update token set last_used_ms = $2 \
                         where id = $1 and (last_used_ms is null or last_used_ms < $2)",
                    )
                    .bind(used.id.as_bytes().as_slice())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The tokens of a tenant, or of the operator, after this one, oldest first.
    pub async fn list(
        self,
        tenant: Option<TenantId>,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Page<Token>, StoreError> {
        let after = after.unwrap_or(TokenId::from_bytes([0; 16]));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select id, tenant_id, name, scope, created_ms, expires_ms, last_used_ms, revoked_ms from token \
                         where (tenant_id = $1 or ($1 is null and tenant_id is null)) and id > $2 order by id limit $3",
                    )
                    .bind(tenant.map(|tenant| tenant.as_bytes().to_vec()))
                    .bind(after.as_bytes().as_slice())
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, token)
                })
            })
            .await
    }

    /// Lets it open nothing from now on. A tenant reaches only its own.
    pub async fn revoke(self, tenant: Option<TenantId>, id: TokenId, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Token(id), now).await?;
                    let known = sqlx::query(
                        "select id from token where id = $1 and (tenant_id = $2 or ($2 is null and tenant_id is null))",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(tenant.map(|tenant| tenant.as_bytes().to_vec()))
                    .fetch_optional(&mut *tx.connection)
                    .await?;
                    if known.is_none() {
                        return Ok(tx.changed(stamp, 0, false));
                    }
                    let revoked = sqlx::query("update token set revoked_ms = $2 where id = $1 and revoked_ms is null")
                        .bind(id.as_bytes().as_slice())
                        .bind(now.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(tx.changed(stamp, revoked.rows_affected(), true))
                })
            })
            .await
    }
}

async fn insert(tx: &mut Tx<'_>, new: &NewToken, now: UnixMs) -> Result<Stamp, StoreError> {
    let entity = Entity::Token(new.id);
    let stamp = tx.next_stamp(entity, now).await?;
    let inserted = sqlx::query(
        "insert into token (id, tenant_id, name, scope, hash, created_ms, expires_ms) \
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing",
    )
    .bind(new.id.as_bytes().as_slice())
    .bind(new.tenant.map(|tenant| tenant.as_bytes().to_vec()))
    .bind(new.name.as_str())
    .bind(new.scope.as_str())
    .bind(new.hash.as_slice())
    .bind(now.0)
    .bind(new.expires.map(|expires| expires.0))
    .execute(&mut *tx.connection)
    .await?;
    if inserted.rows_affected() == 0 { tx.created_before(entity).await } else { Ok(stamp) }
}

fn token(row: &AnyRow) -> Result<Token, StoreError> {
    Ok(Token {
        id: row.id("id", TokenId::from_bytes)?,
        tenant: row.maybe_id("tenant_id", TenantId::from_bytes)?,
        name: row.text("name")?,
        scope: row.text("scope")?,
        created: row.moment("created_ms")?,
        expires: row.maybe_moment("expires_ms")?,
        last_used: row.maybe_moment("last_used_ms")?,
        revoked: row.maybe_moment("revoked_ms")?,
    })
}

//! The gapless log of config writes that every control process follows.
//!
//! Whoever writes config takes its number first, from one locked row, so that numbers are committed in order and
//! a follower who has seen n will never be surprised by a late n - 1.

use farwatch_proto::id::{ChannelId, CheckId, ContactId, HostId, ModuleHash, TenantId, TokenId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::transaction::Tx;
use super::{Store, StoreError};

/// The most entries one question returns; a follower asks again at once when it gets as many.
const TAIL_MAX: u32 = 1000;

/// What a config write touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A tenant.
    Tenant(TenantId),
    /// A token.
    Token(TokenId),
    /// A contact.
    Contact(ContactId),
    /// A channel of a contact.
    Channel(ChannelId),
    /// A module's release.
    Module(ModuleHash),
    /// A check or one of its revisions.
    Check(CheckId),
    /// A host.
    Host(HostId),
    /// A view, by its number.
    View(Stamp),
}

/// One entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// Its number.
    pub stamp: Stamp,
    /// What was touched.
    pub entity: Entity,
    /// When.
    pub at: UnixMs,
}

/// What became of a wish to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was changed, under this number.
    Made(Stamp),
    /// It was so already.
    Already,
    /// There is no such row.
    NotFound,
}

/// The config log.
#[derive(Clone, Copy, Debug)]
pub struct ConfigLog<'s>(&'s Store);

impl Store {
    /// The log of config writes.
    pub const fn config_log(&self) -> ConfigLog<'_> {
        ConfigLog(self)
    }
}

impl ConfigLog<'_> {
    /// The number of the last config write.
    pub async fn current_stamp(self) -> Result<Stamp, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row =
                        sqlx::query("select era, n from config_counter").fetch_one(&mut *reading.connection).await?;
                    row.stamp("era", "n")
                })
            })
            .await
    }

    /// The entries after this number, oldest first, at most `limit`.
    pub async fn changes_after(self, after: Stamp, limit: u32) -> Result<Vec<ConfigChange>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select era, n, kind, entity, at_ms from config_log \
                         where (era, n) > ($1, $2) order by era, n limit $3",
                    )
                    .bind(i64::from(after.era))
                    .bind(stored(after.n))
                    .bind(i64::from(limit.min(TAIL_MAX)))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(change).collect()
                })
            })
            .await
    }
}

impl Tx<'_> {
    /// Takes the next number for a write that touches this, and notes whose write it is. The first statement of
    /// every config write: it makes them queue, so none of them can meet another halfway.
    pub(super) async fn next_stamp(&mut self, entity: Entity, now: UnixMs) -> Result<Stamp, StoreError> {
        let row = sqlx::query("update config_counter set n = n + 1 where id = 1 returning era, n")
            .fetch_one(&mut *self.connection)
            .await?;
        let stamp = row.stamp("era", "n")?;
        let (kind, bytes) = entity.stored();
        sqlx::query("insert into config_log (era, n, kind, entity, at_ms) values ($1, $2, $3, $4, $5)")
            .bind(i64::from(stamp.era))
            .bind(stored(stamp.n))
            .bind(kind)
            .bind(bytes)
            .bind(now.0)
            .execute(&mut *self.connection)
            .await?;
        self.note_author().await?;
        Ok(stamp)
    }

    /// For a creation that finds its own row: an attempt before this one was committed and its answer lost. Gives
    /// the number it had and leaves all as it is.
    pub(super) async fn created_before(&mut self, entity: Entity) -> Result<Stamp, StoreError> {
        self.leave_unchanged();
        let (_, bytes) = entity.stored();
        first_stamp(&mut self.connection, bytes).await
    }

    /// The outcome of an update or deletion: what it touched, or why it touched nothing.
    pub(super) fn changed(&mut self, stamp: Stamp, touched: u64, exists: bool) -> Change {
        if touched > 0 {
            return Change::Made(stamp);
        }
        self.leave_unchanged();
        if exists { Change::Already } else { Change::NotFound }
    }
}

async fn first_stamp(connection: &mut AnyConnection, entity: Vec<u8>) -> Result<Stamp, StoreError> {
    let row = sqlx::query("select era, n from config_log where entity = $1 order by era, n limit 1")
        .bind(entity)
        .fetch_one(connection)
        .await?;
    row.stamp("era", "n")
}

impl Entity {
    fn stored(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Tenant(id) => ("tenant", id.as_bytes().to_vec()),
            Self::Token(id) => ("token", id.as_bytes().to_vec()),
            Self::Contact(id) => ("contact", id.as_bytes().to_vec()),
            Self::Channel(id) => ("channel", id.as_bytes().to_vec()),
            Self::Module(hash) => ("module", hash.0.to_vec()),
            Self::Check(id) => ("check", id.as_bytes().to_vec()),
            Self::Host(id) => ("host", id.as_bytes().to_vec()),
            Self::View(number) => ("view", number.to_string().into_bytes()),
        }
    }
}

fn change(row: &AnyRow) -> Result<ConfigChange, StoreError> {
    let entity = match row.text("kind")?.as_str() {
        "tenant" => Entity::Tenant(row.id("entity", TenantId::from_bytes)?),
        "token" => Entity::Token(row.id("entity", TokenId::from_bytes)?),
        "contact" => Entity::Contact(row.id("entity", ContactId::from_bytes)?),
        "channel" => Entity::Channel(row.id("entity", ChannelId::from_bytes)?),
        "module" => Entity::Module(row.hash("entity")?),
        "check" => Entity::Check(row.id("entity", CheckId::from_bytes)?),
        "host" => Entity::Host(row.id("entity", HostId::from_bytes)?),
        "view" => Entity::View(view_number(&row.bytes("entity")?)?),
        other => return Err(StoreError::Corrupt(format!("the config log names a {other}"))),
    };
    Ok(ConfigChange { stamp: row.stamp("era", "n")?, entity, at: row.moment("at_ms")? })
}

fn view_number(bytes: &[u8]) -> Result<Stamp, StoreError> {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| StoreError::Corrupt("the config log names a view without a number".to_owned()))
}

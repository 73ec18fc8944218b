//! Whose a thing is, whoever asks: only for telling a wrong id from somebody else's in the audit log.

use farwatch_proto::id::TenantId;

use super::columns::Columns;
use super::{Store, StoreError};

/// The kinds of things that belong to a tenant and are named by an id of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// A channel of a contact.
    Channel,
    /// A check.
    Check,
    /// A contact.
    Contact,
    /// An incident.
    Incident,
    /// A tenant, which belongs to itself.
    Tenant,
    /// A token.
    Token,
}

impl Owned {
    const fn question(self) -> &'static str {
        match self {
            Self::Channel => {
                "select contact.tenant_id from channel join contact on contact.id = channel.contact_id \
                 where channel.id = $1"
            }
            Self::Check => "select tenant_id from checks where id = $1",
            Self::Contact => "select tenant_id from contact where id = $1",
            Self::Incident => "select tenant_id from incident where id = $1",
            Self::Tenant => "select id as tenant_id from tenant where id = $1",
            Self::Token => "select tenant_id from token where id = $1 and tenant_id is not null",
        }
    }
}

impl Store {
    /// The tenant that has the thing of this id, deleted or not; `None` when there is none, or it is the operator's.
    pub async fn owner_of(&self, kind: Owned, id: &[u8; 16]) -> Result<Option<TenantId>, StoreError> {
        self.read(|reading| {
            Box::pin(async move {
                let row =
                    sqlx::query(kind.question()).bind(id.as_slice()).fetch_optional(&mut *reading.connection).await?;
                row.map(|row| row.id("tenant_id", TenantId::from_bytes)).transpose()
            })
        })
        .await
    }
}

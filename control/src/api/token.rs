//! What opens the API: how a token is made, what is stored of it, and what it may do.
//!
//! The text of a token is shown once and never stored; what is stored opens nothing.

use farwatch_proto::id::{TenantId, TokenId};
use farwatch_proto::time::UnixMs;
use sha2::{Digest, Sha256};

use crate::secret::random_bytes;
use crate::store::{AuditEntry, NewTenant, NewToken, Store, StoreError};

/// What every token begins with, so that a leaked one can be found by its looks.
const PREFIX: &str = "fw_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
/// The tenant that the first start makes, so that a first check needs nothing else.
const FIRST_TENANT: &str = "main";

/// What a token may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read the metrics of the fleet, and nothing else. It is of no tenant.
    Metrics,
    /// See what belongs to its tenant.
    Read,
    /// Do everything within its tenant.
    Tenant,
    /// Run the fleet, and do everything for every tenant it names.
    Operator,
}

impl Scope {
    /// The word that is stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Tenant => "tenant",
            Self::Operator => "operator",
        }
    }

    /// Whether it speaks for the whole fleet and for no tenant.
    pub const fn is_of_fleet(self) -> bool {
        matches!(self, Self::Metrics | Self::Operator)
    }

    /// The scope of a stored word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Metrics, Self::Read, Self::Tenant, Self::Operator].into_iter().find(|scope| scope.word() == word)
    }
}

/// The text of a token.
pub struct TokenText(String);

impl TokenText {
    /// A new one.
    pub fn random() -> Self {
        let bytes = random_bytes::<RANDOM_BYTES>();
        let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
        Self(hex.fold(PREFIX.to_owned(), |text, digits| text + &digits))
    }

    /// What a caller sent, if it can be a token.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_token = digits.len() == 2 * RANDOM_BYTES && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_token.then(|| Self(text.to_owned()))
    }

    /// What is stored of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The text itself, to be shown once.
    pub fn reveal(self) -> String {
        self.0
    }
}

/// Makes the operator's first token and the first tenant, unless the operator has a token already. The text is
/// for the caller to show once; it cannot be had again.
pub async fn create_first_admin(store: &Store, now: UnixMs) -> Result<Option<String>, StoreError> {
    let text = TokenText::random();
    let token = NewToken {
        id: TokenId::new(now, random_bytes()),
        tenant: None,
        name: "first operator".to_owned(),
        scope: Scope::Operator.word().to_owned(),
        hash: text.hash(),
        expires: None,
    };
    let signed = store.signed(AuditEntry::of_house("token.create", token.id.to_string(), now));
    if !signed.tokens().create_first_of_operator(&token, now).await? {
        return Ok(None);
    }
    if store.tenants().list(None, 1).await?.items.is_empty() {
        let tenant = NewTenant { id: TenantId::new(now, random_bytes()), name: FIRST_TENANT.to_owned() };
        let signed = store.signed(AuditEntry::of_house("tenant.create", tenant.id.to_string(), now));
        signed.tenants().create(&tenant, now).await?;
    }
    Ok(Some(text.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_its_hash_is_of_the_whole_text() {
        let text = TokenText::random().reveal();
        assert_eq!(text.len(), 67);
        let hash: [u8; 32] = Sha256::digest(&text).into();
        assert_eq!(TokenText::parse(&text).unwrap().hash(), hash);
        for bad in ["", "fw_", "fw_zz", &text[3..], &format!("{text}0"), &text.replace("fw_", "FW_")] {
            assert!(TokenText::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn scopes_are_stored_by_their_words() {
        for scope in [Scope::Metrics, Scope::Read, Scope::Tenant, Scope::Operator] {
            assert_eq!(Scope::of_word(scope.word()), Some(scope));
        }
        assert_eq!(Scope::of_word("root"), None);
    }
}

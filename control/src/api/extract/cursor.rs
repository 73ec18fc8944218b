//! Where the next page of a list begins: opaque to callers, and of one list only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use farwatch_proto::id::{CheckId, ContactId, DeliveryId, IncidentId, TenantId, TokenId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::{IncidentPosition, Page};

/// The place of an item in a list. Its text names the kind of the list, so that no other list takes it.
pub(crate) trait Cursor: Sized {
    /// The place as text, before it is made opaque.
    fn plain(&self) -> String;

    /// The place of this text.
    fn of_plain(plain: &str) -> Option<Self>;

    /// What a caller gives back to go on.
    fn shown(&self) -> String {
        BASE64.encode(self.plain())
    }

    /// The place that a caller gave back.
    fn read(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        Self::of_plain(str::from_utf8(&bytes).ok()?)
    }
}

macro_rules! id_cursors {
    ($($id:ty),*) => {
        $(impl Cursor for $id {
            fn plain(&self) -> String {
                self.to_string()
            }

            fn of_plain(plain: &str) -> Option<Self> {
                plain.parse().ok()
            }
        })*
    };
}

id_cursors!(CheckId, ContactId, TenantId, TokenId);

impl Cursor for IncidentPosition {
    fn plain(&self) -> String {
        format!("{}.{}", self.opened, self.id)
    }

    fn of_plain(plain: &str) -> Option<Self> {
        let (opened, id): (_, IncidentId) = moment_and_id(plain)?;
        Some(Self { opened, id })
    }
}

/// The place of an entry in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuditPlace(pub i64);

impl Cursor for AuditPlace {
    fn plain(&self) -> String {
        format!("audit.{}", self.0)
    }

    fn of_plain(plain: &str) -> Option<Self> {
        plain.strip_prefix("audit.")?.parse().ok().map(Self)
    }
}

/// The place of a delivery among those that were given up.
impl Cursor for (UnixMs, DeliveryId) {
    fn plain(&self) -> String {
        format!("{}.{}", self.0, self.1)
    }

    fn of_plain(plain: &str) -> Option<Self> {
        moment_and_id(plain)
    }
}

fn moment_and_id<T: std::str::FromStr>(plain: &str) -> Option<(UnixMs, T)> {
    let (moment, id) = plain.split_once('.')?;
    Some((UnixMs(moment.parse().ok()?), id.parse().ok()?))
}

/// A page as callers see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PageView<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// The cursor of the page after this one; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The page of these rows, with the cursor that goes on behind the last of them.
pub(crate) fn page_of<R, T, C: Cursor>(
    page: Page<R>,
    place: impl Fn(&R) -> C,
    view: impl FnMut(R) -> T,
) -> PageView<T> {
    let next = page.items.last().filter(|_| page.more).map(|last| place(last).shown());
    PageView { items: page.items.into_iter().map(view).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let check = CheckId::from_bytes([1; 16]);
        assert_eq!(CheckId::read(&check.shown()), Some(check));
        assert_eq!(ContactId::read(&check.shown()), None);
        let place = IncidentPosition { opened: UnixMs(5), id: IncidentId::from_bytes([2; 16]) };
        assert_eq!(IncidentPosition::read(&place.shown()), Some(place));
        for bad in ["", "x", "§", "AAAA"] {
            assert_eq!(CheckId::read(bad), None, "{bad}");
        }
    }
}

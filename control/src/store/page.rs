//! Pages: long lists are read in pieces, each beginning after the last item of the piece before.

use super::StoreError;

/// The most items of one page; a caller who asks for more gets this many.
pub const PAGE_MAX: u32 = 200;

/// One piece of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Whether there are more behind the last of them.
    pub more: bool,
}

/// How many items a page of this wish has.
pub(super) fn page_size(limit: u32) -> usize {
    limit.clamp(1, PAGE_MAX) as usize
}

/// How many rows to ask for: one more than the page has, which tells whether there are more.
pub(super) fn rows_for(limit: u32) -> i64 {
    page_size(limit) as i64 + 1
}

/// The page made of the rows that were asked for.
pub(super) fn page_of<R, T>(
    rows: &[R],
    limit: u32,
    make: impl Fn(&R) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let size = page_size(limit);
    let items = rows.iter().take(size).map(make).collect::<Result<_, _>>()?;
    Ok(Page { items, more: rows.len() > size })
}

//! What modules cost that customers bring: the first run of one, what runs take in each language, and a thousand of them on
//! one host.

mod cold;
mod distinct;
mod languages;

use farwatch_tests::nginx::Nginx;

use crate::rows::Table;

/// Adds the rows.
pub(crate) fn measure(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    cold::measure(table, nginx)?;
    languages::measure(table)?;
    distinct::measure(table, nginx)
}

//! What modules that speak HTTP have in common: a request as a config has it, the redirects that are followed, and what is
//! expected of the answer.
//!
//! It is given what makes requests, so that all of it runs without a host; what a module does with several answers is its
//! own business.

pub mod body;
pub mod exchange;
pub mod expect;
pub mod json;
pub mod judge;
pub mod path;
pub mod rules;
pub mod statuses;
pub mod test;
pub mod url;
pub mod wish;

use crate::squeezed_text;

/// Where the schema of a module has the fields of a request.
const REQUEST: &str = "\"$request\": {},";
/// Where it has those of what is expected.
const EXPECT: &str = "\"$expect\": {},";

/// The schema of a module, with the shared fields where it has the properties `$request` and `$expect`.
pub fn schema(own: &str) -> String {
    let with_request = own.replace(REQUEST, squeezed_text!("src/web/request.json").trim_end());
    with_request.replace(EXPECT, squeezed_text!("src/web/expect.json").trim_end())
}

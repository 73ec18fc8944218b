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

/// Where the schema of a module has the fields of a request, and those of what is expected.
const PLACES: [(&str, &str); 2] =
    [("\"$request\": {},", include_str!("web/request.json")), ("\"$expect\": {},", include_str!("web/expect.json"))];

/// The schema of a module, with the shared fields where it has the properties `$request` and `$expect`.
pub fn schema(own: &str) -> String {
    PLACES.iter().fold(own.to_owned(), |schema, (place, fields)| schema.replace(place, fields.trim_end()))
}

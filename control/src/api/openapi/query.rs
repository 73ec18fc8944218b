//! The parameters of queries: one list per route, from which unknown ones are refused and the document is made.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::operation::Operation;
use crate::store::PAGE_MAX;

/// One parameter.
#[derive(Clone, Copy)]
pub(in super::super) struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub kind: Kind,
}

/// What a parameter may say.
#[derive(Clone, Copy)]
pub(in super::super) enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// How many items.
    Limit,
    /// A whole number from 0 on.
    Count,
    /// A moment in Unix milliseconds.
    Moment,
    /// What this type reads.
    Of(fn() -> Value),
}

impl Kind {
    /// What reads as a `T`.
    pub(in super::super) const fn of<T: JsonSchema>() -> Self {
        Self::Of(Operation::schema_read::<T>)
    }

    pub(super) fn schema(self) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Word(words) => json!({"type": "string", "enum": words}),
            Self::Limit => json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 100}),
            Self::Count => json!({"type": "integer", "minimum": 0}),
            Self::Moment => {
                json!({"type": "integer", "format": "int64", "minimum": 0, "examples": [1_700_000_000_000_i64]})
            }
            Self::Of(schema) => schema(),
        }
    }
}

/// The parameters that a route knows, beside `tenant`, which every route takes.
pub(in super::super) trait Query: Send + Sync + 'static {
    const KNOWN: &'static [Parameter];
}

/// A route that knows none.
pub(in super::super) struct NoQuery;

impl Query for NoQuery {
    const KNOWN: &'static [Parameter] = &[];
}

/// How many items a page has.
pub(in super::super) const LIMIT: Parameter =
    Parameter { name: "limit", about: "How many items at most.", kind: Kind::Limit };
/// Where a page begins.
pub(in super::super) const CURSOR: Parameter =
    Parameter { name: "cursor", about: "The `next` of the page before this one.", kind: Kind::Text };
/// Where a period begins.
pub(in super::super) const FROM: Parameter =
    Parameter { name: "from", about: "Where the period begins, in Unix milliseconds.", kind: Kind::Moment };
/// Where a period ends.
pub(in super::super) const TO: Parameter = Parameter {
    name: "to",
    about: "Where the period ends, in Unix milliseconds; now when absent.",
    kind: Kind::Moment,
};

/// Names the parameters of a route: `query!(ListQuery, [LIMIT, CURSOR])`.
macro_rules! query {
    ($name:ident, [$($parameter:expr),* $(,)?]) => {
        /// The parameters of this query.
        struct $name;

        impl $crate::api::openapi::Query for $name {
            const KNOWN: &'static [$crate::api::openapi::Parameter] = &[$($parameter),*];
        }
    };
    ($visible:vis $name:ident, [$($parameter:expr),* $(,)?]) => {
        /// The parameters of this query.
        $visible struct $name;

        impl $crate::api::openapi::Query for $name {
            const KNOWN: &'static [$crate::api::openapi::Parameter] = &[$($parameter),*];
        }
    };
}
pub(in super::super) use query;

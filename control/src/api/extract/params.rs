//! Query parameters. Unknown and repeated ones are refused: a filter that is silently ignored shows wrong things.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use axum::extract::{self, FromRequestParts};
use axum::http::Uri;
use axum::http::request::Parts;
use farwatch_proto::time::UnixMs;

use super::super::openapi::Query;
use super::super::problem::ApiError;
use super::cursor::Cursor;
use crate::store::PAGE_MAX;

/// How many items a page has when nothing is said.
const LIMIT_DEFAULT: u32 = 100;
/// Taken by every path, and read where the caller is found.
const TENANT: &str = "tenant";

/// The query parameters of a request.
pub(crate) struct Params<Q>(BTreeMap<String, String>, PhantomData<fn() -> Q>);

impl<Q: Query> Params<Q> {
    /// Reads them.
    pub(crate) fn of(uri: &Uri) -> Result<Self, ApiError> {
        let unreadable = |_| ApiError::parameter("", "the query cannot be read; write name=value&name=value");
        let pairs = extract::Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(unreadable)?;
        let mut params = BTreeMap::new();
        for (name, value) in pairs.0 {
            if params.insert(name.clone(), value).is_some() {
                return Err(ApiError::parameter(&name, "this parameter is given twice; give it once"));
            }
        }
        Ok(Self(params, PhantomData))
    }

    /// Refuses every parameter that this query does not know.
    fn all_known(self) -> Result<Self, ApiError> {
        let known = || Q::KNOWN.iter().map(|parameter| parameter.name).chain([TENANT]);
        let unknown = self.0.keys().find(|name| !known().any(|known| known == *name));
        match unknown {
            None => Ok(self),
            Some(name) => {
                let known: Vec<&str> = known().collect();
                Err(ApiError::parameter(
                    name,
                    format!("there is no such parameter here; known are {}", known.join(", ")),
                ))
            }
        }
    }

    /// The text of one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// One of any type.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: Display,
    {
        let parse = |text: &str| text.parse().map_err(|wrong| ApiError::parameter(name, format!("{text:?}: {wrong}")));
        self.text(name).map(parse).transpose()
    }

    /// A moment in Unix milliseconds.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<UnixMs>, ApiError> {
        let wrong = || ApiError::parameter(name, "write a moment in Unix milliseconds, such as 1700000000000");
        let parse = |text: &str| text.parse().ok().filter(|ms: &i64| *ms >= 0).map(UnixMs).ok_or_else(wrong);
        self.text(name).map(parse).transpose()
    }

    /// One of these words.
    pub(crate) fn word<T: Copy>(&self, name: &str, known: &[(&str, T)]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        found.map(Some).ok_or_else(|| ApiError::parameter(name, format!("use one of {}", words.join(", "))))
    }

    /// How many items to show.
    pub(crate) fn limit(&self) -> Result<u32, ApiError> {
        let wrong = || ApiError::parameter("limit", format!("use a number from 1 to {PAGE_MAX}"));
        let parse = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)).ok_or_else(wrong);
        self.text("limit").map_or(Ok(LIMIT_DEFAULT), parse)
    }

    /// Where the page begins.
    pub(crate) fn cursor<C: Cursor>(&self) -> Result<Option<C>, ApiError> {
        let wrong =
            || ApiError::parameter("cursor", "this is no cursor of this list; use the `next` of a page, or none");
        self.text("cursor").map(|text| C::read(text).ok_or_else(wrong)).transpose()
    }
}

impl<Q: Query, S: Send + Sync> FromRequestParts<S> for Params<Q> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(&parts.uri)?.all_known()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::openapi::{FROM, LIMIT, query};
    use super::*;

    query!(TestQuery, [LIMIT, FROM]);

    fn params(query: &str) -> Result<Params<TestQuery>, ApiError> {
        Params::of(&format!("/v1/checks?{query}").parse().unwrap())
    }

    #[test]
    fn limits_and_moments_are_read_strictly() {
        assert_eq!(params("limit=7").unwrap().limit().unwrap(), 7);
        assert_eq!(params("").unwrap().limit().unwrap(), LIMIT_DEFAULT);
        for bad in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit="] {
            assert!(params(bad).unwrap().limit().is_err(), "{bad}");
        }
        assert_eq!(params("from=5").unwrap().moment("from").unwrap(), Some(UnixMs(5)));
        assert!(params("from=-5").unwrap().moment("from").is_err());
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert!(params("limit=7&limit=8").is_err());
        assert!(params("limt=7").unwrap().all_known().is_err());
        assert!(params("tenant=a&limit=7").unwrap().all_known().is_ok());
    }

    #[test]
    fn a_word_is_one_of_the_known() {
        let known = [("open", true), ("resolved", false)];
        assert_eq!(params("state=open").unwrap().word("state", &known).unwrap(), Some(true));
        assert!(params("state=ajar").unwrap().word("state", &known).is_err());
    }
}

//! Something wrong with one field of a document, and where that field is.

/// What is wrong with a field. All that is wrong is told at once, so these come in lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Where it is, as a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// What is wrong and what to do about it.
    pub detail: String,
}

impl FieldProblem {
    /// A problem of the field at this pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The same problem of a document that is itself a field of another.
    #[must_use]
    pub fn within(self, pointer: &str) -> Self {
        Self { pointer: format!("{pointer}{}", self.pointer), ..self }
    }
}

/// A key as it stands in a JSON pointer.
pub fn pointer_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_slashes_stays_one_key() {
        assert_eq!(pointer_key("a/b~c"), "a~1b~0c");
    }

    #[test]
    fn a_problem_moves_with_its_document() {
        let problem = FieldProblem::new("/url", "missing").within("/config");
        assert_eq!(problem.pointer, "/config/url");
    }
}

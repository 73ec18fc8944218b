//! The status of a call: its number, its name, the words that come with it, and what it means for a server that was asked
//! how it is.

/// The names of the codes, in their order.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The status that a server gave, if it is one: a number of the list.
pub fn read(text: &str) -> Option<usize> {
    text.parse().ok().filter(|code| *code < NAMES.len())
}

/// Its name.
pub fn name(code: usize) -> &'static str {
    NAMES.get(code).copied().unwrap_or("no known status")
}

/// The code of the outcome of a call that did not go well.
pub fn meaning(code: usize) -> &'static str {
    match name(code) {
        "NOT_FOUND" => "service-unknown",
        "UNIMPLEMENTED" => "health-unimplemented",
        "PERMISSION_DENIED" | "UNAUTHENTICATED" => "login-refused",
        "UNAVAILABLE" => "server-unavailable",
        _ => "call-failed",
    }
}

/// The words that came with a status, which are percent-encoded. What is encoded wrongly stays as it is.
pub fn words(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_name_and_its_meaning() {
        for (text, name_of, code) in [
            ("2", "UNKNOWN", "call-failed"),
            ("5", "NOT_FOUND", "service-unknown"),
            ("7", "PERMISSION_DENIED", "login-refused"),
            ("12", "UNIMPLEMENTED", "health-unimplemented"),
            ("14", "UNAVAILABLE", "server-unavailable"),
            ("16", "UNAUTHENTICATED", "login-refused"),
        ] {
            let status = read(text).unwrap();
            assert_eq!((name(status), meaning(status)), (name_of, code));
        }
        assert_eq!((read("0"), read("17"), read("-1"), read("x"), read("")), (Some(0), None, None, None, None));
    }

    #[test]
    fn words_are_decoded_and_what_is_no_encoding_stays() {
        assert_eq!(words("no%20token: 100%25 %zz %e4 %2"), "no token: 100% %zz \u{fffd} %2");
        assert_eq!(words("%+1"), "%+1");
    }
}

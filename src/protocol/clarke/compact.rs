//! JSON without the whitespace between its tokens. Knows texts and escapes.

use std::borrow::Cow;

/// Valid JSON, said the shortest way: what differs in whitespace alone is the same then.
pub(super) fn compact(text: &str) -> Cow<'_, str> {
    if !text.contains([' ', '\t', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let (mut is_text, mut is_escaped) = (false, false);
    let is_kept = |c: &char| {
        let is_kept = is_text || !c.is_ascii_whitespace();
        if *c == '"' && !is_escaped {
            is_text = !is_text;
        }
        is_escaped = is_text && *c == '\\' && !is_escaped;
        is_kept
    };
    Cow::Owned(text.chars().filter(is_kept).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_within_a_text_is_kept() {
        let text = "{ \"a \\\" b\" :\t[1 ,\r\n\"\\\\\" , \" \"] }";
        assert_eq!(compact(text), "{\"a \\\" b\":[1,\"\\\\\",\" \"]}");
        assert!(matches!(compact("{\"a\":1}"), Cow::Borrowed(_)));
    }
}

//! Bytes of a stranger's as a terminal may be shown them. Knows what a terminal would obey, and no terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text in `bytes`, on one line: what is no text (not UTF-8) and what a terminal would obey or be misled
/// by is written byte by byte, as `\x1b`.
///
/// That is every control character, newline and tab among them, whether of ASCII or of the C1 set; the
/// characters that end a line or a paragraph; and those that turn the direction of writing round. Whoever
/// sends the four letters `\x1b` is shown the same: nothing of it is meant to be read back.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if is_plain_ascii(bytes) || text.chars().all(is_harmless) => Cow::Borrowed(text),
        _ => Cow::Owned(spelt_out(bytes)),
    }
}

/// Nearly everything is, and bytes are looked through faster than characters; many at once where nobody wants to stop
/// at the first that is not.
fn is_plain_ascii(bytes: &[u8]) -> bool {
    let is_plain =
        |chunk: &[u8]| chunk.iter().fold(true, |so_far, byte| so_far & (0x20..=0x7e).contains(byte));
    bytes.chunks(64).all(is_plain)
}

fn spelt_out(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_harmless(character) {
                text.push(character);
            } else {
                spell(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            }
        }
        spell(chunk.invalid(), &mut text);
    }
    text
}

fn spell(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}"); // to a String: cannot fail
    }
}

fn is_harmless(character: char) -> bool {
    let is_line_end = matches!(character, '\u{2028}' | '\u{2029}');
    let is_turn = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(character.is_control() || is_line_end || is_turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is_and_not_copied() {
        for text in ["", "hello", "a \\ b", "grün, 漢字, שלום, 🦀", "\u{a0}\u{ad}\u{200d}"] {
            assert!(matches!(printable(text.as_bytes()), Cow::Borrowed(shown) if shown == text), "{text}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        for (bytes, shown) in [
            (b"\x1b[2Jhello\x07".as_slice(), "\\x1b[2Jhello\\x07"),
            (b"a\tb\nc\rd\0e\x7f", "a\\x09b\\x0ac\\x0dd\\x00e\\x7f"),
            ("a\u{9b}2J\u{80}".as_bytes(), "a\\xc2\\x9b2J\\xc2\\x80"),
            (b"a\x9b2J", "a\\x9b2J"),
            ("\u{202e}abc\u{2069}".as_bytes(), "\\xe2\\x80\\xaeabc\\xe2\\x81\\xa9"),
            ("a\u{2028}b\u{2029}".as_bytes(), "a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9"),
        ] {
            assert_eq!(printable(bytes), shown);
        }
    }

    #[test]
    fn what_is_not_utf_8_is_spelt_out_and_what_is_stays() {
        assert_eq!(printable(b"gr\xfcn"), "gr\\xfcn");
        assert_eq!(printable("grün\u{7}".as_bytes()), "grün\\x07");
        assert_eq!(printable(b"\xe2\x82"), "\\xe2\\x82", "cut off");
        assert_eq!(printable(b"\xc0\x9b\xed\xa0\x80\xff"), "\\xc0\\x9b\\xed\\xa0\\x80\\xff");
    }

    #[test]
    fn no_byte_makes_a_control_character() {
        for first in 0..=255 {
            for second in 0..=255 {
                let bytes = [first, second, b'x'];
                assert!(!printable(&bytes).contains(char::is_control), "{bytes:?}");
            }
        }
    }
}

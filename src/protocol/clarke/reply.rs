//! What is answered. Knows the replies' shapes; knows no stream and no peer.
//!
//! A reply has the key of its request, and a payload. An error's is
//! `{"message_type":"error","payload":{"message":"what is wrong"}}`, with the `type` of the message where that is
//! what is wrong.

use super::message::Key;

/// Most characters of a stranger's word that are said back to it.
const WORD_MAX: usize = 64;

/// A reply of some type, its payload JSON.
pub(super) fn reply(key: Key, kind: &str, payload: &str) -> String {
    format!("{}{payload}{END}", beginning(key, kind))
}

/// A reply up to its payload.
pub(super) fn beginning(key: Key, kind: &str) -> String {
    format!(r#"{{"{}":"{kind}","payload":"#, key.name())
}

/// A reply behind its payload.
pub(super) const END: &str = "}";

/// Something is wrong.
pub(super) fn error(key: Key, message: &str) -> String {
    reply(key, "error", &format!(r#"{{"message":{}}}"#, quoted(message)))
}

/// Something is wrong with a message of this type.
pub(super) fn error_of(key: Key, message: &str, kind: &str) -> String {
    let kind: String = kind.chars().take(WORD_MAX).collect();
    reply(key, "error", &format!(r#"{{"message":{},"type":{}}}"#, quoted(message), quoted(&kind)))
}

/// Values, one behind the other.
pub(super) fn array<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut array = String::from("[");
    for value in values {
        if array.len() > 1 {
            array.push(',');
        }
        array.push_str(value);
    }
    array.push(']');
    array
}

/// Texts, one behind the other.
pub(super) fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(|text| quoted(&text.to_string())).collect();
    array(quoted.iter().map(String::as_str))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

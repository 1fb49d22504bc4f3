//! What is wrong with a request, and what is said about it. Knows statuses and words; knows no bytes.

use serde_json::{Value, json};
use thiserror::Error;

use super::limits::{MAX_HEAD_BYTES, MAX_HEADERS};

/// Why a request is not served. None of them is an offence: each has a reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Its first byte begins no method.
    #[error("this is no HTTP request")]
    NotHttp,
    /// Its first byte is that of a TLS handshake.
    #[error("TLS is not spoken here")]
    Tls,
    /// A line ends with a newline alone.
    #[error("a line feed without a carriage return before it")]
    BareFeed,
    /// Or a carriage return stands within a line.
    #[error("a carriage return without a line feed behind it")]
    BareReturn,
    /// A NUL in the head.
    #[error("a NUL in the head")]
    Nul,
    /// Not a method, a target and a version, with one space between.
    #[error("the request line is not a method, a target and a version")]
    RequestLine,
    /// A target that is no path.
    #[error("the target is not a path")]
    Target,
    /// A header that is none.
    #[error("{0}")]
    Header(httparse::Error),
    /// Not exactly one `Host`, or one that is none.
    #[error("one Host header is needed")]
    Host,
    /// A `Content-Length` that is no number.
    #[error("Content-Length is not a number")]
    Length,
    /// Several of them.
    #[error("more than one Content-Length")]
    Lengths,
    /// One beside a `Transfer-Encoding`.
    #[error("Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    /// The connection ended within it.
    #[error("the request is not complete")]
    Unfinished,
    /// Nothing of ours.
    #[error("Not found")]
    NotFound,
    /// Something of ours, which has only these.
    #[error("Method not allowed")]
    Method {
        /// As in `Allow`.
        allow: &'static str,
    },
    /// It took too long.
    #[error("the request took too long")]
    Timeout,
    /// A `POST` that does not say how long it is.
    #[error("Content-Length is needed")]
    LengthRequired,
    /// A body longer than it may be.
    #[error("the body is too long")]
    BodyTooLong {
        /// Most bytes.
        allowed: usize,
    },
    /// A request line that fills the whole head.
    #[error("the target is too long")]
    LineTooLong,
    /// An `Expect` of something else than to go on.
    #[error("only 100-continue can be expected")]
    Expectation,
    /// More messages a second than allowed.
    #[error("too many requests")]
    Rate,
    /// A head longer than it may be.
    #[error("the head is too long")]
    HeadTooLong,
    /// More headers than there may be.
    #[error("too many headers")]
    TooManyHeaders,
    /// Any `Transfer-Encoding`.
    #[error("Transfer-Encoding is not supported")]
    Encoding,
    /// Neither HTTP/1.1 nor 1.0.
    #[error("only HTTP/1.1 and HTTP/1.0 are spoken")]
    Version,
    /// A transaction that is none, or breaks a rule.
    #[error("Invalid transaction")]
    InvalidTransaction {
        /// In words.
        reason: String,
    },
    /// A block that is none, breaks a rule, or does not follow ours.
    #[error("Invalid block")]
    InvalidBlock {
        /// In words.
        reason: String,
    },
    /// Too much of the store is on its way to others.
    #[error("too much is on its way to others; try again later")]
    Busy,
    /// The store is full.
    #[error("there is no room for it")]
    NoRoom,
}

/// A status line's number and words.
pub type Status = (u16, &'static str);

const BAD_REQUEST: Status = (400, "Bad Request");

impl Fault {
    /// Of the reply.
    pub const fn status(&self) -> Status {
        self.named().0
    }

    /// Bunkercoin's error shape: the words, a name for programs, and what else there is to say.
    pub fn body(&self) -> String {
        let error = Value::String(self.to_string());
        format!(r#"{{"error":{error},"code":"{}","details":{}}}"#, self.named().1, self.details())
    }

    /// What goes into `Allow`.
    pub const fn allow(&self) -> Option<&'static str> {
        match self {
            Self::Method { allow } => Some(*allow),
            _ => None,
        }
    }

    const fn named(&self) -> (Status, &'static str) {
        match self {
            Self::NotHttp | Self::Tls => (BAD_REQUEST, "NOT_HTTP"),
            Self::BareFeed | Self::BareReturn | Self::Nul => (BAD_REQUEST, "INVALID_HEAD"),
            Self::RequestLine | Self::Target => (BAD_REQUEST, "INVALID_REQUEST_LINE"),
            Self::Header(_) => (BAD_REQUEST, "INVALID_HEADER"),
            Self::Host => (BAD_REQUEST, "INVALID_HOST"),
            Self::Length | Self::Lengths | Self::LengthAndEncoding => (BAD_REQUEST, "INVALID_LENGTH"),
            Self::Unfinished => (BAD_REQUEST, "UNFINISHED"),
            Self::InvalidTransaction { .. } => (BAD_REQUEST, "INVALID_TRANSACTION"),
            Self::InvalidBlock { .. } => (BAD_REQUEST, "INVALID_BLOCK"),
            Self::NotFound => ((404, "Not Found"), "NOT_FOUND"),
            Self::Method { .. } => ((405, "Method Not Allowed"), "METHOD_NOT_ALLOWED"),
            Self::Timeout => ((408, "Request Timeout"), "TIMEOUT"),
            Self::LengthRequired => ((411, "Length Required"), "LENGTH_REQUIRED"),
            Self::BodyTooLong { .. } => ((413, "Content Too Large"), "BODY_TOO_LONG"),
            Self::LineTooLong => ((414, "URI Too Long"), "TARGET_TOO_LONG"),
            Self::Expectation => ((417, "Expectation Failed"), "EXPECTATION_FAILED"),
            Self::Rate => ((429, "Too Many Requests"), "TOO_MANY_REQUESTS"),
            Self::HeadTooLong | Self::TooManyHeaders => {
                ((431, "Request Header Fields Too Large"), "HEAD_TOO_LONG")
            }
            Self::Busy => ((503, "Service Unavailable"), "BUSY"),
            Self::NoRoom => ((503, "Service Unavailable"), "NO_ROOM"),
            Self::Encoding => ((501, "Not Implemented"), "TRANSFER_ENCODING"),
            Self::Version => ((505, "HTTP Version Not Supported"), "VERSION_NOT_SUPPORTED"),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Method { allow } => json!({ "allow": allow }),
            Self::BodyTooLong { allowed } => json!({ "allowed": allowed }),
            Self::LineTooLong | Self::HeadTooLong => json!({ "allowed": MAX_HEAD_BYTES }),
            Self::TooManyHeaders => json!({ "allowed": MAX_HEADERS }),
            Self::InvalidTransaction { reason } | Self::InvalidBlock { reason } => {
                json!({ "reason": reason })
            }
            _ => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_in_the_documented_shape() {
        let fault = Fault::InvalidBlock { reason: "not \"ours\"\n".into() };
        assert_eq!(
            fault.body(),
            r#"{"error":"Invalid block","code":"INVALID_BLOCK","details":{"reason":"not \"ours\"\n"}}"#
        );
        assert_eq!(fault.status(), (400, "Bad Request"));
        let fault = Fault::Method { allow: "POST" };
        assert_eq!(
            fault.body(),
            r#"{"error":"Method not allowed","code":"METHOD_NOT_ALLOWED","details":{"allow":"POST"}}"#
        );
        assert_eq!(fault.allow(), Some("POST"));
        assert_eq!(Fault::NotFound.body(), r#"{"error":"Not found","code":"NOT_FOUND","details":{}}"#);
    }
}

//! JSON as Bunkercoin's nodes write it: bytes are arrays of integers, numbers are exact, an object is an object. Knows
//! the spelling; knows no block.

use std::fmt;
use std::io::Write as _;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};

/// Digits of the largest number.
pub const LONGEST_U64: usize = "18446744073709551615".len();

/// Bytes of the longest array of so many bytes.
pub const fn longest_octets(bytes: usize) -> usize {
    "[".len() + bytes * "255,".len()
}

/// Reads exactly `N` bytes out of an array of integers: one fewer, one more or a 256 among them is an error.
pub fn octets<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    from.deserialize_seq(Octets)
}

struct Octets<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Octets<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {N} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<[u8; N], A::Error> {
        let mut bytes = [0; N];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = from.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        match from.next_element::<u8>()? {
            None => Ok(bytes),
            Some(_) => Err(A::Error::invalid_length(N + 1, &self)),
        }
    }
}

/// What can be read out of an object's members.
pub trait FromMembers<'de>: Sized {
    /// From the members alone.
    fn from_members<A: MapAccess<'de>>(members: MapAccessDeserializer<A>) -> Result<Self, A::Error>;
}

/// Reads an object. Serde's own structs would take their fields from an array too.
pub fn object<'de, D: Deserializer<'de>, T: FromMembers<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_map(Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: FromMembers<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::from_members(MapAccessDeserializer::new(members))
    }
}

/// Writes a member: a comma unless it is the first, its key, and the array of integers.
pub fn write_octets(into: &mut Vec<u8>, key: &str, bytes: &[u8]) {
    write_key(into, key);
    into.push(b'[');
    for (at, &byte) in bytes.iter().enumerate() {
        if at > 0 {
            into.push(b',');
        }
        write_octet(into, byte);
    }
    into.push(b']');
}

/// Writes a member that is a number.
pub fn write_number(into: &mut Vec<u8>, key: &str, number: u64) {
    write_key(into, key);
    let _ = write!(into, "{number}"); // a Vec takes everything
}

fn write_key(into: &mut Vec<u8>, key: &str) {
    if into.last() != Some(&b'{') {
        into.push(b',');
    }
    let _ = write!(into, "\"{key}\":"); // a Vec takes everything
}

/// By hand: nine tenths of a block are such numbers.
fn write_octet(into: &mut Vec<u8>, byte: u8) {
    if byte >= 100 {
        into.push(b'0' + byte / 100);
    }
    if byte >= 10 {
        into.push(b'0' + byte / 10 % 10);
    }
    into.push(b'0' + byte % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(text: &str) -> Result<[u8; N], String> {
        octets(&mut serde_json::Deserializer::from_str(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_byte_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = b"{".to_vec();
        write_octets(&mut text, "all", &all);
        let text = String::from_utf8(text).unwrap();
        let array = text.strip_prefix("{\"all\":").unwrap();
        assert_eq!(array, serde_json::to_string(&all).unwrap());
        assert_eq!(read::<256>(array).unwrap().as_slice(), all);
    }

    #[test]
    fn what_is_not_so_many_bytes_is_an_error() {
        assert_eq!(read::<2>("[1, 255]"), Ok([1, 255]));
        for text in
            ["[]", "[1]", "[1,2,3]", "[1,256]", "[1,-1]", "[1,1.0]", "[1,1e1]", "\"ab\"", "null", "{}"]
        {
            assert!(read::<2>(text).is_err(), "{text}");
        }
    }
}

//! How a chain's records stand in a file: each with its length and a checksum, one behind the other. Knows bytes; knows
//! neither what a block is nor which file it is.

use crate::protocol::bunkercoin::{Hash, Record};

/// What a file of records begins with.
pub const BEGINNING: &[u8] = b"peer-relay chain 1\n";
/// A kind, a length, a checksum.
const HEADER: usize = 1 + 4 + 8;

const BLOCK: u8 = b'B';
const BRANCH: u8 = b'F';
const TRANSACTION: u8 = b'T';

/// A record's bytes at the end of others.
pub fn append(into: &mut Vec<u8>, record: Record<'_>) {
    match record {
        Record::Block(text) => append_of(into, BLOCK, text),
        Record::Transaction(text) => append_of(into, TRANSACTION, text),
        Record::Branch(fork) => append_of(into, BRANCH, &(fork as u64).to_le_bytes()),
    }
}

/// The record that these bytes begin with, and its length. `None`: they do not begin with a whole one that is right.
pub fn read(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let len = u32::from_le_bytes(header[1..5].try_into().ok()?);
    let payload = rest.get(..usize::try_from(len).ok()?)?;
    if header[5..] != checksum(header[0], payload) {
        return None;
    }
    let record = match header[0] {
        BLOCK => Record::Block(payload),
        TRANSACTION => Record::Transaction(payload),
        BRANCH => Record::Branch(u64::from_le_bytes(payload.try_into().ok()?).try_into().ok()?),
        _ => return None,
    };
    Some((record, HEADER + payload.len()))
}

/// Bytes of a record.
pub fn len(record: Record<'_>) -> usize {
    HEADER
        + match record {
            Record::Block(text) | Record::Transaction(text) => text.len(),
            Record::Branch(_) => size_of::<u64>(),
        }
}

fn append_of(into: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("no message is as long as 4 GiB");
    into.push(kind);
    into.extend_from_slice(&len.to_le_bytes());
    into.extend_from_slice(&checksum(kind, payload));
    into.extend_from_slice(payload);
}

/// Over the kind too. A wrong length gives other bytes.
fn checksum(kind: u8, payload: &[u8]) -> [u8; 8] {
    let all = Hash::of(&[&[kind], payload].concat()).0;
    std::array::from_fn(|at| all[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_broken_one_does_not() {
        for record in [Record::Block(b"{}"), Record::Branch(7), Record::Transaction(b"")] {
            let mut bytes = Vec::new();
            append(&mut bytes, record);
            assert_eq!((read(&bytes), bytes.len()), (Some((record, bytes.len())), len(record)));
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), None, "{record:?} cut at {cut}");
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&flipped), None, "{record:?} with bit {bit} flipped");
            }
        }
    }
}

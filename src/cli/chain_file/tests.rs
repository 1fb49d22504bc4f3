//! A file that is cut or flipped anywhere, and what is read from it.
#![cfg(test)]

use std::fs;
use std::path::Path;

use super::{ChainFile, records};
use crate::protocol::bunkercoin::forge;
use crate::protocol::bunkercoin::{Block, Bunkercoin, Record, Text};
use crate::time::Instant;

fn open(directory: &Path) -> (Bunkercoin, ChainFile) {
    let mut chain = Bunkercoin::new();
    let file = ChainFile::open(directory, &mut chain).unwrap();
    (chain, file)
}

fn texts(chain: &mut Bunkercoin) -> (Vec<u8>, Vec<u8>) {
    let flat = |text: Text| text.chunks().iter().flat_map(|it| it.to_vec()).collect();
    (flat(chain.chain_text()), flat(chain.mempool_text()))
}

fn restore(chain: &mut Bunkercoin, blocks: &[Block]) {
    for block in blocks {
        chain.restore(Record::Block(&block.to_json())).unwrap();
    }
}

/// A file of three blocks and a transaction, and one of four blocks that took their place: their texts, and the bytes.
fn written(directory: &Path) -> [Vec<u8>; 3] {
    let (mut chain, file) = open(directory);
    let transaction = forge::transaction(1, 2, 3, 4);
    restore(&mut chain, &forge::chain(1, 2));
    let tip = forge::chain(1, 2).pop();
    restore(&mut chain, &[forge::block(tip.as_ref(), 1, vec![transaction])]);
    chain.restore(Record::Transaction(&forge::transaction(1, 2, 5, 6).to_json())).unwrap();
    file.finish(&mut chain);
    let short = texts(&mut chain).0;
    let (mut chain, mut file) = open(directory);
    assert_eq!(texts(&mut chain).0, short, "what was written is read");
    chain.restore(Record::Branch(1)).unwrap();
    restore(&mut chain, &forge::chain(1, 4)[1..]);
    file.tick(Instant::START, &mut chain);
    file.finish(&mut chain);
    [short, texts(&mut chain).0, fs::read(directory.join("chain")).unwrap()]
}

#[test]
fn a_file_cut_at_any_byte_gives_what_was_written_before() {
    let directory = tempfile::tempdir().unwrap();
    let [short, long, bytes] = written(directory.path());
    let path = directory.path().join("chain");
    let mut heights = Vec::new();
    // near the ends of records, and now and then between them
    for cut in (0..=bytes.len()).filter(|cut| cut % 16 == 0 || bytes.len() - cut < 40) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (mut chain, file) = open(directory.path());
        heights.push(chain.height());
        let text = texts(&mut chain).0;
        if chain.height() == 3 {
            assert_eq!(text, short, "cut at {cut}");
        }
        assert_eq!(chain.height() == 4, text == long, "cut at {cut}");
        file.finish(&mut chain);
        let (mut again, file) = open(directory.path());
        assert_eq!(texts(&mut again).0, text, "cut at {cut}: mended for good");
        file.finish(&mut again);
    }
    assert!(heights.is_sorted(), "more of the file is never less of the chain: {heights:?}");
    assert_eq!(heights.iter().max(), Some(&4));
}

#[test]
fn a_bit_flipped_anywhere_costs_what_is_behind_it_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let [_, long, bytes] = written(directory.path());
    let path = directory.path().join("chain");
    for bit in (records::BEGINNING.len() * 8..bytes.len() * 8).step_by(509) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        let (mut chain, file) = open(directory.path());
        let (height, text) = (chain.height(), texts(&mut chain).0);
        assert!(height <= 3, "bit {bit}: the branch cannot be whole");
        assert!(text != long);
        file.finish(&mut chain);
        let aside = fs::read(path.with_extension("cut")).unwrap();
        assert!(flipped.ends_with(&aside) && !aside.is_empty(), "bit {bit}: what is cut off is put aside");
    }
}

#[test]
fn what_was_dropped_is_written_anew_once_it_is_more_than_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let (mut chain, file) = open(directory.path());
    // each branch is longer than the last by a block, and none has anything in common with another
    for blocks in 1..20 {
        if blocks > 1 {
            chain.restore(Record::Branch(0)).unwrap();
        }
        restore(&mut chain, &forge::chain(blocks, blocks as usize));
        while chain.next_record(|_| {}) {} // as if written
    }
    let mut bytes = records::BEGINNING.to_vec();
    let texts_before = texts(&mut chain);
    file.finish(&mut chain);
    let fork = |bytes: &mut Vec<u8>, blocks: u64| {
        if blocks > 1 {
            records::append(bytes, Record::Branch(0));
        }
        forge::chain(blocks, blocks as usize)
            .iter()
            .for_each(|it| records::append(bytes, Record::Block(&it.to_json())));
    };
    (1..20).for_each(|blocks| fork(&mut bytes, blocks));
    let path = directory.path().join("chain");
    fs::write(&path, &bytes).unwrap();
    let (mut chain, file) = open(directory.path());
    assert_eq!(texts(&mut chain), texts_before);
    file.finish(&mut chain);
    let len = fs::metadata(&path).unwrap().len() as usize;
    assert!(len < bytes.len() / 5, "{len} of {}", bytes.len());
    let (mut chain, file) = open(directory.path());
    assert_eq!(texts(&mut chain), texts_before);
    file.finish(&mut chain);
}

#[test]
fn two_relays_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (mut first, file) = open(directory.path());
    let refused = ChainFile::open(directory.path(), &mut Bunkercoin::new()).unwrap_err().to_string();
    assert!(refused.ends_with("another relay keeps its chain there"), "{refused}");
    file.finish(&mut first);
    let (mut second, file) = open(directory.path());
    file.finish(&mut second);
}

#[test]
fn what_is_no_file_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("chain")).unwrap();
    let refused = ChainFile::open(directory.path(), &mut Bunkercoin::new()).unwrap_err().to_string();
    assert!(refused.ends_with("chain is no file"), "{refused}");
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain");
    fs::write(&path, b"my diary, do not touch").unwrap();
    assert!(ChainFile::open(directory.path(), &mut Bunkercoin::new()).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"my diary, do not touch");
}

//! Everything that is wrong, and what it costs: an offence, nothing stored, nothing told.

use peer_relay::protocol::Offence;
use peer_relay::protocol::bunkercoin::{
    Block, Flaw, MAX_BLOCK, MAX_ELEMENT, Transaction, forge, merkle_root,
};

use crate::support::{House, Law, block_message, chain_message, text, transaction_message};

/// Said by one peer where another listens: an offence, and no other trace.
fn refused(message: &[u8]) -> (Offence, String) {
    let blocks = forge::chain(7, 2);
    let mut house = House::holding(&blocks);
    let (liar, witness) = (house.join(1), house.join(2));
    house.say(liar, message);
    let offence = house.offence_of(liar);
    assert_eq!(house.heard_by(witness), "", "{}", String::from_utf8_lossy(message));
    assert_eq!((house.chain.height(), house.mempool_text().as_str()), (2, "[]"));
    assert_eq!(house.chain.pool_bytes(), 0, "what it told of is forgotten");

    // where the law lets it stay, its line is lost and the next is heard
    let mut house = House::with_law(Law::Drop);
    let (liar, witness) = (house.join(1), house.join(2));
    house.say(liar, &chain_message(&blocks));
    house.heard_by(witness);
    house.say(liar, message);
    let next = forge::transaction(5, 6, 7, 8);
    house.say(liar, &transaction_message(&next));
    assert_eq!(house.heard_by(witness).as_bytes(), transaction_message(&next));
    assert_eq!(house.desk.offences.len(), 1, "{:?}", house.desk.offences);
    assert_eq!(house.chain.height(), 2);
    offence
}

fn flaw(flaw: Flaw) -> (Offence, String) {
    (Offence::Protocol, flaw.to_string())
}

/// A block that would follow, but for one thing.
fn spoilt(spoil: impl FnOnce(&mut Block)) -> Block {
    let before = forge::chain(7, 2).pop();
    let transactions = vec![forge::transaction(1, 2, 3, 4), forge::transaction(2, 1, 5, 6)];
    let mut block = forge::block(before.as_ref(), 0, transactions);
    spoil(&mut block);
    block
}

#[test]
fn a_block_that_breaks_a_rule_is_neither_stored_nor_told() {
    type Spoil = fn(&mut Block);
    let spoils: [(Flaw, Spoil); 9] = [
        (Flaw::Version, |it| it.header.version = 0),
        (Flaw::Difficulty, |it| it.header.difficulty = 1),
        (Flaw::HeaderSignature, |it| it.header.signature = vec![1]),
        (Flaw::Count, |it| it.header.tx_count = 3),
        (Flaw::Nonce, |it| it.header.nonce = 0),
        (Flaw::Order, |it| it.transactions.reverse()),
        (Flaw::MerkleRoot, |it| it.header.merkle_root = [0; 32]),
        (Flaw::Signature, |it| {
            it.transactions[0].amount += 1;
            it.transactions.sort_by_key(Transaction::hash);
            it.header.merkle_root = merkle_root(&it.transactions).0;
        }),
        (Flaw::Vdf, |it| it.header.vdf_output = [0; 32]),
    ];
    for (expected, spoil) in spoils {
        assert_eq!(refused(&block_message(&spoilt(spoil))), flaw(expected));
    }
}

#[test]
fn a_block_that_follows_our_last_one_at_the_wrong_time_is_wrong() {
    let before = forge::chain(7, 2).pop().unwrap();
    let late = forge::seal(before.header.hash(), before.header.timestamp + 60, Vec::new());
    assert_eq!(refused(&block_message(&late)), flaw(Flaw::Timestamp));
}

#[test]
fn a_block_beyond_ten_kilobytes_is_refused() {
    let before = forge::chain(7, 2).pop();
    let many =
        (0..MAX_BLOCK as u64 / Transaction::ENCODED as u64 + 1).map(|it| forge::transaction(1, 2, 3, it));
    let block = forge::block(before.as_ref(), 0, many.collect());
    assert!(block.to_json().len() < MAX_ELEMENT);
    assert_eq!(refused(&block_message(&block)), flaw(Flaw::Size));
}

#[test]
fn chains_that_do_not_hang_together_are_refused() {
    let blocks = forge::chain(9, 4);
    let with = |change: fn(&mut Vec<Block>)| {
        let mut blocks = blocks.clone();
        change(&mut blocks);
        refused(&chain_message(&blocks))
    };
    assert_eq!(with(|it| drop(it.remove(0))), flaw(Flaw::First), "one without a beginning");
    assert_eq!(with(|it| drop(it.remove(2))), flaw(Flaw::Link));
    assert_eq!(with(|it| it.swap(1, 2)), flaw(Flaw::Link));
    assert_eq!(with(|it| it[1] = it[0].clone()), flaw(Flaw::Link));
    let odd = vec![forge::seal(peer_relay::protocol::bunkercoin::Hash::ZERO, 31, Vec::new())];
    assert_eq!(refused(&chain_message(&odd)), flaw(Flaw::First));
}

#[test]
fn a_liar_with_one_bad_block_in_the_middle_of_a_longer_chain_never_gets_in() {
    for at in [0, 2, 5, 9] {
        let mut blocks = forge::chain(9, 10);
        blocks[at].header.vdf_output[7] ^= 1;
        // everything else is as it would be: whoever does not check the delay function takes it
        for next in at + 1..blocks.len() {
            let (prev, time) = (blocks[next - 1].header.hash(), blocks[next].header.timestamp);
            blocks[next] = forge::seal(prev, time, Vec::new());
        }
        assert_eq!(refused(&chain_message(&blocks)), flaw(Flaw::Vdf), "at {at}");
    }
}

#[test]
fn what_is_no_message_is_an_offence() {
    let deep = format!("{{\"Chain\":{}", "[".repeat(10_000));
    let good = text(&forge::block(None, 7, Vec::new()));
    let bad_list = |second: &str| format!("{{\"Mempool\":[{second}]}}");
    for (line, part) in [
        ("{\"Chain\":[}", "invalid JSON"),
        ("\u{0}", "invalid JSON"),
        (deep.as_str(), "nested more than 64 deep"),
        ("\"GetRich\"", "none of the six"),
        ("{\"GetChain\":[]}", "none of the six"),
        ("{\"NewBlock\":[]}", "no block"),
        ("{\"NewBlock\":null}", "no block"),
        ("{\"NewTransaction\":{}}", "no transaction: missing field"),
        (&format!("{{\"NewBlock\":{good},\"NewBlock\":{good}}}"), "none of the six"),
        (&format!("{{\"NewBlock\":{good}"), "a message that its line does not hold"),
        (&good.replace("\"header\"", "\"transactions\":[],\"header\""), "none of the six"),
        (&bad_list("5"), "no transaction"),
    ] {
        let (offence, detail) = refused(format!("{line}\n").as_bytes());
        assert_eq!(offence, Offence::Protocol, "{line}");
        assert!(detail.contains(part), "{line}: {detail}");
    }
}

#[test]
fn numbers_and_lengths_are_exact() {
    let transaction = forge::transaction(1, 2, u64::MAX, u64::MAX);
    let good = String::from_utf8(transaction_message(&transaction)).unwrap();
    let most = u64::MAX.to_string();
    for (part, instead) in [
        (most.as_str(), "18446744073709551616"),
        (most.as_str(), "1e3"),
        (most.as_str(), "1.0"),
        (most.as_str(), "-1"),
        (most.as_str(), "99999999999999999999999999999999999999"),
        ("\"sender\":[", "\"sender\":[0,"),
        ("\"signature\":[", "\"signature\":[0,"),
        ("\"recipient\":[", "\"recipient\":[300,"),
        ("\"amount\":", "\"amount\":0,\"amount\":"),
    ] {
        let (offence, detail) = refused(good.replacen(part, instead, 1).as_bytes());
        assert!(
            offence == Offence::Protocol && detail.starts_with("no transaction: "),
            "{instead}: {detail}"
        );
    }
    let mut house = House::new();
    let (peer, witness) = (house.join(1), house.join(2));
    house.say(peer, good.as_bytes());
    assert_eq!(house.heard_by(witness), good, "exact to the last digit");
}

#[test]
fn a_forged_signature_is_an_offence_wherever_it_stands() {
    let mut forged = forge::transaction(1, 2, 3, 4);
    forged.amount = 4;
    assert_eq!(refused(&transaction_message(&forged)), flaw(Flaw::Signature));
    let pool = format!("{{\"Mempool\":[{}]}}\n", String::from_utf8(forged.to_json()).unwrap());
    assert_eq!(refused(pool.as_bytes()), flaw(Flaw::Signature));
    // a key that is no point, and the weak key of which every signature would be good
    for key in [[0xff; 32], [0; 32]] {
        let weak = Transaction { sender: key, signature: [0; 64], ..forge::transaction(1, 2, 3, 4) };
        assert_eq!(refused(&transaction_message(&weak)), flaw(Flaw::Signature));
    }
}

#[test]
fn a_gigabyte_without_a_newline_is_an_offence_at_its_first_byte_too_many() {
    for beginning in ["\"", " ", "{\"Chain\":[", "{\"Chain\":[{\"header\":\"", "{\"NewBlock\":{\"a\":\"", "1"]
    {
        let mut house = House::with_law(Law::Drop);
        let peer = house.join(1);
        house.say(peer, beginning.as_bytes());
        let filler =
            if beginning.ends_with('[') || beginning == " " { [b' '; 10_000] } else { [b'1'; 10_000] };
        let mut said = 0;
        while house.desk.offences.is_empty() {
            said += filler.len();
            assert!(said < 2 * MAX_ELEMENT);
            house.say(peer, &filler);
        }
        assert!(said + filler.len() > MAX_ELEMENT);
        assert_eq!(house.offence_of(peer).0, Offence::Oversize, "{beginning}");
        for _ in 0..1_000 {
            house.say(peer, &filler);
            assert!(house.desk.streams[&peer].memory < 2 * MAX_ELEMENT);
        }
        assert!(house.desk.offences.is_empty(), "one line, one offence");
        house.say(peer, b"\n\"GetChain\"\n");
        assert_eq!(house.heard_by(peer), "{\"Chain\":[]}\n");
    }
}

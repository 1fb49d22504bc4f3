//! What liars say. Knows what is right and spoils it in one place; knows no relay.

use bytes::Bytes;

use super::coin::{self, Block};
use super::mint::Mint;
use crate::rng::Rng;

/// A way to lie to a relay's chain port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// A transaction that its sender has not signed.
    ForgedSignature,
    /// A block with such a transaction, everything else right.
    ForgedInBlock,
    /// A block whose delay function was not run.
    WrongVdf,
    /// One that vouches for other transactions.
    WrongMerkle,
    /// One that comes too soon.
    WrongTimestamp,
    /// One with a nonce of its own.
    WrongNonce,
    /// A longer chain of which one block, not the last, is wrong.
    BadMiddle,
    /// A key that is a byte short.
    WrongLength,
    /// An amount beyond 64 bits.
    Overflow,
    /// No JSON.
    Junk,
    /// A message that there is not.
    Unknown,
    /// A line longer than any may be.
    TooLong,
    /// Brackets without end.
    Deep,
    /// A right chain, again and again.
    Repeats,
    /// A chain shorter than what there is.
    Shorter,
    /// A chain that is begun and not gone on with.
    Unfinished,
    /// The same, and then it hangs up.
    CutOff,
}

/// What the relay is to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Whoever says so is sent away.
    Guilty,
    /// Or asked for more, where the relay has another tip by then.
    GuiltyIfItFits,
    /// Nothing is wrong with it.
    Innocent,
}

impl Lie {
    /// Every one.
    pub const ALL: [Self; 17] = [
        Self::ForgedSignature,
        Self::ForgedInBlock,
        Self::WrongVdf,
        Self::WrongMerkle,
        Self::WrongTimestamp,
        Self::WrongNonce,
        Self::BadMiddle,
        Self::WrongLength,
        Self::Overflow,
        Self::Junk,
        Self::Unknown,
        Self::TooLong,
        Self::Deep,
        Self::Repeats,
        Self::Shorter,
        Self::Unfinished,
        Self::CutOff,
    ];

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForgedSignature => "forged signature",
            Self::ForgedInBlock => "forged in a block",
            Self::WrongVdf => "wrong vdf",
            Self::WrongMerkle => "wrong merkle root",
            Self::WrongTimestamp => "wrong timestamp",
            Self::WrongNonce => "wrong nonce",
            Self::BadMiddle => "bad block in the middle",
            Self::WrongLength => "wrong length",
            Self::Overflow => "overflow",
            Self::Junk => "junk",
            Self::Unknown => "unknown message",
            Self::TooLong => "too long",
            Self::Deep => "deep nesting",
            Self::Repeats => "chain again and again",
            Self::Shorter => "shorter chain",
            Self::Unfinished => "unfinished chain",
            Self::CutOff => "cut off chain",
        }
    }

    /// What is to come of it.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Repeats | Self::Shorter | Self::Unfinished | Self::CutOff => Verdict::Innocent,
            Self::ForgedInBlock | Self::WrongVdf | Self::WrongTimestamp | Self::BadMiddle => {
                Verdict::GuiltyIfItFits
            }
            Self::ForgedSignature
            | Self::WrongMerkle
            | Self::WrongNonce
            | Self::WrongLength
            | Self::Overflow
            | Self::Junk
            | Self::Unknown
            | Self::TooLong
            | Self::Deep => Verdict::Guilty,
        }
    }

    /// What is said, to a relay whose chain ends so and whose messages may have so many bytes.
    pub fn words(self, mint: &mut Mint, tip: Option<u32>, longest: usize, rng: &mut Rng) -> Bytes {
        let mut text = match self {
            Self::ForgedSignature => {
                let mut coin = mint.unsaid_coin();
                coin.amount ^= 1;
                transaction(&coin.json())
            }
            Self::ForgedInBlock => {
                let mut coins = vec![mint.unsaid_coin(), mint.unsaid_coin()];
                coins[rng.below(2) as usize].signature[40] ^= 1;
                block(&mint.unsaid_block(tip, coins))
            }
            Self::WrongVdf => spoilt(mint, tip, |block| block.vdf_output[7] ^= 1),
            Self::WrongMerkle => spoilt(mint, tip, |block| block.merkle_root[7] ^= 1),
            Self::WrongTimestamp => spoilt(mint, tip, |block| {
                block.timestamp += 1;
                block.nonce = coin::nonce(block.prev_hash, block.timestamp);
            }),
            Self::WrongNonce => spoilt(mint, tip, |block| block.nonce ^= 1),
            Self::BadMiddle => bad_middle(mint, tip),
            Self::WrongLength => {
                let mut coin = mint.unsaid_coin();
                coin.recipient.pop();
                transaction(&coin.json())
            }
            Self::Overflow => {
                let mut coin = mint.unsaid_coin();
                coin.amount = u64::MAX;
                transaction(&coin.json().replace("18446744073709551615", "18446744073709551616"))
            }
            Self::Junk => "this is no JSON of anybody's".into(),
            Self::Unknown => r#"{"NewCoin":{"sender":[]}}"#.into(),
            Self::TooLong => format!("{{\"NewTransaction\":{{\"sender\":[{}", "1,".repeat(longest / 2 + 20)),
            Self::Deep => "[".repeat(10_000),
            Self::Repeats => {
                let line = chain(&mint.chain_text(tip));
                [line.as_str(); 5].join("\n")
            }
            Self::Shorter => chain(&mint.chain_text(tip.and_then(|tip| mint.block(tip).before))),
            Self::Unfinished | Self::CutOff => {
                let whole = chain(&mint.chain_text(tip));
                let cut = if tip.is_none() { whole.len() - 2 } else { 10 + rng.below(300) as usize };
                return whole.into_bytes()[..cut].to_vec().into();
            }
        };
        text.push('\n');
        text.into()
    }
}

fn transaction(json: &str) -> String {
    format!("{{\"NewTransaction\":{json}}}")
}

fn block(block: &Block) -> String {
    format!("{{\"NewBlock\":{}}}", block.json())
}

fn chain(list: &str) -> String {
    format!("{{\"Chain\":[{list}]}}")
}

/// The next block, with something about it changed.
fn spoilt(mint: &mut Mint, tip: Option<u32>, spoil: impl FnOnce(&mut Block)) -> String {
    let coins = vec![mint.unsaid_coin()];
    let mut next = mint.unsaid_block(tip, coins);
    spoil(&mut next);
    block(&next)
}

/// All there is, a right block, a wrong one, and one that is right behind that.
fn bad_middle(mint: &mut Mint, tip: Option<u32>) -> String {
    let right = mint.unsaid_block(tip, Vec::new());
    let coins = vec![mint.unsaid_coin()];
    let mut wrong = Block::mined(right.hash(), right.timestamp + coin::INTERVAL, coins);
    wrong.vdf_output[0] ^= 1;
    let last = Block::mined(wrong.hash(), wrong.timestamp + coin::INTERVAL, Vec::new());
    let known = Some(mint.chain_text(tip)).filter(|known| !known.is_empty());
    let all: Vec<String> = known.into_iter().chain([right, wrong, last].iter().map(Block::json)).collect();
    chain(&all.join(","))
}

//! What must have come of a story: each peer's part of what was relayed, and what each must have got. Knows from the
//! naive decoder what everybody said, and from the witness what there was to get.

use std::borrow::Cow;
use std::ops::Range;

use peer_relay::relay::Reason;
use peer_relay::wire::Network;

use crate::naive::{self, Found};
use crate::world::{Name, World};

const MAGIC: [u8; 4] = Network::PRIVATE.magic.0;
/// Longest payload of a ping that is answered.
const MAX_PING: usize = 1024;

/// What a peer said was relayed, and what was relayed it got: whole frames, in order, none missing in between.
pub fn check_peer(world: &World, name: Name, may_lack: bool) {
    let peer = &world.peers[name];
    let is_heard = peer.gone.is_none() && world.read_limit(name) > 0;
    let law = naive::Law {
        magic: MAGIC,
        max_payload: world.limits.decoder.max_payload,
        max_skip: world.limits.decoder.max_skip,
    };
    let reading = naive::read(&peer.said, &law);
    let said: Vec<&[u8]> = frames(&reading.found).collect();
    let is_own = |&&(owner, _): &&(Name, _)| owner == name;
    let relayed =
        world.spans.iter().filter(is_own).map(|(_, span)| &world.log[span.clone()]).collect::<Vec<_>>();
    let for_others: Vec<&[u8]> = said.iter().copied().filter(|frame| !is_private(frame)).collect();
    assert_comes_of(&relayed.concat(), &for_others, may_lack, is_heard);

    let got = parted(&peer.inbox);
    let (pongs, others): (Vec<&[u8]>, Vec<&[u8]>) = got.iter().partition(|frame| is_private(frame));
    let has_all = is_heard && world.unsent(name) == 0;
    let pings = said.iter().filter(|frame| is(frame, b"ping") && frame.len() <= 24 + MAX_PING);
    let due: Vec<Vec<u8>> = pings.map(|ping| [&ping[..5], b"o", &ping[6..]].concat()).collect();
    let due: Vec<&[u8]> = due.iter().map(Vec::as_slice).collect();
    assert_comes_of(&pongs.concat(), &due, may_lack, has_all);

    let is_due = |(owner, span): &&(Name, Range<usize>)| {
        *owner != name && span.start >= peer.since && peer.upto.is_none_or(|upto| span.end <= upto)
    };
    let due: Vec<&[u8]> =
        world.spans.iter().filter(is_due).map(|(_, span)| &world.log[span.clone()]).collect();
    let (due, others) = (due.concat(), others.concat());
    assert!(due.starts_with(&others), "peer {name} lacks something, or got something twice");
    let has_all = has_all || peer.upto.is_some() && peer.gone == Some(Reason::Eof);
    assert!(!has_all || due == others, "peer {name} has taken all and does not have everything");
}

/// A stream in frames, but for an unfinished last. Whether they are the right ones is seen by comparing.
fn parted(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some(header) = stream.first_chunk::<24>() {
        assert_eq!(header[..4], MAGIC, "a frame ends where the next begins");
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        let Some((frame, rest)) = stream.split_at_checked(24 + length as usize) else { break };
        frames.push(frame);
        stream = rest;
    }
    frames
}

fn frames<'a>(found: &'a [Found<'_>]) -> impl Iterator<Item = &'a [u8]> {
    found.iter().filter_map(|found| match found {
        Found::Frame(Cow::Borrowed(bytes)) => Some(*bytes),
        _ => None,
    })
}

fn is(frame: &[u8], command: &[u8; 4]) -> bool {
    frame[4..8] == *command && frame[8..16] == [0; 8]
}

/// Between a peer and the relay.
fn is_private(frame: &[u8]) -> bool {
    is(frame, b"ping") || is(frame, b"pong")
}

/// That `bytes` are these frames from the first on; all of them, if so many are due; some left out, if they may be.
fn assert_comes_of(bytes: &[u8], frames: &[&[u8]], may_lack: bool, is_all_due: bool) {
    let (mut rest, mut lacking) = (bytes, false);
    for frame in frames {
        match rest.strip_prefix(*frame) {
            Some(behind) if may_lack || !lacking => rest = behind,
            _ => lacking = true,
        }
    }
    assert!(rest.is_empty(), "{} of {} bytes are not what was said", rest.len(), bytes.len());
    assert!(!is_all_due || may_lack || !lacking, "something said was passed over");
}

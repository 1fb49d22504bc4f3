//! An independent witness of the wire format: the `bitcoin` crate's codec on both sides of a live relay. Knows
//! its messages; compares bytes with nothing of ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::constants::genesis_block;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{Address, Magic, ServiceFlags};
use peer_relay::wire::{Frame, Network};

use crate::support::{Peer, Relay, stranger};

fn regtest() -> Relay {
    Relay::start(&["--network", "regtest", "--protocol", "flood"])
}

/// The pings of the other tests are of another network: here the crate's own do that.
fn join(relay: &Relay, last: u8) -> Peer {
    let mut peer = relay.connect_from(stranger(last));
    ping(&mut peer, last.into());
    peer
}

fn ping(peer: &mut Peer, nonce: u64) {
    peer.send(&encode(NetworkMessage::Ping(nonce)));
    assert_eq!(decode(peer), NetworkMessage::Pong(nonce));
}

fn encode(message: NetworkMessage) -> Vec<u8> {
    serialize(&RawNetworkMessage::new(Magic::REGTEST, message))
}

fn decode(peer: &mut Peer) -> NetworkMessage {
    let raw: RawNetworkMessage = deserialize(&peer.read_frame()).expect("the crate decodes what came");
    assert_eq!(*raw.magic(), Magic::REGTEST);
    raw.into_payload()
}

fn version() -> NetworkMessage {
    let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 18444);
    let address = Address::new(&here, ServiceFlags::NETWORK);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    NetworkMessage::Version(VersionMessage {
        version: 70016,
        services: ServiceFlags::NETWORK | ServiceFlags::WITNESS,
        timestamp: now,
        receiver: address.clone(),
        sender: address,
        nonce: 0x1122_3344_5566_7788,
        user_agent: "/witness:0.32/".into(),
        start_height: 101,
        relay: true,
    })
}

fn messages() -> Vec<NetworkMessage> {
    let block = genesis_block(bitcoin::Network::Regtest);
    let tx = block.txdata[0].clone();
    let inventory = vec![Inventory::Transaction(tx.compute_txid()), Inventory::Block(block.block_hash())];
    vec![
        version(),
        NetworkMessage::Verack,
        NetworkMessage::Inv(inventory),
        NetworkMessage::Tx(tx),
        NetworkMessage::Block(block),
    ]
}

#[test]
fn frames_of_the_bitcoin_crate_pass_a_live_relay_and_decode_with_it() {
    let relay = regtest();
    let (mut one, mut two, mut three) = (join(&relay, 2), join(&relay, 3), join(&relay, 4));
    for message in messages() {
        one.send(&encode(message.clone()));
        assert_eq!(decode(&mut two), message);
        assert_eq!(decode(&mut three), message);
    }
    let all: Vec<u8> = messages().into_iter().flat_map(encode).collect();
    two.send(&all);
    for message in messages() {
        assert_eq!(decode(&mut one), message);
        assert_eq!(decode(&mut three), message);
    }
}

#[test]
fn a_ping_of_the_bitcoin_crate_returns_as_a_pong_it_decodes() {
    let relay = regtest();
    let mut peer = join(&relay, 2);
    for nonce in [0, 100, 12345, u64::MAX] {
        ping(&mut peer, nonce);
    }
}

#[test]
fn our_own_frames_pass_and_decode_with_the_bitcoin_crate() {
    let relay = regtest();
    let (mut one, mut two) = (join(&relay, 2), join(&relay, 3));
    let magic = "regtest".parse::<Network>().unwrap().magic;
    let block = genesis_block(bitcoin::Network::Regtest);
    for (command, payload, meaning) in [
        ("verack", vec![], NetworkMessage::Verack),
        ("sendheaders", vec![], NetworkMessage::SendHeaders),
        ("block", serialize(&block), NetworkMessage::Block(block.clone())),
        ("tx", serialize(&block.txdata[0]), NetworkMessage::Tx(block.txdata[0].clone())),
    ] {
        one.send(Frame::encode(magic, command.parse().unwrap(), &payload).as_bytes());
        assert_eq!(decode(&mut two), meaning);
    }
}

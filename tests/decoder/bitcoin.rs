//! The `bitcoin` crate as an independent witness of the wire format. Knows messages; the decoder does not.

use std::net::{Ipv4Addr, SocketAddr};

use bitcoin::blockdata::constants::genesis_block;
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{self, Address, ServiceFlags};
use bitcoin::{BlockHash, Network, Txid};
use peer_relay::wire::network::NETWORKS;
use peer_relay::wire::{Frame, Magic};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::feed::in_pieces;
use crate::naive::{Found, Law};

fn magic() -> impl Strategy<Value = [u8; 4]> {
    select(NETWORKS.map(|network| network.magic.0).to_vec())
}

fn address() -> impl Strategy<Value = Address> {
    (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| {
        Address::new(&SocketAddr::from((Ipv4Addr::from(ip), port)), ServiceFlags::NETWORK)
    })
}

fn inventory() -> impl Strategy<Value = Vec<Inventory>> {
    let entry = (any::<bool>(), any::<[u8; 32]>()).prop_map(|(is_block, hash)| {
        if is_block {
            Inventory::Block(BlockHash::from_byte_array(hash))
        } else {
            Inventory::Transaction(Txid::from_byte_array(hash))
        }
    });
    vec(entry, 0..20)
}

fn version() -> impl Strategy<Value = NetworkMessage> {
    (address(), address(), any::<u64>(), "[ -~]{0,40}").prop_map(|(receiver, sender, nonce, agent)| {
        let version =
            VersionMessage::new(ServiceFlags::WITNESS, 1_231_006_505, receiver, sender, nonce, agent, 7);
        NetworkMessage::Version(version)
    })
}

fn headers_wanted() -> impl Strategy<Value = NetworkMessage> {
    vec(any::<[u8; 32]>(), 0..5).prop_map(|hashes| {
        let locator = hashes.into_iter().map(BlockHash::from_byte_array).collect();
        NetworkMessage::GetHeaders(GetHeadersMessage::new(locator, BlockHash::all_zeros()))
    })
}

fn unknown() -> impl Strategy<Value = NetworkMessage> {
    ("x[a-z ]{0,10}", vec(any::<u8>(), 0..200)).prop_map(|(command, payload)| NetworkMessage::Unknown {
        command: command.as_str().try_into().unwrap(),
        payload,
    })
}

fn message() -> impl Strategy<Value = NetworkMessage> {
    let network = || select(&[Network::Bitcoin, Network::Signet, Network::Regtest][..]);
    prop_oneof![
        version(),
        Just(NetworkMessage::Verack),
        Just(NetworkMessage::SendHeaders),
        Just(NetworkMessage::GetAddr),
        any::<u64>().prop_map(NetworkMessage::Ping),
        any::<u64>().prop_map(NetworkMessage::Pong),
        (0..1_000_000i64).prop_map(NetworkMessage::FeeFilter),
        inventory().prop_map(NetworkMessage::Inv),
        inventory().prop_map(NetworkMessage::GetData),
        headers_wanted(),
        network().prop_map(|network| NetworkMessage::Block(genesis_block(network))),
        network().prop_map(|network| NetworkMessage::Headers(vec![genesis_block(network).header])),
        network().prop_map(|network| NetworkMessage::Tx(genesis_block(network).txdata[0].clone())),
        vec((any::<u32>(), address()), 0..20).prop_map(NetworkMessage::Addr),
        unknown(),
    ]
}

/// A message and its frame as the `bitcoin` crate writes it.
fn encoded(magic: [u8; 4], message: NetworkMessage) -> (RawNetworkMessage, Vec<u8>) {
    let raw = RawNetworkMessage::new(p2p::Magic::from_bytes(magic), message);
    let bytes = serialize(&raw);
    (raw, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_bitcoin_crate_encodes_decodes_to_the_same_messages(
        magic in magic(),
        messages in vec(message(), 1..8),
        sizes in vec(1..200usize, 1..5),
    ) {
        let frames: Vec<_> = messages.into_iter().map(|message| encoded(magic, message)).collect();
        let stream: Vec<u8> = frames.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let law = Law { magic, max_payload: 4_000_000, max_skip: 0 };
        let reading = in_pieces(&stream, &law, sizes.into_iter().cycle());
        prop_assert_eq!(reading.found.len(), frames.len());
        for (found, (raw, bytes)) in reading.found.iter().zip(&frames) {
            let Found::Frame(decoded) = found else { panic!("{found:?} where {raw:?} was sent") };
            prop_assert_eq!(decoded.as_ref(), &bytes[..]);
            prop_assert_eq!(&deserialize::<RawNetworkMessage>(decoded).unwrap(), raw);
        }
    }

    #[test]
    fn command_and_payload_are_what_the_bitcoin_crate_says(magic in magic(), message in message()) {
        let (raw, bytes) = encoded(magic, message);
        let law = Law { magic, max_payload: 4_000_000, max_skip: 0 };
        let frame = crate::feed::decoder(&law).decode(&mut bytes.as_slice()).unwrap().unwrap();
        prop_assert_eq!(frame.command().to_string(), raw.command().to_string());
        prop_assert_eq!(frame.payload(), &bytes[24..]);
        let again = Frame::encode(Magic(magic), frame.command(), frame.payload());
        prop_assert_eq!(again.as_bytes(), &bytes[..]);
    }

    #[test]
    fn what_we_encode_the_bitcoin_crate_decodes(
        magic in magic(),
        nonce in any::<u64>(),
        command in "x[a-z ]{0,10}",
        payload in vec(any::<u8>(), 0..500),
    ) {
        let decoded = |command: &str, payload: &[u8]| {
            let frame = Frame::encode(Magic(magic), command.parse().unwrap(), payload);
            let raw: RawNetworkMessage = deserialize(frame.as_bytes()).unwrap();
            assert_eq!(raw.magic().to_bytes(), magic);
            raw.payload().clone()
        };
        prop_assert_eq!(decoded("verack", &[]), NetworkMessage::Verack);
        prop_assert_eq!(decoded("ping", &nonce.to_le_bytes()), NetworkMessage::Ping(nonce));
        prop_assert_eq!(decoded("pong", &nonce.to_le_bytes()), NetworkMessage::Pong(nonce));
        let unknown = NetworkMessage::Unknown { command: command.as_str().try_into().unwrap(), payload: payload.clone() };
        prop_assert_eq!(decoded(&command, &payload), unknown);
    }
}

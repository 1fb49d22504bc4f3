//! Socket buffers of 32 bytes, or as near to it as the kernel goes, on all sides. Knows socket options.

use socket2::{SockRef, Socket};

use super::conversation::Conversation;
use crate::support::{Peer, Relay, alone, stranger};

/// Far above what the kernel makes of 32 bytes, far below what it gives unasked.
const NARROW: usize = 16 * 1024;

/// Longest segment, bytes: several of them have room in what is left of such a buffer. Where only one has, Linux may come
/// to send one each 200 ms for good, with any two programs, once a reader has been late for a moment.
const SEGMENT: u32 = 200;

fn narrow(socket: &Socket) {
    socket.set_tcp_mss(SEGMENT).unwrap();
    socket.set_recv_buffer_size(32).unwrap();
    socket.set_send_buffer_size(32).unwrap();
}

fn join(relay: &Relay, last: u8) -> Peer {
    let mut peer = relay.connect_with(stranger(last), narrow).unwrap();
    peer.ping();
    let socket = SockRef::from(peer.stream());
    let sizes = (socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap());
    assert!(sizes.0 < NARROW && sizes.1 < NARROW, "{sizes:?} B are not narrow");
    peer
}

#[test]
fn a_conversation_through_buffers_of_32_bytes_loses_nothing() {
    let _alone = alone();
    let relay = Relay::start(&["--recv-buffer", "32", "--send-buffer", "32"]);
    let mut conversation = Conversation::among((2..6).map(|last| join(&relay, last)).collect());
    let small = conversation.round(&[0, 1, 250, 3_000, 70]);
    let large = conversation.round(&[10, 1_000_000, 10]);
    println!("four peers through 32 bytes: small frames {small:?}, 1 MB each {large:?}");
    conversation.end();
}

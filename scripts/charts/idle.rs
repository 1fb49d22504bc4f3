//! A room of peers that say nothing but one ping each, by whose answer they know that they are in. Knows the relay's
//! frames, and no figure.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use peer_relay::wire::{Frame, Network};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// Everybody inside. Dropped, they leave.
#[derive(Debug)]
pub struct Room {
    _peers: Vec<TcpStream>,
}

impl Room {
    /// So many peers, each of an address of its own, as the ports of one do not suffice for all.
    pub fn join(port: u16, peers: u32) -> Result<Self, String> {
        let relay = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut room = Vec::with_capacity(peers as usize);
        for index in 0..peers {
            let peer = connect(relay, index).and_then(greet);
            room.push(
                peer.map_err(|error| format!("peer {} of {peers} cannot come in: {error}", index + 1))?,
            );
        }
        Ok(Self { _peers: room })
    }
}

fn connect(relay: SocketAddr, index: u32) -> std::io::Result<TcpStream> {
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    let own = SocketAddr::from((Ipv4Addr::from(first + index), 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&own.into())?;
    socket.connect_timeout(&relay.into(), PATIENCE)?;
    Ok(socket.into())
}

/// A ping, and its pong.
fn greet(mut peer: TcpStream) -> std::io::Result<TcpStream> {
    peer.set_read_timeout(Some(PATIENCE))?;
    let word = |name: &str| {
        let command = name.parse().expect("a command");
        Frame::encode(Network::PRIVATE.magic, command, b"are-u-up").into_bytes().into_owned()
    };
    peer.write_all(&word("ping"))?;
    let pong = word("pong");
    let mut answer = vec![0; pong.len()];
    peer.read_exact(&mut answer)?;
    if answer == pong { Ok(peer) } else { Err(std::io::Error::other("that is no pong")) }
}

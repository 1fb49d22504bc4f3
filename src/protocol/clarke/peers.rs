//! The neighbours that somebody has added, in the order of adding. Knows addresses; dials nobody.
//!
//! A peer is added as `{"port":N}`, `{"host":"1.2.3.4","port":N}`, a bare port or `"1.2.3.4:N"`. Without a host it is
//! at the address of whoever says so. Hosts are IP addresses: nobody makes us look a name up; and a loopback address
//! means this host only when it is said on it. A port may be text, as some nodes have it.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply;
use crate::protocol::DialId;

/// Most addresses of our own that are found out by dialling and remembered.
const OURSELVES_MAX: usize = 64;

/// The list, and who we are.
#[derive(Debug)]
pub(super) struct Peers {
    added: Vec<(SocketAddr, DialId)>,
    max: usize,
    listening: Vec<SocketAddr>,
    /// Where we have reached ourselves, the oldest first.
    ourselves: Vec<SocketAddr>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    host: Option<String>,
    #[serde(borrow)]
    port: Option<&'a RawValue>,
}

impl Peers {
    /// Nobody has been added.
    pub fn new(max: usize, listening: Vec<SocketAddr>) -> Self {
        Self { added: Vec::new(), max, listening, ourselves: Vec::new() }
    }

    /// Whether there is room for this one, and it is not there yet.
    pub fn has_room_for(&self, peer: SocketAddr) -> bool {
        self.added.len() < self.max && self.added.iter().all(|(address, _)| *address != peer)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.added.len()
    }

    /// It is dialled.
    pub fn add(&mut self, peer: SocketAddr, dial: DialId) {
        self.added.push((peer, dial));
    }

    /// It is not to be dialled any more: how it was.
    pub fn remove(&mut self, peer: SocketAddr) -> Option<DialId> {
        let place = self.added.iter().position(|(address, _)| *address == peer)?;
        Some(self.added.remove(place).1)
    }

    /// It is not dialled any more.
    pub fn forget(&mut self, dial: DialId) {
        self.added.retain(|(_, id)| *id != dial);
    }

    /// That is us.
    pub fn note_ourselves(&mut self, address: SocketAddr) {
        if !self.is_ourselves(address) {
            if self.ourselves.len() == OURSELVES_MAX {
                self.ourselves.remove(0);
            }
            self.ourselves.push(address);
        }
    }

    /// Whether whoever dials this reaches us, as far as we know.
    pub fn is_ourselves(&self, peer: SocketAddr) -> bool {
        let is_at = |own: &SocketAddr| {
            let is_any = own.ip().is_unspecified() && peer.ip().is_loopback();
            own.port() == peer.port() && (own.ip().to_canonical() == peer.ip() || is_any)
        };
        self.listening.iter().any(is_at) || self.ourselves.contains(&peer)
    }

    /// The list, as it is answered.
    pub fn payload(&self) -> String {
        let shown = |(address, _): &(SocketAddr, DialId)| {
            format!(r#"{{"host":"{}","port":{}}}"#, address.ip(), address.port())
        };
        let peers: Vec<String> = self.added.iter().map(shown).collect();
        reply::array(peers.iter().map(String::as_str))
    }
}

/// The peer that a payload means, said from this address.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(payload: Option<&str>, from: IpAddr) -> Result<SocketAddr, &'static str> {
    let payload = payload.ok_or("no peer is given")?;
    let peer = match payload.as_bytes().first() {
        Some(b'{') => of_object(payload, from)?,
        Some(b'"') => text_of(payload)
            .and_then(|text| text.parse().ok())
            .ok_or("a peer as text is an IP address, a colon and a port")?,
        _ => SocketAddr::new(from, port_of(payload)?),
    };
    let ip = peer.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || is_broadcast {
        return Err("the host is no single host's address");
    }
    if ip.is_loopback() && !from.to_canonical().is_loopback() {
        return Err("a loopback address is the host's that says it: only somebody on this host can add one");
    }
    if peer.port() == 0 { Err(NO_PORT) } else { Ok(SocketAddr::new(ip, peer.port())) }
}

const NO_PORT: &str = "a port is a number from 1 to 65535";

fn of_object(payload: &str, from: IpAddr) -> Result<SocketAddr, &'static str> {
    let fields: Fields<'_> = serde_json::from_str(payload)
        .map_err(|_| "a peer has a host, which is text, and a port, each once")?;
    let host = match fields.host {
        Some(host) => host.parse().map_err(|_| "the host is no IP address")?,
        None => from,
    };
    Ok(SocketAddr::new(host, port_of(fields.port.ok_or("the port is missing")?.get())?))
}

fn port_of(json: &str) -> Result<u16, &'static str> {
    let text = text_of(json).unwrap_or_else(|| json.into());
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|_| is_number);
    port.filter(|port| *port > 0).ok_or(NO_PORT)
}

fn text_of(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

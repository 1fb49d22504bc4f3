//! A real relay on loopback: one sender, and the time until every receiver has every byte of a batch. Knows the
//! kernel, and so measures it too.
//!
//! Beside it, with the same sender and receivers, two plain broadcasters that block, queue nothing and let nobody
//! be slow: one decodes and writes each frame to each receiver, the other passes on what a read has brought.
//! A sender waits for its batch to arrive before it sends the next: these are times of single batches.

use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use mio::{Events, Interest, Poll, Token};
use peer_relay::kernel::{Family, KernelStack, PortUse, SocketOptions, Wake};
use peer_relay::protocol::{Dialect, Flood};
use peer_relay::relay::{Law, Limits, Relay};
use peer_relay::server::{READ_BYTES, Server};
use peer_relay::wire::{Command, Decoder, Frame, Header, Network};

/// How long anything may take that is sure to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A batch, by the length of its frames, headers included.
const BATCHES: [Batch; 2] = [
    Batch { name: "256 frames of 250 B", frame_len: 250, frames: 256 },
    Batch { name: "64 frames of 16 KiB", frame_len: 16 * 1024, frames: 64 },
];

const ROOMS: [usize; 2] = [10, 100];

#[derive(Clone, Copy)]
struct Batch {
    name: &'static str,
    frame_len: usize,
    frames: usize,
}

impl Batch {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..self.frames {
            let payload: Vec<u8> =
                (0..self.frame_len - Header::LEN).map(|at| (number + 7 * at) as u8).collect();
            bytes.extend_from_slice(frame("tx", &payload).as_bytes());
        }
        bytes
    }
}

fn frame(command: &str, payload: &[u8]) -> Frame<'static> {
    Frame::encode(Network::PRIVATE.magic, command.parse().expect("a command"), payload)
}

/// Who carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Relay,
    /// Decodes, and writes each frame to each receiver.
    FrameByFrame,
    /// Writes what a read has brought to each receiver.
    ReadByRead,
}

/// A carrier at work, in a thread of its own.
struct Running {
    address: SocketAddr,
    /// How to end it. A plain one ends with its sender.
    stop: Option<(Arc<AtomicBool>, Wake)>,
    thread: JoinHandle<()>,
}

impl Carrier {
    fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::FrameByFrame => "a write per frame and receiver",
            Self::ReadByRead => "a write per read and receiver",
        }
    }

    fn start(self, receivers: usize) -> Running {
        if self == Self::Relay {
            return start_relay();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let thread = thread::spawn(move || {
            let sender = accept(&listener);
            let receivers = (0..receivers).map(|_| accept(&listener)).collect();
            match self {
                Self::FrameByFrame => frame_by_frame(sender, receivers),
                Self::ReadByRead | Self::Relay => read_by_read(sender, receivers),
            }
        });
        Running { address, stop: None, thread }
    }
}

fn start_relay() -> Running {
    let mut stack = KernelStack::new(SocketOptions::default()).expect("a poll");
    let address = stack
        .listen((Ipv4Addr::LOCALHOST, 0).into(), Family::Own, PortUse::Alone, Dialect::Frames)
        .expect("a free port");
    let is_over = Arc::new(AtomicBool::new(false));
    let stop = (Arc::clone(&is_over), stack.wake());
    let thread = thread::spawn(move || {
        let limits = Limits::new(Network::PRIVATE.magic);
        let mut server = Server::new(stack, Relay::new(Flood, Law::of::<Flood>(), limits));
        while !is_over.load(Ordering::Relaxed) {
            server.turn(None).expect("the poll works");
            server.events().for_each(drop);
        }
    });
    Running { address, stop: Some(stop), thread }
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("somebody comes");
    stream.set_nodelay(true).expect("an option of every socket");
    stream
}

fn frame_by_frame(mut sender: TcpStream, mut receivers: Vec<TcpStream>) {
    let mut decoder = Decoder::new(Limits::new(Network::PRIVATE.magic).decoder);
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(len @ 1..) = sender.read(&mut buffer) {
        let mut input = &buffer[..len];
        while let Some(frame) = decoder.decode(&mut input).expect("valid frames") {
            receivers.iter_mut().for_each(|to| to.write_all(frame.as_bytes()).expect("it reads"));
        }
    }
}

fn read_by_read(mut sender: TcpStream, mut receivers: Vec<TcpStream>) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(len @ 1..) = sender.read(&mut buffer) {
        receivers.iter_mut().for_each(|to| to.write_all(&buffer[..len]).expect("it reads"));
    }
}

/// A carrier, one sender and its receivers.
struct Room {
    carrier: Running,
    sender: TcpStream,
    /// A word for each batch that everybody has.
    arrived: Receiver<()>,
    readers: JoinHandle<()>,
}

impl Room {
    fn open(carrier: Carrier, receivers: usize, batch: &[u8]) -> Self {
        let running = carrier.start(receivers);
        let connect = || {
            let mut stream = TcpStream::connect(running.address).expect("it listens");
            stream.set_nodelay(true).expect("an option of every socket");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option of every socket");
            if carrier == Carrier::Relay {
                wait_for_place(&mut stream);
            }
            stream
        };
        let sender = connect();
        let streams = (0..receivers).map(|_| connect()).collect();
        let (done, arrived) = channel();
        let batch = batch.to_vec();
        let readers = thread::spawn(move || read_batches(streams, &batch, &done));
        Self { carrier: running, sender, arrived, readers }
    }

    fn send(&mut self, batch: &[u8]) {
        self.sender.write_all(batch).expect("it is read");
        self.arrived.recv_timeout(PATIENCE).expect("everybody has everything");
    }

    fn close(self) {
        drop(self.sender);
        if let Some((is_over, wake)) = self.carrier.stop {
            is_over.store(true, Ordering::Relaxed);
            wake.wake();
        }
        self.carrier.thread.join().expect("it has done its work");
        self.readers.join().expect("they have read to the end");
    }
}

/// Connected is not yet admitted: whoever is, is answered.
fn wait_for_place(stream: &mut TcpStream) {
    let ping = frame(Command::PING.as_str(), b"a place?");
    stream.write_all(ping.as_bytes()).expect("it is read");
    let mut pong = vec![0; ping.as_bytes().len()];
    stream.read_exact(&mut pong).expect("a pong");
}

/// Reads all streams until they end. Tells each time they all have had a batch; the first is looked at.
fn read_batches(streams: Vec<TcpStream>, batch: &[u8], done: &Sender<()>) {
    let mut readers = Readers::new(streams);
    let mut events = Events::with_capacity(1024);
    let mut expected = Some(batch);
    while readers.open > 0 {
        let mut waiting = readers.streams.len();
        while waiting > 0 && readers.open > 0 {
            match readers.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.expect("the poll works"),
            }
            for event in &events {
                waiting -= usize::from(readers.read(event.token().0, batch.len(), expected));
            }
        }
        expected = None;
        readers.had.fill(0);
        let _ = done.send(()); // at the end nobody waits any more
    }
}

/// The receivers' sockets, in one poll.
struct Readers {
    poll: Poll,
    /// None once it has ended.
    streams: Vec<Option<mio::net::TcpStream>>,
    /// Bytes of this batch, of each.
    had: Vec<usize>,
    /// How many have not ended.
    open: usize,
    buffer: Vec<u8>,
}

impl Readers {
    fn new(streams: Vec<TcpStream>) -> Self {
        let poll = Poll::new().expect("a poll");
        let watch = |(place, stream): (usize, TcpStream)| {
            stream.set_nonblocking(true).expect("an option of every socket");
            let mut stream = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(place), Interest::READABLE).expect("a socket");
            Some(stream)
        };
        let streams: Vec<_> = streams.into_iter().enumerate().map(watch).collect();
        let (had, open) = (vec![0; streams.len()], streams.len());
        Self { poll, streams, had, open, buffer: vec![0; 256 * 1024] }
    }

    /// Reads what there is. Whether that completes the batch of this one.
    fn read(&mut self, place: usize, whole: usize, expected: Option<&[u8]>) -> bool {
        let had_before = self.had[place];
        while let Some(stream) = &mut self.streams[place] {
            match stream.read(&mut self.buffer) {
                Ok(len @ 1..) => {
                    let at = self.had[place];
                    self.had[place] += len;
                    if let Some(expected) = expected {
                        assert!(
                            expected[at..].starts_with(&self.buffer[..len]),
                            "other bytes than were sent"
                        );
                    }
                    black_box(&self.buffer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    self.streams[place] = None; // what is still said of it means nothing
                    self.open -= 1;
                }
            }
        }
        assert!(self.had[place] <= whole, "more bytes than were sent");
        had_before < whole && self.had[place] == whole
    }
}

fn loopback(criterion: &mut Criterion) {
    for batch in BATCHES {
        let mut group = criterion.benchmark_group(batch.name);
        // flat: a batch takes up to a tenth of a second
        group.sampling_mode(SamplingMode::Flat).sample_size(20);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
        let bytes = batch.bytes();
        for receivers in ROOMS {
            group.throughput(Throughput::ElementsAndBytes {
                elements: (receivers * batch.frames) as u64,
                bytes: (receivers * bytes.len()) as u64,
            });
            for carrier in [Carrier::Relay, Carrier::FrameByFrame, Carrier::ReadByRead] {
                let mut room = Room::open(carrier, receivers, &bytes);
                group.bench_function(BenchmarkId::new(carrier.name(), receivers), |bencher| {
                    bencher.iter(|| room.send(&bytes));
                });
                room.close();
            }
        }
        group.finish();
    }
}

/// No plots and few resamples: they took longer than the measuring.
fn brief() -> Criterion {
    Criterion::default().without_plots().nresamples(5000)
}

criterion_group! { name = benches; config = brief(); targets = loopback }
criterion_main!(benches);

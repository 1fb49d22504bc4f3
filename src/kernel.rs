//! The kernel's TCP. The only file that names mio or opens a socket; knows no peer and no rule.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant as SystemInstant};

use arrayvec::ArrayVec;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::protocol::{Dialect, Token};
use crate::server::{Readiness, Stack, WRITE_PARTS};
use crate::time::Instant;
use crate::wire::Part;

/// Connections that may wait to be accepted. With mio's own 128, thousands that come at once wait for the
/// retransmission of their SYN.
const BACKLOG: i32 = 4096;
/// Events taken from one wait.
const EVENTS: usize = 1024;

const WAKER: mio::Token = mio::Token(usize::MAX);
const TIMER: mio::Token = mio::Token(usize::MAX - 1);
/// Listeners count down from here; no slab reaches so far.
const FIRST_LISTENER: usize = usize::MAX - 2;

/// TCP as the kernel does it, through one poll.
///
/// Bytes go through rustix, which calls the kernel itself: libc's `send` is a cancellation point, which costs a
/// process with more than one thread 4 % of what one message to 100 peers costs.
#[derive(Debug)]
pub struct KernelStack {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    /// Who was accepted from last.
    last_listener: usize,
    options: SocketOptions,
    waker: Arc<Waker>,
    /// Wakes the poll, which counts in milliseconds, at the right one of their thousandths.
    timer: Option<OwnedFd>,
    began: SystemInstant,
}

/// How every connection's socket is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Silence after which the other host is asked whether it is there; whole seconds, at least one. It is
    /// given up after twice that.
    pub keepalive: Option<Duration>,
    /// `SO_RCVBUF`, bytes; else the kernel sizes it as it sees fit.
    pub recv_buffer: Option<usize>,
    /// `SO_SNDBUF`, bytes; setting it switches the kernel's own sizing off.
    pub send_buffer: Option<usize>,
}

/// Lets another thread have the loop take a turn.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Waker>);

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    dialect: Dialect,
    is_ready: bool,
}

impl KernelStack {
    /// A stack without listeners. Its time begins now.
    pub fn new(options: SocketOptions) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            listeners: Vec::new(),
            last_listener: 0,
            options,
            waker,
            timer: None,
            began: SystemInstant::now(),
        })
    }

    /// Listens at an address, for those who speak so; with port 0 the kernel picks one. Says where.
    pub fn listen(
        &mut self,
        at: SocketAddr,
        family: Family,
        port_use: PortUse,
        dialect: Dialect,
    ) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(port_use == PortUse::Shared)?;
        if at.is_ipv6() {
            socket.set_only_v6(family == Family::Own)?;
        }
        self.options.apply(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        let mut socket = TcpListener::from_std(StdListener::from(socket));
        let token = mio::Token(FIRST_LISTENER - self.listeners.len());
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        let at = socket.local_addr()?;
        self.listeners.push(Listener { socket, dialect, is_ready: false });
        Ok(at)
    }

    /// From now on only silence ends this connection. With a keepalive, one that takes nothing for too long counts
    /// as vanished; somebody who has stopped his screen has not vanished, and answers.
    pub fn allow_slowness(&self, stream: &TcpStream) -> io::Result<()> {
        SockRef::from(stream).set_tcp_user_timeout(None)
    }

    /// From now on a wait ends within microseconds of its time, where it else may take a millisecond longer. It
    /// costs a system call each.
    pub fn keep_exact_time(&mut self) -> io::Result<()> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        self.poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        self.timer = Some(timer);
        Ok(())
    }

    /// How long to poll: as asked, or until the timer wakes us.
    fn poll_time(&self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        let (Some(timer), Some(span)) = (&self.timer, timeout.filter(|span| !span.is_zero())) else {
            return Ok(timeout);
        };
        let Ok(value) = Timespec::try_from(span) else { return Ok(timeout) };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        rustix::time::timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(None)
    }

    /// A handle for other threads.
    pub fn wake(&self) -> Wake {
        Wake(Arc::clone(&self.waker))
    }
}

/// Which addresses a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Those of its own family.
    Own,
    /// An IPv6 wildcard takes IPv4 too.
    Both,
}

/// Whose a listener's port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// Ours.
    Alone,
    /// Also other processes', of the same user, that say the same: whoever comes, comes to one of them
    /// (`SO_REUSEPORT`).
    Shared,
}

impl Wake {
    /// The loop takes a turn soon.
    pub fn wake(&self) {
        if let Err(error) = self.0.wake() {
            log::error!("cannot wake the loop: {error}");
        }
    }
}

impl Stack for KernelStack {
    type Stream = TcpStream;

    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant> {
        let timeout = self.poll_time(until.map(|when| when.since(self.now())))?;
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => {} // a signal: whatever it is about, a turn will see it
            Ok(()) => {
                for event in &self.events {
                    note(event, &mut self.listeners, ready);
                }
            }
        }
        Ok(self.now())
    }

    fn now(&self) -> Instant {
        Instant::START + self.began.elapsed()
    }

    fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr, Dialect)> {
        // in turns, or whoever comes to a later listener waits for a storm on an earlier one to end
        for _ in 0..self.listeners.len() {
            self.last_listener = (self.last_listener + 1) % self.listeners.len();
            let listener = &mut self.listeners[self.last_listener];
            if !listener.is_ready {
                continue;
            }
            match listener.socket.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.is_ready = false,
                accepted => {
                    let (stream, from) = accepted?;
                    return Ok((stream, unmapped(from), listener.dialect));
                }
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        self.options.apply(&socket)?;
        socket.set_nonblocking(true)?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            connected => connected?,
        }
        Ok(TcpStream::from_std(StdStream::from(socket)))
    }

    fn connected(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            // where nobody listens at a port that connections begin at, TCP may connect a socket with itself
            Ok(peer) if peer == stream.local_addr()? => Err(io::ErrorKind::ConnectionRefused.into()),
            found => found.map(drop),
        }
    }

    fn register(&mut self, stream: &mut TcpStream, token: Token) -> io::Result<()> {
        let (registry, token) = (self.poll.registry(), mio::Token(token.index()));
        match registry.register(stream, token, interest()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                registry.reregister(stream, token, interest())
            }
            registered => registered,
        }
    }

    fn read(&mut self, stream: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(&*stream, into, RecvFlags::empty())?.0)
    }

    fn write(&mut self, stream: &mut TcpStream, parts: &[Part<'_>]) -> io::Result<usize> {
        if let [part] = parts {
            return Ok(rustix::net::send(&*stream, part.as_slice(), SendFlags::NOSIGNAL)?);
        }
        let slices = parts.iter().take(WRITE_PARTS).map(|part| IoSlice::new(part.as_slice()));
        let slices = slices.collect::<ArrayVec<_, WRITE_PARTS>>();
        Ok(rustix::net::sendmsg(&*stream, &slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
    }

    fn shutdown(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        stream.shutdown(Shutdown::Write)
    }

    fn close(&mut self, stream: TcpStream) {
        drop(stream);
    }

    fn abort(&mut self, stream: TcpStream) {
        // closing with a linger time of zero resets; should that fail, closing is all that is left to do
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        drop(stream);
    }
}

impl SocketOptions {
    /// On a listener, for the connections it accepts to inherit, or on a connection of our own.
    fn apply(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        if let Some(silence) = self.keepalive {
            // probes after one, 1 1/3 and 1 2/3 of the time; whoever does not answer is gone after two
            let interval = (silence / 3).max(Duration::from_secs(1));
            let keepalive = TcpKeepalive::new().with_time(silence).with_interval(interval).with_retries(3);
            socket.set_tcp_keepalive(&keepalive)?;
            socket.set_tcp_user_timeout(Some(silence * 2))?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        Ok(())
    }
}

/// Both directions, once and for good. Where the kernel can tell of urgent data, that too.
fn interest() -> Interest {
    let both = Interest::READABLE | Interest::WRITABLE;
    #[cfg(target_os = "linux")]
    let both = both | Interest::PRIORITY;
    both
}

/// An IPv4 client of a dual-stack listener is an IPv4 client. Everybody else stays as he is, scope and all.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

fn note(event: &Event, listeners: &mut [Listener], ready: &mut Vec<Readiness>) {
    if event.token() == WAKER {
        return ready.push(Readiness::Woken);
    }
    if let Some(listener) = listeners.get_mut(FIRST_LISTENER.wrapping_sub(event.token().0)) {
        listener.is_ready = true;
        return ready.push(Readiness::Acceptable);
    }
    if event.token() == TIMER {
        return; // the time has come, and wait says what time it is
    }
    let Ok(token) = u32::try_from(event.token().0).map(Token) else { return }; // a listener that is gone
    if event.is_read_closed() || event.is_error() {
        ready.push(Readiness::Ended(token));
    } else if event.is_readable() {
        ready.push(Readiness::Readable(token));
    }
    if event.is_priority() {
        ready.push(Readiness::Urgent(token));
    }
    if event.is_writable() {
        ready.push(Readiness::Writable(token));
    }
}

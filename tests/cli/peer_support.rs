//! One `peer` process, its keyboard and its screen; and a plain socket for it to talk to. Waits for what it sees,
//! never for a time.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use socket2::SockRef;

use crate::support::{Lines, PATIENCE, program};

/// A running `peer`. Dropped, it is killed.
#[derive(Debug)]
pub struct Talker {
    pub child: Child,
    stdin: Option<ChildStdin>,
    out: Lines,
    err: Lines,
}

/// How one ended.
#[derive(Debug)]
pub struct Talked {
    pub code: Option<i32>,
    pub out: Vec<String>,
    pub err: Vec<String>,
}

impl Talker {
    /// With these options, somebody at the keyboard, and the screen watched.
    pub fn start<S: AsRef<OsStr>>(args: &[S]) -> Self {
        let (mut talker, stdout) = Self::start_unwatched(args, Stdio::piped());
        talker.out = Lines::of(stdout);
        talker
    }

    /// With this for stdin, and the screen watched.
    pub fn start_with<S: AsRef<OsStr>>(args: &[S], stdin: Stdio) -> Self {
        let (mut talker, stdout) = Self::start_unwatched(args, stdin);
        talker.out = Lines::of(stdout);
        talker
    }

    /// Nobody reads stdout but whoever is given it.
    pub fn start_unwatched<S: AsRef<OsStr>>(args: &[S], stdin: Stdio) -> (Self, ChildStdout) {
        let mut command = program();
        command.arg("peer").args(args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built for this test");
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let stdin = child.stdin.take();
        (Self { child, stdin, out: Lines::default(), err: Lines::of(stderr) }, stdout)
    }

    /// One that listens, and where.
    pub fn listening(args: &[&str]) -> (Self, String) {
        let talker = Self::start(&[&["--listen", "0"], args].concat());
        let at = talker.listens_at();
        (talker, at)
    }

    pub fn listens_at(&self) -> String {
        let line = self.said("listening on ");
        let rest = line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix(", for one peer"));
        rest.unwrap_or_else(|| panic!("{line}")).into()
    }

    /// One that has connected to a plain socket.
    pub fn with_socket(args: &[&str]) -> (Self, TcpStream) {
        Self::with_socket_and(args, Stdio::piped())
    }

    pub fn with_socket_and(args: &[&str], stdin: Stdio) -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let talker = Self::start_with(&[&["--connect", &at], args].concat(), stdin);
        (talker, patient(listener.accept().unwrap().0))
    }

    pub fn types(&mut self, text: impl AsRef<[u8]>) {
        self.stdin.as_mut().unwrap().write_all(text.as_ref()).unwrap();
    }

    /// For somebody else to type at.
    pub fn keys(&mut self) -> ChildStdin {
        self.stdin.take().expect("one keyboard")
    }

    /// Ctrl-D.
    pub fn ends(&mut self) {
        self.stdin.take().expect("it ends once");
    }

    /// Waits for this line on stdout.
    pub fn shows(&self, line: &str) {
        self.out.wait(line, |lines, _| lines.iter().any(|shown| shown == line).then_some(()));
    }

    /// Waits for a line on stderr with this in it.
    pub fn said(&self, part: &str) -> String {
        self.err.wait(part, |lines, _| lines.iter().find(|line| line.contains(part)).cloned())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> Talked {
        let over = |lines: &Lines| lines.wait("the end", |lines, is_over| is_over.then(|| lines.to_vec()));
        let (out, err) = (over(&self.out), over(&self.err));
        Talked { code: self.child.wait().unwrap().code(), out, err }
    }

    /// The same when nobody watches stdout.
    pub fn wait_unwatched(&mut self) -> Talked {
        let err = self.err.wait("the end", |lines, is_over| is_over.then(|| lines.to_vec()));
        Talked { code: self.child.wait().unwrap().code(), out: Vec::new(), err }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Talked {
    /// Ended well: what it showed.
    pub fn well(self) -> Vec<String> {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Ended badly: its last line.
    pub fn badly(&self) -> &str {
        assert_eq!(self.code, Some(1), "{self:?}");
        let line = self.err.last().unwrap_or_else(|| panic!("{self:?}"));
        line.strip_prefix("error: ").unwrap_or_else(|| panic!("{self:?}"))
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A plain socket, connected.
pub fn connect(at: &str) -> TcpStream {
    patient(TcpStream::connect(at).unwrap())
}

/// The next bytes, which are these.
pub fn expect(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    let mut came = vec![0; bytes.as_ref().len()];
    stream.read_exact(&mut came).unwrap();
    assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(bytes.as_ref()));
}

/// Nothing more comes but the end.
pub fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "before the end: {:?}", String::from_utf8_lossy(&rest));
}

/// It sends no more.
pub fn half_close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}

/// It is gone without a word.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

//! Plain sockets at several relays, each with a thread that reads: they say frames, and keep account of what each
//! has heard of every other. Knows no relay's process, and not which relay knows which.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::frames::{self, Label, Speech, encode};
use crate::hostile;
use crate::ledger::{Account, Ledger};

/// Events that may wait to be entered in the book; then the threads wait.
const EVENTS: usize = 1024;
/// Longest wait of a turn: whoever drives this has other things to look at.
const TICK: Duration = Duration::from_millis(5);

/// Everybody, and the book on them.
#[derive(Debug)]
pub struct Leaves {
    leaves: Vec<Leaf>,
    /// Who owes whom all of this talk's frames, in order: sender and receiver. Others may have some of them.
    owed: BTreeSet<(usize, usize)>,
    /// What came of those that are owed.
    ledger: Ledger,
    /// And of the others.
    beside: Ledger,
    speech: Arc<Speech>,
    began: Instant,
    events: Receiver<Event>,
    event: SyncSender<Event>,
}

#[derive(Debug)]
struct Leaf {
    /// None while it is away.
    stream: Option<TcpStream>,
    /// Its relay is about to be killed, or has been: that the connection ends is no fault.
    may_end: bool,
    is_answered: bool,
    /// Frames, in all talks.
    said: u64,
    /// Those of them before this talk.
    said_before: u64,
    /// Those of them before the mark.
    said_at_mark: u64,
    /// On each sender.
    accounts: Vec<Account>,
    /// One more than the highest number heard, of each sender.
    heard: Vec<u64>,
}

#[derive(Debug)]
struct Event {
    leaf: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Frame(Label),
    Pong,
    /// What nobody here has said.
    Wrong,
    End,
}

impl Leaves {
    /// So many, all away.
    pub fn new(count: usize) -> Self {
        let (event, events) = sync_channel(EVENTS);
        let leaf = || Leaf {
            stream: None,
            may_end: false,
            is_answered: false,
            said: 0,
            said_before: 0,
            said_at_mark: 0,
            accounts: Vec::new(),
            heard: vec![0; count],
        };
        Self {
            leaves: (0..count).map(|_| leaf()).collect(),
            owed: BTreeSet::new(),
            ledger: Ledger::default(),
            beside: Ledger::default(),
            speech: Arc::new(Speech::new()),
            began: Instant::now(),
            events,
            event,
        }
    }

    /// One that is away comes, from an address of its own. It is in once it is answered.
    pub fn connect(&mut self, index: usize, to: SocketAddr) -> Result<(), String> {
        let from = Ipv4Addr::new(127, 0, 79, index as u8 + 1); // there are fewer than ten
        let opened = hostile::connect(to, from).and_then(|stream| {
            stream.set_read_timeout(None)?;
            Ok((stream.try_clone()?, stream))
        });
        let (reader, stream) = opened.map_err(|error| format!("a leaf cannot connect to {to}: {error}"))?;
        let (speech, event) = (Arc::clone(&self.speech), self.event.clone());
        thread::spawn(move || {
            read(reader, &speech, |what| event.send(Event { leaf: index, what }).is_ok());
        });
        let leaf = &mut self.leaves[index];
        leaf.stream = Some(stream);
        leaf.may_end = false;
        Ok(())
    }

    /// Those of a relay that is killed. Returns once they have noticed.
    pub fn lose(&mut self, those: &[usize]) -> Result<(), String> {
        those.iter().for_each(|&index| self.leaves[index].may_end = true);
        let are_away = |all: &Self| those.iter().all(|&index| all.leaves[index].stream.is_none());
        if self.turn_until(are_away)? {
            Ok(())
        } else {
            Err("leaves of a killed relay are still there".into())
        }
    }

    /// A talk begins, in which these owe each other all.
    pub fn begin(&mut self, owed: BTreeSet<(usize, usize)>) {
        let count = self.leaves.len();
        for leaf in &mut self.leaves {
            leaf.said_before = leaf.said;
            leaf.accounts = (0..count).map(|_| Account::default()).collect();
        }
        self.owed = owed;
        (self.ledger, self.beside) = Default::default();
        self.mark();
    }

    /// What is said from now on is looked for.
    pub fn mark(&mut self) {
        self.leaves.iter_mut().for_each(|leaf| leaf.said_at_mark = leaf.said);
    }

    /// Whether each has heard something that was said after the mark, of each of these.
    pub fn have_heard(&self, mut pairs: impl Iterator<Item = (usize, usize)>) -> bool {
        pairs.all(|(sender, receiver)| self.leaves[receiver].heard[sender] > self.leaves[sender].said_at_mark)
    }

    /// Whether everybody has got what is owed.
    pub fn have_all(&self) -> bool {
        let said = |sender: usize| self.leaves[sender].said - self.leaves[sender].said_before;
        self.ledger.received == self.owed.iter().map(|&(sender, _)| said(sender)).sum::<u64>()
    }

    /// Everybody who is there says a frame.
    pub fn say(&mut self) {
        let micros = self.began.elapsed().as_micros() as u64; // some hundred thousand years
        for (index, leaf) in self.leaves.iter_mut().enumerate() {
            let Some(stream) = leaf.stream.as_mut() else { continue };
            let bytes = self.speech.encode(&Label { sender: index as u32, number: leaf.said, micros });
            leaf.said += 1;
            let _ = stream.write_all(&bytes); // broken: the thread that reads says so
        }
    }

    /// Everybody who is there is answered: what was to come before has come.
    pub fn ping(&mut self) -> Result<(), String> {
        for leaf in &mut self.leaves {
            leaf.is_answered = false;
            if let Some(stream) = leaf.stream.as_mut() {
                let _ = stream.write_all(&encode("ping", b"")); // as above
            }
        }
        let are_answered =
            |all: &Self| all.leaves.iter().all(|leaf| leaf.is_answered || leaf.stream.is_none());
        if self.turn_until(are_answered)? { Ok(()) } else { Err("a leaf is not answered".into()) }
    }

    /// The talk is over: what was due in it, all of which has come once and in order.
    pub fn close(&mut self) -> Result<u64, String> {
        for &(sender, receiver) in &self.owed {
            let said = self.leaves[sender].said - self.leaves[sender].said_before;
            self.leaves[receiver].accounts[sender].close(said, &mut self.ledger);
        }
        match self.ledger.fault().filter(|_| !self.owed.is_empty()) {
            None => Ok(self.ledger.due),
            Some(fault) => Err(fault),
        }
    }

    /// Everybody goes.
    pub fn leave(&mut self) -> Result<(), String> {
        for stream in self.leaves.iter().filter_map(|leaf| leaf.stream.as_ref()) {
            let _ = stream.shutdown(Shutdown::Both); // it has ended already
        }
        let all: Vec<usize> = (0..self.leaves.len()).collect();
        self.lose(&all)
    }

    /// Turns until it is done. Whether it was, within patience.
    pub fn turn_until(&mut self, is_done: impl Fn(&Self) -> bool) -> Result<bool, String> {
        let began = Instant::now();
        while !is_done(self) {
            if began.elapsed() > PATIENCE {
                return Ok(false);
            }
            self.turn()?;
        }
        Ok(true)
    }

    /// What has come is entered. An error is what nothing that comes later can mend.
    pub fn turn(&mut self) -> Result<(), String> {
        let mut next = self.events.recv_timeout(TICK).ok(); // we have a sender too: there is no other end
        while let Some(Event { leaf, what }) = next {
            match what {
                What::Frame(label) => self.enter(leaf, &label),
                What::Pong => self.leaves[leaf].is_answered = true,
                What::Wrong => self.beside.wrong += 1,
                What::End => {
                    self.leaves[leaf].stream = None;
                    self.beside.cut_off += u64::from(!self.leaves[leaf].may_end);
                }
            }
            self.check()?;
            next = self.events.try_recv().ok();
        }
        Ok(())
    }

    fn enter(&mut self, receiver: usize, label: &Label) {
        let (sender, number) = (label.sender as usize, label.number);
        if sender == receiver || sender >= self.leaves.len() {
            self.beside.wrong += 1; // of its own
            return;
        }
        let is_owed = self.owed.contains(&(sender, receiver));
        let ledger = if is_owed { &mut self.ledger } else { &mut self.beside };
        let Leaf { said, said_before, .. } = self.leaves[sender];
        match number.checked_sub(said_before) {
            Some(number) => {
                self.leaves[receiver].accounts[sender].enter(number, said - said_before, ledger);
            }
            None => ledger.twice += 1, // after the end of a talk, in which it came or could no more
        }
        let heard = &mut self.leaves[receiver].heard[sender];
        *heard = (*heard).max(number + 1);
    }

    /// Nobody, owed or not, hears a thing twice, or what nobody has said. Only those who are owed hear all, in order.
    fn check(&self) -> Result<(), String> {
        let Ledger { twice, wrong, cut_off, .. } = self.beside;
        let (twice, wrong) = (twice + self.ledger.twice, wrong + self.ledger.wrong);
        let out_of_order = self.ledger.out_of_order;
        if twice + wrong + cut_off + out_of_order == 0 {
            return Ok(());
        }
        Err(format!(
            "of what the leaves have heard {twice} came twice, {wrong} was wrong, {out_of_order} was out of order; \
             {cut_off} leaves cut off"
        ))
    }
}

/// Tells what comes, to the end or until nobody wants to know.
fn read(mut stream: TcpStream, speech: &Speech, tell: impl Fn(What) -> bool) {
    let mut decoder = frames::decoder();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let len = match stream.read(&mut bytes) {
            Ok(len) if len > 0 => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => break,
        };
        let mut rest = &bytes[..len];
        loop {
            let what = match decoder.decode(&mut rest) {
                Ok(None) => break,
                Ok(Some(frame)) if frame.command().as_str() == "pong" => What::Pong,
                Ok(Some(frame)) => speech.label(&frame).map_or(What::Wrong, What::Frame),
                Err(_) => What::Wrong,
            };
            if !tell(what) {
                return;
            }
        }
    }
    tell(What::End);
}

//! A promise that was not kept. Knows words only.

use std::fmt;

/// What the relay promises, and a world checks at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Each frame due to a receiver reaches it once, in order, bit for bit.
    Delivery,
    /// Nobody gets its own frame.
    Echo,
    /// Every byte read is accounted for, and every byte due is sent, waits, or was discarded with its receiver.
    Accounts,
    /// No limit is exceeded.
    Limits,
    /// The law is applied as it stands.
    Law,
    /// Whoever is banned holds no place until its ban ends, and is let in after.
    Bans,
    /// Nobody is sent away without a cause.
    Cause,
    /// Whoever has to go goes in time.
    Deadlines,
    /// An address that is kept up has one connection, and is tried again in time.
    Dials,
    /// However relays are joined, a frame comes to each of their peers once.
    Once,
    /// When nobody says anything, nothing is said.
    Silence,
    /// Whoever is ready is served within a bounded number of turns.
    Service,
    /// Every connection is accepted once and closed once.
    Places,
    /// When everybody has left, nothing is left.
    Zero,
    /// Once faults stop, everybody honest is there and has everything.
    Convergence,
    /// The load tester finds everything right.
    Load,
    /// Nothing is given out that nobody honest made.
    Truth,
    /// Each request is answered once, in order and whole.
    Answers,
    /// Whoever comes is asked for what it has.
    Joining,
    /// Relays that know each other have the same.
    Agreement,
}

/// How one was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How, for a person.
    pub how: String,
}

impl Promise {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Delivery => "each frame due to a receiver reaches it once, in order, bit for bit",
            Self::Echo => "nobody gets its own frame",
            Self::Accounts => "every byte read and every byte due is accounted for",
            Self::Limits => "no limit is exceeded",
            Self::Law => "the law is applied as it stands",
            Self::Bans => "a banned address holds no place until its ban ends, and is let in after",
            Self::Cause => "nobody is sent away without a cause",
            Self::Deadlines => "whoever has to go goes in time",
            Self::Dials => "an address that is kept up has one connection, and is tried again in time",
            Self::Once => "however relays are joined, a frame comes to each of their peers once",
            Self::Silence => "when nobody says anything, nothing is said",
            Self::Service => "whoever is ready is served within a bounded number of turns",
            Self::Places => "every connection is accepted once and closed once",
            Self::Zero => "when everybody has left, nothing is left",
            Self::Convergence => "once faults stop, everybody honest is there and has everything",
            Self::Load => "the load tester finds everything right",
            Self::Truth => "nothing is given out that nobody honest made",
            Self::Answers => "each request is answered once, in order and whole",
            Self::Joining => "whoever comes is asked for what it has",
            Self::Agreement => "relays that know each other come to hold the same",
        }
    }

    /// It was broken, in this way.
    pub fn broken(self, how: impl Into<String>) -> Broken {
        Broken { promise: self, how: how.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise.text(), self.how)
    }
}

//! What is spoken at a port. Knows the dialects by name only.

use crate::wire::Framing;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// Frames, in the one room they share with lines.
    #[default]
    Frames,
    /// Lines, in the same room.
    Lines,
    /// Clarke Coin's JSON.
    Json,
    /// Bunkercoin's JSON.
    Chain,
    /// HTTP beside Bunkercoin's.
    Http,
}

impl Dialect {
    /// In the order they are told what has come.
    pub const ALL: [Self; 5] = [Self::Frames, Self::Lines, Self::Json, Self::Chain, Self::Http];

    /// Its place in [`ALL`](Self::ALL).
    pub const fn index(self) -> usize {
        self as usize
    }

    /// How its messages are told apart, where that is not its protocol's business.
    pub const fn framing(self) -> Option<Framing> {
        match self {
            Self::Frames => Some(Framing::Frames),
            Self::Lines => Some(Framing::Lines),
            Self::Json | Self::Chain | Self::Http => None,
        }
    }

    /// Whether its messages are told apart by the protocol that knows what they mean.
    pub const fn is_text(self) -> bool {
        self.framing().is_none()
    }
}

impl From<Framing> for Dialect {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Frames => Self::Frames,
            Framing::Lines => Self::Lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_place() {
        for (nth, dialect) in Dialect::ALL.into_iter().enumerate() {
            assert_eq!(dialect.index(), nth);
        }
    }
}

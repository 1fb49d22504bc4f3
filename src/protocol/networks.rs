//! Everything that is spoken at the ports of one relay, each with what it means there. Decides nothing but whose turn it is.

use super::{Breach, Flood, Offence, Outbox, Penalty, Protocol, Token};
use crate::wire::Frame;

/// Frames and lines in their one room, and the networks that speak text in theirs.
#[derive(Debug, Default)]
pub struct Networks {
    flood: Flood,
}

impl Protocol for Networks {
    const NAME: &'static str = Flood::NAME;

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        self.flood.received(out, from, frame)
    }
}

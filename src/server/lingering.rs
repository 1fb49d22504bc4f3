//! Who was shut down and may go on sending for a while, by the time that ends. Knows tokens and moments only.

use std::collections::{BTreeMap, VecDeque};

use super::LINGER;
use crate::protocol::Token;
use crate::time::Instant;

/// Tokens in the order in which their time ends, which is that in which they came: all have the same.
#[derive(Debug, Default)]
pub(super) struct Lingerers {
    in_order: VecDeque<(Instant, Token)>,
    /// Those that linger still, and until when. Whoever has left stays in the order: its token may be another's by
    /// then.
    until: BTreeMap<Token, Instant>,
}

impl Lingerers {
    pub fn begin(&mut self, now: Instant, token: Token) {
        let until = now + LINGER;
        self.in_order.push_back((until, token));
        self.until.insert(token, until);
    }

    /// It has left.
    pub fn forget(&mut self, token: Token) {
        self.until.remove(&token);
    }

    /// Somebody whose time is over.
    pub fn pop(&mut self, now: Instant) -> Option<Token> {
        while let Some((until, token)) = self.in_order.pop_front_if(|&mut (until, _)| until <= now) {
            if self.until.get(&token) == Some(&until) {
                self.until.remove(&token);
                return Some(token);
            }
        }
        None
    }

    /// When to look again.
    pub fn next(&self) -> Option<Instant> {
        self.in_order.front().map(|&(until, _)| until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn everybody_comes_when_its_time_is_over_and_not_before() {
        let mut lingerers = Lingerers::default();
        lingerers.begin(at(0), Token(5));
        lingerers.begin(at(10), Token(3));
        assert_eq!((lingerers.next(), lingerers.pop(at(1999))), (Some(at(2000)), None));
        assert_eq!((lingerers.pop(at(2009)), lingerers.pop(at(2009))), (Some(Token(5)), None));
        assert_eq!((lingerers.pop(at(2010)), lingerers.next()), (Some(Token(3)), None));
    }

    #[test]
    fn whoever_has_a_token_after_somebody_that_lingered_has_its_own_time() {
        let mut lingerers = Lingerers::default();
        lingerers.begin(at(0), Token(5));
        lingerers.forget(Token(5));
        lingerers.begin(at(100), Token(5));
        assert_eq!(lingerers.pop(at(2099)), None);
        assert_eq!(lingerers.pop(at(2100)), Some(Token(5)));
    }
}

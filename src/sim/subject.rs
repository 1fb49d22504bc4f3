//! What is tried: the real server, or, in this crate's own tests, one that is broken on purpose.

use std::io;

use super::stack::SimStack;
use crate::protocol::Protocol;
use crate::relay::Relay;
use crate::server::Server;
use crate::time::Instant;

/// A server as a world sees it.
pub trait Subject {
    /// What frames mean to it.
    type Protocol: Protocol;

    /// One turn.
    fn turn(&mut self) -> io::Result<Instant>;
    /// When it wants the next if nothing happens.
    fn wake_up(&self) -> Option<Instant>;
    /// It is to let everybody go.
    fn shut_down(&mut self);
    /// What an operator would be told is forgotten.
    fn forget_events(&mut self);
    /// Its rules and what they know.
    fn relay(&self) -> &Relay<Self::Protocol>;
    /// Its host.
    fn stack(&self) -> &SimStack;
    /// Its host.
    fn stack_mut(&mut self) -> &mut SimStack;
}

impl<P: Protocol> Subject for Server<SimStack, P> {
    type Protocol = P;

    fn turn(&mut self) -> io::Result<Instant> {
        Server::turn(self, None)
    }

    fn wake_up(&self) -> Option<Instant> {
        Server::wake_up(self)
    }

    fn shut_down(&mut self) {
        Server::shut_down(self);
    }

    fn forget_events(&mut self) {
        self.events().for_each(drop);
    }

    fn relay(&self) -> &Relay<P> {
        Server::relay(self)
    }

    fn stack(&self) -> &SimStack {
        Server::stack(self)
    }

    fn stack_mut(&mut self) -> &mut SimStack {
        Server::stack_mut(self)
    }
}

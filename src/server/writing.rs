//! The turn's second half: the relay is asked what to do, and everybody gets one gathering write.

use std::io;

use arrayvec::ArrayVec;

use super::{Server, Stack, WRITE_PARTS};
use crate::protocol::{Protocol, Token};
use crate::relay::Output;
use crate::wire::Part;

impl<S: Stack, P: Protocol> Server<S, P> {
    pub(super) fn write(&mut self) {
        self.has_news = false;
        self.do_what_the_relay_says();
        if self.writers.is_empty() {
            return;
        }
        for token in std::mem::take(&mut self.writers) {
            let Some(link) = self.links.get_mut(token) else { continue };
            link.is_queued_writer = false;
            if link.is_behind {
                self.flush(token);
            }
        }
        self.do_what_the_relay_says();
    }

    fn do_what_the_relay_says(&mut self) {
        while let Some(output) = self.relay.poll() {
            match output {
                Output::Flush(token) => self.flush(token),
                Output::Read(token) => self.queue_reader(token),
                Output::Disconnect(token, reason) => self.leavers.push((token, reason)),
                Output::Dial(id, to) => self.dialing.want(id, to),
                Output::GiveUp(id) => self.give_up(id),
            }
        }
    }

    /// One gathering write of what a peer is to be sent.
    fn flush(&mut self, token: Token) {
        let Some(link) = self.links.get_mut(token) else { return };
        if !link.is_writable {
            link.is_behind = true;
            return;
        }
        let mut parts: ArrayVec<Part<'_>, WRITE_PARTS> = ArrayVec::new();
        let are_all = self.relay.unsent(token).try_for_each(|part| parts.try_push(part)).is_ok();
        let offered: usize = parts.iter().map(Part::len).sum();
        let written = if offered == 0 { Ok(0) } else { self.stack.write(&mut link.stream, &parts) };
        drop(parts);
        match written {
            Ok(len) => {
                link.is_writable = len == offered;
                link.is_behind = !(link.is_writable && are_all);
                self.relay.sent(self.now, token, len);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    link.is_writable = false;
                    link.is_behind = true;
                }
                io::ErrorKind::Interrupted => link.is_behind = true,
                kind => return self.fail(token, kind),
            },
        }
        self.queue_writer(token);
    }

    /// Whoever is stopped by a budget, or was told that there is room, is written to without being asked for.
    pub(super) fn queue_writer(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token)
            && link.is_behind
            && link.is_writable
            && !link.is_queued_writer
        {
            link.is_queued_writer = true;
            self.writers.push(token);
        }
    }
}

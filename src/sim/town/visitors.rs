//! What people do at a relay's HTTP port: they look, post, read events, and smuggle. Knows their parts; knows no relay but
//! by what it says.

use std::time::Duration;

use super::builder::TownBuilder;
use super::mint::Item;
use super::outcome::Chance;
use super::person::What;
use super::roles::Citizen;
use super::web::{self, Got, Page, SMUGGLED};
use super::world::Town;
use crate::protocol::http::IDLE_TIME;
use crate::sim::broken::Broken;

/// A request is on its way no longer than that.
const IN_FLIGHT: Duration = Duration::from_secs(2);

impl<B: TownBuilder> Town<B> {
    /// Its connection is there.
    pub(super) fn visit(&mut self, who: usize) {
        if self.people[who].part.role == Citizen::Reader {
            self.request(who, "GET /events HTTP/1.1\r\nHost: town\r\n\r\n".into(), Page::Events);
        }
    }

    pub(super) fn speak_http(&mut self, who: usize) {
        match self.people[who].part.role {
            Citizen::Browser => {
                for _ in 0..=self.rng.below(3) {
                    let (text, page) = web::visit(&mut self.rng);
                    self.request(who, text, page);
                }
            }
            Citizen::Poster if self.rng.below(3) == 0 => {
                let wrong = [("/tx", "{}"), ("/broadcast", "[1]"), ("/tx", "no JSON")];
                let (path, body) = wrong[self.rng.below(3) as usize];
                self.request(who, web::post(path, body), Page::Status(&[400]));
            }
            Citizen::Poster => self.post(who),
            // once: its connection may be on its way to its end
            Citizen::Smuggler if self.people[who].asked_at.is_none() => {
                let text = web::smuggle(&mut self.rng);
                self.request(who, text.into(), SMUGGLED);
            }
            _ => {}
        }
    }

    /// A transaction, which everybody of the chain is to be told.
    fn post(&mut self, who: usize) {
        let coin = self.mint.pay();
        let text = self.mint.pool_text([coin].into_iter());
        self.request(who, web::post("/tx", &text), Page::Status(&[200]));
        self.note(who, &format!("posts transaction {coin}"));
        self.happens(Chance::Paid);
        self.owe(who, What::News(Item::Coin(coin)));
    }

    fn request(&mut self, who: usize, text: String, page: Page) {
        self.people[who].moves += 1;
        self.people[who].web.expect(page);
        let person = &mut self.people[who];
        if let Some(before) = person.asked_at.or(person.since).filter(|before| *before != self.now) {
            person.was_silent = self.now.since(before);
        }
        person.asked_at = Some(self.now);
        self.say(who, text);
    }

    /// Whether the relay may have ended a connection on which nothing was asked for long. What was on its way to it then
    /// is lost, as HTTP has it.
    pub(super) fn was_idle(&mut self, who: usize) -> bool {
        let person = &self.people[who];
        let is_forgiven = person.web.lacks().is_none() || person.was_silent + IN_FLIGHT > IDLE_TIME;
        if !(person.part.role.may_be_idle() && is_forgiven) {
            return false;
        }
        let now = self.now;
        self.dues.retain(|due| due.by != who || now.since(due.at) > IN_FLIGHT);
        true
    }

    pub(super) fn heard_http(&mut self, who: usize, bytes: &[u8]) -> Result<(), Broken> {
        self.people[who].web.hear(bytes);
        while let Some(got) = self.people[who].web.next(&self.mint)? {
            match got {
                Got::Response => self.happens(Chance::Served),
                Got::Told(_) => self.happens(Chance::Told),
                Got::Word => {}
            }
        }
        Ok(())
    }
}

//! Whatever stands in a ban file: it is refused in one line, or its bans, written out, are the same bans again.

use std::time::{Duration, UNIX_EPOCH};

use peer_relay::cli::parsers::{Calendar, bans, text_of_bans};
use peer_relay::protocol::Flood;
use peer_relay::relay::{AddressKey, Ban, Law, Limits, Relay};
use peer_relay::time::Instant;
use peer_relay::wire::Network;

/// When the relay starts, in milliseconds since 1970. The same in every run.
const START_UNIX_MS: u64 = 1_790_000_000_000;
/// Few, so that files with more of them are short.
const MAX_BANS: usize = 3;

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let calendar = Calendar::new(Instant::START, UNIX_EPOCH + Duration::from_millis(START_UNIX_MS));
    let loaded = match bans(text, &calendar) {
        Ok(loaded) => loaded,
        Err(failure) => {
            let line = failure.to_string();
            assert!(!line.is_empty() && !line.contains(char::is_control), "{text:?}: {line:?}");
            return;
        }
    };
    let relay = restored(&loaded);
    let list = relay.bans();
    assert!(list.len() <= MAX_BANS.min(loaded.len()), "{text:?}");
    let written = String::from_utf8(text_of_bans(list, &calendar)).expect("the file is text");
    let again = bans(&written, &calendar).unwrap_or_else(|error| panic!("{text:?}: {error}: {written}"));
    assert_eq!(again, list.iter().collect::<Vec<_>>(), "{text:?}");
    assert_eq!(restored(&again).bans().iter().collect::<Vec<_>>(), again, "{text:?}");
}

/// A relay that starts with these bans, all of which it keeps to its own law.
fn restored(loaded: &[(AddressKey, Ban)]) -> Relay<Flood> {
    let limits = Limits { max_bans: MAX_BANS, ..Limits::new(Network::PRIVATE.magic) };
    let last = Instant::START + limits.ban_time;
    let mut relay = Relay::new(Flood, Law::of::<Flood>(), limits);
    for &(address, ban) in loaded {
        relay.restore_ban(Instant::START, address, ban);
    }
    assert!(relay.bans().iter().all(|(_, ban)| Instant::START < ban.until && ban.until <= last));
    relay
}

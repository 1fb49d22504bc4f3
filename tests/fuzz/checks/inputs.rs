//! Whatever a person gives as a size, a duration, an address or the like: it is refused in one line, or it is within
//! its bounds and, shown, means the same again. Every text is given to every parser.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use peer_relay::cli::parsers::{
    Cidr, Count, ListenAddress, ListenTarget, LogLevel, OrOff, PenaltyRule, ProtocolName, Rate, Size, Sizes,
    Span, Target,
};
use peer_relay::wire::{Command, Magic, Network};

/// A hundred years, as is said.
const LONGEST: Duration = Duration::from_secs(876_000 * 3600);

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    sizes(text);
    spans(text);
    counts(text);
    listening(text);
    nets(text);
    targets(text);
    names(text);
}

fn sizes(text: &str) {
    if let Some(Size(bytes)) = same_again::<Size>(text) {
        assert_eq!(Some(u128::from(bytes)), plain_size(text), "{text:?}");
        assert_eq!(same_again::<OrOff<Size>>(text).is_some(), bytes > 0, "{text:?}");
    }
    let size = |text: &str| text.parse::<Size>().expect("an end of a range").0;
    if parsed::<Sizes>(text).is_some() {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        assert!(16 <= size(from) && size(from) <= size(to) && size(to) <= 1 << 30, "{text:?}");
    }
}

/// What a size is, said another way.
fn plain_size(text: &str) -> Option<u128> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("k", 1000), ("M", 1_000_000)];
    let units = units.into_iter().chain([("G", 1_000_000_000), ("", 1)]);
    let mut read = units.filter_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    read.find_map(|(number, factor)| Some(number.parse::<u128>().ok()? * factor))
}

fn spans(text: &str) {
    let Some(Span(span)) = parsed::<Span>(text) else { return };
    assert!(span <= LONGEST && span.subsec_nanos().is_multiple_of(1_000_000), "{text:?}");
    // what is shown is for a person and may have parts, as in 4m12s, which cannot be given
    let shown = Span(span).to_string();
    assert_eq!(humantime::parse_duration(&shown), Ok(span), "{text:?} is shown as {shown}");
    assert!(shown.parse::<Span>().map_or(true, |again| again == Span(span)), "{text:?} is shown as {shown}");
    let off = parsed::<OrOff<Span>>(text).map(|span| span.0);
    assert_eq!(off, Some(Some(Span(span)).filter(|_| !span.is_zero())), "{text:?}");
}

fn counts(text: &str) {
    assert_ne!(parsed::<Count>(text), Some(Count(0)));
    assert_ne!(same_again::<OrOff<u64>>(text), Some(OrOff(Some(0))));
    if let Some(Rate::PerSecond(rate)) = parsed::<Rate>(text) {
        assert!(rate.get() <= 1_000_000_000 && rate.to_string().parse() == Ok(Rate::PerSecond(rate)));
    }
}

fn listening(text: &str) {
    if let Some(address) = parsed::<ListenAddress>(text) {
        let at = address.or_port(7333);
        assert!(!at.ip().is_multicast() && at.ip() == at.ip().to_canonical(), "{text:?}");
        let again: ListenAddress = at.to_string().parse().expect("what is shown can be given");
        assert_eq!(again.or_port(0), at, "{text:?}");
    }
    if let Some(target) = parsed::<ListenTarget>(text) {
        let at = target.or_port(7333);
        let again: ListenTarget = at.to_string().parse().expect("what is shown can be given");
        assert_eq!(again.or_port(0), at, "{text:?}");
    }
}

fn nets(text: &str) {
    let Some(Cidr(net)) = parsed::<Cidr>(text) else { return };
    assert_eq!(net.to_string().parse(), Ok(Cidr(net)), "{text:?}");
    assert!(net.contains(&net.addr()), "{text:?}");
    if let Some((_, given)) = text.trim().rsplit_once('/') {
        let len = net.prefix_len(); // of an IPv4-mapped net the last 32 bits are left
        assert!(
            given.parse() == Ok(len) || net.addr().is_ipv4() && given.parse() == Ok(96 + len),
            "{text:?}"
        );
    }
    assert!(net.addr().is_ipv4() || net.prefix_len() < 96 || net.addr().to_canonical().is_ipv6(), "{text:?}");
}

/// A host and a port are the same target in one word and in two.
fn targets(text: &str) {
    let one = parsed::<Target>(text);
    let words: Vec<String> = text.split(' ').map(Into::into).collect();
    let target = Target::parse(&words).map_err(|failure| refused(&failure.to_string(), text)).ok();
    match words.as_slice() {
        [_] => assert_eq!(target, one, "{text:?}"),
        [host, port] if target.is_some() => {
            let written = [format!("{host}:{port}"), format!("[{host}]:{port}")];
            let found = written.iter().any(|word| word.parse().ok() == target);
            assert!(found, "{text:?} is none of {written:?}");
        }
        _ => assert_eq!(target, None, "{text:?}"),
    }
}

fn names(text: &str) {
    same_again::<PenaltyRule>(text);
    same_again::<Magic>(text);
    same_again::<Network>(text);
    same_again::<Command>(text);
    parsed::<ProtocolName>(text);
    parsed::<LogLevel>(text);
}

/// What a text is, if it is one. If not, why is a line.
fn parsed<T: FromStr<Err: Display>>(text: &str) -> Option<T> {
    text.parse().map_err(|error: T::Err| refused(&error.to_string(), text)).ok()
}

/// The same for what can be given as it is shown.
fn same_again<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value = parsed::<T>(text)?;
    let shown = value.to_string();
    assert!(!shown.contains(char::is_control), "{text:?} is shown as {shown:?}");
    assert_eq!(shown.parse().ok().as_ref(), Some(&value), "{text:?} is shown as {shown:?}");
    Some(value)
}

fn refused(why: &str, text: &str) {
    assert!(!why.is_empty() && !why.contains(char::is_control), "{text:?}: {why:?}");
}

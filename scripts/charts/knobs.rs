//! The variables that say what a script does. Knows what they may be.

use std::env::{VarError, var};
use std::time::Duration;

use super::Failure;

/// Most repetitions: beyond it somebody has mistyped.
const REPS_MOST: u32 = 1000;
/// How long a run may be asked to take.
const SPAN: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

/// What a variable says, or else this.
fn text(name: &str, default: &str) -> Result<String, Failure> {
    match var(name) {
        Ok(text) if text.is_empty() => Ok(default.into()), // as the shell has it in ${NAME:-default}
        Ok(text) => Ok(text),
        Err(VarError::NotPresent) => Ok(default.into()),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name}: not UTF-8"))),
    }
}

/// How often everything is done.
pub fn repetitions(default: u32) -> Result<u32, Failure> {
    let text = text("REPS", &default.to_string())?;
    let number = text.parse().ok().filter(|number| (1..=REPS_MOST).contains(number));
    number.ok_or_else(|| Failure::usage(format!("REPS={text}: need a whole number from 1 to {REPS_MOST}")))
}

/// How long each run measures.
pub fn duration(default: &str) -> Result<Duration, Failure> {
    let text = text("DURATION", default)?;
    let span = humantime::parse_duration(&text).ok().filter(|span| SPAN.contains(span));
    span.ok_or_else(|| {
        Failure::usage(format!("DURATION={text}: need a time such as 1500ms or 2s, from 10ms to 1h"))
    })
}

/// A list of names, each of which must be one of these; without it, all.
pub fn names<T: Copy + PartialEq>(
    variable: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<Vec<T>, Failure> {
    let text = text(variable, "")?;
    let of = |word: &str| {
        let known = all.iter().copied().find(|thing| name_of(*thing) == word);
        known.ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|thing| name_of(*thing)).collect();
            Failure::usage(format!("{variable}={word}: there are {}", names.join(", ")))
        })
    };
    let mut chosen = Vec::new();
    for word in text.split_whitespace() {
        let thing = of(word)?;
        if chosen.contains(&thing) {
            return Err(Failure::usage(format!("{variable}={word}: is named twice")));
        }
        chosen.push(thing);
    }
    Ok(if chosen.is_empty() { all.to_vec() } else { chosen })
}

/// Numbers of peers, ascending.
pub fn peers(most: u32) -> Result<Option<Vec<u32>>, Failure> {
    let text = text("PEERS", "")?;
    let mut counts = Vec::new();
    for word in text.split_whitespace() {
        let count = word.parse().ok().filter(|count| (2..=most).contains(count));
        counts.push(count.ok_or_else(|| {
            Failure::usage(format!(
                "PEERS={word}: need whole numbers from 2 to {most}, which the descriptor limit allows"
            ))
        })?);
    }
    counts.sort_unstable();
    counts.dedup();
    Ok((!counts.is_empty()).then_some(counts))
}

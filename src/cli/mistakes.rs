//! What is wrong with what was given, in one line: the thing, and the way out. Knows clap's errors.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{is_command, variable_of};

/// clap's error, which is a page, in one line: the option, what was given, what is needed.
pub(super) fn one_line(error: &clap::Error, words: &[OsString]) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = context(ContextKind::InvalidArg).and_then(|arg| arg.split([' ', '=', '[']).next());
    match (error.kind(), option) {
        (ErrorKind::ValueValidation, Some(option)) => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{option} {value}: {reason}{}", origin(option, words))
        }
        (ErrorKind::InvalidValue, Some(option)) => {
            format!("{option}: needs a value{}", origin(option, words))
        }
        (ErrorKind::UnknownArgument, Some(word)) if !word.starts_with('-') => {
            format!("{word}: is one word too many (--help shows all)")
        }
        (ErrorKind::UnknownArgument, Some(option)) => {
            let instead = context(ContextKind::SuggestedArg);
            let hint = instead.map_or("--help shows all".into(), |other| format!("did you mean {other}?"));
            format!("{option}: no such option ({hint})")
        }
        (ErrorKind::ArgumentConflict, Some(option)) if error.get(ContextKind::PriorArg).is_some() => {
            format!("{option}: can be given only once")
        }
        (ErrorKind::ArgumentConflict, _) => match words.iter().skip(1).find(|word| is_command(word)) {
            Some(word) => format!("{}: comes first, options behind it", word.to_string_lossy()),
            None => {
                let word = words.last().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
                format!("{word}: no such command (--help shows all)")
            }
        },
        (ErrorKind::InvalidSubcommand, _) => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("{word}: no such command (--help shows all)")
        }
        (ErrorKind::MissingRequiredArgument, _) => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(missing)) => format!("{}: is needed", missing.join(", ")),
            _ => "something is missing (--help shows all)".into(),
        },
        (ErrorKind::InvalidUtf8, _) => format!("{}: not UTF-8", not_utf8(words)),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("the options make no sense");
            first.trim_start_matches("error: ").to_string()
        }
    }
}

/// Whatever was given may hold line ends and a terminal's commands; what is said of it is one line.
pub(super) fn on_one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// The word that is not UTF-8, or else the variable: clap does not say which.
fn not_utf8(words: &[OsString]) -> String {
    let word = words.iter().skip(1).find(|word| word.to_str().is_none());
    let shown = word.map(|word| word.to_string_lossy().into_owned());
    let is_ours = |name: &OsString| name.to_string_lossy().starts_with("PEER_RELAY_");
    let mut variables = std::env::vars_os().filter(|(name, value)| is_ours(name) && value.to_str().is_none());
    let variable = || variables.next().map(|(name, _)| name.to_string_lossy().into_owned());
    shown.or_else(variable).unwrap_or_default()
}

/// Variables that look like ours and are no option's: a word misspelt in a service's settings is easily missed.
pub(super) fn unknown_variables(command: &clap::Command) -> Vec<String> {
    let known: Vec<&OsStr> = command.get_arguments().filter_map(clap::Arg::get_env).collect();
    let is_ours = |name: &OsString| name.to_string_lossy().starts_with("PEER_RELAY_");
    let unknown = std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| is_ours(name) && name != "PEER_RELAY_COMMIT" && !known.contains(&name.as_os_str()));
    unknown.map(|name| format!("{}: no option has this variable", name.to_string_lossy())).collect()
}

/// Where a value came from, when nobody typed it.
pub(super) fn origin(option: &str, words: &[OsString]) -> String {
    let is_option = |word: &OsString| word.to_string_lossy().split('=').next() == Some(option);
    let is_typed = words.iter().any(is_option);
    let variable = variable_of(option.trim_start_matches("--"));
    if is_typed || std::env::var_os(&variable).is_none() {
        return String::new();
    }
    format!(" (from {variable})")
}

//! Findings for a person: a line each, in columns. Knows no stream; writes no byte of a stranger's as it came.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::inspection::{Finding, Part, Summary, Verdict};

/// Above the findings.
pub fn begin(out: &mut impl Write) -> io::Result<()> {
    row(out, ["offset", "command", "length", "checksum", "skipped", "note"])
}

/// One line. The first five columns have no blanks inside; the note has, and may be missing.
pub fn finding(out: &mut impl Write, found: &Finding) -> io::Result<()> {
    let (command, checksum, note) = match found.verdict {
        Verdict::Good(command) => (shown(command.as_str().as_bytes()), "good", String::new()),
        Verdict::BadChecksum { command, says, gives } => {
            let note = format!("header says {says}, payload gives {gives}");
            (shown(command.as_str().as_bytes()), "bad", note)
        }
        Verdict::BadCommand(raw) => (shown(without_padding(&raw)), "-", "bad command".into()),
        Verdict::Oversize(allowed) => ("-".into(), "-", format!("oversize, at most {allowed}")),
    };
    let Finding { offset, length, skipped, .. } = found;
    row(out, [&offset.to_string(), &command, &length.to_string(), checksum, &skipped.to_string(), &note])
}

/// Behind the findings.
pub fn summary(out: &mut impl Write, all: &Summary) -> io::Result<()> {
    let Summary { bytes, good, bad, skipped, .. } = all;
    let unfinished = all.unfinished.map_or(0, |cut| cut.bytes);
    writeln!(out, "\nframes: {} good, {} bad", good.frames, bad.frames)?;
    writeln!(
        out,
        "bytes: {bytes} = {} in good frames + {} in bad ones + {skipped} skipped + {unfinished} unfinished",
        good.bytes, bad.bytes
    )?;
    writeln!(out, "end: {}", end(all))?;
    if *bytes > 0 && good.frames + bad.frames == 0 {
        writeln!(out, "note: not one frame is in it (--network or --magic?)")?;
    }
    Ok(())
}

fn end(all: &Summary) -> String {
    let skipped = all.skipped_at_end;
    let Some(cut) = all.unfinished else {
        return if skipped > 0 { format!("in junk, {skipped} skipped") } else { "between frames".into() };
    };
    let part = match cut.part {
        Part::Header => "a header",
        Part::Frame => "a frame",
    };
    let before = if skipped > 0 { format!(", {skipped} skipped before") } else { String::new() };
    format!("in {part}, {} of {} bytes from offset {}{before}", cut.bytes, cut.of, cut.offset)
}

fn row(out: &mut impl Write, columns: [&str; 6]) -> io::Result<()> {
    let [offset, command, length, checksum, skipped, note] = columns;
    let line = format!("{offset:>12}  {command:<12}  {length:>10}  {checksum:<8}  {skipped:>10}  {note}");
    writeln!(out, "{}", line.trim_end())
}

/// One visible word whatever the bytes are, and no two of them the same: blanks, `"`, `\` and what cannot be
/// seen are `\xNN`. No bytes at all are `""`; a `-` alone is `\x2d`, or it would be what was not looked at.
fn shown(command: &[u8]) -> String {
    if command.is_empty() {
        return "\"\"".into();
    }
    let mut word = String::new();
    for &byte in command {
        let is_plain = byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"') && command != b"-";
        if is_plain {
            word.push(byte.into());
        } else {
            let _ = write!(word, "\\x{byte:02x}"); // a String takes it
        }
    }
    word
}

fn without_padding(raw: &[u8]) -> &[u8] {
    let end = raw.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &raw[..end]
}

#[cfg(test)]
mod tests {
    use super::super::inspection::{Tally, Unfinished};
    use super::*;

    fn line(verdict: Verdict) -> String {
        let mut out = Vec::new();
        finding(&mut out, &Finding { offset: 7, skipped: 3, length: 9, verdict }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_command_is_one_visible_word() {
        for (command, word) in [
            (b"verack".as_slice(), "verack"),
            (b"", "\"\""),
            (b"-", "\\x2d"),
            (b"a-b", "a-b"),
            (b"\"\"", "\\x22\\x22"),
            (b"a b", "a\\x20b"),
            (b"\x1b[2J\xff\\", "\\x1b[2J\\xff\\x5c"),
        ] {
            assert_eq!(shown(command), word);
        }
    }

    #[test]
    fn columns_are_words_in_order() {
        let columns = |verdict| line(verdict).split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(columns(Verdict::Good("a b".parse().unwrap())), ["7", "a\\x20b", "9", "good", "3"]);
        let raw = *b"m\0g\x1b\0\0\0\0\0\0\0\0";
        assert_eq!(columns(Verdict::BadCommand(raw))[..5], ["7", "m\\x00g\\x1b", "9", "-", "3"]);
        assert_eq!(columns(Verdict::Oversize(60))[..5], ["7", "-", "9", "-", "3"]);
    }

    #[test]
    fn columns_stand_below_their_names() {
        let mut out = Vec::new();
        begin(&mut out).unwrap();
        let names = String::from_utf8(out).unwrap();
        let good = line(Verdict::Good("verack".parse().unwrap()));
        assert_eq!(names, "      offset  command           length  checksum     skipped  note\n");
        assert_eq!(good, "           7  verack                 9  good               3\n");
    }

    #[test]
    fn the_end_is_one_of_four() {
        let zero = Tally::default();
        let said = |skipped, unfinished| {
            let all =
                Summary { bytes: 99, good: zero, bad: zero, skipped, skipped_at_end: skipped, unfinished };
            end(&all)
        };
        let cut = |part| Some(Unfinished { offset: 50, bytes: 13, of: 40, part });
        assert_eq!(said(0, None), "between frames");
        assert_eq!(said(5, None), "in junk, 5 skipped");
        assert_eq!(said(0, cut(Part::Frame)), "in a frame, 13 of 40 bytes from offset 50");
        assert_eq!(
            said(5, cut(Part::Header)),
            "in a header, 13 of 40 bytes from offset 50, 5 skipped before"
        );
    }
}

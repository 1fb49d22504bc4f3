//! Findings for programs: an object a line. Knows no stream.

use std::io::{self, Write};

use serde::Serialize;

use super::inspection::{Finding, Part, Summary, Verdict};

/// What the text's first five columns have, and the parts of its note that the verdict has.
#[derive(Debug, Serialize)]
struct FindingLine {
    offset: u64,
    /// None where it is not one, or was not looked at.
    command: Option<String>,
    length: u32,
    /// None where it was not looked at.
    checksum: Option<&'static str>,
    skipped: u64,
    /// Absent of a good frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    offence: Option<&'static str>,
    #[serde(flatten)]
    detail: Option<Detail>,
}

/// By name, so that a reader need not know which belongs to which verdict.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail {
    Checksum { header_says: String, payload_gives: String },
    Command { raw: String },
    Oversize { allowed: u32 },
}

#[derive(Debug, Serialize)]
struct SummaryLine {
    summary: Sums,
}

#[derive(Debug, Serialize)]
struct Sums {
    frames_good: u64,
    frames_bad: u64,
    bytes: u64,
    bytes_good: u64,
    bytes_bad: u64,
    bytes_skipped: u64,
    bytes_unfinished: u64,
    skipped_at_end: u64,
    end: &'static str,
    unfinished_offset: Option<u64>,
    unfinished_of: Option<u64>,
}

/// One object and a line end.
pub fn finding(out: &mut impl Write, found: &Finding) -> io::Result<()> {
    let (command, checksum, offence, detail) = match found.verdict {
        Verdict::Good(command) => (Some(command), Some("good"), None, None),
        Verdict::BadChecksum { command, says, gives } => {
            let detail = Detail::Checksum { header_says: says.to_string(), payload_gives: gives.to_string() };
            (Some(command), Some("bad"), Some("checksum"), Some(detail))
        }
        Verdict::BadCommand(raw) => (None, None, Some("command"), Some(Detail::Command { raw: hex(&raw) })),
        Verdict::Oversize(allowed) => (None, None, Some("oversize"), Some(Detail::Oversize { allowed })),
    };
    let &Finding { offset, length, skipped, .. } = found;
    let command = command.map(|command| command.to_string());
    line(out, &FindingLine { offset, command, length, checksum, skipped, offence, detail })
}

/// The last line.
pub fn summary(out: &mut impl Write, all: &Summary) -> io::Result<()> {
    let end = match all.unfinished.map(|cut| cut.part) {
        Some(Part::Header) => "mid-header",
        Some(Part::Frame) => "mid-frame",
        None if all.skipped_at_end > 0 => "junk",
        None => "between frames",
    };
    let summary = Sums {
        frames_good: all.good.frames,
        frames_bad: all.bad.frames,
        bytes: all.bytes,
        bytes_good: all.good.bytes,
        bytes_bad: all.bad.bytes,
        bytes_skipped: all.skipped,
        bytes_unfinished: all.unfinished.map_or(0, |cut| cut.bytes),
        skipped_at_end: all.skipped_at_end,
        end,
        unfinished_offset: all.unfinished.map(|cut| cut.offset),
        unfinished_of: all.unfinished.map(|cut| cut.of),
    };
    line(out, &SummaryLine { summary })
}

fn line(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Checksum;

    fn shown(verdict: Verdict) -> String {
        let mut out = Vec::new();
        finding(&mut out, &Finding { offset: 7, skipped: 3, length: 9, verdict }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_verdict_has_its_object() {
        let command = "a\"b".parse().unwrap();
        assert_eq!(
            shown(Verdict::Good(command)),
            "{\"offset\":7,\"command\":\"a\\\"b\",\"length\":9,\"checksum\":\"good\",\"skipped\":3}\n"
        );
        let bad = Verdict::BadChecksum { command, says: Checksum([0; 4]), gives: Checksum::EMPTY };
        assert!(shown(bad).ends_with(
            "\"checksum\":\"bad\",\"skipped\":3,\"offence\":\"checksum\",\"header_says\":\"00000000\",\
             \"payload_gives\":\"5df6e0e2\"}\n"
        ));
        assert_eq!(
            shown(Verdict::BadCommand(*b"m\0g\x1b\0\0\0\0\0\0\0\xff")),
            "{\"offset\":7,\"command\":null,\"length\":9,\"checksum\":null,\"skipped\":3,\
             \"offence\":\"command\",\"raw\":\"6d00671b00000000000000ff\"}\n"
        );
        assert!(shown(Verdict::Oversize(60)).contains("\"offence\":\"oversize\",\"allowed\":60}"));
    }
}

//! One run of `peer-relay load`, and what it leaves. Knows the options and the figures of `load`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::process::Process;
use super::servers::{self, Kind, Seat, Server};
use super::{files, note};

/// Longest that everybody may take to come, and to leave.
const AROUND: Duration = Duration::from_secs(90);
/// How long messages go round before they are measured.
pub const WARMUP: Duration = Duration::from_millis(300);

/// What of its figures we want.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    pub joined_s: f64,
    pub measured_s: f64,
    total: Sums,
    gave_up: Option<String>,
    pub latency_us: Option<Latency>,
    /// Of an open loop: what of it is the tester's own.
    pub lateness_us: Option<Latency>,
    pub relay: Option<Used>,
}

#[derive(Clone, Debug, Deserialize)]
struct Sums {
    cut_off: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
}

/// By the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Used {
    pub rss_bytes: u64,
    pub deliveries_per_cpu_s: Option<f64>,
}

/// Why there are no figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// A receiver was disconnected.
    CutOff,
    /// A delivery was missing or wrong.
    Wrong,
    /// The server did nothing for long, or the run did not end in time.
    Hung,
    /// The server said that it did not want something, or what none of its kind says.
    Refused,
    /// Not everybody came in, or somebody stopped it.
    NoRun,
    /// The server did not start.
    NoServer,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "cut off",
            Self::Wrong => "lost some",
            Self::Hung => "hung",
            Self::Refused => "error",
            Self::NoRun => "no run",
            Self::NoServer => "no start",
        })
    }
}

/// A run to be.
#[derive(Debug)]
pub struct Run<'a> {
    pub directory: &'a Path,
    /// What its files are called.
    pub name: &'a str,
    pub kind: Kind,
    pub warmup: Duration,
    pub duration: Duration,
    /// Peers, senders, size, pace.
    pub options: Vec<String>,
}

impl Run<'_> {
    /// Runs it against this server, and does something now and then meanwhile.
    pub fn against(&self, server: &Server, meanwhile: impl FnMut()) -> Result<Figures, Miss> {
        let outcome = self.start(server).map(|tester| {
            let status = tester.wait(AROUND + self.warmup + self.duration, meanwhile);
            judge(status, &files::read(&self.file("json")))
        });
        if let Ok(Ok(figures)) = outcome {
            return Ok(figures);
        }
        note(&format!("{}: {}", self.name, self.complaint(server, outcome.as_ref().err())));
        outcome.unwrap_or(Err(Miss::NoRun))
    }

    fn start(&self, server: &Server) -> Result<Process, String> {
        let json = self.file("json");
        let _ = std::fs::remove_file(&json); // an earlier run's: there may be none
        let mut command = servers::pinned(&servers::beside()?, Seat::Tester);
        command.env_clear(); // as for the relay: what it is told here is all
        command.args(["load", "--connect", &format!("127.0.0.1:{}", server.port)]);
        command.args(["--protocol", self.kind.protocol()]);
        command.args(["--relay-pid", &server.process.pid().to_string()]);
        command.args(["--warmup", &millis(self.warmup), "--duration", &millis(self.duration)]);
        command.args(&self.options).arg("--json").arg(json);
        let (out, err) = (files::create(&self.file("txt"))?, files::create(&self.file("err"))?);
        Process::start(command.stdin(Stdio::null()).stdout(out).stderr(err))
    }

    /// What the tester says, and whether the server is still there.
    fn complaint(&self, server: &Server, failure: Option<&String>) -> String {
        let said = files::read(&self.file("err"));
        let said = said.lines().find_map(|line| line.strip_prefix("error: "));
        let summary = files::read(&self.file("txt"));
        let lines = summary.lines().filter(|line| is_telling(line));
        let lines = lines.map(|line| line.split_whitespace().collect::<Vec<&str>>().join(" "));
        let ended = server.process.ended().map(|status| format!("the server has ended: {status}"));
        let parts = [failure.cloned(), ended, said.map(String::from)].into_iter().flatten();
        let parts: Vec<String> = parts.chain(lines).collect();
        if parts.is_empty() { "not over in time".into() } else { parts.join("; ") }
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.directory.join(format!("{}.{extension}", self.name))
    }
}

/// A line of the summary that says what went wrong.
fn is_telling(line: &str) -> bool {
    let is_cut = line.starts_with("the ") && line.contains(" cut ");
    is_cut || ["deliveries ", "given up "].iter().any(|begin| line.starts_with(begin))
}

fn millis(span: Duration) -> String {
    format!("{}ms", span.as_millis())
}

/// Figures only where everything came as it was sent.
fn judge(status: Option<ExitStatus>, json: &str) -> Result<Figures, Miss> {
    let status = status.ok_or(Miss::Hung)?;
    let figures: Figures = serde_json::from_str(json).map_err(|_| Miss::NoRun)?;
    if status.success() {
        return Ok(figures);
    }
    let gave_up = |why: &str| figures.gave_up.as_deref().is_some_and(|said| said.starts_with(why));
    Err(if gave_up("the server ") {
        Miss::Refused // what else went wrong then did so because of that
    } else if gave_up("stopped ") {
        Miss::NoRun
    } else if figures.total.cut_off > 0 {
        Miss::CutOff
    } else if gave_up("nothing came") {
        Miss::Hung
    } else {
        Miss::Wrong
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn json(cut_off: u64) -> String {
        format!(
            r#"{{"joined_s":0.1,"measured_s":2.0,"total":{{"cut_off":{cut_off},"missing":0}},"latency_us":null,
                "relay":{{"cpu_s":1.0,"rss_bytes":4096,"deliveries_per_cpu_s":5.5}},"peers":3}}"#
        )
    }

    #[test]
    fn figures_count_only_where_everything_came() {
        let (well, badly) = (ExitStatus::from_raw(0), ExitStatus::from_raw(1 << 8));
        let figures = judge(Some(well), &json(0)).unwrap();
        assert_eq!(figures.relay.unwrap().deliveries_per_cpu_s, Some(5.5));
        assert_eq!(judge(Some(badly), &json(2)).unwrap_err(), Miss::CutOff);
        assert_eq!(judge(Some(badly), &json(0)).unwrap_err(), Miss::Wrong);
        assert_eq!(judge(Some(badly), "").unwrap_err(), Miss::NoRun);
        assert_eq!(judge(None, &json(0)).unwrap_err(), Miss::Hung);
    }

    #[test]
    fn why_a_run_was_given_up_is_not_taken_for_losses() {
        let badly = ExitStatus::from_raw(1 << 8);
        for (why, cut_off, miss) in [
            ("nothing came for 10s while something was under way", 0, Miss::Hung),
            ("nothing came for 10s while something was under way", 1, Miss::CutOff),
            ("nobody was left to receive", 3, Miss::CutOff),
            ("the server said -OOM command not allowed (to peer 0, 127.1.0.1)", 0, Miss::Refused),
            ("the server said -ERR 'Slow Consumer' (to peer 3, 127.1.0.4)", 1, Miss::Refused),
            ("the server sent what is no redis: HTTP/1.1 400 (to peer 0, 127.1.0.1)", 0, Miss::Refused),
            ("stopped by a signal", 0, Miss::NoRun),
            ("more than 1,000,000 things went wrong", 0, Miss::Wrong),
        ] {
            let text = json(cut_off).replacen('{', &format!(r#"{{"gave_up":"{why}","#), 1);
            assert_eq!(judge(Some(badly), &text).unwrap_err(), miss, "{why}");
        }
    }
}

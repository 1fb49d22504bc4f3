//! What a process of this host has used: CPU time and memory, as `/proc` tells. Knows no relay.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// CPU time and memory of a process, at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of all its threads that live, to the nanosecond.
    pub cpu: Duration,
    /// Bytes resident now.
    pub rss: u64,
    /// Most bytes ever resident.
    pub peak_rss: u64,
}

impl Usage {
    /// Of this process.
    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// Of a process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        // the first thread lives as long as the process; others may end while we look
        let mut cpu = ran(&fs::read_to_string(process.join("schedstat"))?);
        for thread in fs::read_dir(process.join("task"))?.flatten() {
            let is_first = process.file_name() == Some(&thread.file_name());
            if !is_first && let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) {
                cpu += ran(&text);
            }
        }
        let status = fs::read_to_string(process.join("status"))?;
        let memory = |name| bytes(&status, name).ok_or(io::ErrorKind::NotFound);
        Ok(Self { cpu, rss: memory("VmRSS:")?, peak_rss: memory("VmHWM:")? })
    }
}

/// The first figure of a `schedstat`: nanoseconds run.
fn ran(schedstat: &str) -> Duration {
    let nanos = schedstat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// A line of a `status` in kB. A process that has ended and is still known has none.
fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok().map(|kib: u64| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let before = Usage::own().unwrap();
        let mut sum = 0_u64;
        while Usage::own().unwrap().cpu == before.cpu {
            (0..1_000_000).for_each(|i| sum = std::hint::black_box(sum + i));
        }
        assert!(before.rss > 0 && before.peak_rss >= before.rss, "{before:?}");
    }

    #[test]
    fn nobodys_process_is_an_error() {
        assert_eq!(Usage::of(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

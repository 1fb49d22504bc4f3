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
    /// Of a process.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::read(&Path::new("/proc").join(pid.to_string()))
    }

    /// Of this process.
    pub fn own() -> io::Result<Self> {
        Self::read(Path::new("/proc/self"))
    }

    fn read(process: &Path) -> io::Result<Self> {
        let mut cpu = Duration::ZERO;
        for thread in fs::read_dir(process.join("task"))? {
            // a thread may end while we look
            cpu += fs::read_to_string(thread?.path().join("schedstat"))
                .map_or(Duration::ZERO, |text| ran(&text));
        }
        let status = fs::read_to_string(process.join("status"))?;
        Ok(Self { cpu, rss: bytes(&status, "VmRSS:"), peak_rss: bytes(&status, "VmHWM:") })
    }
}

/// The first figure of a `schedstat`: nanoseconds run.
fn ran(schedstat: &str) -> Duration {
    let nanos = schedstat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// A line of a `status` in kB; a process without memory of its own has none.
fn bytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.unwrap_or(0) * 1024
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

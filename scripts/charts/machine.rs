//! The day and the machine, for the line above a table. Knows where the kernel says it.

use std::thread::available_parallelism;
use std::time::SystemTime;

use super::files::read;
use super::numbers::grouped;

/// `2026-11-21, AMD EPYC, 2 CPUs, Linux 6.18.5`.
pub fn line() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let day = now.split('T').next().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease".as_ref());
    let cpus = cpus();
    let plural = if cpus == 1 { "" } else { "s" };
    format!("{day}, {}, {} CPU{plural}, Linux {}", model(), grouped(cpus), kernel.trim())
}

/// The first two that we may use: 0 and 1, where nobody has decided otherwise.
pub fn two_cpus() -> Option<(u32, u32)> {
    let status = read("/proc/self/status".as_ref());
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    two_of(list)
}

/// Of a list such as `0-3,8`.
fn two_of(list: &str) -> Option<(u32, u32)> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?)
    });
    let mut cpus = ranges.flatten();
    cpus.next().zip(cpus.next())
}

/// How many there are for us.
fn cpus() -> u32 {
    available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

fn model() -> String {
    let text = read("/proc/cpuinfo".as_ref());
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map_or("a CPU that has no name", |(_, name)| name);
    name.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cpus_are_the_first_of_those_that_are_ours() {
        assert_eq!(two_of("\t0-1\n"), Some((0, 1)));
        assert_eq!(two_of("4,6-7"), Some((4, 6)));
        assert_eq!([two_of("3"), two_of("")], [None, None]);
    }
}

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

/// How many there are for us.
pub fn cpus() -> u32 {
    available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

fn model() -> String {
    let text = read("/proc/cpuinfo".as_ref());
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map_or("a CPU that has no name", |(_, name)| name);
    name.trim().to_string()
}

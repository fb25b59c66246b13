//! The line that a measurement ends in, and the clocks and counters that several of them use.

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// A number, what it was measured with, and what else was seen.
pub(crate) struct Measured {
    bench: &'static str,
    unit: &'static str,
    value: f64,
    params: Map<String, Value>,
    extra: Map<String, Value>,
}

impl Measured {
    pub(crate) fn new(bench: &'static str, value: f64, unit: &'static str) -> Self {
        Self { bench, unit, value, params: Map::new(), extra: Map::new() }
    }

    /// What the caller chose.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// A number beside the one that counts.
    pub(crate) fn and(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// All of it, as `runtime` did it.
    pub(crate) fn line(mut self, runtime: &str, workers: usize) -> Value {
        self.params.insert("workers".to_owned(), workers.into());
        let Self { bench, unit, value, params, extra } = self;
        json!({"runtime": runtime, "bench": bench, "params": params, "value": value, "unit": unit, "extra": extra})
    }
}

/// A runtime's start, which `start` waits for and then ends: us for the one in the middle.
pub(crate) fn starts<E>(repeat: usize, mut start: impl FnMut() -> Result<(), E>) -> Result<Measured, E> {
    let busy = processor_seconds();
    let mut times = Vec::new();
    for _ in 0..repeat.max(1) {
        let begin = Instant::now();
        start()?;
        times.push(begin.elapsed());
    }
    let busy = processor_seconds() - busy;
    let first = times[0].as_secs_f64() * 1e6;
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e6;
    Ok(Measured::new("start", median, "us").with("repeat", repeat).and("first_us", first).and("cpu_s", busy))
}

/// Seconds that all threads of this process together have run.
pub(crate) fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Bytes of this process that are in memory.
pub(crate) fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    let kibibytes: u64 = resident.ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))?;
    Ok(kibibytes * 1024)
}

/// Keeps this processor busy for so many nanoseconds.
pub(crate) fn compute(nanoseconds: u64) {
    let end = Instant::now() + Duration::from_nanos(nanoseconds);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// A sequence without a pattern that is the same in each run: xorshift64* (S. Vigna, "An experimental exploration of
/// Marsaglia's xorshift generators, scrambled", 2016).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

//! What the benchmarks share: rounds in alternation, medians, a table with ratios, the machine.
//!
//! Each benchmark is a program that compares *subjects*. A round runs each of them once, one after the other, so that a machine
//! that gets slower or busier does so for all of them; what is shown is the median of the rounds, the fastest round, and the median
//! of the ratios within each round. Nothing here judges a time: the programs fail only when a count is wrong.
//!
//! With `--short` (or `--test`, which is what test runners pass; or `FIBER_BENCH_SHORT=1`) there are few rounds of little work: the
//! program then checks itself and measures nothing. A word that does not begin with a dash selects the comparisons whose titles
//! contain it.

// Every benchmark is a crate of its own that has this module and uses a part of it.
#![allow(dead_code)]

pub(crate) mod bare;
pub(crate) mod machine;

use std::time::Instant;

/// A run of one benchmark program.
pub(crate) struct Run {
    short: bool,
    filters: Vec<String>,
}

/// One of the things that a comparison measures: its name, and a round of it, which gives a value.
pub(crate) type Subject<'a> = (&'a str, &'a mut dyn FnMut() -> f64);

impl Run {
    /// Reads the arguments and says which machine this is.
    pub(crate) fn start(about: &str) -> Run {
        let short = |value: String| !value.is_empty() && value != "0";
        let mut run = Run { short: std::env::var("FIBER_BENCH_SHORT").is_ok_and(short), filters: Vec::new() };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--short" | "--test" => run.short = true,
                // `cargo bench` passes `--bench`; other programs beside this one may be meant by the rest.
                option if option.starts_with('-') => (),
                _ => run.filters.push(argument),
            }
        }
        println!("{about}\n{}", machine::describe());
        if run.short {
            println!("short: the figures mean nothing");
        }
        run
    }

    /// Whether this run only checks that the benchmark works.
    pub(crate) fn is_short(&self) -> bool {
        self.short
    }

    /// `full`, or `short` in a short run.
    pub(crate) fn pick<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }

    /// Whether the comparison is to be run.
    pub(crate) fn selects(&self, title: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| title.contains(filter.as_str()))
    }

    /// Runs the subjects in alternation and prints a row for each. The last one is the limit or the yardstick.
    pub(crate) fn compare(&self, title: &str, unit: &str, rounds: usize, subjects: &mut [Subject<'_>]) {
        if !self.selects(title) {
            return;
        }
        let names: Vec<&str> = subjects.iter().map(|(name, _)| *name).collect();
        let values = self.alternate(rounds, subjects.len(), |subject| subjects[subject].1());
        show(title, unit, &names, &values);
    }

    /// Runs `count` subjects in alternation: for each, what its rounds gave. The first round warms up and does not count.
    pub(crate) fn alternate<T>(&self, rounds: usize, count: usize, mut round: impl FnMut(usize) -> T) -> Vec<Vec<T>> {
        let mut values: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
        for turn in 0..=self.pick(rounds, 1) {
            for (subject, values) in values.iter_mut().enumerate() {
                let value = round(subject);
                if turn > 0 {
                    values.push(value);
                }
            }
        }
        values
    }
}

/// Prints a row for each subject. Ratios are within rounds, to the last subject.
pub(crate) fn show(title: &str, unit: &str, names: &[&str], values: &[Vec<f64>]) {
    let yardstick = &values[values.len() - 1];
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    println!("\n{title} [{unit}]");
    println!("  {:width$}  {:>10} {:>10} {:>7}", "", "median", "least", "ratio");
    for (name, values) in names.iter().zip(values) {
        let ratio = median(values.iter().zip(yardstick).map(|(value, yardstick)| value / yardstick).collect());
        let (median, least) = (median(values.clone()), values.iter().copied().fold(f64::INFINITY, f64::min));
        println!("  {name:width$}  {median:>10.1} {least:>10.1} {ratio:>7.2}");
    }
}

/// Nanoseconds for each of `count` operations that `work` does.
pub(crate) fn time_each(count: usize, work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_nanos() as f64 / count as f64
}

/// As [`time_each`], in processor time of the calling thread: for work that never waits, where what else the machine does is not
/// to count.
pub(crate) fn busy_each(count: usize, work: impl FnOnce()) -> f64 {
    let clock = machine::thread_clock();
    let begin = machine::read(clock);
    work();
    (machine::read(clock) - begin) as f64 / count as f64
}

/// The value in the middle.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which the given share of all lies.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// A runtime whose workers run on the processors that the calling thread may use.
pub(crate) fn runtime(workers: usize) -> fiber::runtime::Runtime {
    fiber::runtime::Builder::new().workers(workers).build().expect("a runtime can be started")
}

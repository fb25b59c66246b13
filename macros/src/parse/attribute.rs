//! The attributes on functions, and the one table of their arguments.

use std::fmt::{self, Display, Formatter};

/// Which attribute is being expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Main,
    Task,
    Test,
    Check,
}

use Attribute::{Check, Main, Task, Test};

/// Every argument: its name, the attributes that take it, and how it is written.
///
/// Messages list them in this order.
const ARGUMENTS: &[(&str, &[Attribute], &str)] = &[
    ("workers", &[Main, Test], "workers = 4"),
    ("stack_size", &[Main, Task, Test], "stack_size = \"64k\""),
    ("numa", &[Main, Task, Test], "numa = \"local\""),
    ("driver", &[Main, Test], "driver = \"io_uring\""),
    ("blocking_threads", &[Main, Test], "blocking_threads = 64"),
    ("priority", &[Task], "priority = \"high\""),
    ("timeslice", &[Task], "timeslice = \"1ms\""),
    ("checkpoints", &[Main, Task, Test, Check], "checkpoints = false"),
    ("allow", &[Main, Task, Test, Check], "allow(std::sync::Mutex::lock)"),
    ("unsafe", &[Task], "unsafe(migrate)"),
    ("companion", &[Task], "companion = \"fetch_task\""),
    ("associated", &[Task], "associated"),
    ("sim", &[Test], "sim"),
    ("name", &[Main, Task, Test], "name = \"...\""),
    ("crate", &[Main, Task, Test, Check], "crate = \"fiber\""),
];

impl Attribute {
    /// Whether it takes the argument `name`.
    pub(crate) fn takes(self, name: &str) -> bool {
        ARGUMENTS.iter().any(|(known, on, _)| *known == name && on.contains(&self))
    }

    /// Why it does not take the argument `name`: it belongs elsewhere, or nowhere. Lists what it takes.
    pub(crate) fn refusal(self, name: &str) -> String {
        let valid = ARGUMENTS.iter().filter(|(_, on, _)| on.contains(&self));
        let valid = joined(valid.map(|(known, _, example)| match *known {
            // Not a name, but a part of one.
            "unsafe" => format!("`{example}`"),
            known => format!("`{known}`"),
        }));
        match ARGUMENTS.iter().find(|(known, ..)| *known == name) {
            Some((_, on, _)) => {
                let owners = joined(on.iter().map(|owner| format!("`{owner}`")));
                format!("`{name}` is an argument of {owners}; `{self}` takes {valid}")
            }
            None if name == "migrate" && self == Task => {
                "`migrate` is a promise that the compiler cannot check: write `unsafe(migrate)`".into()
            }
            None => format!("there is no argument `{name}`; `{self}` takes {valid}"),
        }
    }

    /// An example of the argument `name`, for messages.
    pub(crate) fn example(name: &str) -> &'static str {
        ARGUMENTS.iter().find(|(known, ..)| *known == name).map_or("", |(.., example)| example)
    }
}

impl Display for Attribute {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Main => "#[fiber::main]",
            Task => "#[fiber::task]",
            Test => "#[fiber::test]",
            Check => "#[fiber::check]",
        })
    }
}

/// `a`, `b` and `c`.
fn joined(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} and {end}", rest.join(", ")),
        _ => words.concat(),
    }
}

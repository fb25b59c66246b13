//! Where a fiber may run and how urgent it is: the values that `#[fiber::task]` takes as strings and builders take
//! as these enums.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// On which NUMA node a fiber starts, and from which it may be taken by an idle worker.
///
/// It concerns fibers that have not started: a started fiber stays on its worker. Nodes are those on which the runtime has workers; one
/// that has them on a single node treats all variants alike. A fiber of [`spawn_local`](crate::spawn_local) is on its spawner's worker whatever
/// is said here.
///
/// Written in an attribute or an environment variable it is the string that [`Display`] gives and [`FromStr`] reads.
///
/// # Errors
///
/// A fiber for a [`Node`](Numa::Node) without workers does not run: [`join`](crate::JoinHandle::join) gives an error that names the nodes there
/// are. A runtime for which that is the default is not built.
///
/// # Examples
///
/// ```
/// use fiber::Numa;
///
/// assert_eq!("local".parse(), Ok(Numa::Local));
/// assert_eq!("1".parse(), Ok(Numa::Node(1)));
/// assert_eq!(Numa::Spread.to_string(), "spread");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Numa {
    /// Near its spawner where possible, but any idle worker may take it.
    #[default]
    Any,
    /// On the node of its spawner: workers of other nodes do not take it. Spawned by a thread that is no worker, on the node where
    /// the thread runs at that moment.
    Local,
    /// On the nodes in turn, for work that is limited by memory bandwidth. Workers of other nodes do not take it.
    Spread,
    /// On this node and no other, numbered as Linux numbers it under `/sys/devices/system/node`.
    Node(u32),
}

impl Display for Numa {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Numa::Any => f.pad("any"),
            Numa::Local => f.pad("local"),
            Numa::Spread => f.pad("spread"),
            Numa::Node(node) => Display::fmt(node, f),
        }
    }
}

impl FromStr for Numa {
    type Err = ParseAttributeError;

    fn from_str(text: &str) -> Result<Self, ParseAttributeError> {
        match text {
            "any" => Ok(Numa::Any),
            "local" => Ok(Numa::Local),
            "spread" => Ok(Numa::Spread),
            node => match node.parse() {
                Ok(node) => Ok(Numa::Node(node)),
                Err(_) => Err(ParseAttributeError {
                    given: text.into(),
                    expected: "\"any\", \"local\", \"spread\" or the number of a NUMA node",
                }),
            },
        }
    }
}

/// How urgent a fiber is beside the others of its worker.
///
/// Written in an attribute it is the string that [`Display`] gives and [`FromStr`] reads.
///
/// A priority becomes a deadline: whenever the fiber becomes ready, or is spawned, it is due a certain time later, and of all that a
/// worker could run it runs what is due first. So no priority starves another: who has waited for that time goes before
/// everything that came since.
///
/// | priority | is due after |
/// | --- | --- |
/// | `High` | no time: ahead of all that is not overdue |
/// | `Normal` | 10 ms, two of the default time slices |
/// | `Low` | 100 ms |
/// | `Idle` | 1 s |
///
/// A priority decides who goes next, and takes nobody off the processor: a fiber that computes runs until it waits, yields, or has used
/// up its time slice at a [checkpoint](crate::checkpoint()). Fibers that a fiber spawns do not inherit its priority.
///
/// # Locks
///
/// While a fiber waits for a [`Mutex`](crate::sync::Mutex) or [`RwLock`](crate::sync::RwLock) that a less urgent one has exclusively, it lends
/// that one its priority; so nothing in between holds both up. The loan is to the fiber that had the lock when the waiter came, and
/// is taken back when the waiter goes on. It is not passed on to what the borrower may wait for itself.
///
/// # Examples
///
/// ```
/// use fiber::Priority;
///
/// assert_eq!("high".parse(), Ok(Priority::High));
/// assert_eq!(Priority::default(), Priority::Normal);
/// assert!(Priority::High > Priority::Idle);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// Runs when nothing else can, or when it has waited for a second.
    Idle,
    /// Gives way to the others, but is never starved by them.
    Low,
    /// The ordinary case.
    #[default]
    Normal,
    /// Goes ahead of the others, without starving them.
    High,
}

impl Display for Priority {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
            Priority::Idle => "idle",
        })
    }
}

impl FromStr for Priority {
    type Err = ParseAttributeError;

    fn from_str(text: &str) -> Result<Self, ParseAttributeError> {
        match text {
            "high" => Ok(Priority::High),
            "normal" => Ok(Priority::Normal),
            "low" => Ok(Priority::Low),
            "idle" => Ok(Priority::Idle),
            _ => Err(ParseAttributeError { given: text.into(), expected: "\"high\", \"normal\", \"low\" or \"idle\"" }),
        }
    }
}

/// A string that names no [`Numa`] or [`Priority`]; its message lists the ones that do.
///
/// # Examples
///
/// ```
/// let error = "urgent".parse::<fiber::Priority>().unwrap_err();
/// assert_eq!(error.to_string(), r#""urgent" is none of "high", "normal", "low" or "idle""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseAttributeError {
    given: Box<str>,
    expected: &'static str,
}

impl Display for ParseAttributeError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of {}", self.given, self.expected)
    }
}

impl Error for ParseAttributeError {}

#[cfg(test)]
mod tests {
    use super::{Numa, Priority};

    #[test]
    fn display_and_from_str_agree() {
        for numa in [Numa::Any, Numa::Local, Numa::Spread, Numa::Node(0), Numa::Node(63)] {
            assert_eq!(numa.to_string().parse(), Ok(numa));
        }
        for priority in [Priority::High, Priority::Normal, Priority::Low, Priority::Idle] {
            assert_eq!(priority.to_string().parse(), Ok(priority));
        }
    }

    #[test]
    fn other_strings_are_refused() {
        for text in ["", "Local", "-1", "node1", " any"] {
            let error = text.parse::<Numa>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text:?} is none of \"any\", \"local\", \"spread\" or the number of a NUMA node")
            );
        }
        assert!("HIGH".parse::<Priority>().is_err());
    }
}

//! Why a stack could not be had.

use std::fmt;
use std::io;

use crate::sys::memory;

/// How near to `vm.max_map_count` a process must be for a failure to be put down to it: the kernel refuses a split that would
/// pass the limit, and threads may unmap something before the count is taken.
const NEAR_THE_LIMIT: usize = 64;

/// Why a stack could not be had. The text says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StackError {
    /// The size leaves no room for frames beside the guard, or is zero.
    TooSmall {
        /// The size asked for, in bytes.
        requested: usize,
        /// The smallest size that would do, in bytes.
        minimum: usize,
    },
    /// The size is beyond the largest class.
    TooLarge {
        /// The size asked for, in bytes.
        requested: usize,
        /// The largest size there is, in bytes.
        maximum: usize,
    },
    /// The process has as many memory mappings as it may have.
    MappingLimit {
        /// The mappings it has.
        mappings: usize,
        /// `vm.max_map_count`.
        limit: usize,
    },
    /// The process may not map more address space (`RLIMIT_AS`).
    AddressSpaceLimit {
        /// The bytes that were to be mapped.
        bytes: usize,
        /// The limit in bytes.
        limit: u64,
    },
    /// The kernel counts every mapping as if it were used (`vm.overcommit_memory = 2`) and has no more to give.
    Overcommit {
        /// The bytes that were to be mapped.
        bytes: usize,
    },
    /// New memory is locked (`mlockall`) and the limit of locked memory reached.
    Locked {
        /// The bytes that were to be mapped.
        bytes: usize,
    },
    /// The machine, or the process's memory cgroup, is out of memory.
    OutOfMemory {
        /// The bytes that were to be mapped or guarded.
        bytes: usize,
    },
    /// Anything else that the kernel may say.
    Refused {
        /// The call that failed.
        call: &'static str,
        /// Its error number.
        errno: i32,
    },
}

/// A call that failed while stacks were being made, before its cause is known.
#[derive(Debug)]
pub(super) struct Failure {
    /// The call's name.
    pub(super) call: &'static str,
    /// How many bytes it was about.
    pub(super) bytes: usize,
    /// What it said.
    pub(super) error: io::Error,
}

impl StackError {
    /// Finds the cause of a failed call. Reads `/proc`, so never under a lock.
    pub(super) fn diagnose(failure: Failure) -> Self {
        let bytes = failure.bytes;
        match failure.error.raw_os_error() {
            Some(libc::EAGAIN) => Self::Locked { bytes },
            Some(libc::ENOMEM) => Self::out_of_memory(bytes, &Surroundings::read()),
            errno => Self::Refused { call: failure.call, errno: errno.unwrap_or(0) },
        }
    }

    /// Which of the limits that all answer `ENOMEM` was met.
    fn out_of_memory(bytes: usize, surroundings: &Surroundings) -> Self {
        if let (Some(mappings), Some(limit)) = (surroundings.mappings, surroundings.max_map_count)
            && mappings + NEAR_THE_LIMIT >= limit
        {
            return Self::MappingLimit { mappings, limit };
        }
        if surroundings.overcommit_mode == Some(2) {
            return Self::Overcommit { bytes };
        }
        match surroundings.address_space_limit {
            Some(limit) => Self::AddressSpaceLimit { bytes, limit },
            None => Self::OutOfMemory { bytes },
        }
    }
}

/// The limits in force when a call failed.
#[derive(Debug, Default)]
struct Surroundings {
    mappings: Option<usize>,
    max_map_count: Option<usize>,
    overcommit_mode: Option<usize>,
    address_space_limit: Option<u64>,
}

impl Surroundings {
    fn read() -> Self {
        Self {
            mappings: memory::mapping_count(),
            max_map_count: memory::max_map_count(),
            overcommit_mode: memory::overcommit_mode(),
            address_space_limit: memory::address_space_limit(),
        }
    }
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooSmall { requested, minimum } => write!(
                f,
                "a stack of {} is too small for a guard and frames; ask for at least {}",
                Bytes(requested),
                Bytes(minimum)
            ),
            Self::TooLarge { requested, maximum } => write!(
                f,
                "a stack of {} is larger than the largest there is, {}; ask for less, or run the deep part on a thread of its own",
                Bytes(requested),
                Bytes(maximum)
            ),
            Self::MappingLimit { mappings, limit } => write!(
                f,
                "no more stacks: the process has {mappings} memory mappings and vm.max_map_count allows {limit}; raise it with \
                 `sysctl -w vm.max_map_count={}`, or run on Linux 6.13 or later, where stacks share mappings (locked memory \
                 prevents that)",
                limit.saturating_mul(16)
            ),
            Self::AddressSpaceLimit { bytes, limit } => write!(
                f,
                "no more stacks: mapping {} more failed, and the process may map {limit} bytes of address space in all (RLIMIT_AS); \
                 lift the limit with `ulimit -v unlimited`, or use smaller stacks",
                Bytes(bytes)
            ),
            Self::Overcommit { bytes } => write!(
                f,
                "no more stacks: mapping {} more failed, because vm.overcommit_memory is 2, which counts stacks in full although \
                 they are hardly used; set it with `sysctl -w vm.overcommit_memory=0`, raise vm.overcommit_ratio, or use \
                 smaller stacks",
                Bytes(bytes)
            ),
            Self::Locked { bytes } => write!(
                f,
                "no more stacks: mapping {} more failed, because mlockall(MCL_FUTURE) locks new memory and the limit of locked \
                 memory is reached; raise it with `ulimit -l unlimited`, or use smaller stacks",
                Bytes(bytes)
            ),
            Self::OutOfMemory { bytes } => write!(
                f,
                "no more stacks: the kernel has no memory for {} more; let fewer fibers live at once, or give the machine or the \
                 memory cgroup more",
                Bytes(bytes)
            ),
            Self::Refused { call, errno } => write!(
                f,
                "no stack: {call} failed: {}; a sandbox that filters system calls may be the cause",
                io::Error::from_raw_os_error(errno)
            ),
        }
    }
}

impl std::error::Error for StackError {}

impl From<StackError> for io::Error {
    fn from(error: StackError) -> Self {
        let kind = match error {
            StackError::TooSmall { .. } | StackError::TooLarge { .. } => io::ErrorKind::InvalidInput,
            StackError::Refused { errno, .. } => io::Error::from_raw_os_error(errno).kind(),
            _ => io::ErrorKind::OutOfMemory,
        };
        io::Error::new(kind, error)
    }
}

/// A number of bytes in the largest unit that divides it.
pub(crate) struct Bytes(
    /// The number.
    pub(crate) usize,
);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0 bytes"),
            bytes if bytes.is_multiple_of(1 << 30) => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes.is_multiple_of(1 << 20) => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            mappings: Some(100),
            max_map_count: Some(65_530),
            overcommit_mode: Some(0),
            address_space_limit: None,
        }
    }

    #[test]
    fn the_mapping_limit_is_named_with_its_value_and_cure() {
        let error = StackError::out_of_memory(4096, &Surroundings { mappings: Some(65_529), ..surroundings() });
        assert_eq!(error, StackError::MappingLimit { mappings: 65_529, limit: 65_530 });
        let text = error.to_string();
        assert!(text.contains("65529 memory mappings"), "{text}");
        assert!(text.contains("vm.max_map_count allows 65530"), "{text}");
        assert!(text.contains("`sysctl -w vm.max_map_count=1048480`"), "{text}");
    }

    #[test]
    fn other_limits_are_told_apart() {
        let overcommit = Surroundings { overcommit_mode: Some(2), ..surroundings() };
        let text = StackError::out_of_memory(8 << 20, &overcommit).to_string();
        assert!(text.contains("8 MiB") && text.contains("vm.overcommit_memory is 2"), "{text}");

        let limited = Surroundings { address_space_limit: Some(1 << 30), ..surroundings() };
        let text = StackError::out_of_memory(8 << 20, &limited).to_string();
        assert!(text.contains("1073741824 bytes") && text.contains("ulimit -v"), "{text}");

        let text = StackError::out_of_memory(8 << 20, &surroundings()).to_string();
        assert!(text.contains("no memory for 8 MiB more"), "{text}");

        // Without /proc nothing is claimed that is not known.
        assert_eq!(StackError::out_of_memory(1, &Surroundings::default()), StackError::OutOfMemory { bytes: 1 });
    }

    #[test]
    fn the_errno_decides_where_it_says_enough() {
        let failure = |errno| Failure { call: "mmap", bytes: 4096, error: io::Error::from_raw_os_error(errno) };
        assert_eq!(StackError::diagnose(failure(libc::EAGAIN)), StackError::Locked { bytes: 4096 });
        let text = StackError::diagnose(failure(libc::EPERM)).to_string();
        assert!(text.contains("mmap failed") && text.contains("sandbox"), "{text}");
    }

    #[test]
    fn sizes_are_named_with_their_bounds() {
        let small = StackError::TooSmall { requested: 16 << 10, minimum: 128 << 10 };
        assert!(small.to_string().contains("16 KiB is too small"));
        assert!(small.to_string().contains("at least 128 KiB"));
        let large = StackError::TooLarge { requested: 3 << 30, maximum: 1 << 30 };
        assert!(large.to_string().contains("3 GiB is larger than the largest there is, 1 GiB"));
        assert_eq!(io::Error::from(large).kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn bytes_are_readable() {
        let texts = [0, 1, 1024, 1025, 5 << 20, 1 << 30].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(texts, ["0 bytes", "1 bytes", "1 KiB", "1025 bytes", "5 MiB", "1 GiB"]);
    }
}

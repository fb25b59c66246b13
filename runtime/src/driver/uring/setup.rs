//! Making a ring: the best set of flags that the kernel accepts, and what it can do.

use super::super::error::Step;
use super::super::{DriverConfig, DriverError};
use super::enter::Gate;
use super::entry;
use io_uring::{IoUring, Probe, opcode};
use std::io;

/// When the kernel runs the part of a completion that needs our thread ("task work").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum TaskWork {
    /// When we enter it to wait (`DEFER_TASKRUN`, Linux 6.1): nothing interrupts a fiber, completions come in batches.
    Deferred,
    /// When we enter it for any reason (`COOP_TASKRUN`, 5.19).
    Cooperative,
    /// At once, by interrupting the thread.
    Interrupting,
}

impl TaskWork {
    /// All, the best first.
    pub(in crate::driver) const LADDER: [TaskWork; 3] =
        [TaskWork::Deferred, TaskWork::Cooperative, TaskWork::Interrupting];
}

/// A ring that works, and what the kernel behind it offers.
pub(super) struct Made {
    pub(super) ring: IoUring,
    pub(super) gate: Gate,
    pub(super) task_work: TaskWork,
    /// `IORING_RECVSEND_POLL_FIRST`, and cancelling everything: both since 5.19, as the flags of the upper two rungs.
    pub(super) since_5_19: bool,
    /// What the kernel has, as far as it says.
    pub(super) probe: Probe,
}

/// Makes a ring with the first rung of `ladder` that the kernel accepts.
pub(super) fn make(config: &DriverConfig, ladder: &[TaskWork]) -> Result<Made, DriverError> {
    let (ring, task_work) = build(config, ladder).map_err(|error| DriverError::new(Step::Setup, error))?;
    let probe = check(&ring).map_err(|error| DriverError::new(Step::Probe, error))?;
    let gate = Gate::new(&ring);
    let mut made = Made { ring, gate, task_work, since_5_19: task_work != TaskWork::Interrupting, probe };
    round_trip(&mut made).map_err(|error| DriverError::new(Step::Enter, error))?;
    Ok(made)
}

fn build(config: &DriverConfig, ladder: &[TaskWork]) -> io::Result<(IoUring, TaskWork)> {
    let mut refusal = io::Error::from_raw_os_error(libc::EINVAL);
    for &task_work in ladder {
        // The array of indices between queue and entries is an indirection that only kernels before 6.6 need.
        for no_array in [true, false] {
            if no_array && task_work == TaskWork::Interrupting {
                continue;
            }
            let mut builder = IoUring::builder();
            // A child that forks without exec must not share the queues.
            builder
                .dontfork()
                .setup_clamp()
                .setup_cqsize(config.completion_entries.max(config.submission_entries).max(1));
            if no_array {
                builder.setup_no_sqarray();
            }
            match task_work {
                TaskWork::Deferred => {
                    builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag().setup_submit_all();
                }
                TaskWork::Cooperative => {
                    builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all();
                }
                TaskWork::Interrupting => (),
            }
            match builder.build(config.submission_entries.max(1)) {
                Ok(ring) => return Ok((ring, task_work)),
                // A flag that the kernel does not know. Everything else fails in the same way on every rung.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refusal = error,
                Err(error) => return Err(error),
            }
        }
    }
    Err(refusal)
}

/// Whether the kernel has what the driver cannot do without.
fn check(ring: &IoUring) -> io::Result<Probe> {
    let offers = ring.params();
    let features = [
        (offers.is_feature_nodrop(), "completions that are never dropped"),
        (offers.is_feature_fast_poll(), "internal polling"),
        (offers.is_feature_ext_arg(), "waiting with a time limit"),
        (offers.is_feature_rw_cur_pos(), "the current file position"),
    ];
    if let Some((_, missing)) = features.iter().find(|(there, _)| !there) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, format!("it lacks {missing}")));
    }
    let mut probe = Probe::new();
    // Where a sandbox denies io_uring_register, the features above vouch for the opcodes: all are older than the newest of them.
    if ring.submitter().register_probe(&mut probe).is_ok()
        && let Some((_, missing)) = entry::OPCODES.iter().find(|(code, _)| !probe.is_supported(*code))
    {
        return Err(io::Error::new(io::ErrorKind::Unsupported, format!("it lacks the operation {missing}")));
    }
    Ok(probe)
}

/// Sends one empty operation around, because a sandbox may permit making a ring and deny using it.
fn round_trip(made: &mut Made) -> io::Result<()> {
    // SAFETY: the operation names no memory.
    unsafe { made.ring.submission().push(&opcode::Nop::new().build()) }.expect("a new queue has room for one entry");
    loop {
        match made.gate.submit_and_wait(1, 1, None) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
        if made.ring.submission().is_empty() {
            break;
        }
    }
    while made.ring.completion().next().is_none() {
        match made.gate.submit_and_wait(0, 1, None) {
            Ok(_) => (),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

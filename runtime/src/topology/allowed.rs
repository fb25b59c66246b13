//! Which CPUs, and the memory of which nodes, the process may use.

use super::list;
use super::read::Files;
use std::path::{Path, PathBuf};

/// What the process may use; `None` where nothing says so.
pub(super) struct Allowed {
    pub(super) cpus: Option<Vec<usize>>,
    pub(super) memory: Option<Vec<usize>>,
}

impl Allowed {
    /// What the files below a root say of the calling thread and its process.
    ///
    /// The thread's status has what its affinity mask and its cgroup leave. The cgroup is asked all the same: a sandbox that
    /// makes up the one may pass on the other.
    pub(super) fn read(files: &Files) -> Allowed {
        let status = files.text("proc/thread-self/status").or_else(|| files.text("proc/self/status"));
        let listed = |field: &str| {
            let line = status.as_ref()?.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
            list::parse(line).filter(|list| !list.is_empty())
        };
        let groups = files.text("proc/self/cgroup");
        let group = |file| cgroup(files, groups.as_ref()?, file);
        Allowed {
            cpus: both(listed("Cpus_allowed_list"), group("cpuset.cpus.effective")),
            memory: both(listed("Mems_allowed_list"), group("cpuset.mems.effective")),
        }
    }
}

/// What both allow. Two that contradict each other cannot both be right; the first is the process's own.
fn both(own: Option<Vec<usize>>, group: Option<Vec<usize>>) -> Option<Vec<usize>> {
    let (Some(own), Some(group)) = (&own, &group) else {
        return own.or(group);
    };
    let common: Vec<usize> = own.iter().copied().filter(|number| group.contains(number)).collect();
    Some(if common.is_empty() { own.clone() } else { common })
}

/// What a file of the process's cgroup says, or of the nearest one above it that has the file (version 2, cgroups(7)). `groups` are all that the
/// process is in.
fn cgroup(files: &Files, groups: &str, file: &str) -> Option<Vec<usize>> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Seen from inside a namespace a group outside of it begins with `..`, and cannot be reached.
    let inside: PathBuf = Path::new(path).components().filter(|part| part.as_os_str() != "..").collect();
    let mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
    let places = inside.ancestors().flat_map(|group| mounts.map(|mount| Path::new(mount).join(group)));
    places.into_iter().find_map(|place| files.list(place.join(file))).filter(|list| !list.is_empty())
}

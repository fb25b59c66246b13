//! Anonymous memory: mapping it, guarding it, giving it back, and asking the kernel what became of it.
//!
//! Everything here is one Linux call or one file of `/proc`, with the checks that keep a wrong argument from reaching memory
//! that belongs to someone else. Policy (how much to map, when to give it back, what to do about a failure) is the
//! caller's: `fiber::stack` for stacks.
//!
//! A function is `unsafe` when it can change bytes that a live object may occupy, safe when it can only fail.
//!
//! Two calls are missing on purpose. `MADV_GUARD_REMOVE` has no user: a guard goes with its mapping. `MADV_POPULATE_WRITE` was
//! measured and not kept: a first touch costs what populating costs (2.2 against 2.1 to 2.9 us a page in a virtual machine, because
//! the time goes into the page, not into the fault).

use crate::sys::errno::last_error;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `MADV_GUARD_INSTALL` of `linux/mman.h` (6.13), which the `libc` crate does not name on every target.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// `MPOL_F_MEMS_ALLOWED` of `linux/mempolicy.h`, which the `libc` crate does not name.
const MPOL_F_MEMS_ALLOWED: libc::c_int = 1 << 2;

/// The kernel's own limit on NUMA nodes (`CONFIG_NODES_SHIFT` is at most 10).
const MOST_NODES: usize = 1024;
/// Nodes in a word of the kernel's masks.
const WORD: usize = libc::c_ulong::BITS as usize;

/// The size of a page in bytes: 4 KiB on x86-64, 4, 16 or 64 KiB on aarch64.
#[inline]
pub(crate) fn page_size() -> usize {
    static PAGE_SIZE: AtomicUsize = AtomicUsize::new(0);
    match PAGE_SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: `sysconf` takes no pointers and changes nothing.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(size).expect("the kernel reports a page size");
            assert!(size.is_power_of_two() && size >= 4096, "a page size of {size} bytes");
            PAGE_SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// A private, writable, anonymous mapping that this value owns; dropping it unmaps it.
///
/// Pages appear zeroed when they are first touched, and count against memory only from then on.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory that belongs to this value; its methods only make system calls, which any thread may make.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`; the methods that change bytes are `unsafe` and leave exclusion to the caller.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves `len` bytes, rounded up to whole pages, without reserving memory or swap for them (`MAP_NORESERVE`).
    ///
    /// # Errors
    ///
    /// `ENOMEM` at the limit of mappings (`vm.max_map_count`), of address space (`RLIMIT_AS`) or of commit (`vm.overcommit_memory = 2`
    /// ignores `MAP_NORESERVE`); `EAGAIN` where `mlockall(MCL_FUTURE)` is in force and `RLIMIT_MEMLOCK` too low.
    pub(crate) fn reserve(len: usize) -> io::Result<Self> {
        let len =
            len.checked_next_multiple_of(page_size()).filter(|&len| len > 0).ok_or(io::ErrorKind::InvalidInput)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: no address is asked for, so the kernel picks unused ones: nothing that exists is touched.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(last_error());
        }
        // Stacks travel as addresses, so pointers into the mapping are made from exposed provenance.
        base.expose_provenance();
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at address zero by itself");
        Ok(Self { base, len })
    }

    /// The addresses of the mapping.
    pub(crate) fn range(&self) -> Range<usize> {
        let start = self.base.addr().get();
        start..start + self.len
    }

    /// Keeps transparent huge pages out (`MADV_NOHUGEPAGE`): with them one touched byte becomes two resident megabytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` from a kernel without huge pages, where there is nothing to keep out.
    pub(crate) fn no_huge_pages(&self) -> io::Result<()> {
        // SAFETY: the range is this mapping; the advice changes no byte of it.
        check(unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_NOHUGEPAGE) })
    }

    /// Asks for the mapping's pages to come from NUMA node `node` while that has any (`MPOL_PREFERRED`).
    ///
    /// # Errors
    ///
    /// `EINVAL` for a node that does not exist, `ENOSYS` from a kernel without NUMA, `EPERM` where a sandbox forbids the call.
    pub(crate) fn prefer_node(&self, node: u32) -> io::Result<()> {
        let mut mask = [0 as libc::c_ulong; MOST_NODES / WORD];
        let node = node as usize;
        *mask.get_mut(node / WORD).ok_or(io::ErrorKind::InvalidInput)? |= 1 << (node % WORD);
        // SAFETY: the range is this mapping, and `mask` holds the bits it is said to hold (the kernel reads one less than
        // `maxnode`). A memory policy changes no byte.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.base.as_ptr(),
                self.len,
                libc::MPOL_PREFERRED,
                mask.as_ptr(),
                mask.len() * WORD + 1,
                0,
            )
        };
        if result == 0 { Ok(()) } else { Err(last_error()) }
    }

    /// Makes every access to `range` fault, without splitting the mapping (`MADV_GUARD_INSTALL`).
    ///
    /// Such a guard lives in the page tables: it costs no mapping, and stays when the pages around it are discarded.
    ///
    /// # Errors
    ///
    /// `EINVAL` before Linux 6.13 and on locked memory; `ENOMEM` without memory for page tables.
    ///
    /// # Panics
    ///
    /// If `range` is not made of whole pages of this mapping.
    ///
    /// # Safety
    ///
    /// Nothing lives in `range`, now or later.
    pub(crate) unsafe fn install_guard(&self, range: Range<usize>) -> io::Result<()> {
        let (start, len) = self.pages(range);
        // SAFETY: the pages are this mapping's (checked), and the caller promises that nothing lives there.
        check(unsafe { libc::madvise(start, len, MADV_GUARD_INSTALL) })
    }

    /// Makes every access to `range` fault by taking its permissions (`mprotect(PROT_NONE)`), which splits the mapping.
    ///
    /// # Errors
    ///
    /// `ENOMEM` at the limit of mappings (`vm.max_map_count`).
    ///
    /// # Panics
    ///
    /// If `range` is not made of whole pages of this mapping.
    ///
    /// # Safety
    ///
    /// Nothing lives in `range`, now or later.
    pub(crate) unsafe fn protect(&self, range: Range<usize>) -> io::Result<()> {
        let (start, len) = self.pages(range);
        // SAFETY: as in `install_guard`.
        check(unsafe { libc::mprotect(start, len, libc::PROT_NONE) })
    }

    /// Gives the pages of `range` back; they read as zeroes when next touched, and guards among them stay.
    ///
    /// # Errors
    ///
    /// As [`discard`].
    ///
    /// # Panics
    ///
    /// If `range` is not made of whole pages of this mapping.
    ///
    /// # Safety
    ///
    /// Nothing lives in `range`.
    #[cfg(test)]
    pub(crate) unsafe fn discard(&self, range: Range<usize>) -> io::Result<()> {
        self.pages(range.clone());
        // SAFETY: the pages are this mapping's (checked), and the caller promises that nothing lives there.
        unsafe { discard(range) }
    }

    /// `range` as the kernel wants it, after checking that it is made of whole pages of this mapping.
    fn pages(&self, range: Range<usize>) -> (*mut libc::c_void, usize) {
        let whole = self.range();
        assert!(
            whole.start <= range.start && range.start <= range.end && range.end <= whole.end,
            "{range:x?} is not inside the mapping {whole:x?}"
        );
        assert!(
            range.start.is_multiple_of(page_size()) && range.end.is_multiple_of(page_size()),
            "{range:x?} is not made of whole pages"
        );
        let start = self.base.as_ptr().wrapping_add(range.start - whole.start);
        (start.cast(), range.end - range.start)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value, which nobody can use any more. Where unmapping fails (it may need to
        // split a merged mapping at the limit of mappings) the addresses stay reserved, which harms nobody.
        let result = unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(result == 0 || last_error().raw_os_error() == Some(libc::ENOMEM));
    }
}

/// Gives the pages of `range` back (`MADV_DONTNEED`); they read as zeroes when next touched, and guards among them stay.
///
/// # Errors
///
/// `EINVAL` for locked memory or an unaligned start, `ENOMEM` where nothing is mapped.
///
/// # Safety
///
/// Everything in `range` is mapped as [`Mapping`] maps it, belongs to the caller, and nothing lives there.
pub(crate) unsafe fn discard(range: Range<usize>) -> io::Result<()> {
    let start = ptr::with_exposed_provenance_mut::<libc::c_void>(range.start);
    // SAFETY: the caller owns the range and keeps nothing in it.
    check(unsafe { libc::madvise(start, range.end - range.start, libc::MADV_DONTNEED) })
}

/// Whether each page from address `start` on is resident: bit 0 of one byte of `pages` each (`mincore`).
///
/// Pages that were swapped out count as not resident.
///
/// # Errors
///
/// `ENOMEM` where something in the range is not mapped, `EINVAL` if `start` is not the start of a page.
pub(crate) fn resident(start: usize, pages: &mut [u8]) -> io::Result<()> {
    let start = ptr::without_provenance_mut::<libc::c_void>(start);
    // SAFETY: the kernel writes one byte for each page of the range, which is exactly the length of `pages`; the range itself
    // it only looks up, whatever it is.
    check(unsafe { libc::mincore(start, pages.len() * page_size(), pages.as_mut_ptr()) })
}

/// The most mappings a process may have (`vm.max_map_count`), if `/proc` says.
pub(crate) fn max_map_count() -> Option<usize> {
    number("/proc/sys/vm/max_map_count")
}

/// The NUMA nodes from which the calling thread may have memory (get_mempolicy(2)); `None` from a kernel without NUMA, or where a sandbox forbids
/// the call.
pub(crate) fn allowed_nodes() -> Option<Vec<usize>> {
    let mut mask = [0 as libc::c_ulong; MOST_NODES / WORD];
    let nowhere = ptr::null_mut::<libc::c_int>();
    // SAFETY: the kernel writes the bits of `mask`, of which there are as many as it is told, and nothing else.
    let result = unsafe {
        libc::syscall(libc::SYS_get_mempolicy, nowhere, mask.as_mut_ptr(), MOST_NODES, 0usize, MPOL_F_MEMS_ALLOWED)
    };
    let is_set = |&node: &usize| mask[node / WORD] >> (node % WORD) & 1 == 1;
    (result == 0).then(|| (0..MOST_NODES).filter(is_set).collect())
}

/// The kernel's overcommit mode (`vm.overcommit_memory`): 0 guesses, 1 allows everything, 2 counts every mapping.
pub(crate) fn overcommit_mode() -> Option<usize> {
    number("/proc/sys/vm/overcommit_memory")
}

/// How many mappings this process has now: the lines of `/proc/self/maps`.
///
/// Takes tens of milliseconds near the limit, so it is for diagnosing failures only.
pub(crate) fn mapping_count() -> Option<usize> {
    let mut maps = File::open("/proc/self/maps").ok()?;
    let mut buffer = [0; 16 * 1024];
    let mut lines = 0;
    loop {
        match maps.read(&mut buffer) {
            Ok(0) => return Some(lines),
            Ok(read) => lines += buffer[..read].iter().filter(|&&byte| byte == b'\n').count(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// The most bytes of address space this process may map (`RLIMIT_AS`, the shell's `ulimit -v`); `None` if unlimited.
pub(crate) fn address_space_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` to the place given.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// The number that a one-number file of `/proc/sys` holds.
fn number(path: &str) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The result of a call that answers 0 or sets `errno`.
fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_pages(range: Range<usize>) -> usize {
        let mut pages = vec![0; (range.end - range.start) / page_size()];
        resident(range.start, &mut pages).unwrap();
        pages.iter().filter(|&&page| page & 1 == 1).count()
    }

    fn touch(address: usize) {
        // SAFETY: the tests touch only writable pages of mappings they own.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) }
    }

    #[test]
    fn pages_appear_when_touched_and_go_when_discarded() {
        let mapping = Mapping::reserve(16 * page_size()).unwrap();
        mapping.no_huge_pages().ok();
        let range = mapping.range();
        assert_eq!(range.end - range.start, 16 * page_size());
        assert_eq!(resident_pages(range.clone()), 0);
        touch(range.start);
        touch(range.end - 1);
        assert_eq!(resident_pages(range.clone()), 2);
        // SAFETY: the test keeps nothing in its mapping.
        unsafe { mapping.discard(range.clone()).unwrap() };
        assert_eq!(resident_pages(range), 0);
    }

    #[test]
    fn one_touched_byte_makes_one_page_even_where_huge_pages_are_the_rule() {
        let mapping = Mapping::reserve(8 << 20).unwrap();
        if mapping.no_huge_pages().is_err() {
            eprintln!("skipped: a kernel without huge pages");
            return;
        }
        touch(mapping.range().start + (4 << 20));
        assert_eq!(resident_pages(mapping.range()), 1);
    }

    #[test]
    fn odd_lengths_are_rounded_up_and_zero_is_refused() {
        let mapping = Mapping::reserve(1).unwrap();
        assert_eq!(mapping.range().len(), page_size());
        assert!(Mapping::reserve(0).is_err());
        assert!(Mapping::reserve(usize::MAX).is_err());
    }

    #[test]
    #[should_panic(expected = "not inside the mapping")]
    fn ranges_outside_are_refused() {
        let mapping = Mapping::reserve(page_size()).unwrap();
        let range = mapping.range();
        // SAFETY: never reaches the kernel: the range is refused.
        let _ = unsafe { mapping.discard(range.start..range.end + page_size()) };
    }

    #[test]
    fn an_unmapped_range_has_no_residency() {
        let range = {
            let mapping = Mapping::reserve(64 * page_size()).unwrap();
            mapping.range()
        };
        // Another test may have mapped the addresses again, but then not with all of these pages touched.
        let mut pages = [0; 64];
        let all = resident(range.start, &mut pages).is_ok() && pages.iter().all(|&page| page & 1 == 1);
        assert!(!all);
    }

    #[test]
    fn a_preferred_node_must_exist() {
        let mapping = Mapping::reserve(page_size()).unwrap();
        assert!(mapping.prefer_node(u32::MAX).is_err());
        match mapping.prefer_node(0) {
            Ok(()) => {}
            Err(error) => assert!(matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)), "node 0: {error}"),
        }
    }

    #[test]
    fn some_node_has_memory_for_us() {
        match allowed_nodes() {
            Some(nodes) => assert!(!nodes.is_empty()),
            None => assert!(matches!(last_error().raw_os_error(), Some(libc::ENOSYS | libc::EPERM))),
        }
    }

    #[test]
    fn proc_is_understood() {
        assert!(mapping_count().unwrap() > 10);
        assert!(max_map_count().unwrap() > 1000);
        assert!(overcommit_mode().unwrap() <= 2);
    }
}

//! Asking for memory before it is needed.

/// Bytes that a processor fetches at once, on the processors that this crate is made for.
pub(crate) const CACHE_LINE: usize = 64;

/// Asks the processor to fetch the cache line of an address, which need not be mapped. Does nothing on processors for which
/// stable Rust has no such instruction.
#[inline(always)]
pub(crate) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint: it reads nothing that the program can see and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

//! Tests of stacks, cache and pool together.

use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::slab::Guards;
use super::*;
use crate::sys::memory;

const EPOCH: u64 = 1_000;

fn pool(guards: Guards) -> Arc<StackPool> {
    Arc::new(StackPool::new(
        None,
        &StackConfig {
            protect_guards: guards == Guards::Protection,
            epoch: Duration::from_nanos(EPOCH),
            ..StackConfig::default()
        },
    ))
}

fn cache() -> StackCache {
    StackCache::new(pool(Guards::Marker))
}

fn touch(address: usize) {
    // SAFETY: the tests touch only stacks that they own, or mean to die here.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) }
}

fn touch_top(stack: &Stack) {
    touch(stack.usable().end - 1);
}

fn take(cache: &mut StackCache, count: usize) -> Vec<Stack> {
    (0..count).map(|_| cache.take(SizeClass::DEFAULT).unwrap()).collect()
}

fn give(cache: &mut StackCache, stacks: Vec<Stack>) {
    for stack in stacks {
        cache.give(stack);
    }
}

/// How many pages of the given stacks are resident. Stacks that are no longer mapped have none.
fn resident(bounds: &[StackBounds]) -> usize {
    let mut pages = vec![0; SizeClass::DEFAULT.size() / memory::page_size()];
    bounds
        .iter()
        .map(|bounds| match memory::resident(bounds.limit(), &mut pages) {
            Ok(()) => pages.iter().filter(|&&page| page & 1 == 1).count(),
            Err(_) => 0,
        })
        .sum()
}

/// Whether this kernel can guard without splitting mappings.
fn has_markers() -> bool {
    let mapping = memory::Mapping::reserve(memory::page_size()).unwrap();
    // SAFETY: nothing lives in this mapping.
    let has = unsafe { mapping.install_guard(mapping.range()) }.is_ok();
    if !has {
        eprintln!("skipped: no MADV_GUARD_INSTALL here");
    }
    has
}

/// Calls `trim` at the times it asks for until it asks for none; the time when that was, if it was before `end`.
fn trim_until(cache: &mut StackCache, mut now: u64, end: u64) -> Option<u64> {
    while now < end {
        match cache.trim(now) {
            Some(next) => now = next.max(now + 1),
            None => return Some(now),
        }
    }
    None
}

#[test]
fn fifty_thousand_guarded_stacks_take_few_mappings() {
    let Some(output) = child::rerun(module_path!(), "fifty_thousand_guarded_stacks_take_few_mappings") else {
        if !has_markers() {
            return;
        }
        let before = memory::mapping_count().unwrap();
        let mut cache = cache();
        let stacks = take(&mut cache, 50_000);
        let added = memory::mapping_count().unwrap().saturating_sub(before);
        assert!(added < 500, "{added} mappings");

        let statistics = cache.pool().statistics();
        assert!(statistics.slabs < 25, "{statistics:?}");
        assert_eq!(statistics.out, 50_000 + cache.held());
        assert_eq!(statistics.bytes_mapped, statistics.mapped * SizeClass::DEFAULT.size());

        let mut starts: Vec<_> = stacks.iter().map(|stack| stack.bounds().limit()).collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[0] + SizeClass::DEFAULT.size() <= pair[1]));
        give(&mut cache, stacks);
        assert_eq!(cache.pool().statistics().out, cache.held());
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn without_markers_guards_split_mappings() {
    let Some(output) = child::rerun(module_path!(), "without_markers_guards_split_mappings") else {
        let before = memory::mapping_count().unwrap();
        let mut cache = StackCache::new(pool(Guards::Protection));
        let stacks = take(&mut cache, 200);
        stacks.iter().for_each(touch_top);
        let added = memory::mapping_count().unwrap() - before;
        // Stacks are made by the magazine: 224 for these, two mappings each.
        assert!((440..470).contains(&added), "{added} mappings");
        give(&mut cache, stacks);
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn locked_memory_gets_the_other_guards() {
    if child::under_sanitizer() {
        return;
    }
    let Some(output) = child::rerun(module_path!(), "locked_memory_gets_the_other_guards") else {
        // SAFETY: locks the memory of this process, which is this test's own.
        if unsafe { libc::mlockall(libc::MCL_FUTURE | libc::MCL_ONFAULT) } != 0 {
            eprintln!("skipped: may not lock memory");
            return;
        }
        let before = memory::mapping_count().unwrap();
        let mut cache = cache();
        match cache.take(SizeClass::DEFAULT) {
            Ok(stack) => {
                touch_top(&stack);
                let _others = take(&mut cache, 31);
                assert!(memory::mapping_count().unwrap() > before + 32);
            }
            Err(error) => assert!(error.to_string().contains("mlockall"), "{error}"),
        }
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn the_limit_of_mappings_is_reported_by_name() {
    if child::under_sanitizer() {
        return;
    }
    let Some(output) = child::rerun(module_path!(), "the_limit_of_mappings_is_reported_by_name") else {
        let limit = memory::max_map_count().unwrap();
        if limit > 100_000 {
            eprintln!("skipped: vm.max_map_count is {limit}");
            return;
        }
        let mut cache = StackCache::new(pool(Guards::Protection));
        let smallest = SizeClass::for_size(1).unwrap();
        let mut stacks = Vec::new();
        let error = loop {
            match cache.take(smallest) {
                Ok(stack) => stacks.push(stack),
                Err(error) => break error,
            }
        };
        assert!(stacks.len() > limit / 2 - 1000, "{} stacks", stacks.len());
        let text = error.to_string();
        assert!(text.contains(&format!("vm.max_map_count allows {limit}")), "{text}");
        // What there is stays usable, and what comes back can be taken again.
        stacks.iter().for_each(touch_top);
        cache.give(stacks.pop().unwrap());
        assert!(cache.take(smallest).is_ok());
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn guards_fault_from_their_first_byte_to_their_last() {
    let Some(_) = child::rerun(module_path!(), "guards_fault_from_their_first_byte_to_their_last") else {
        return;
    };
    for name in ["a_write_into_a_marker_faults", "a_write_into_a_protection_faults"] {
        let output = child::rerun(module_path!(), name).unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{name}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("about to fault"));
    }
}

/// Dies at the guard of a stack whose usable part works to its last byte.
fn run_into_guard(guards: Guards) {
    // SAFETY: std's handler is not wanted here, the plain signal is.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
    let config = StackConfig {
        guard_size: 2 * memory::page_size(),
        protect_guards: guards == Guards::Protection,
        ..StackConfig::default()
    };
    let mut cache = StackCache::new(Arc::new(StackPool::new(None, &config)));
    let stacks = take(&mut cache, 3);
    for stack in &stacks {
        assert_eq!(stack.guard().len(), 2 * memory::page_size());
        assert_eq!(stack.guard().end, stack.usable().start);
        touch(stack.usable().start);
        touch_top(stack);
    }
    eprintln!("about to fault");
    // Both ends of the guard, without dying at the first: the kernel answers EFAULT where a write would fault.
    let (read, write) = std::io::pipe().unwrap();
    for address in [stacks[1].guard().start, stacks[1].guard().end - 1] {
        let address = ptr::with_exposed_provenance::<libc::c_void>(address);
        // SAFETY: the kernel checks the address itself.
        let result = unsafe { libc::write(std::os::fd::AsRawFd::as_raw_fd(&write), address, 1) };
        assert_eq!(result, -1);
    }
    drop(read);
    touch(stacks[1].guard().end - 1);
}

#[test]
#[ignore = "dies; run by guards_fault_from_their_first_byte_to_their_last"]
fn a_write_into_a_marker_faults() {
    if child::rerun(module_path!(), "a_write_into_a_marker_faults").is_none() {
        run_into_guard(Guards::Marker);
    }
}

#[test]
#[ignore = "dies; run by guards_fault_from_their_first_byte_to_their_last"]
fn a_write_into_a_protection_faults() {
    if child::rerun(module_path!(), "a_write_into_a_protection_faults").is_none() {
        run_into_guard(Guards::Protection);
    }
}

#[test]
fn a_guard_larger_than_half_a_stack_is_refused() {
    let config = StackConfig { guard_size: 256 << 10, ..StackConfig::default() };
    let mut cache = StackCache::new(Arc::new(StackPool::new(None, &config)));
    let error = cache.take(SizeClass::DEFAULT).unwrap_err();
    assert_eq!(error, StackError::TooSmall { requested: 256 << 10, minimum: 512 << 10 });
    let stack = cache.take(SizeClass::for_size(512 << 10).unwrap()).unwrap();
    assert_eq!(stack.guard().len(), 256 << 10);
    cache.give(stack);
}

#[test]
fn the_last_stack_given_is_the_first_taken() {
    let mut cache = cache();
    let stacks = take(&mut cache, 100);
    let order: Vec<_> = stacks.iter().map(Stack::bounds).collect();
    give(&mut cache, stacks);
    let again = take(&mut cache, 100);
    assert!(again.iter().map(Stack::bounds).eq(order.into_iter().rev()));
    give(&mut cache, again);
}

#[test]
fn few_stacks_are_made_for_few_fibers() {
    let mut cache = cache();
    let stacks = take(&mut cache, 1);
    assert_eq!(cache.held(), 0);
    let others = take(&mut cache, 4);
    assert_eq!(cache.held(), 2, "1, 2 and 4 were made");
    give(&mut cache, stacks);
    give(&mut cache, others);
    let stacks = take(&mut cache, 200);
    assert_eq!(
        (200 + cache.held()) % 32,
        0,
        "at last as many at once as a magazine holds, or what is left of a mapping"
    );
    give(&mut cache, stacks);
}

#[test]
fn neighbours_have_different_colours() {
    let mut cache = cache();
    let mut stacks = take(&mut cache, 32);
    stacks.sort_unstable_by_key(|stack| stack.bounds().limit());
    let colours: Vec<_> =
        stacks.iter().map(|stack| stack.bounds().limit() + stack.size() - stack.bounds().base().get()).collect();
    let expected: Vec<_> = (0..32).map(|index| index % 16 * 64).collect();
    assert_eq!(colours, expected);
    give(&mut cache, stacks);
}

#[test]
fn classes_do_not_mix() {
    let mut cache = cache();
    for size in [16 << 10, 64 << 10, 256 << 10, 1 << 20, 64 << 20, 1 << 30] {
        let class = SizeClass::for_size(size).unwrap();
        let stack = cache.take(class).unwrap();
        assert_eq!((stack.class(), stack.size()), (class, class.size()));
        touch(stack.usable().start);
        touch_top(&stack);
        let bounds = stack.bounds();
        cache.give(stack);
        assert_eq!(cache.take(class).unwrap().bounds(), bounds);
    }
}

#[test]
fn caches_of_a_pool_share_what_one_gives() {
    let pool = pool(Guards::Marker);
    let mut one = StackCache::new(Arc::clone(&pool));
    let stacks = take(&mut one, 320);
    give(&mut one, stacks);
    drop(one);
    let mapped = pool.statistics().mapped;
    let mut other = StackCache::new(Arc::clone(&pool));
    let stacks = take(&mut other, 320);
    assert_eq!(pool.statistics().mapped, mapped);
    give(&mut other, stacks);
}

#[test]
fn threads_may_take_and_give_at_once() {
    let pool = pool(Guards::Marker);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                let mut cache = StackCache::new(Arc::clone(pool));
                for round in 0..50 {
                    let stacks = take(&mut cache, 100 + thread);
                    stacks.iter().for_each(touch_top);
                    give(&mut cache, stacks);
                    cache.trim(round * EPOCH);
                }
            });
        }
    });
    let statistics = pool.statistics();
    assert_eq!((statistics.out, statistics.free), (0, statistics.mapped));
}

#[test]
fn memory_returns_after_a_peak() {
    let Some(output) = child::rerun(module_path!(), "memory_returns_after_a_peak") else {
        for guards in [Guards::Marker, Guards::Protection] {
            let mut cache = StackCache::new(pool(guards));
            let stacks = take(&mut cache, 2000);
            stacks.iter().for_each(touch_top);
            let bounds: Vec<_> = stacks.iter().map(Stack::bounds).collect();
            assert_eq!(resident(&bounds), 2000);
            assert!(cache.pool().statistics().bytes_resident >= 2000 * memory::page_size());
            give(&mut cache, stacks);

            // Nothing is given back before an epoch has passed.
            assert_eq!(cache.trim(0), Some(EPOCH));
            assert_eq!(cache.trim(EPOCH - 1), Some(EPOCH));
            assert_eq!(resident(&bounds), 2000);

            // Then half, and half of the rest, until nothing is left but a reserve without pages.
            let done = trim_until(&mut cache, EPOCH, u64::MAX).unwrap();
            assert_eq!(resident(&bounds), 0);
            let statistics = cache.pool().statistics();
            assert_eq!((statistics.out, statistics.bytes_resident), (0, 0));
            assert!((64..=128).contains(&statistics.mapped), "{statistics:?}");
            assert_eq!(cache.trim(done + 100 * EPOCH), None);

            // And what was given back can be had again.
            let stacks = take(&mut cache, 2000);
            stacks.iter().for_each(touch_top);
            give(&mut cache, stacks);
            assert!(cache.trim(done + 200 * EPOCH).is_some());
        }
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn half_of_the_surplus_goes_with_each_epoch() {
    let Some(output) = child::rerun(module_path!(), "half_of_the_surplus_goes_with_each_epoch") else {
        // An epoch much longer than what a slice of trimming asks for.
        const LONG: u64 = 1 << 40;
        let config = StackConfig { epoch: Duration::from_nanos(LONG), ..StackConfig::default() };
        let mut cache = StackCache::new(Arc::new(StackPool::new(None, &config)));
        let stacks = take(&mut cache, 64 + 32 * 32);
        stacks.iter().for_each(touch_top);
        let bounds: Vec<_> = stacks.iter().map(Stack::bounds).collect();
        give(&mut cache, stacks);
        let all = bounds.len();
        cache.trim(0);
        let mut left = Vec::new();
        for epoch in 1..=3 {
            trim_until(&mut cache, epoch * LONG, (epoch + 1) * LONG);
            left.push(resident(&bounds));
        }
        // Of 34 magazines 32 lie in the pool; the worker's own two join them after the first epoch.
        assert_eq!(left, [all - 16 * 32, all - 25 * 32, all - 30 * 32]);
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn a_depot_may_shrink_while_it_is_emptied() {
    const LONG: u64 = 1 << 40;
    let config = StackConfig { epoch: Duration::from_nanos(LONG), ..StackConfig::default() };
    let mut cache = StackCache::new(Arc::new(StackPool::new(None, &config)));
    let stacks = take(&mut cache, 300 * 32);
    give(&mut cache, stacks);
    cache.trim(0);
    // Half of the surplus is more than one slice takes away, and before the next one everything is needed.
    let next = cache.trim(LONG).unwrap();
    assert!(next < 2 * LONG);
    let stacks = take(&mut cache, 300 * 32);
    trim_until(&mut cache, next, 2 * LONG);
    give(&mut cache, stacks);
    let statistics = cache.pool().statistics();
    assert_eq!(statistics.out, cache.held());
}

#[test]
fn stacks_in_use_are_no_surplus() {
    let mut cache = cache();
    let mut now = 0;
    let stacks = take(&mut cache, 640);
    stacks.iter().for_each(touch_top);
    let bounds: Vec<_> = stacks.iter().map(Stack::bounds).collect();
    give(&mut cache, stacks);
    for _ in 0..50 {
        let stacks = take(&mut cache, 640);
        now += EPOCH / 2;
        cache.trim(now);
        give(&mut cache, stacks);
        now += EPOCH / 2;
        cache.trim(now);
    }
    assert_eq!(resident(&bounds), 640);
}

#[test]
fn stacks_that_are_out_keep_their_pages_and_mappings() {
    let mut cache = cache();
    let mut stacks = take(&mut cache, 1000);
    stacks.iter().for_each(touch_top);
    let kept = stacks.split_off(990);
    give(&mut cache, stacks);
    trim_until(&mut cache, 0, u64::MAX).unwrap();
    drop(cache);
    let bounds: Vec<_> = kept.iter().map(Stack::bounds).collect();
    assert_eq!(resident(&bounds), 10);
    kept.iter().for_each(touch_top);
}

#[test]
fn a_coroutine_runs_on_a_stack_and_gives_it_back() {
    let mut cache = cache();
    let stack = cache.take(SizeClass::DEFAULT).unwrap();
    let bounds = stack.bounds();
    let mut coroutine = corosensei::Coroutine::<u32, u32, u32, Stack>::with_stack(stack, |yielder, first| {
        let second = yielder.suspend(first + 1);
        second * 2
    });
    assert_eq!(coroutine.resume(1).as_yield(), Some(2));
    assert_eq!(coroutine.resume(21).as_return(), Some(42));
    let stack = coroutine.into_stack();
    assert_eq!(stack.bounds(), bounds);
    cache.give(stack);
}

#[test]
fn a_node_that_does_not_exist_costs_locality_only() {
    let pool = StackPool::new(Some(1000), &StackConfig::default());
    let mut cache = StackCache::new(Arc::new(pool));
    let stack = cache.take(SizeClass::DEFAULT).unwrap();
    touch_top(&stack);
    cache.give(stack);
}

//! Tests of overflows and other faults, each of which ends a process of its own.

use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::fiber::stack::{Stack, StackBounds, StackCache, StackConfig, StackPool, child};

thread_local! {
    static RUNNING: Cell<Option<StackBounds>> = const { Cell::new(None) };
}

fn lookup(fault: usize, report: &mut Report) -> bool {
    let Some(bounds) = RUNNING.get() else {
        return false;
    };
    report.id = 42;
    report.name.push_str("crawler");
    report.task = Some("shop::crawl");
    report.location = Some(("src/shop.rs", 12));
    report.stack_size = bounds.size();
    bounds.guard().contains(&fault)
}

#[expect(unconditional_recursion, reason = "overflows the stack")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let buffer = [depth; 64];
    std::hint::black_box(&buffer);
    recurse(depth + 1) + std::hint::black_box(buffer[0])
}

/// Runs `body` on a fiber's stack of a worker thread.
fn on_a_fiber(protect_guards: bool, body: fn()) {
    install();
    let worker = std::thread::spawn(move || {
        let _alternate = AltStack::install().unwrap();
        set_lookup(Some(lookup));
        let config = StackConfig { protect_guards, ..StackConfig::default() };
        let mut cache = StackCache::new(Arc::new(StackPool::new(None, &config)));
        let stack = cache.take(SizeClass::DEFAULT).unwrap();
        RUNNING.set(Some(stack.bounds()));
        let mut coroutine = corosensei::Coroutine::<(), (), (), Stack>::with_stack(stack, move |_, ()| body());
        coroutine.resume(());
        RUNNING.set(None);
        set_lookup(None);
    });
    worker.join().unwrap();
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_died(output: &Output, signal: libc::c_int) {
    assert_eq!(output.status.signal(), Some(signal), "{}\n{}", output.status, stderr(output));
}

fn null_dereference() {
    // SAFETY: not sound, and meant to fault.
    unsafe { ptr::without_provenance_mut::<u8>(std::hint::black_box(8)).write_volatile(1) };
}

#[test]
fn an_overflow_names_the_fiber_and_the_cure() {
    let name = "an_overflow_names_the_fiber_and_the_cure";
    let Some(output) = child::rerun(module_path!(), name) else {
        on_a_fiber(false, || {
            recurse(0);
        });
        return;
    };
    assert_died(&output, libc::SIGABRT);
    let text = stderr(&output);
    for expected in [
        "fiber 42 `crawler` has overflowed its stack of 256 KiB",
        "task: shop::crawl (src/shop.rs:12)",
        "#[fiber::task(stack_size = \"512k\")]",
        "fiber::Builder::stack_size(524288)",
        "FIBER_STACK_SIZE=512k",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
}

#[test]
fn an_overflow_into_a_protected_page_is_told_too() {
    let name = "an_overflow_into_a_protected_page_is_told_too";
    let Some(output) = child::rerun(module_path!(), name) else {
        on_a_fiber(true, || {
            recurse(0);
        });
        return;
    };
    assert_died(&output, libc::SIGABRT);
    assert!(stderr(&output).contains("fiber 42 `crawler` has overflowed"));
}

#[test]
fn another_fault_on_a_fiber_dies_of_its_signal() {
    if child::under_sanitizer() {
        return;
    }
    let name = "another_fault_on_a_fiber_dies_of_its_signal";
    let Some(output) = child::rerun(module_path!(), name) else {
        on_a_fiber(false, null_dereference);
        return;
    };
    assert_died(&output, libc::SIGSEGV);
    assert!(!stderr(&output).contains("overflowed"), "{}", stderr(&output));
}

#[test]
fn a_signal_that_was_sent_dies_of_its_signal() {
    let name = "a_signal_that_was_sent_dies_of_its_signal";
    let Some(output) = child::rerun(module_path!(), name) else {
        // Std's handler lets the first one pass.
        handle_with(libc::SIGBUS, libc::SIG_DFL, 0);
        on_a_fiber(false, || {
            // SAFETY: takes no pointers.
            unsafe { libc::raise(libc::SIGBUS) };
        });
        return;
    };
    assert_died(&output, libc::SIGBUS);
}

#[test]
fn an_overflow_of_a_thread_is_still_reported_by_std() {
    if child::under_sanitizer() {
        return;
    }
    let name = "an_overflow_of_a_thread_is_still_reported_by_std";
    let Some(output) = child::rerun(module_path!(), name) else {
        on_a_fiber(false, || {});
        recurse(0);
        return;
    };
    assert_died(&output, libc::SIGABRT);
    let text = stderr(&output);
    assert!(text.contains("has overflowed its stack") && !text.contains("fiber 42"), "{text}");
}

#[test]
fn an_overflow_of_the_main_thread_is_still_reported_by_std() {
    if child::under_sanitizer() {
        return;
    }
    let name = "an_overflow_of_the_main_thread_is_still_reported_by_std";
    let Some(output) = child::rerun(module_path!(), name) else {
        // With one test thread the harness runs tests on the main thread; where it does not, this is another thread, of which the
        // test above speaks.
        on_a_fiber(false, || {});
        let _alternate = AltStack::install().unwrap();
        set_lookup(Some(lookup));
        recurse(0);
        return;
    };
    assert_died(&output, libc::SIGABRT);
    let text = stderr(&output);
    assert!(text.contains("has overflowed its stack") && !text.contains("fiber 42"), "{text}");
}

extern "C" fn with_details(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's siginfo, passed on.
    let address = unsafe { (*info).si_addr().addr() };
    if signal == libc::SIGSEGV && address == 8 && !context.is_null() {
        write_to_stderr(b"the program's own handler\n");
    }
    // SAFETY: ends the process at once, which a handler may.
    unsafe { libc::_exit(7) };
}

extern "C" fn without_details(signal: libc::c_int) {
    if signal == libc::SIGSEGV {
        write_to_stderr(b"the program's own handler\n");
    }
    // SAFETY: ends the process at once, which a handler may.
    unsafe { libc::_exit(7) };
}

fn handle_with(signal: libc::c_int, address: usize, flags: libc::c_int) {
    let mut action = default_action();
    action.sa_sigaction = address;
    action.sa_flags = flags;
    set_action(signal, &action);
}

#[test]
fn a_handler_with_details_gets_other_faults() {
    let Some(output) = child::rerun(module_path!(), "a_handler_with_details_gets_other_faults") else {
        handle_with(libc::SIGSEGV, with_details as extern "C" fn(_, _, _) as usize, libc::SA_SIGINFO);
        on_a_fiber(false, null_dereference);
        return;
    };
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("the program's own handler"));
}

#[test]
fn a_handler_without_details_gets_other_faults() {
    let Some(output) = child::rerun(module_path!(), "a_handler_without_details_gets_other_faults") else {
        handle_with(libc::SIGSEGV, without_details as extern "C" fn(_) as usize, 0);
        on_a_fiber(false, null_dereference);
        return;
    };
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("the program's own handler"));
}

#[test]
fn a_handler_of_the_program_does_not_hide_an_overflow() {
    let name = "a_handler_of_the_program_does_not_hide_an_overflow";
    let Some(output) = child::rerun(module_path!(), name) else {
        handle_with(libc::SIGSEGV, without_details as extern "C" fn(_) as usize, 0);
        on_a_fiber(false, || {
            recurse(0);
        });
        return;
    };
    assert_died(&output, libc::SIGABRT);
    assert!(stderr(&output).contains("fiber 42 `crawler` has overflowed"));
}

#[test]
fn ignored_signals_are_ignored_and_ignored_faults_kill() {
    let name = "ignored_signals_are_ignored_and_ignored_faults_kill";
    let Some(output) = child::rerun(module_path!(), name) else {
        handle_with(libc::SIGSEGV, libc::SIG_IGN, 0);
        on_a_fiber(false, || {
            // SAFETY: takes no pointers.
            unsafe { libc::raise(libc::SIGSEGV) };
            eprintln!("still here");
            null_dereference();
        });
        return;
    };
    assert_died(&output, libc::SIGSEGV);
    assert!(stderr(&output).contains("still here"));
}

static FAULTS: AtomicUsize = AtomicUsize::new(0);
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Repairs the fault, so that the instruction goes on.
extern "C" fn repair(_: libc::c_int) {
    FAULTS.fetch_add(1, Ordering::Relaxed);
    let page = ptr::with_exposed_provenance_mut(PAGE.load(Ordering::Relaxed));
    // SAFETY: the page is the test's own.
    unsafe { libc::mprotect(page, memory::page_size(), libc::PROT_READ | libc::PROT_WRITE) };
}

#[test]
fn a_handler_that_repairs_faults_may_return() {
    let Some(output) = child::rerun(module_path!(), "a_handler_that_repairs_faults_may_return") else {
        handle_with(libc::SIGSEGV, repair as extern "C" fn(_) as usize, 0);
        let mapping = Mapping::reserve(memory::page_size()).unwrap();
        PAGE.store(mapping.range().start, Ordering::Relaxed);
        on_a_fiber(false, || {
            let page = PAGE.load(Ordering::Relaxed);
            for faults in 1..=3 {
                let range = ptr::with_exposed_provenance_mut(page);
                // SAFETY: nothing lives in the page.
                unsafe { libc::mprotect(range, memory::page_size(), libc::PROT_NONE) };
                // SAFETY: writable once the handler has repaired it.
                unsafe { range.cast::<u8>().write_volatile(1) };
                assert_eq!(FAULTS.load(Ordering::Relaxed), faults);
            }
        });
        return;
    };
    child::assert_passed(&output);
}

#[test]
fn the_alternate_stack_is_put_back() {
    fn current() -> (usize, usize, libc::c_int) {
        let mut stack = MaybeUninit::uninit();
        // SAFETY: changes nothing and writes one `stack_t` to the place given.
        let stack = unsafe {
            assert_eq!(libc::sigaltstack(ptr::null(), stack.as_mut_ptr()), 0);
            stack.assume_init()
        };
        (stack.ss_sp.addr(), stack.ss_size, stack.ss_flags)
    }
    let before = current();
    let outer = AltStack::install().unwrap();
    let with_outer = current();
    assert_ne!(with_outer, before);
    assert!(with_outer.1 >= AltStack::SIZE);
    let inner = AltStack::install().unwrap();
    assert_ne!(current(), with_outer);
    drop(inner);
    assert_eq!(current(), with_outer);
    drop(outer);
    assert_eq!(current(), before);
}

#[test]
fn an_alternate_stack_that_was_covered_stays_mapped() {
    let outer = AltStack::install().unwrap();
    let start = outer.start;
    let inner = AltStack::install().unwrap();
    drop(outer);
    // Puts the outer one back, which therefore must still be there.
    drop(inner);
    let mut page = [0];
    assert!(memory::resident(start, &mut page).is_ok());
    let off = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: takes the alternate stack from this test's thread.
    unsafe { libc::sigaltstack(&off, ptr::null_mut()) };
}

#[test]
fn an_alternate_stack_in_a_thread_local_is_there_for_the_next_thread() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<AltStack>> = const { std::cell::RefCell::new(None) };
    }
    let name = "an_alternate_stack_in_a_thread_local_is_there_for_the_next_thread";
    // Alone in its process, nobody takes it in between.
    if let Some(output) = child::rerun(module_path!(), name) {
        return child::assert_passed(&output);
    }
    let thread = std::thread::spawn(|| {
        let stack = AltStack::install().unwrap();
        let start = stack.start;
        KEPT.set(Some(stack));
        assert!(memory::resident(start, &mut [0]).is_ok());
        start
    });
    let start = thread.join().unwrap();
    assert_eq!(AltStack::install().unwrap().start, start);
    let [one, other] = [AltStack::install().unwrap(), AltStack::install().unwrap()];
    assert_ne!(one.start, other.start);
    // In the order that uncovers them.
    drop(other);
    drop(one);
}

#[test]
fn the_largest_stack_has_no_larger_one() {
    let report =
        |stack_size| Report { id: 7, coroutine: false, name: ShortText::new(), task: None, location: None, stack_size };
    let text = report(1 << 30).to_string();
    assert!(text.contains("fiber 7 has overflowed its stack of 1 GiB"), "{text}");
    assert!(text.contains("there is no larger one"), "{text}");
    let text = report(1 << 20).to_string();
    assert!(text.contains("stack_size = \"2m\"") && !text.contains("task:"), "{text}");
}

#[test]
fn text_is_cut_between_characters() {
    let mut text = ShortText::<5>::new();
    text.push_str("ab");
    text.push_str("éé");
    assert_eq!(text.as_str(), "abé");
    text.push_str("cx");
    assert_eq!(text.as_str(), "abéc");
}

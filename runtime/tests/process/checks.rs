//! How the programs have to end.

use crate::child::{run, start};
use std::net::TcpStream;

type Check = (&'static str, fn());

macro_rules! checks {
    ($($name:ident,)*) => {
        /// Each check with its name.
        pub(crate) const ALL: &[Check] = &[$((stringify!($name), $name),)*];
    };
}

checks! {
    a_panic_that_nobody_joins_is_reported, cancellation_calls_no_panic_hook, a_payload_may_panic_when_it_is_dropped,
    spawning_without_a_runtime_says_what_to_do, calls_that_need_a_fiber_say_so, deadlocks_end_the_process,
    a_deadlock_that_a_thread_joins_late_ends_the_process, a_stall_beside_another_thread_is_reported_once,
    a_wait_that_will_end_is_no_deadlock, a_sleep_without_end_is_no_deadlock, a_thread_that_was_woken_may_take_its_time, an_overflow_names_the_fiber_and_the_cure,
    an_overflow_of_a_coroutine_says_so,
    faults_that_are_not_ours_stay_what_they_were, sigquit_prints_the_dump, sigquit_kills_unless_asked_otherwise,
    the_environment_wins, an_environment_that_makes_no_sense_is_an_error, main_ends_as_std_does, stacks_are_measured_when_asked,
    runtimes_leave_nothing_behind, workers_are_as_many_as_processors, fibers_without_a_stack_have_an_error,
    a_runtime_that_cannot_end_says_why, threads_spawn_on_the_oldest_runtime, a_fiber_may_exit_the_process,
    exiting_leaves_the_thread_locals_of_siblings_alone,
    dropping_a_runtime_on_its_own_fiber_panics, threads_may_have_scopes,
}

const SIGQUIT: i32 = libc::SIGQUIT;

fn a_panic_that_nobody_joins_is_reported() {
    let ended = run("detached_panics", &[]).with_code(0).saying(&[
        "'loader' panicked, and nobody joined it: no such file",
        "(task process::programs::fails) panicked, and nobody joined it: cannot connect",
        "'second' (task process::programs::fails) panicked, and nobody joined it: (no message)",
        "'ended' panicked, and nobody joined it: long ago",
        "'huge' could not start, and nobody joined it: ",
        "'result' panicked, and nobody joined it: in a destructor",
    ]);
    ended.not_saying(&["'joined'", "'cancelled'", "'scoped'"]);
}

fn cancellation_calls_no_panic_hook() {
    assert_eq!(run("cancelled_quietly", &[]).with_code(0).out, "0\n");
}

fn a_payload_may_panic_when_it_is_dropped() {
    assert_eq!(run("payload_that_panics", &[]).with_code(0).out, "went on\n");
}

fn spawning_without_a_runtime_says_what_to_do() {
    run("spawn_without_runtime", &[]).with_code(101).saying(&[
        "no runtime is up",
        "#[fiber::main]",
        "fiber::runtime::Runtime",
    ]);
}

fn calls_that_need_a_fiber_say_so() {
    run("calls_off_a_fiber", &[]).with_code(0).saying(&[
        "fiber::spawn_local was called on a thread that is not a fiber; use fiber::spawn",
        "fiber::current() was called on a thread that is not a fiber; see fiber::try_current()",
        "fiber::time::timeout was called on a thread that is not a fiber",
    ]);
}

fn deadlocks_end_the_process() {
    for _ in 0..5 {
        let deadlock =
            "fiber: deadlock: all fibers wait, and no timer, operation or thread is left that could wake one";
        run("deadlock_in_run", &[]).with_code(2).saying(&[deadlock, "2 workers", ": parked, for "]);
        run("deadlock_of_locks", &[]).with_code(2).saying(&[
            deadlock,
            "'other': locking a mutex",
            ": locking a mutex, for ",
        ]);
        run("deadlock_in_scope", &[]).with_code(2).saying(&[deadlock, ": parked, for "]);
        run("deadlock_in_channel", &[]).with_code(2).saying(&[deadlock, ": parked, for "]);
        run("deadlock_in_main", &[]).with_code(2).saying(&[deadlock, "runtime 'web'", ": parked, for "]);
        run("deadlock_of_two_runtimes", &[]).with_code(2).saying(&[deadlock]);
        if std::env::var("FIBER_DRIVER").is_ok_and(|driver| driver == "epoll") {
            println!("skipped: the kernel keeps threads for io_uring only");
        } else {
            run("deadlock_beside_the_kernels_threads", &[]).with_code(2).saying(&[deadlock, ": parked, for "]);
        }
        run("deadlock_beside_a_resting_lookout", &[]).with_code(2).saying(&[deadlock, ": parked, for "]);
        run("deadlock_beside_blocking_threads", &[]).with_code(2).saying(&[deadlock, ": parked, for "]);
    }
}

fn a_deadlock_that_a_thread_joins_late_ends_the_process() {
    run("deadlock_in_join", &[]).with_code(2).saying(&["fiber: deadlock: all fibers wait", "'first': parked, for "]);
}

fn a_stall_beside_another_thread_is_reported_once() {
    let mut program = start("stall_with_another_thread", &[]);
    program.line_with("all fibers wait");
    program.tell("go on");
    let ended = program.end().with_code(0);
    let ended =
        ended.saying(&["only a thread that is not the runtime's can", "this is said once", "'waiting': parked, for "]);
    assert_eq!(ended.err.matches("all fibers wait").count(), 1, "{ended}");
}

fn a_wait_that_will_end_is_no_deadlock() {
    for program in ["timer_pending", "other_runtime_busy"] {
        run(program, &[]).with_code(0).not_saying(&["all fibers wait"]);
    }
    let mut server = start("accept_pending", &[]);
    let line = server.line_with("port ");
    std::thread::sleep(std::time::Duration::from_millis(30));
    let _peer = TcpStream::connect(("127.0.0.1", line[5..].parse().unwrap())).unwrap();
    server.end().with_code(0).not_saying(&["all fibers wait"]);
}

fn a_sleep_without_end_is_no_deadlock() {
    let mut sleeper = start("sleep_without_end", &[]);
    sleeper.line_with("asleep");
    // It would have been found out before one that began later.
    run("deadlock_in_run", &[]).with_code(2);
    sleeper.signal(libc::SIGTERM);
    sleeper.end().by_signal(libc::SIGTERM).not_saying(&["all fibers wait"]);
}

fn a_thread_that_was_woken_may_take_its_time() {
    run("woken_threads_are_not_blocked", &[]).with_code(0).not_saying(&["deadlock"]);
}

fn an_overflow_names_the_fiber_and_the_cure() {
    run("overflow_in_task", &[]).by_signal(libc::SIGABRT).saying(&[
        "`digger` has overflowed its stack of 64 KiB",
        "task: process::programs::digs",
        "programs.rs:",
        "stack_size = \"128k\"",
        "Builder::stack_size(131072)",
        "FIBER_STACK_SIZE",
    ]);
    run("overflow_in_builder", &[])
        .by_signal(libc::SIGABRT)
        .saying(&["has overflowed its stack of 1 MiB", "stack_size"]);
}

fn an_overflow_of_a_coroutine_says_so() {
    run("overflow_in_coroutine", &[])
        .by_signal(libc::SIGABRT)
        .saying(&["a coroutine has overflowed its stack of 1 MiB", "fiber::coroutine::Builder::stack_size(2097152)"]);
    let ended = run("overflow_in_coroutine_of_fiber", &[]).by_signal(libc::SIGABRT);
    ended.saying(&[
        "a coroutine of fiber",
        "`digger` has overflowed its stack of 256 KiB",
        "fiber::coroutine::Builder::stack_size(524288)",
    ]);
}

fn faults_that_are_not_ours_stay_what_they_were() {
    let ended = run("overflow_in_thread", &[]).by_signal(libc::SIGABRT);
    ended.saying(&["'deep'", "has overflowed its stack"]).not_saying(&["stack_size"]);
    run("null_pointer", &[]).by_signal(libc::SIGSEGV).not_saying(&["overflowed"]);
}

fn sigquit_prints_the_dump() {
    let mut program = start("sigquit", &[("FIBER_DUMP_ON_SIGQUIT", "1")]);
    program.line_with("up");
    for _ in 0..3 {
        program.signal(SIGQUIT);
        program.line_with("runtime 'fiber': 2 workers");
    }
    program.line_with("'idler': sleeping, for ");
    program.tell("end");
    let ended = program.end().with_code(0).saying(&["'spinner': running"]);
    assert_eq!(ended.out, "ended in order\n");
}

fn sigquit_kills_unless_asked_otherwise() {
    let mut program = start("sigquit", &[]);
    program.line_with("up");
    program.signal(SIGQUIT);
    program.end().by_signal(SIGQUIT);
}

fn the_environment_wins() {
    let said = |environment| run("settings", environment).with_code(0).out;
    assert_eq!(said(&[]), "from-code-worke\ntrue\n");
    assert_eq!(said(&[("FIBER_WORKERS", "")]), "from-code-worke\ntrue\n");
    let three = said(&[("FIBER_WORKERS", " 3 "), ("FIBER_NAME", "web"), ("FIBER_DRIVER", "epoll")]);
    assert_eq!(three, "web-worker-0 web-worker-1 web-worker-2\ntrue\n");
    run("settings", &[("FIBER_STACK_SIZE", "16k")])
        .by_signal(libc::SIGABRT)
        .saying(&["overflowed its stack of 16 KiB"]);
    run("settings", &[("FIBER_WORKER", "3"), ("FIBER_WORKERS", "1")])
        .with_code(0)
        .saying(&["fiber: the environment variable FIBER_WORKER is not known and has no effect"]);
    run("settings", &[("FIBER_WORKERS", "1")]).with_code(0).not_saying(&["is not known"]);
}

fn an_environment_that_makes_no_sense_is_an_error() {
    for (variable, value, words) in [
        ("FIBER_WORKERS", "0", "FIBER_WORKERS is `0`; expected a number from 1"),
        ("FIBER_WORKERS", "many", "FIBER_WORKERS is `many`; expected a number"),
        ("FIBER_WORKERS", "-1", "FIBER_WORKERS is `-1`"),
        ("FIBER_STACK_SIZE", "64q", "FIBER_STACK_SIZE is `64q`; expected a size"),
        ("FIBER_STACK_SIZE", "0", "FIBER_STACK_SIZE is `0`; expected a size from 16k"),
        ("FIBER_STACK_SIZE", "2g", "FIBER_STACK_SIZE is `2g`; expected a size from 16k"),
        ("FIBER_NUMA", "near", "FIBER_NUMA is `near`"),
        ("FIBER_DRIVER", "kqueue", "FIBER_DRIVER is `kqueue`"),
        ("FIBER_SHUTDOWN_TIMEOUT", "10", "FIBER_SHUTDOWN_TIMEOUT is `10`"),
        ("FIBER_DUMP_ON_SIGQUIT", "yes", "FIBER_DUMP_ON_SIGQUIT is `yes`; expected 0 or 1"),
        ("FIBER_MEASURE_STACKS", "2", "FIBER_MEASURE_STACKS is `2`; expected 0 or 1"),
    ] {
        let ended = run("settings", &[(variable, value)]).with_code(0);
        assert!(ended.out.starts_with("error: ") && ended.out.contains(words), "{words}: {ended}");
    }
    let ended = run("deadlock_in_main", &[("FIBER_WORKERS", "many")]).with_code(1);
    ended.saying(&["error: the environment variable FIBER_WORKERS is `many`; expected a number"]);
}

fn main_ends_as_std_does() {
    run("panic_in_main", &[]).with_code(101).saying(&["out of main"]).not_saying(&["nobody joined"]);
    run("error_in_main", &[]).with_code(1).saying(&["Error: \"nothing to do\""]);
}

fn stacks_are_measured_when_asked() {
    let said = run("high_water", &[("FIBER_MEASURE_STACKS", "1")]).with_code(0).out;
    let mark = |part: usize| -> usize {
        let text = said.split_whitespace().nth(part).unwrap();
        text.trim_start_matches("Some(").trim_end_matches(')').parse().unwrap_or_else(|_| panic!("{said}"))
    };
    assert!((40 << 10..64 << 10).contains(&mark(0)), "{said}");
    // Whatever ran on its stack before.
    assert!((1..20 << 10).contains(&mark(1)), "{said}");
    assert_eq!(run("high_water", &[]).with_code(0).out, "None None\n");
}

fn runtimes_leave_nothing_behind() {
    let ended = run("leaves_nothing", &[]).with_code(0);
    assert!(ended.out.contains("descriptors 0\nthreads 0\n"), "{ended}");
    // The allocator keeps some of its own.
    let mappings: isize = ended.out.lines().nth(2).unwrap()["mappings ".len()..].parse().unwrap();
    assert!(mappings < 10, "{ended}");
}

fn workers_are_as_many_as_processors() {
    assert_eq!(run("affinity", &[]).with_code(0).out, "1\n");
}

fn fibers_without_a_stack_have_an_error() {
    let ended = run("out_of_memory", &[]).with_code(0);
    let refused: usize = ended.out.split(' ').next().unwrap().parse().unwrap();
    assert!((50..100).contains(&refused), "{ended}");
}

fn a_runtime_that_cannot_end_says_why() {
    let ended = run("stuck_at_the_end", &[("FIBER_SHUTDOWN_TIMEOUT", "20ms")]).with_code(0);
    let ended = ended.saying(&["1 fiber did not end in time", "'stuck': running"]);
    assert_eq!(ended.out, "went on\n");
}

fn threads_spawn_on_the_oldest_runtime() {
    assert_eq!(run("default_runtime", &[]).with_code(0).out, "one-worker-0\ntwo-worker-0\nthree-worker-0\n");
}

fn exiting_leaves_the_thread_locals_of_siblings_alone() {
    assert_eq!(run("exit_beside_siblings", &[]).with_code(7).out, "");
}

fn a_fiber_may_exit_the_process() {
    run("exit_on_a_fiber", &[]).with_code(7);
}

fn dropping_a_runtime_on_its_own_fiber_panics() {
    let ended = run("dropped_on_its_own_fiber", &[]).with_code(0);
    assert!(ended.out.contains("a Runtime was dropped or shut down on one of its own fibers"), "{ended}");
}

fn threads_may_have_scopes() {
    run("scopes_on_threads", &[]).with_code(0);
}

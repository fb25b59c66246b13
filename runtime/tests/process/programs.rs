//! The programs.

use fiber::coroutine::Generator;
use fiber::net::TcpListener;
use fiber::runtime::{Builder, Handle, Reason, Runtime, State};
use fiber::sync::Mutex;
use fiber::sync::mpsc::channel;
use fiber::time::sleep;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::time::Duration;

type Program = (&'static str, fn() -> ExitCode);

macro_rules! programs {
    ($($name:ident,)*) => {
        /// Each program with its name.
        pub(crate) const ALL: &[Program] = &[$((stringify!($name), $name),)*];
    };
}

programs! {
    detached_panics, cancelled_quietly, payload_that_panics, spawn_without_runtime, calls_off_a_fiber,
    sleep_without_end, deadlock_in_run, deadlock_in_join, deadlock_of_locks, deadlock_in_scope, deadlock_in_channel, deadlock_in_main,
    deadlock_of_two_runtimes, deadlock_beside_blocking_threads, deadlock_beside_a_resting_lookout, deadlock_beside_the_kernels_threads, stall_with_another_thread, timer_pending, accept_pending, woken_threads_are_not_blocked,
    other_runtime_busy, overflow_in_task, overflow_in_builder, overflow_in_thread, overflow_in_coroutine,
    overflow_in_coroutine_of_fiber, null_pointer, sigquit, settings, panic_in_main,
    high_water, leaves_nothing, affinity, out_of_memory, stuck_at_the_end, default_runtime, error_in_main, exit_on_a_fiber, exit_beside_siblings,
    dropped_on_its_own_fiber, scopes_on_threads,
}

fn runtime(workers: usize) -> Runtime {
    Builder::new().workers(workers).build().unwrap()
}

fn eventually(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(Duration::from_micros(200));
    }
}

#[fiber::task]
fn fails(what: &str) {
    panic!("cannot {what}");
}

fn detached_panics() -> ExitCode {
    runtime(1).run(|| {
        drop(fiber::Builder::new().name("loader").spawn(|| panic!("no such file")));
        drop(fails::spawn("connect"));
        drop(fails::builder().name("second").spawn(|| panic_any(7)));
        // Dropped after its end.
        let ended = fiber::Builder::new().name("ended").spawn(|| panic!("long ago"));
        eventually(|| ended.is_finished());
        drop(ended);
        drop(fiber::Builder::new().name("huge").stack_size(usize::MAX).spawn(|| ()));
        drop(fiber::Builder::new().name("result").spawn(|| PanicsOnDrop));
        // Joined, cancelled, and of a scope: nobody has to be told.
        assert!(fiber::Builder::new().name("joined").spawn(|| panic!("to the joiner")).join().is_err());
        let cancelled = fiber::Builder::new().name("cancelled").spawn(fiber::park);
        eventually(|| fiber::runtime::Handle::try_current().unwrap().dump().fibers().len() == 2);
        cancelled.cancel();
        drop(cancelled);
        let scoped = AssertUnwindSafe(|| {
            fiber::scope(|s| drop(fiber::Builder::new().name("scoped").spawn_scoped(s, || panic!("to the scope"))))
        });
        assert!(catch_unwind(scoped).is_err());
    });
    ExitCode::SUCCESS
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

/// Prints how often the panic hook ran for a cancellation, a time limit and a shutdown.
fn cancelled_quietly() -> ExitCode {
    static HOOKS: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|_| _ = HOOKS.fetch_add(1, SeqCst)));
    let runtime = runtime(2);
    runtime.run(|| {
        let parked = fiber::spawn(fiber::park);
        eventually(|| Handle::try_current().unwrap().dump().fibers().len() == 2);
        parked.cancel();
        assert!(parked.join().is_err());
        assert!(fiber::time::timeout(Duration::from_millis(1), fiber::park).is_err());
        (0..10).for_each(|_| drop(fiber::spawn(fiber::park)));
    });
    drop(runtime);
    println!("{}", HOOKS.load(SeqCst));
    ExitCode::SUCCESS
}

/// A payload whose destructor panics, in every place where the runtime drops payloads.
fn payload_that_panics() -> ExitCode {
    runtime(1).run(|| {
        drop(fiber::spawn(|| panic_any(PanicsOnDrop)));
        let ended = fiber::spawn(|| panic_any(PanicsOnDrop));
        eventually(|| ended.is_finished());
        // Whether the panic comes out here is not promised.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
        let scoped = AssertUnwindSafe(|| {
            fiber::scope(|s| {
                s.spawn(|| panic!("the first"));
                s.spawn(|| panic_any(PanicsOnDrop));
            });
        });
        // Which of the two comes out is a matter of their order.
        std::mem::forget(catch_unwind(scoped).unwrap_err());
    });
    println!("went on");
    ExitCode::SUCCESS
}

fn spawn_without_runtime() -> ExitCode {
    assert!(Handle::try_current().is_none());
    fiber::spawn(|| ());
    ExitCode::SUCCESS
}

/// Prints what calls say that need a fiber.
fn calls_off_a_fiber() -> ExitCode {
    let _runtime = runtime(1);
    let calls: [fn(); 3] = [
        || drop(fiber::spawn_local(|| ())),
        || drop(fiber::current()),
        || _ = fiber::time::timeout(Duration::ZERO, || ()),
    ];
    for call in calls {
        assert!(catch_unwind(call).is_err());
    }
    ExitCode::SUCCESS
}

fn sleep_without_end() -> ExitCode {
    eprintln!("asleep");
    runtime(2).run(|| fiber::time::sleep(Duration::MAX));
    ExitCode::SUCCESS
}

fn deadlock_in_run() -> ExitCode {
    runtime(2).run(fiber::park);
    ExitCode::SUCCESS
}

/// The main thread joins only after the fibers have come to a stop.
fn deadlock_in_join() -> ExitCode {
    let runtime = runtime(1);
    let parked = fiber::Builder::new().name("first").spawn(fiber::park);
    eventually(|| matches!(runtime.dump().fibers(), [fiber] if fiber.state() == State::Waiting(Reason::Park)));
    std::thread::sleep(Duration::from_millis(30));
    let _ = parked.join();
    ExitCode::SUCCESS
}

fn deadlock_of_locks() -> ExitCode {
    runtime(2).run(|| {
        let locks = Arc::new((Mutex::new(()), Mutex::new(())));
        let other = fiber::Builder::new().name("other").spawn({
            let locks = locks.clone();
            move || {
                let _second = locks.1.lock().unwrap();
                sleep(Duration::from_millis(5));
                drop(locks.0.lock());
            }
        });
        let _first = locks.0.lock().unwrap();
        sleep(Duration::from_millis(5));
        drop(locks.1.lock());
        other.join().unwrap();
    });
    ExitCode::SUCCESS
}

/// The main thread waits at the end of a scope.
fn deadlock_in_scope() -> ExitCode {
    let _runtime = runtime(2);
    fiber::scope(|s| {
        s.spawn(fiber::park);
    });
    ExitCode::SUCCESS
}

/// The main thread waits for a message that a parked fiber would send.
fn deadlock_in_channel() -> ExitCode {
    let _runtime = runtime(1);
    let (sender, receiver) = channel::<()>();
    fiber::spawn(move || {
        fiber::park();
        sender.send(())
    });
    let _ = receiver.recv();
    ExitCode::SUCCESS
}

fn deadlock_in_main() -> ExitCode {
    #[fiber::main(workers = 1, name = "web")]
    fn main() -> ExitCode {
        fiber::park();
        ExitCode::SUCCESS
    }
    main()
}

fn deadlock_of_two_runtimes() -> ExitCode {
    let (one, two) = (runtime(1), runtime(1));
    let parked = two.spawn(|| {
        sleep(Duration::from_millis(5));
        fiber::park();
    });
    let _ = one.run(move || parked.join());
    ExitCode::SUCCESS
}

/// A thread of the pool that has nothing to do is nobody who could wake a fiber, from the moment it wakes its caller.
fn deadlock_beside_blocking_threads() -> ExitCode {
    runtime(2).run(|| {
        let calls: Vec<_> =
            (0..3).map(|_| fiber::spawn(|| fiber::blocking(|| std::thread::sleep(Duration::from_millis(5))))).collect();
        calls.into_iter().for_each(|call| call.join().unwrap());
        fiber::blocking(|| ());
        fiber::park();
    });
    ExitCode::SUCCESS
}

/// The thread that looks out for futures which are polled off the fibers stays, and has nothing to look out for.
fn deadlock_beside_a_resting_lookout() -> ExitCode {
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(fiber::future::sleep(Duration::from_secs(3600))).poll(&mut context).is_pending());
    runtime(2).run(|| {
        // It takes its name when it first runs.
        eventually(|| threads().iter().any(|name| name == "fiber-lookout"));
        fiber::park();
    });
    ExitCode::SUCCESS
}

/// The kernel keeps threads for operations that wait, and they count as the process's.
fn deadlock_beside_the_kernels_threads() -> ExitCode {
    runtime(2).run(|| {
        let reads: Vec<_> = (0..4).map(|_| fiber::spawn(|| fiber::fs::metadata("/proc/self/exe").unwrap())).collect();
        reads.into_iter().for_each(|read| assert!(read.join().unwrap().is_file()));
        assert!(threads().iter().any(|name| name.starts_with("iou-wrk-")), "{:?}", threads());
        fiber::park();
    });
    ExitCode::SUCCESS
}

/// Goes on when a line comes in, with another stall.
fn stall_with_another_thread() -> ExitCode {
    let runtime = runtime(1);
    let fiber = fiber::Builder::new().name("waiting").spawn(|| (0..3).for_each(|_| fiber::park()));
    let helper = std::thread::spawn({
        let (fiber, runtime) = (fiber.fiber(), runtime.handle());
        move || {
            for round in 0..3 {
                let parked =
                    || matches!(runtime.dump().fibers(), [fiber] if fiber.state() == State::Waiting(Reason::Park));
                eventually(parked);
                if round == 0 {
                    // Until it was said.
                    std::io::stdin().read_line(&mut String::new()).unwrap();
                } else {
                    std::thread::sleep(Duration::from_millis(20));
                }
                fiber.unpark();
            }
        }
    });
    fiber.join().unwrap();
    helper.join().unwrap();
    ExitCode::SUCCESS
}

fn timer_pending() -> ExitCode {
    runtime(2).run(|| {
        let parked = fiber::spawn(fiber::park);
        sleep(Duration::from_millis(30));
        parked.fiber().unpark();
        parked.join().unwrap();
        fiber::park_timeout(Duration::from_millis(10));
        let _ = fiber::time::timeout(Duration::from_millis(10), fiber::park);
    });
    ExitCode::SUCCESS
}

/// Ends when somebody connects to the port that it prints.
fn accept_pending() -> ExitCode {
    runtime(2).run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        eprintln!("port {}", listener.local_addr().unwrap().port());
        listener.accept().unwrap();
    });
    ExitCode::SUCCESS
}

/// The workers go to sleep while the main thread, which a fiber has just woken, has not yet gone on.
fn woken_threads_are_not_blocked() -> ExitCode {
    let runtime = runtime(2);
    let parked = runtime.spawn(fiber::park);
    for n in 0..20_000 {
        if n % 2 == 0 {
            runtime.run(|| ());
        } else {
            runtime.spawn(|| ()).join().unwrap();
        }
    }
    parked.fiber().unpark();
    parked.join().unwrap();
    ExitCode::SUCCESS
}

fn other_runtime_busy() -> ExitCode {
    let (one, two) = (runtime(1), runtime(1));
    // Has a timer set from before there is anything to stall until after.
    let busy = two.spawn(|| fiber::park_timeout(Duration::from_secs(600)));
    while two.dump().fibers().iter().all(|fiber| fiber.state() != State::Waiting(Reason::Park)) {
        std::thread::yield_now();
    }
    let parked = one.spawn(fiber::park);
    let fiber = parked.fiber();
    let waker = two.spawn(move || {
        sleep(Duration::from_millis(50));
        fiber.unpark();
    });
    parked.join().unwrap();
    waker.join().unwrap();
    busy.fiber().unpark();
    busy.join().unwrap();
    ExitCode::SUCCESS
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1).wrapping_add(frame[black_box(7)]) }
}

#[fiber::task(stack_size = "64k")]
fn digs() -> u64 {
    recurse(0)
}

fn overflow_in_task() -> ExitCode {
    runtime(2).run(|| drop(digs::builder().name("digger").spawn(digs).join()));
    ExitCode::SUCCESS
}

fn overflow_in_builder() -> ExitCode {
    runtime(1).run(|| drop(fiber::Builder::new().stack_size(1 << 20).spawn(|| recurse(0)).join()));
    ExitCode::SUCCESS
}

fn overflow_in_thread() -> ExitCode {
    let _runtime = runtime(1);
    let _ = std::thread::Builder::new().name("deep".into()).spawn(|| recurse(0)).unwrap().join();
    ExitCode::SUCCESS
}

/// On a thread of a process that never had a runtime, two deep.
fn overflow_in_coroutine() -> ExitCode {
    let thread = std::thread::spawn(|| {
        let mut outer = Generator::new(|outer| {
            let inner = fiber::coroutine::Builder::new().stack_size(1 << 20);
            let mut inner = inner.generator(|inner| inner.suspend(recurse(0))).unwrap();
            outer.suspend(inner.next().unwrap());
        });
        outer.next()
    });
    let _ = thread.join();
    ExitCode::SUCCESS
}

fn overflow_in_coroutine_of_fiber() -> ExitCode {
    let dig = || drop(Generator::new(|yielder| yielder.suspend(recurse(0))).next());
    runtime(1).run(|| drop(fiber::Builder::new().name("digger").spawn(dig).join()));
    ExitCode::SUCCESS
}

fn null_pointer() -> ExitCode {
    runtime(1).run(|| {
        // SAFETY: none; that is the test.
        unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
    });
    ExitCode::SUCCESS
}

/// Runs until a line comes in, with a fiber that holds its worker.
fn sigquit() -> ExitCode {
    static STOP: AtomicBool = AtomicBool::new(false);
    let runtime = runtime(2);
    drop(runtime.spawn(|| {
        fiber::Builder::new().name("spinner").spawn(|| {
            while !STOP.load(SeqCst) {
                std::hint::spin_loop();
            }
        })
    }));
    drop(fiber::Builder::new().name("idler").spawn(|| sleep(Duration::MAX)));
    eventually(|| {
        let dump = runtime.dump();
        let has = |name: &str, state: State| dump.fibers().iter().any(|f| f.name() == Some(name) && f.state() == state);
        has("spinner", State::Running) && has("idler", State::Waiting(Reason::Sleep))
    });
    eprintln!("up");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    STOP.store(true, SeqCst);
    drop(runtime);
    println!("ended in order");
    ExitCode::SUCCESS
}

/// Prints the names of the worker threads, or why there are none.
fn settings() -> ExitCode {
    match Builder::new().workers(1).name("from-code").build() {
        Err(error) => println!("error: {error}"),
        Ok(runtime) => {
            let mut names: Vec<_> = threads().into_iter().filter(|name| name.contains("-worke")).collect();
            names.sort();
            println!("{}", names.join(" "));
            let stack = runtime.run(|| {
                // As deep as 40 KiB: below the default, above the smallest.
                fiber::spawn(|| recurse(u64::MAX - 40)).join().is_ok()
            });
            println!("{stack}");
        }
    }
    ExitCode::SUCCESS
}

/// The names of the threads of this process, of which Linux keeps 15 bytes.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().into())
        .collect()
}

fn panic_in_main() -> ExitCode {
    #[fiber::main(workers = 1)]
    fn main() {
        panic!("out of main");
    }
    black_box(main())
}

fn error_in_main() -> ExitCode {
    #[fiber::main(workers = 1)]
    fn main() -> Result<(), String> {
        Err("nothing to do".into())
    }
    black_box(main())
}

#[fiber::task]
fn shallow() {}

#[fiber::task]
fn forty_kibibytes() {
    let mut buffer = [0u8; 40 << 10];
    buffer.fill(1);
    black_box(&mut buffer);
    // Deep while suspended, too.
    fiber::yield_now();
    black_box(&buffer);
}

/// Prints the high-water marks of the two tasks.
fn high_water() -> ExitCode {
    runtime(2).run(|| {
        for _ in 0..3 {
            forty_kibibytes::spawn().join().unwrap();
            shallow::spawn().join().unwrap();
        }
        // The mark is made after the end.
        sleep(Duration::from_millis(5));
    });
    println!("{:?} {:?}", forty_kibibytes::TASK.stack_high_water(), shallow::TASK.stack_high_water());
    ExitCode::SUCCESS
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

/// Prints what many runtimes left behind: descriptors, threads, mappings.
fn leaves_nothing() -> ExitCode {
    let life = || {
        let runtime = runtime(2);
        runtime.run(|| {
            let (sender, receiver) = channel();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            fiber::spawn(move || listener.accept());
            (0..50).for_each(|_| drop(fiber::spawn(fiber::park)));
            (0..50).for_each(|_| drop(fiber::spawn(|| sleep(Duration::from_secs(1000)))));
            let sender = sender.clone();
            fiber::spawn(move || sender.send(1)).join().unwrap().unwrap();
            receiver.recv().unwrap()
        });
        runtime.shutdown(Duration::from_secs(1000)).unwrap();
    };
    let seen = || {
        let mappings = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        (count("/proc/self/fd"), count("/proc/self/task"), mappings)
    };
    // A thread that was joined may be listed for a moment yet.
    let until_gone = || eventually(|| threads().iter().all(|name| !name.starts_with("fiber-worker")));
    (0..5).for_each(|_| life());
    until_gone();
    let before = seen();
    (0..50).for_each(|_| life());
    until_gone();
    let after = seen();
    println!("descriptors {}", after.0 as isize - before.0 as isize);
    println!("threads {}", after.1 as isize - before.1 as isize);
    println!("mappings {}", after.2 as isize - before.2 as isize);
    ExitCode::SUCCESS
}

/// Prints how many workers there are on one processor.
fn affinity() -> ExitCode {
    // SAFETY: an all-zero set is an empty one; the calls read or write exactly the set.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_getaffinity(0, size, &raw mut allowed), 0);
        let first = (0..libc::CPU_SETSIZE as usize).find(|&cpu| libc::CPU_ISSET(cpu, &allowed)).unwrap();
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(first, &mut one);
        assert_eq!(libc::sched_setaffinity(0, size, &raw const one), 0);
    }
    let _runtime = Runtime::new().unwrap();
    println!("{}", threads().iter().filter(|name| name.starts_with("fiber-worker")).count());
    ExitCode::SUCCESS
}

/// Spawns until there is no address space for another stack.
fn out_of_memory() -> ExitCode {
    let runtime = runtime(1);
    runtime.run(|| ());
    let limit = libc::rlimit { rlim_cur: 1 << 30, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads the limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    let (refused, texts) = runtime.run(|| {
        let fibers: Vec<_> = (0..100).map(|_| fiber::Builder::new().stack_size(64 << 20).spawn(fiber::park)).collect();
        (0..1000).for_each(|_| fiber::yield_now());
        let (ended, parked): (Vec<_>, Vec<_>) = fibers.into_iter().partition(|fiber| fiber.is_finished());
        parked.iter().for_each(|fiber| fiber.fiber().unpark());
        parked.into_iter().for_each(|fiber| fiber.join().unwrap());
        let errors: Vec<_> = ended.into_iter().map(|fiber| fiber.join().unwrap_err()).collect();
        assert!(errors.iter().all(fiber::JoinError::is_not_started));
        // It goes on, with the stacks that are free again.
        assert_eq!(fiber::Builder::new().stack_size(64 << 20).spawn(|| 3).join().unwrap(), 3);
        (errors.len(), errors.first().map(ToString::to_string))
    });
    println!("{refused} {texts:?}");
    ExitCode::SUCCESS
}

/// Its runtime is dropped while a fiber runs on without a wait.
fn stuck_at_the_end() -> ExitCode {
    let runtime = runtime(1);
    let (sender, receiver) = channel();
    let stuck = move || {
        sender.send(()).unwrap();
        loop {
            std::hint::spin_loop();
        }
    };
    drop(fiber::Builder::new().name("stuck").spawn::<_, ()>(stuck));
    receiver.recv().unwrap();
    drop(runtime);
    println!("went on");
    ExitCode::SUCCESS
}

/// Threads spawn on the runtime that is up for longest.
fn default_runtime() -> ExitCode {
    let runtimes: Vec<_> =
        ["one", "two", "three"].iter().map(|name| Builder::new().workers(1).name(*name).build().unwrap()).collect();
    for runtime in runtimes {
        let worker = fiber::spawn(|| std::thread::current().name().unwrap().to_owned()).join().unwrap();
        println!("{worker}");
        assert_eq!(fiber::scope(|s| s.spawn(|| 5).join().unwrap()), 5);
        drop(runtime);
    }
    assert!(Handle::try_current().is_none());
    ExitCode::SUCCESS
}

fn exit_beside_siblings() -> ExitCode {
    thread_local! {
        static WAITS: Waits = const { Waits };
        static TEXT: String = "y".repeat(100);
    }
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            // It would let the sibling go on.
            println!("destroyed");
            (0..5).for_each(|_| fiber::yield_now());
        }
    }
    runtime(1).run(|| {
        let reader = fiber::spawn_local(|| {
            WAITS.with(|_| ());
            TEXT.with(|text| {
                loop {
                    fiber::yield_now();
                    assert!(text.chars().all(|letter| letter == 'y'));
                }
            });
        });
        (0..3).for_each(|_| fiber::yield_now());
        drop(reader);
        fiber::process::exit(7)
    })
}

fn exit_on_a_fiber() -> ExitCode {
    runtime(2).run(|| {
        (0..100).for_each(|_| drop(fiber::spawn(|| sleep(Duration::from_secs(1000)))));
        std::process::exit(7)
    })
}

fn dropped_on_its_own_fiber() -> ExitCode {
    let runtime = runtime(1);
    let handle = runtime.handle();
    let error = handle.spawn(move || drop(runtime)).join().unwrap_err();
    println!("{error}");
    ExitCode::SUCCESS
}

/// On threads, scopes spawn on the default runtime, so there must be no other.
fn scopes_on_threads() -> ExitCode {
    let _runtime = runtime(2);
    let count = AtomicUsize::new(0);
    fiber::scope(|s| {
        for n in 0..100 {
            s.spawn(move || fiber::park_timeout(Duration::from_micros(n)));
            s.spawn(|| count.fetch_add(1, SeqCst));
        }
    });
    assert_eq!(count.load(SeqCst), 100);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        fiber::scope(|s| {
            s.spawn(|| {
                sleep(Duration::from_millis(2));
                count.fetch_add(1, SeqCst);
            });
            panic_any("of the body");
        })
    }));
    assert_eq!(outcome.map(|()| unreachable!()).unwrap_err().downcast_ref(), Some(&"of the body"));
    assert_eq!(count.load(SeqCst), 101, "the child was awaited");
    ExitCode::SUCCESS
}

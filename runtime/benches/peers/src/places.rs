//! Where the subjects run.

use std::future::Future;

/// A runtime of each kind, with so many workers.
pub(crate) struct Places {
    pub(crate) workers: usize,
    fiber: fiber::runtime::Runtime,
    tokio: tokio::runtime::Runtime,
    /// Two with one worker each.
    fibers: [fiber::runtime::Runtime; 2],
    tokios: [tokio::runtime::Runtime; 2],
}

impl Places {
    pub(crate) fn new(workers: usize) -> Places {
        may::config().set_workers(workers);
        let tokio = match workers {
            1 => tokio::runtime::Builder::new_current_thread().build(),
            _ => tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build(),
        };
        let single = |_| tokio::runtime::Builder::new_current_thread().build().expect("Tokio starts");
        Places {
            workers,
            fiber: crate::common::runtime(workers),
            tokio: tokio.expect("Tokio starts"),
            fibers: [1, 1].map(crate::common::runtime),
            tokios: [(), ()].map(single),
        }
    }

    /// Runs `f` on a fiber.
    pub(crate) fn fiber<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        self.fiber.run(f)
    }

    /// Runs `future` as a task.
    pub(crate) fn tokio<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.tokio.block_on(async { tokio::spawn(future).await.expect("no task panics") })
    }

    /// Runs each on a fiber of a runtime of its own, with one worker; the time for each of `count`.
    pub(crate) fn fibers_apart(&self, count: usize, one: impl FnOnce() + Send, other: impl FnOnce() + Send) -> f64 {
        let [here, there] = &self.fibers;
        let watch = Stopwatch::start(count);
        std::thread::scope(|scope| {
            scope.spawn(|| here.run(one));
            there.run(other);
        });
        watch.each()
    }

    /// Runs each as a task of a current-thread runtime of its own.
    pub(crate) fn tasks_apart(
        &self,
        count: usize,
        one: impl Future<Output = ()> + Send + 'static,
        other: impl Future<Output = ()> + Send + 'static,
    ) -> f64 {
        let [here, there] = &self.tokios;
        let watch = Stopwatch::start(count);
        std::thread::scope(|scope| {
            scope.spawn(|| here.block_on(async { tokio::spawn(one).await.unwrap() }));
            there.block_on(async { tokio::spawn(other).await.unwrap() });
        });
        watch.each()
    }

    /// Runs `f` on a coroutine of `may`.
    pub(crate) fn may<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        may::go!(f).join().expect("no coroutine panics")
    }
}

/// Nanoseconds for each of so many.
pub(crate) struct Stopwatch(std::time::Instant, usize);

impl Stopwatch {
    pub(crate) fn start(count: usize) -> Stopwatch {
        Stopwatch(std::time::Instant::now(), count)
    }

    pub(crate) fn each(&self) -> f64 {
        self.0.elapsed().as_nanos() as f64 / self.1 as f64
    }
}

/// Runs these closures at once by `spawn`, whose handles have `join`; the time for each of `count`.
macro_rules! together {
    ($count:expr, $spawn:expr, $work:expr) => {{
        let work = $work;
        let watch = $crate::places::Stopwatch::start($count);
        let handles: Vec<_> = work.into_iter().map($spawn).collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        watch.each()
    }};
}
pub(crate) use together;

/// Runs these futures at once as tasks.
macro_rules! tasks {
    ($count:expr, $work:expr) => {{
        let work = $work;
        let watch = $crate::places::Stopwatch::start($count);
        let handles: Vec<_> = work.into_iter().map(tokio::spawn).collect();
        for handle in handles {
            handle.await.unwrap();
        }
        watch.each()
    }};
}
pub(crate) use tasks;

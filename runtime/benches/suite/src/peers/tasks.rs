//! The measurements of runtimes whose tasks are futures, written once: a runtime says how it spawns, sleeps and makes a channel.

/// Makes `run(bench)`, a future that measures. `spawn` gives a future of the task's result; futures are `Send` with `[+ Send]`.
macro_rules! tasks {
    ([$($send:tt)*], spawn: $spawn:path, sleep: $sleep:path, channel: $channel:path) => {
        use crate::command::Bench;
        use crate::peers::{Outcome, Refusal, turns::{self, yield_now}};
        use crate::report::{Measured, Random, compute, processor_seconds, resident_bytes};
        use std::pin::Pin;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        use std::time::{Duration, Instant};

        /// What needs no sockets, files or locks.
        pub(super) async fn run(bench: &Bench) -> Outcome {
            match *bench {
                Bench::Yield { tasks, iters } => yields(tasks, iters).await,
                Bench::Spawn { n, batch } => spawns(n, batch.clamp(1, n.max(1))).await,
                Bench::Pingpong { rounds } => ping_pong(rounds).await,
                Bench::Skynet { leaves } => skynet(leaves).await,
                Bench::Idle { n, .. } => idle(n).await,
                Bench::Timers { n } => timers(n).await,
                Bench::Fanout { children, repeat } => fanout(children, repeat).await,
                _ => Err(Refusal::NotExpressible.into()),
            }
        }

        async fn yields(tasks: usize, iters: usize) -> Outcome {
            let log = turns::Log::default();
            let pair = [0, 1].map(|who| {
                let log = log.clone();
                $spawn(async move {
                    for _ in 0..turns::TRIES {
                        log.add(who);
                        yield_now().await;
                    }
                })
            });
            for task in pair {
                task.await;
            }
            log.check()?;
            let (begin, busy) = (Instant::now(), processor_seconds());
            let tasks_: Vec<_> = (0..tasks)
                .map(|_| {
                    $spawn(async move {
                        for _ in 0..iters {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks_ {
                task.await;
            }
            let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
            let each = time.as_nanos() as f64 / (tasks * iters) as f64;
            Ok(Measured::new("yield", each, "ns").with("tasks", tasks).with("iters", iters).and("cpu_s", busy))
        }

        async fn spawns(n: usize, batch: usize) -> Outcome {
            let (begin, busy) = (Instant::now(), processor_seconds());
            let mut tasks = Vec::with_capacity(batch);
            let mut left = n;
            while left > 0 {
                let count = left.min(batch);
                tasks.extend((0..count).map(|number| $spawn(async move { std::hint::black_box(number) })));
                for task in tasks.drain(..) {
                    task.await;
                }
                left -= count;
            }
            let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
            let each = time.as_nanos() as f64 / n as f64;
            Ok(Measured::new("spawn", each, "ns").with("n", n).with("batch", batch).and("cpu_s", busy))
        }

        #[allow(unused_mut)] // Not every receiver has to be unique.
        async fn ping_pong(rounds: usize) -> Outcome {
            let (to_other, mut from_one) = $channel(1);
            let (to_one, mut from_other) = $channel(1);
            let other = $spawn(async move {
                for _ in 0..=rounds {
                    let ball: usize = from_one.recv().await.unwrap();
                    to_one.send(ball).await.unwrap();
                }
            });
            let one = $spawn(async move {
                let mut begin = (Instant::now(), processor_seconds());
                for ball in 0..=rounds {
                    to_other.send(ball).await.unwrap();
                    assert_eq!(from_other.recv().await.unwrap(), ball, "the ball comes back");
                    if ball == 0 {
                        begin = (Instant::now(), processor_seconds());
                    }
                }
                (begin.0.elapsed(), processor_seconds() - begin.1)
            });
            let (time, busy) = one.await;
            other.await;
            let each = time.as_nanos() as f64 / rounds as f64;
            Ok(Measured::new("pingpong", each, "ns").with("rounds", rounds).and("cpu_s", busy))
        }

        fn leaves(first: u64, count: u64) -> Pin<Box<dyn Future<Output = u64> $($send)*>> {
            Box::pin(async move {
                if count == 1 {
                    return first;
                }
                let each = count / 10;
                let children: [_; 10] = std::array::from_fn(|child| $spawn(leaves(first + each * child as u64, each)));
                let mut sum = 0;
                for child in children {
                    sum += child.await;
                }
                sum
            })
        }

        async fn skynet(count: u64) -> Outcome {
            let (begin, busy) = (Instant::now(), processor_seconds());
            let sum = $spawn(leaves(0, count)).await;
            let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
            assert_eq!(sum, count * (count - 1) / 2, "every leaf was added once");
            Ok(Measured::new("skynet", time.as_secs_f64() * 1e3, "ms").with("leaves", count).and("cpu_s", busy))
        }

        async fn idle(n: usize) -> Outcome {
            let parked = Arc::new(AtomicUsize::new(0));
            let mut tasks = Vec::with_capacity(n);
            let before = resident_bytes()?;
            tasks.extend((0..n).map(|_| {
                let parked = Arc::clone(&parked);
                $spawn(async move {
                    parked.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                })
            }));
            while parked.load(Ordering::Relaxed) < n {
                $sleep(Duration::from_millis(10)).await;
            }
            let resident = resident_bytes()?.saturating_sub(before);
            std::mem::forget(tasks);
            Ok(Measured::new("idle", resident as f64 / n as f64, "bytes").with("n", n))
        }

        async fn timers(n: usize) -> Outcome {
            let busy = processor_seconds();
            let mut random = Random::new(1);
            let tasks: Vec<_> = (0..n)
                .map(|_| {
                    let time = Duration::from_nanos(random.below(1_000_000_000));
                    $spawn(async move {
                        let due = Instant::now() + time;
                        $sleep(time).await;
                        due.elapsed()
                    })
                })
                .collect();
            let mut late = Vec::with_capacity(n);
            for task in tasks {
                late.push(task.await);
            }
            late.sort_unstable();
            let busy = processor_seconds() - busy;
            let quantile = |share: f64| late[((n - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
            let measured = Measured::new("timers", quantile(0.99), "us").with("n", n);
            Ok(measured.and("p50_us", quantile(0.5)).and("max_us", quantile(1.0)).and("cpu_s", busy))
        }

        async fn fanout(children: usize, repeat: usize) -> Outcome {
            let busy = processor_seconds();
            let mut times = Vec::new();
            for _ in 0..repeat.max(1) {
                let begin = Instant::now();
                let tasks: Vec<_> = (0..children)
                    .map(|_| {
                        $spawn(async {
                            for _ in 0..10 {
                                $sleep(Duration::from_millis(1)).await;
                                compute(5_000);
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await;
                }
                times.push(begin.elapsed());
            }
            let busy = processor_seconds() - busy;
            times.sort_unstable();
            let median = times[times.len() / 2].as_secs_f64() * 1e3;
            Ok(Measured::new("fanout", median, "ms").with("children", children).with("repeat", repeat).and("cpu_s", busy))
        }
    };
}
pub(super) use tasks;

/// Makes `mutex(tasks, iters)`: `new` makes the lock, `lock` is how a guard is awaited.
macro_rules! mutex {
    ($spawn:path, new: $new:expr, lock: |$mutex:ident| $lock:expr) => {
        pub(super) async fn mutex(tasks: usize, iters: usize) -> Outcome {
            let shared = Arc::new($new);
            let (begin, busy) = (Instant::now(), processor_seconds());
            let all: Vec<_> = (0..tasks)
                .map(|_| {
                    let $mutex = Arc::clone(&shared);
                    $spawn(async move {
                        for _ in 0..iters {
                            *$lock += 1;
                        }
                    })
                })
                .collect();
            for task in all {
                task.await;
            }
            let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
            let $mutex = shared;
            let counted: usize = *$lock;
            assert_eq!(counted, tasks * iters, "the lock excludes");
            let each = time.as_nanos() as f64 / (tasks * iters) as f64;
            Ok(Measured::new("mutex", each, "ns").with("tasks", tasks).with("iters", iters).and("cpu_s", busy))
        }
    };
}
pub(super) use mutex;

/// Makes `converse(peer, protocol)` of streams that read into borrowed buffers.
macro_rules! converse {
    ($stream:ty) => {
        async fn converse(mut peer: $stream, protocol: Protocol) -> io::Result<()> {
            let mut buffer = [0; 4096];
            let (mut input, mut output) = (Vec::new(), Vec::new());
            loop {
                let read = match peer.read(&mut buffer).await? {
                    0 => return Ok(()),
                    n => &buffer[..n],
                };
                if let Protocol::Bytes = protocol {
                    peer.write_all(read).await?;
                } else {
                    input.extend_from_slice(read);
                    let then = protocol.answer(&mut input, &mut output)?;
                    peer.write_all(&output).await?;
                    if then.is_break() {
                        return Ok(());
                    }
                    output.clear();
                }
            }
        }
    };
}
pub(super) use converse;

/// Makes `random_reads(bench)`: how a file is opened (`direct` or not), what it is read into, and how the block at an offset is read,
/// which gives the number that it begins with.
macro_rules! random_reads {
    ($spawn:path, open: |$path:ident, $direct:ident| $open:expr, block: $new:expr, read: |$file:ident, $block:ident, $offset:ident| $read:expr) => {
        pub(super) async fn random_reads(bench: &Bench) -> Outcome {
            let &Bench::Fsread { path: ref $path, seconds, depth, direct: $direct } = bench else {
                return Err(Refusal::NotExpressible.into());
            };
            let blocks = std::fs::metadata($path)?.len() / 4096;
            let file = $open;
            let (begin, busy) = (Instant::now(), processor_seconds());
            let end = begin + Duration::try_from_secs_f64(seconds)?;
            let readers: Vec<_> = (0..depth)
                .map(|reader| {
                    let $file = file.clone();
                    $spawn(async move {
                        let mut random = Random::new(reader as u64 + 1);
                        let mut times = Vec::new();
                        let mut $block = $new;
                        let mut now = Instant::now();
                        while now < end {
                            let $offset = random.below(blocks) * 4096;
                            let found: u64 = $read;
                            assert_eq!(found, $offset, "a block begins with its offset");
                            let then = std::mem::replace(&mut now, Instant::now());
                            times.push(now - then);
                        }
                        let _ = $block;
                        times
                    })
                })
                .collect();
            let mut times = Vec::new();
            for reader in readers {
                times.extend(reader.await);
            }
            let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
            times.sort_unstable();
            let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
            let each_second = times.len() as f64 / time.as_secs_f64();
            Ok(Measured::new("fsread", each_second, "IOPS")
                .with("path", $path.display().to_string())
                .with("seconds", seconds)
                .with("depth", depth)
                .with("direct", $direct)
                .and("p50_us", quantile(0.5))
                .and("p99_us", quantile(0.99))
                .and("cpu_s", busy))
        }
    };
}
pub(super) use random_reads;

/// The same for streams that are given a buffer and give it back, with the result, as `pair` takes them out of what an operation gives.
macro_rules! converse_owned {
    ($stream:ty, |$given:ident| $pair:expr) => {
        async fn converse(mut peer: $stream, protocol: Protocol) -> io::Result<()> {
            let mut buffer = Vec::with_capacity(4096);
            let (mut input, mut output) = (Vec::new(), Vec::new());
            loop {
                let $given = peer.read(buffer).await;
                let read;
                (read, buffer) = $pair;
                if read? == 0 {
                    return Ok(());
                }
                let written;
                let mut ends = false;
                if let Protocol::Bytes = protocol {
                    let $given = peer.write_all(buffer).await;
                    (written, buffer) = $pair;
                } else {
                    input.extend_from_slice(&buffer);
                    ends = protocol.answer(&mut input, &mut output)?.is_break();
                    let $given = peer.write_all(output).await;
                    (written, output) = $pair;
                    output.clear();
                }
                written?;
                if ends {
                    return Ok(());
                }
                buffer.clear();
            }
        }
    };
}
pub(super) use converse_owned;

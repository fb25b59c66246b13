//! Libraries that need Tokio, used from fibers: an HTTP client, a database, and what the bridge promises of contexts, cancellation and panics.

#[path = "http/server.rs"]
mod server;

use fiber::bridge::Tokio;
use fiber::runtime::{Builder, Handle as Runtime, Reason, State};
use fiber::sync::oneshot;
use fiber::time::{Elapsed, timeout};
use fiber_tests::wait;
use server::Server;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::runtime::Handle;

const LONG: Duration = Duration::from_secs(600);

fn on_fibers<T: Send>(workers: usize, body: impl FnOnce() -> T + Send) -> T {
    Builder::new().workers(workers).build().unwrap().run(body)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < wait::LIMIT, "waited in vain until {what}");
        fiber::time::sleep(Duration::from_micros(200));
    }
}

/// Waits until the fiber waits for a future.
fn until_waiting(fiber: &fiber::Fiber) {
    let runtime = Runtime::try_current().unwrap();
    eventually("the fiber waits for its future", || {
        let dump = runtime.dump();
        dump.fibers().iter().any(|seen| seen.id() == fiber.id() && seen.state() == State::Waiting(Reason::Future))
    });
}

/// Counts its end, which has to come in Tokio's context.
struct Resident(Arc<AtomicUsize>);

impl Drop for Resident {
    fn drop(&mut self) {
        // Not an assertion: it may be an unwinding that drops it.
        if Handle::try_current().is_ok() {
            self.0.fetch_add(1, SeqCst);
        }
    }
}

fn resident() -> (Resident, Arc<AtomicUsize>) {
    let ended = Arc::new(AtomicUsize::new(0));
    (Resident(ended.clone()), ended)
}

#[test]
fn an_http_client_for_many_fibers() {
    on_fibers(2, || {
        let server = Server::start(LONG);
        let tokio = Tokio::new().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        fiber::scope(|s| {
            for number in 0..200 {
                let (server, tokio, client) = (&server, &tokio, &client);
                s.spawn(move || {
                    let text = format!("message {number}");
                    let answer = tokio.block_on(async {
                        let answer = client.post(server.url("/echo")).body(text.clone()).send().await?;
                        answer.error_for_status()?.text().await
                    });
                    assert_eq!(answer.unwrap(), text);
                });
            }
        });
        let missing = tokio.block_on(client.get(server.url("/elsewhere")).send()).unwrap();
        assert_eq!(missing.status(), 404);
    });
}

#[test]
fn a_request_whose_fiber_is_late_or_cancelled_is_dropped() {
    on_fibers(1, || {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = |server: &Server| client.get(server.url("/never"));
        let server = Server::start(LONG);
        let late = timeout(Duration::from_millis(20), || Tokio::shared().block_on(request(&server).send()));
        assert!(matches!(late, Err(Elapsed)));
        eventually("the server is rid of it, if it has heard of it", || server.begun() == server.abandoned());

        // Another one, since that one may hear of it yet.
        let server = Server::start(LONG);
        // Polled by the fiber, and by Tokio's thread.
        for on_fiber in [true, false] {
            let (begun, request) = (server.begun(), request(&server));
            let fiber = fiber::spawn(move || {
                let exchange = async { request.send().await.map(drop) };
                match on_fiber {
                    true => Tokio::shared().block_on(exchange),
                    false => Tokio::shared().spawn(exchange).join().unwrap(),
                }
            });
            eventually("the server has the request", || server.begun() == begun + 1);
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
            eventually("the connection is closed", || server.abandoned() == begun + 1);
        }
    });
}

async fn accounts(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("select count(*) from accounts").fetch_one(pool).await.unwrap()
}

#[test]
fn a_database_for_many_fibers() {
    const FIBERS: i64 = 60;
    on_fibers(2, || {
        let folder = std::env::temp_dir().join(format!("fiber-bridge-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = SqliteConnectOptions::new().filename(folder.join("bank")).create_if_missing(true);
        let tokio = Tokio::new().unwrap();
        let pool = tokio.block_on(async {
            let pool = SqlitePoolOptions::new().max_connections(4).acquire_timeout(LONG).connect_with(options).await;
            let pool = pool.unwrap();
            sqlx::query("create table accounts (id integer primary key, amount integer)").execute(&pool).await.unwrap();
            pool
        });
        fiber::scope(|s| {
            for number in 0..FIBERS {
                let (tokio, pool) = (&tokio, &pool);
                s.spawn(move || {
                    let insert = sqlx::query("insert into accounts (id, amount) values (?, ?)");
                    tokio.block_on(insert.bind(number).bind(number * number).execute(pool)).unwrap();
                    let select = sqlx::query_scalar::<_, i64>("select amount from accounts where id = ?");
                    assert_eq!(tokio.block_on(select.bind(number).fetch_one(pool)).unwrap(), number * number);
                });
            }
        });
        assert_eq!(tokio.block_on(accounts(&pool)), FIBERS);

        // A transaction whose fiber is cancelled is rolled back, and its connection is usable again.
        for _ in 0..8 {
            let (deleted, seen) = oneshot::channel();
            fiber::scope(|s| {
                let (tokio, pool) = (&tokio, &pool);
                let begun = s.spawn(move || {
                    tokio.block_on(async {
                        let mut transaction = pool.begin().await.unwrap();
                        sqlx::query("delete from accounts").execute(&mut *transaction).await.unwrap();
                        deleted.send(()).unwrap();
                        std::future::pending::<()>().await;
                        transaction.commit().await.unwrap();
                    });
                });
                seen.recv().expect("the transaction has begun");
                begun.cancel();
                assert!(begun.join().unwrap_err().is_cancelled());
            });
        }
        assert_eq!(tokio.block_on(accounts(&pool)), FIBERS);

        // Its guards look for the context when they are dropped.
        let connection = tokio.block_on(pool.acquire()).unwrap();
        tokio.enter(|| drop(connection));
        tokio.block_on(pool.close());
        tokio.shutdown(LONG);
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn only_the_future_is_in_the_context() {
    on_fibers(1, || {
        let tokio = Tokio::shared();
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let local = Rc::new(5);
        let fiber = fiber::spawn(move || {
            tokio.block_on(async {
                assert_eq!(Handle::current().id(), tokio.handle().id());
                told.await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert_eq!(Handle::current().id(), tokio.handle().id());
            });
            assert!(Handle::try_current().is_err());
        });
        until_waiting(&fiber.fiber());
        assert!(Handle::try_current().is_err(), "the fiber that waits has left nothing on its thread");
        // Neither `Send` nor `'static`.
        assert_eq!(tokio.block_on(async { *local }), 5);
        tell.send(()).unwrap();
        fiber.join().unwrap();
    });
}

#[test]
fn futures_are_dropped_in_the_context_however_they_end() {
    on_fibers(1, || {
        let tokio = Tokio::shared();
        let (guard, ended) = resident();
        tokio.block_on(async move {
            tokio::task::yield_now().await;
            drop(guard);
        });
        assert_eq!(ended.load(SeqCst), 1);

        let (guard, ended) = resident();
        let panicked = fiber::spawn(move || {
            tokio.block_on(async move {
                let _guard = guard;
                tokio::time::sleep(Duration::from_millis(1)).await;
                panic!("no more");
            });
        });
        let panic = panicked.join().unwrap_err().try_into_panic().unwrap();
        assert_eq!(panic.downcast_ref(), Some(&"no more"));
        assert_eq!(ended.load(SeqCst), 1);
        assert!(Handle::try_current().is_err());

        // Never polled.
        let (guard, ended) = resident();
        let cancelled = fiber::spawn(move || {
            let future = async move { drop(guard) };
            tokio.block_on(async {
                std::future::pending::<()>().await;
                future.await;
            });
        });
        until_waiting(&cancelled.fiber());
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        assert_eq!(ended.load(SeqCst), 1);
    });
}

#[test]
fn a_future_must_not_suspend_its_fiber() {
    on_fibers(1, || {
        let suspending = fiber::spawn(|| Tokio::shared().block_on(async { fiber::yield_now() }));
        let error = suspending.join().unwrap_err();
        assert!(error.to_string().contains("tests/bridge.rs:"), "{error}");
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn tasks_of_tokio_are_joined() {
    on_fibers(1, || {
        let tokio = Tokio::new().unwrap();
        let tasks: Vec<_> = (0..100).map(|n| tokio.spawn(async move { n })).collect();
        assert_eq!(tasks.into_iter().map(|task| task.join().unwrap()).sum::<u32>(), 4950);
        let panicked = tokio.spawn(async { panic!("off the fibers") }).join().unwrap_err();
        assert!(panicked.is_panic());
        let task = tokio.spawn(std::future::pending::<()>());
        assert!(!task.is_finished());
        task.cancel();
        assert!(fiber::block_on(task).unwrap_err().is_cancelled());

        let (guard, ended) = resident();
        let task = tokio.spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        let joining = fiber::spawn(move || task.join());
        until_waiting(&joining.fiber());
        joining.cancel();
        assert!(joining.join().unwrap_err().is_cancelled());
        eventually("the task is dropped", || ended.load(SeqCst) == 1);
        tokio.shutdown(LONG);
    });
}

/// Works on threads, and beside a runtime that is somebody else's, whose end is not a hang.
#[test]
fn somebody_elses_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tokio = Tokio::from(runtime.handle().clone());
    tokio.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
    on_fibers(1, || {
        tokio.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        fiber::scope(|s| {
            let left = s.spawn(|| tokio.block_on(async { tokio::time::sleep(LONG).await }));
            until_waiting(&left.fiber());
            runtime.shutdown_background();
            assert!(left.join().unwrap_err().is_panic());
        });
    });
}

#![cfg(not(loom))]
//! `tracing` spans of fibers: whose they are across every kind of suspension, who inherits them, and what subscribers may do.

mod common;

use common::{LONG, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::mpsc::channel;
use fiber::time::{sleep, timeout};
use std::fmt::Debug;
use std::sync::{Mutex, Once};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Span, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

const MOMENT: Duration = Duration::from_micros(1);

/// What the subscriber was told: the test, and the text.
static TOLD: Mutex<Vec<(&'static str, String)>> = Mutex::new(Vec::new());

/// Notes events with the spans that they are in, and entries and exits of spans. Suspends, or panics, where a span's name asks for it.
struct Notes;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        self.0 = format!("{value:?}");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {}

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let spans =
            context.event_scope(event).map_or(Vec::new(), |scope| scope.from_root().map(|s| s.name()).collect());
        note(event.metadata().target(), format!("{} in {}", text.0, spans.join(" ")));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.moved("enters", id, &context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.moved("exits", id, &context);
    }
}

impl Notes {
    fn moved<S: Subscriber + for<'a> LookupSpan<'a>>(&self, how: &str, id: &Id, context: &Context<'_, S>) {
        let metadata = context.span(id).unwrap().metadata();
        note(metadata.target(), format!("{how} {}", metadata.name()));
        if metadata.name() == "suspends" {
            fiber::yield_now();
            sleep(MOMENT);
        }
        if metadata.name() == "panics" && !std::thread::panicking() {
            panic!("in a subscriber");
        }
    }
}

fn note(test: &'static str, text: String) {
    TOLD.lock().unwrap().push((test, text));
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Registry::default().with(Notes)).unwrap());
}

/// What was told in this test. The target of its spans and events is its name.
fn told(test: &str) -> Vec<String> {
    let told = TOLD.lock().unwrap();
    told.iter().filter(|(of, _)| *of == test).map(|(_, text)| text.clone()).collect()
}

/// The events among it, sorted.
fn events(test: &str) -> Vec<String> {
    let mut events: Vec<_> = told(test).into_iter().filter(|text| text.contains(" in ")).collect();
    events.sort_unstable();
    events
}

/// Whether the caller is in this span, and in no other below its parents.
fn in_span(name: Option<&str>) {
    assert_eq!(Span::current().metadata().map(|metadata| metadata.name()), name);
}

#[test]
fn spans_stay_with_their_fibers() {
    listen();
    runtime(1).run(|| {
        let (sender, receiver) = channel::<()>();
        let one = fiber::spawn_local(move || {
            let _span = info_span!(target: "stay", "one").entered();
            for turn in 1..=2 {
                info!(target: "stay", "first {turn}");
                fiber::yield_now();
            }
            receiver.recv().unwrap();
            info!(target: "stay", "first 3");
            in_span(Some("one"));
        });
        let two = fiber::spawn_local(move || {
            in_span(None);
            info_span!(target: "stay", "two").in_scope(|| {
                info_span!(target: "stay", "deeper").in_scope(|| {
                    info!(target: "stay", "second 1");
                    sleep(MOMENT);
                    info!(target: "stay", "second 2");
                });
                assert!(timeout(MOMENT, fiber::park).is_err());
                in_span(Some("two"));
                info!(target: "stay", "second 3");
                sender.send(()).unwrap();
            });
            fiber::yield_now();
            in_span(None);
        });
        // Suspended in between, and in no span.
        for _ in 0..20 {
            in_span(None);
            fiber::yield_now();
        }
        one.join().unwrap();
        two.join().unwrap();
        in_span(None);
    });
    assert_eq!(
        events("stay"),
        [
            "first 1 in one",
            "first 2 in one",
            "first 3 in one",
            "second 1 in two deeper",
            "second 2 in two deeper",
            "second 3 in two",
        ]
    );
}

#[test]
fn a_suspension_leaves_and_enters_each_span_in_order() {
    listen();
    runtime(1).run(|| {
        let outer = info_span!(target: "order", "outer");
        let _outer = outer.enter();
        let _inner = info_span!(target: "order", "inner").entered();
        note("order", "yields".to_owned());
        fiber::yield_now();
        note("order", "went on".to_owned());
        // The same span again, above another.
        let again = outer.enter();
        fiber::yield_now();
        drop(again);
        in_span(Some("inner"));
    });
    let told = told("order");
    let moves: Vec<_> = told.iter().map(String::as_str).collect();
    assert_eq!(
        moves[..8],
        [
            "enters outer",
            "enters inner",
            "yields",
            "exits inner",
            "exits outer",
            "enters outer",
            "enters inner",
            "went on"
        ]
    );
    for span in ["outer", "inner"] {
        let count = |how: &str| moves.iter().filter(|text| **text == format!("{how} {span}")).count();
        assert_eq!(count("enters"), count("exits"));
    }
    assert_eq!(moves[moves.len() - 2..], ["exits inner", "exits outer"]);
}

#[test]
fn children_start_in_the_span_of_their_spawner() {
    listen();
    let runtime = runtime(2);
    runtime.run(|| {
        let span = info_span!(target: "children", "parent");
        span.in_scope(|| {
            let child = || in_span(Some("parent"));
            fiber::spawn(child).join().unwrap();
            fiber::spawn_local(child).join().unwrap();
            fiber::Builder::new().name("named").spawn(child).join().unwrap();
            here().spawn(child).join().unwrap();
            fiber::scope(|s| drop(s.spawn(|| fiber::scope(|s| drop(s.spawn(child))))));
            fiber::blocking(child);
        });
        // It stays the child's while the parent leaves it, and across suspensions of both.
        let child = span.in_scope(|| {
            fiber::spawn(|| {
                sleep(MOMENT);
                in_span(Some("parent"));
                info_span!(target: "children", "own").in_scope(|| {
                    fiber::yield_now();
                    info!(target: "children", "a child");
                });
                in_span(Some("parent"));
            })
        });
        in_span(None);
        child.join().unwrap();
        fiber::spawn(|| in_span(None)).join().unwrap();
        fiber::blocking(|| in_span(None));
    });
    // A thread's as well.
    info_span!(target: "children", "thread").in_scope(|| {
        runtime.run(|| in_span(Some("thread")));
        fiber::scope(|s| drop(s.spawn(|| in_span(Some("thread")))));
    });
    assert_eq!(events("children"), ["a child in parent own"]);
}

#[test]
fn nothing_is_left_of_a_fiber_that_ends() {
    listen();
    runtime(1).run(|| {
        let span = info_span!(target: "left", "forgotten");
        let ends = |unwinds: bool| {
            let span = span.clone();
            fiber::spawn_local(move || {
                std::mem::forget(span.clone().entered());
                fiber::yield_now();
                in_span(Some("forgotten"));
                assert!(!unwinds, "unwinds");
            })
        };
        ends(false).join().unwrap();
        in_span(None);
        assert!(ends(true).join().unwrap_err().is_panic());
        in_span(None);
        let cancelled = fiber::spawn_local({
            let span = span.clone();
            move || {
                let _span = span.enter();
                fiber::park();
            }
        });
        until_waiting(&here(), &cancelled.fiber(), Reason::Park);
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        in_span(None);
    });
    let told = told("left");
    let count = |how: &str| told.iter().filter(|text| text.starts_with(how)).count();
    assert_eq!(count("enters"), count("exits"));
    assert!(count("enters") >= 6);
}

#[test]
fn destructors_of_fiber_locals_are_in_the_inherited_span() {
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            info!(target: "locals", "destroyed");
        }
    }
    fiber::fiber_local! {
        static LOOKS: Looks = Looks;
    }
    listen();
    runtime(1).run(|| {
        info_span!(target: "locals", "parent").in_scope(|| fiber::spawn(|| LOOKS.with(|_| ())).join().unwrap());
    });
    assert_eq!(events("locals"), ["destroyed in parent"]);
}

#[test]
fn a_subscriber_that_suspends_ends_no_wait() {
    listen();
    runtime(1).run(|| {
        let fibers: Vec<_> = (0..10)
            .map(|n| {
                fiber::spawn(move || {
                    let _span = info_span!(target: "suspends", "suspends").entered();
                    let (sender, receiver) = channel();
                    let child = fiber::spawn(move || {
                        sleep(MOMENT);
                        sender.send(n).unwrap();
                        fiber::yield_now();
                        n
                    });
                    // Every wait ends for its own reason and not before.
                    assert_eq!(receiver.recv(), Ok(n));
                    let begin = std::time::Instant::now();
                    sleep(Duration::from_millis(3));
                    assert!(begin.elapsed() >= Duration::from_millis(3));
                    assert_eq!(child.join().unwrap(), n);
                    assert!(timeout(Duration::from_millis(3), || sleep(LONG)).is_err());
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn a_subscriber_that_panics_ends_no_wait() {
    listen();
    runtime(1).run(|| {
        let span = info_span!(target: "panics", "panics");
        // The subscriber panics within `enter`, after it has entered.
        let fails = fiber::spawn_local(move || drop(span.entered()));
        assert!(fails.join().unwrap_err().is_panic());
        let child = info_span!(target: "panics", "panics");
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| child.in_scope(|| ())));
        let spawned = fiber::spawn_local(move || {
            let entered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                std::mem::forget(child.enter());
            }));
            assert!(entered.is_err());
            in_span(Some("panics"));
            let begin = std::time::Instant::now();
            sleep(Duration::from_millis(3));
            assert!(begin.elapsed() >= Duration::from_millis(3));
            5
        });
        assert_eq!(spawned.join().unwrap(), 5);
    });
}

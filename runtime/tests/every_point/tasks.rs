//! Fibers that wait for fibers, time, and what surrounds a wait.

use crate::common::{LONG, OnDrop};
use crate::locks::SHORT;
use crate::step::{Counter, Step, Token, gate, give_way};
use fiber::coroutine::{Coroutine, CoroutineState, Generator};
use fiber::sync::{mpsc, oneshot};
use fiber::time::{Elapsed, Instant, sleep, sleep_until, timeout};
use fiber::{CancelReason, CancelToken, JoinSet, fiber_local};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

pub(crate) fn steps(token: &Token) -> Vec<Step> {
    let mut steps = vec![pauses(token), parking(token), joins(token), scoped(token), scoped_and_cancelled(token)];
    steps.extend([set(token), all_at_once(token), first_of_many(token), by_token(token), limits(token)]);
    steps.extend([shielded(token), a_destructor_that_waits(token), swallowed(token), locals(token)]);
    steps.extend([generator(token), coroutine(token), future(token), on_the_pool(token)]);
    steps
}

fn pauses(token: &Token) -> Step {
    let token = token.clone();
    Step::new("pauses", move || {
        let _token = token;
        sleep(SHORT);
        sleep_until(Instant::now() + SHORT);
        fiber::yield_now();
        fiber::park_timeout(SHORT);
        Ok(())
    })
}

fn parking(token: &Token) -> Step {
    let (token, (open, opened)) = (token.clone(), gate());
    let (sender, receiver) = mpsc::channel::<fiber::Fiber>();
    let is_woken = Arc::new(AtomicBool::new(false));
    let woken = is_woken.clone();
    let ours = move || {
        let _token = token;
        opened.recv().unwrap();
        sender.send(fiber::current()).unwrap();
        while !woken.load(SeqCst) {
            fiber::park();
        }
        Ok(())
    };
    Step::new("parking", ours).with(move || {
        open();
        let Ok(fiber) = receiver.recv() else { return };
        give_way();
        is_woken.store(true, SeqCst);
        fiber.unpark();
    })
}

fn joins(token: &Token) -> Step {
    let token = token.clone();
    Step::new("joins", move || {
        let held = token.clone();
        let child = fiber::spawn(move || {
            sleep(SHORT);
            held
        });
        let local = fiber::spawn_local(fiber::yield_now);
        drop(child.join().unwrap());
        local.join().unwrap();
        Ok(())
    })
}

fn scoped(token: &Token) -> Step {
    let (token, running) = (token.clone(), Counter::default());
    let (begun, ended) = (running.clone(), Counter::default());
    let ends = ended.clone();
    Step::new("scope", move || {
        let _token = token;
        let (begun, ends) = (&begun, &ends);
        let child = || {
            begun.add(1);
            let _end = OnDrop(|| ends.add(1));
            sleep(SHORT);
        };
        let _all_have_ended = OnDrop(|| assert_eq!(begun.get(), ends.get(), "the scope has waited for its fibers"));
        fiber::scope(|s| {
            let first = s.spawn(child);
            s.spawn(child);
            first.join().unwrap();
            s.spawn(|| fiber::scope(|inner| drop(inner.spawn(child))));
            sleep(SHORT);
        });
        Ok(())
    })
    .check(move |is_done| {
        assert_eq!(running.get(), ended.get());
        assert!(!is_done || ended.get() == 3);
    })
}

fn scoped_and_cancelled(token: &Token) -> Step {
    let token = token.clone();
    Step::new("scope, cancelled", move || {
        let token = &token;
        fiber::scope(|s| {
            let child = s.spawn(move || {
                let _token = token.clone();
                sleep(LONG);
            });
            s.spawn(move || {
                let _token = token.clone();
                fiber::park();
            });
            sleep(SHORT);
            s.cancel();
            assert!(child.join().unwrap_err().is_cancelled());
        });
        Ok(())
    })
}

fn set(token: &Token) -> Step {
    let token = token.clone();
    Step::new("set", move || {
        let mut set = JoinSet::new();
        for number in 0..3 {
            let token = token.clone();
            set.spawn(move || {
                sleep(SHORT * number);
                (token, number)
            });
        }
        let mut sum = 0;
        while let Some(result) = set.join_next() {
            sum += result.unwrap().1;
        }
        assert_eq!(sum, 3);
        // The others are cancelled with the set.
        for _ in 0..2 {
            let token = token.clone();
            set.spawn(move || {
                sleep(LONG);
                (token, 0)
            });
        }
        sleep(SHORT);
        set.shutdown();
        Ok(())
    })
}

fn all_at_once(token: &Token) -> Step {
    let token = token.clone();
    Step::new("all at once", move || {
        let part = |number: u32| {
            let token = token.clone();
            move || {
                let _token = token;
                sleep(SHORT);
                number
            }
        };
        assert_eq!(fiber::join!(part(1)(), part(2)()), (1, 2));
        let fails = || {
            sleep(SHORT);
            Err::<(), &str>("no")
        };
        let waits = || {
            sleep(LONG);
            Ok::<(), &str>(())
        };
        assert_eq!(fiber::try_join!(fails(), waits()), Err("no"));
        Ok(())
    })
}

fn first_of_many(token: &Token) -> Step {
    let token = token.clone();
    Step::new("first of many", move || {
        let token = &token;
        let first = fiber::race([LONG, SHORT, LONG].map(|pause| {
            move || {
                let _token = token.clone();
                sleep(pause);
                pause
            }
        }));
        assert_eq!(first, SHORT);
        Ok(())
    })
}

fn by_token(token: &Token) -> Step {
    let (token, ours) = (token.clone(), CancelToken::new());
    let theirs = ours.clone();
    let step = move || {
        let _token = token;
        assert_eq!(ours.child().run(fiber::park), Err(CancelReason::User));
        assert_eq!(ours.cancelled(), CancelReason::User);
        Ok(())
    };
    Step::new("by token", step).with(move || {
        give_way();
        theirs.cancel();
    })
}

fn limits(token: &Token) -> Step {
    let token = token.clone();
    Step::new("limits", move || {
        let _token = token;
        assert_eq!(timeout(SHORT, fiber::park), Err(Elapsed));
        assert_eq!(timeout(LONG, || timeout(SHORT, || sleep(LONG))), Ok(Err(Elapsed)));
        assert_eq!(timeout(LONG, || sleep(SHORT)), Ok(()));
        Ok(())
    })
}

fn shielded(token: &Token) -> Step {
    let (token, entered) = (token.clone(), Counter::default());
    let (enters, left) = (entered.clone(), Counter::default());
    let leaves = left.clone();
    Step::new("shielded", move || {
        let _token = token;
        fiber::shield(|| {
            enters.add(1);
            sleep(SHORT);
            fiber::spawn(|| sleep(SHORT)).join().unwrap();
            leaves.add(1);
        });
        sleep(SHORT);
        Ok(())
    })
    .check(move |_| assert_eq!(entered.get(), left.get(), "the section is finished, come what may"))
}

/// What a destructor waits for while its fiber is unwound, it gets.
fn a_destructor_that_waits(token: &Token) -> Step {
    let (token, begun) = (token.clone(), Counter::default());
    let (begins, ended) = (begun.clone(), Counter::default());
    let ends = ended.clone();
    let (sender, receiver) = oneshot::channel();
    let (mut sender, mut receiver) = (Some(sender), Some(receiver));
    Step::new("a destructor that waits", move || {
        let _token = token;
        begins.add(1);
        let _guard = OnDrop(|| {
            // Without an unwinding it is interrupted as anything else would be.
            fiber::shield(|| {
                let sender = sender.take().unwrap();
                let other = fiber::spawn(move || {
                    sleep(SHORT);
                    let _ = sender.send(());
                });
                // They fail when the runtime ends, and with it the other fiber.
                let _ = receiver.take().unwrap().recv();
                let _ = other.join();
            });
            ends.add(1);
        });
        sleep(SHORT);
        Ok(())
    })
    .check(move |_| assert_eq!(begun.get(), ended.get()))
}

/// A `catch_unwind` on the way stops one unwinding; the next wait begins another.
fn swallowed(token: &Token) -> Step {
    let token = token.clone();
    Step::new("swallowed", move || {
        let _token = token;
        for _ in 0..3 {
            let _ = std::panic::catch_unwind(|| sleep(SHORT));
        }
        Ok(())
    })
}

fn locals(token: &Token) -> Step {
    fiber_local! {
        #[inherit]
        static HELD: RefCell<Option<Arc<Mutex<Token>>>> = const { RefCell::new(None) };
    }
    let token = token.clone();
    Step::new("fiber-locals", move || {
        HELD.set(Some(Arc::new(Mutex::new(token))));
        let child = fiber::spawn(|| {
            sleep(SHORT);
            HELD.with_borrow(Option::is_some)
        });
        assert!(child.join().unwrap());
        Ok(())
    })
}

fn generator(token: &Token) -> Step {
    let (token, theirs) = (token.clone(), token.clone());
    let (sender, receiver) = mpsc::sync_channel(0);
    let ours = move || {
        let numbers = Generator::new(move |yielder| {
            let _token = token;
            for (_, number) in &receiver {
                yielder.suspend(number);
                sleep(SHORT);
            }
        });
        assert_eq!(numbers.take(2).sum::<u32>(), 3);
        Ok(())
    };
    Step::new("generator", ours).with(move || {
        for number in 1..=3 {
            give_way();
            if sender.send((theirs.clone(), number)).is_err() {
                break;
            }
        }
    })
}

fn coroutine(token: &Token) -> Step {
    let token = token.clone();
    Step::new("coroutine", move || {
        let mut echo = Coroutine::new(move |yielder, mut pause| {
            let _token = token;
            for _ in 0..2 {
                sleep(pause);
                // One within the other.
                let inner = Generator::new(|yielder| {
                    sleep(SHORT);
                    yielder.suspend(());
                });
                inner.for_each(drop);
                pause = yielder.suspend(pause);
            }
        });
        assert_eq!(echo.resume(SHORT), CoroutineState::Yielded(SHORT));
        sleep(SHORT);
        assert_eq!(echo.resume(SHORT * 2), CoroutineState::Yielded(SHORT * 2));
        assert_eq!(echo.resume(SHORT), CoroutineState::Complete(()));
        Ok(())
    })
}

fn future(token: &Token) -> Step {
    let (token, theirs) = (token.clone(), token.clone());
    let (sender, receiver) = mpsc::channel();
    let ours = move || {
        let _token = token;
        let child = fiber::spawn(|| {
            sleep(SHORT);
            2
        });
        fiber::block_on(async {
            let (_, first) = receiver.recv_async().await.unwrap();
            assert_eq!(first + child.await.unwrap(), 3);
        });
        Ok(())
    };
    Step::new("future", ours).with(move || {
        give_way();
        let _ = sender.send((theirs, 1));
    })
}

fn on_the_pool(token: &Token) -> Step {
    let token = token.clone();
    Step::new("on the pool", move || {
        let number = fiber::blocking(|| {
            let _token = token.clone();
            7
        });
        assert_eq!(number, 7);
        Ok(())
    })
}

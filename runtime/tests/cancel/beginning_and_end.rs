//! Before the start, after the end, and without a wait in between.

use crate::common::{Count, eventually, runtime};
use fiber::sync::Mutex;
use fiber::sync::mpsc::channel;

#[test]
fn before_its_start_a_cancelled_fiber_does_not_run() {
    runtime(1).run(|| {
        let (ran, dropped) = (Count::new(), Count::new());
        for _ in 0..100 {
            let (ran, guard) = (ran.clone(), dropped.on_drop());
            let fiber = fiber::spawn(move || {
                let _guard = guard;
                ran.add();
            });
            // There is one worker, and it runs this.
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
        }
        assert_eq!((ran.get(), dropped.get()), (0, 100));
    });
}

#[test]
fn before_its_start_a_cancelled_local_fiber_does_not_run() {
    runtime(2).run(|| {
        let not_send = std::rc::Rc::new(());
        let fiber = fiber::spawn_local({
            let not_send = not_send.clone();
            move || {
                let _not_send = not_send;
                unreachable!("it was cancelled")
            }
        });
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(std::rc::Rc::strong_count(&not_send), 1);
    });
}

#[test]
fn a_cancellation_races_with_the_start() {
    let runtime = runtime(2);
    let (ran, dropped) = (Count::new(), Count::new());
    let mut cancelled = 0;
    for n in 0..3000 {
        let (ran, guard) = (ran.clone(), dropped.on_drop());
        let fiber = runtime.spawn(move || {
            let _guard = guard;
            ran.add();
        });
        for _ in 0..n % 200 {
            std::hint::spin_loop();
        }
        fiber.cancel();
        match fiber.join() {
            Ok(()) => (),
            Err(error) if error.is_cancelled() => cancelled += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(ran.get() + cancelled, 3000);
    assert_eq!(dropped.get(), 3000);
}

#[test]
fn after_its_end_a_fiber_is_not_cancelled() {
    runtime(2).run(|| {
        let fiber = fiber::spawn(|| 5);
        eventually("it has ended", || fiber.is_finished());
        fiber.cancel();
        fiber.fiber().cancel();
        assert_eq!(fiber.join().unwrap(), 5);
    });
}

#[test]
fn a_cancelled_fiber_that_does_not_wait_has_a_result() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            fiber::current().cancel();
            (0..100).for_each(|_| fiber::yield_now());
            // Neither an uncontended lock nor a ready channel is a wait.
            let (sender, receiver) = channel();
            sender.send(*Mutex::new(7).lock().unwrap()).unwrap();
            receiver.recv().unwrap()
        });
        assert_eq!(fiber.join().unwrap(), 7);
    });
}

#[test]
fn a_cancelled_fiber_takes_its_permit_without_a_wait() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            fiber::current().unpark();
            fiber::current().cancel();
            fiber::park();
        });
        fiber.join().unwrap();
    });
}

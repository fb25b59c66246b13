//! Models of handing over, taking, closing, and giving up, with one place and with two.

use super::*;
use loom::sync::Arc;
use loom::thread;

type Line = Lock<WaitQueue<Box<u32>>>;

fn line() -> Arc<Line> {
    Arc::new(Lock::new(WaitQueue::new()))
}

fn wait(shared: bool) -> Wait {
    Wait::of_thread(shared)
}

fn give(line: &Line, message: u32) -> bool {
    let mut wakes = Wakes::none();
    let given = line.lock().give(Box::new(message), &mut wakes);
    wakes.wake();
    given.is_ok()
}

fn enlist(line: &Line, place: &Place<Box<u32>>) {
    // SAFETY: each model keeps its places until they are out.
    unsafe { line.lock().enlist(place) };
}

fn take_back(line: &Line, place: &Place<Box<u32>>) -> bool {
    // SAFETY: each model takes a place from the line that it is in.
    unsafe { line.lock().remove(place) }
}

/// A message meets a receiver that gives up: the receiver has it, or the sender keeps it.
#[test]
fn loom_wait_queue_a_message_is_not_lost_on_a_receiver_that_gives_up() {
    loom::model(|| {
        let line = line();
        let (wait, hand) = (wait(false), Hand::new(None));
        let place = Place::new(&wait, &hand);
        enlist(&line, &place);
        let sender = thread::spawn({
            let line = line.clone();
            move || give(&line, 7)
        });
        let gave_up = take_back(&line, &place);
        let received = if gave_up {
            None
        } else {
            assert!(wait.has_ended());
            hand.into_inner()
        };
        assert_eq!(sender.join().unwrap(), received.is_some());
        assert!(received.is_none_or(|message| *message == 7));
        assert!(line.lock().is_empty());
    });
}

/// The other way round: a message that is taken meets its sender, which gives up.
#[test]
fn loom_wait_queue_a_message_is_taken_or_its_sender_has_it_back() {
    loom::model(|| {
        let line = line();
        let (wait, hand) = (wait(false), Hand::new(Some(Box::new(7))));
        let place = Place::new(&wait, &hand);
        enlist(&line, &place);
        let receiver = thread::spawn({
            let line = line.clone();
            move || {
                let mut wakes = Wakes::none();
                let taken = line.lock().take(&mut wakes);
                wakes.wake();
                taken.map(|message| *message)
            }
        });
        let gave_up = take_back(&line, &place);
        assert!(gave_up || wait.has_ended());
        let back = hand.into_inner();
        assert_eq!(back.is_some(), gave_up);
        assert_eq!(receiver.join().unwrap(), (!gave_up).then_some(7));
    });
}

/// Without the lock, by the end of the wait alone: a waiter that sees the end sees the message, and may go at once.
#[test]
fn loom_wait_queue_the_end_of_a_wait_publishes_the_message() {
    loom::model(|| {
        let line = line();
        let (wait, hand) = (wait(false), Hand::new(None));
        let place = Place::new(&wait, &hand);
        enlist(&line, &place);
        let sender = thread::spawn({
            let line = line.clone();
            move || give(&line, 7)
        });
        while !wait.has_ended() {
            thread::yield_now();
        }
        assert_eq!(hand.into_inner().as_deref(), Some(&7));
        assert!(sender.join().unwrap());
    });
}

/// One waiter in two lines, two messages: exactly one of them is handed over, the other stays with its sender, and the
/// waiter's places are gone.
#[test]
fn loom_wait_queue_one_of_two_lines_ends_a_wait() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let lines = [line(), line()];
        let (wait, hands) = (wait(true), [Hand::new(None), Hand::new(None)]);
        let (first, second) = (Place::new(&wait, &hands[0]), Place::new(&wait, &hands[1]));
        enlist(&lines[0], &first);
        enlist(&lines[1], &second);
        let senders = lines.clone().map(|line| thread::spawn(move || give(&line, 7)));
        while !wait.has_ended() {
            thread::yield_now();
        }
        take_back(&lines[0], &first);
        take_back(&lines[1], &second);
        let received = hands.into_iter().filter_map(Hand::into_inner).count();
        drop(wait);
        let sent = senders.map(|sender| sender.join().unwrap());
        assert_eq!((received, sent.iter().filter(|&&sent| sent).count()), (1, 1));
        lines.iter().for_each(|line| assert!(line.lock().is_empty()));
    });
}

/// The same waiter gives up in the middle: it claims its own wait first, and nobody hands it anything after that.
#[test]
fn loom_wait_queue_a_waiter_in_two_lines_gives_up() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let lines = [line(), line()];
        let (wait, hands) = (wait(true), [Hand::new(None), Hand::new(None)]);
        let (first, second) = (Place::new(&wait, &hands[0]), Place::new(&wait, &hands[1]));
        enlist(&lines[0], &first);
        enlist(&lines[1], &second);
        let senders = lines.clone().map(|line| thread::spawn(move || give(&line, 7)));
        let gave_up = wait.claim();
        while !gave_up && !wait.has_ended() {
            thread::yield_now();
        }
        take_back(&lines[0], &first);
        take_back(&lines[1], &second);
        let received = hands.into_iter().filter_map(Hand::into_inner).count();
        drop(wait);
        let sent = senders.map(|sender| sender.join().unwrap()).iter().filter(|&&sent| sent).count();
        assert_eq!((received, sent), if gave_up { (0, 0) } else { (1, 1) });
    });
}

/// Closing meets a message: the one waiter gets either.
#[test]
fn loom_wait_queue_closing_or_a_message_ends_a_wait() {
    loom::model(|| {
        let line = line();
        let (wait, hand) = (wait(false), Hand::new(None));
        let place = Place::new(&wait, &hand);
        enlist(&line, &place);
        let sender = thread::spawn({
            let line = line.clone();
            move || give(&line, 7)
        });
        let mut wakes = Wakes::none();
        line.lock().close(&mut wakes);
        wakes.wake();
        let sent = sender.join().unwrap();
        assert!(matches!((wait.ended(), sent), (Some(Ended::Granted), true) | (Some(Ended::Closed), false)));
        assert_eq!(hand.into_inner().is_some(), sent);
    });
}

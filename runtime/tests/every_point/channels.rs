//! Every flavour of channel, from both ends, and `select!`.

use crate::common::LONG;
use crate::step::{Counter, Step, Token, give_way};
use fiber::select;
use fiber::sync::{Notify, Semaphore, broadcast, mpmc, mpsc, oneshot, watch};
use fiber::time::after;
use std::sync::Arc;
use std::time::Duration;

/// Messages that go through each channel.
const MESSAGES: u64 = 3;

/// A message: it must be dropped, and come in its order.
struct Message(#[expect(dead_code, reason = "counts")] Token, u64);

pub(crate) fn steps(token: &Token) -> Vec<Step> {
    let mut steps = vec![];
    for capacity in [Some(0), Some(1), None] {
        // The other end has no limit of its own.
        let name = match capacity {
            Some(0) => ["rendezvous, sent to", "rendezvous, received from"],
            Some(_) => ["bounded, sent to", "bounded, received from"],
            None => ["unbounded, sent to", "unbounded, received from"],
        };
        let ends = || capacity.map_or_else(mpmc::channel, mpmc::sync_channel);
        let (sender, receiver) = ends();
        steps.push(we_send(name[0], token, move |message| sender.send(message).is_ok(), move || receiver.recv().ok()));
        let (sender, receiver) = ends();
        steps.push(we_send(
            name[0],
            token,
            move |message| sender.send_timeout(message, LONG).is_ok(),
            move || receiver.recv_timeout(LONG).ok(),
        ));
        let (sender, receiver) = ends();
        let send = move |message| sender.send(message).is_ok();
        steps.push(we_receive(name[1], token, capacity, send, move || receiver.recv().ok()));
        let (sender, receiver) = ends();
        let send = move |message| sender.send(message).is_ok();
        steps.push(we_receive(name[1], token, capacity, send, move || {
            // A loser that is always there.
            select! {
                message = receiver.recv() => message.ok(),
                () = after(LONG) => unreachable!(),
            }
        }));
    }
    let (sender, receiver) = mpsc::channel();
    let send = move |message| sender.send(message).is_ok();
    steps.push(we_receive("of one receiver", token, None, send, move || receiver.recv().ok()));
    let (sender, receiver) = mpsc::sync_channel(1);
    let send = move |message| sender.send(message).is_ok();
    steps.push(we_receive("of one receiver", token, Some(1), send, move || receiver.recv_timeout(LONG).ok()));
    let (sender, receiver) = mpsc::sync_channel(0);
    let send = move |message| {
        select! {
            result = sender.send(message) => result.is_ok(),
            () = after(LONG) => unreachable!(),
        }
    };
    steps.push(we_send("of one receiver", token, send, move || receiver.recv().ok()));
    steps.extend([one_message(token), nobody_listens(token), to_all(token), latest(token), nobody_watches(token)]);
    steps.extend([both_ways_at_once(token), a_notification_or_more(token)]);
    steps
}

/// The fiber sends, a partner receives until there is no sender.
fn we_send(
    name: &'static str,
    token: &Token,
    mut send: impl FnMut(Message) -> bool + Send + 'static,
    mut receive: impl FnMut() -> Option<Message> + Send + 'static,
) -> Step {
    let (token, sent, received) = (token.clone(), Counter::default(), Counter::default());
    let (counted, counts) = (sent.clone(), received.clone());
    let ours = move || {
        for number in 0..MESSAGES {
            assert!(send(Message(token.clone(), number)), "the receiver is there");
            counted.add(1);
        }
        Ok(())
    };
    Step::new(name, ours)
        .with(move || {
            give_way();
            while let Some(message) = receive() {
                assert_eq!(message.1, counts.get(), "in order");
                counts.add(1);
            }
        })
        .check(move |is_done| {
            assert_eq!(sent.get(), received.get(), "what was sent is received, and nothing else");
            assert!(!is_done || sent.get() == MESSAGES);
        })
}

/// A partner sends until nobody receives, the fiber receives.
fn we_receive(
    name: &'static str,
    token: &Token,
    capacity: Option<usize>,
    mut send: impl FnMut(Message) -> bool + Send + 'static,
    mut receive: impl FnMut() -> Option<Message> + Send + 'static,
) -> Step {
    let (token, sent, received) = (token.clone(), Counter::default(), Counter::default());
    let (counted, counts) = (sent.clone(), received.clone());
    let ours = move || {
        for number in 0..MESSAGES {
            assert_eq!(receive().expect("there is a sender").1, number, "in order");
            counts.add(1);
        }
        Ok(())
    };
    Step::new(name, ours)
        .with(move || {
            give_way();
            for number in 0..MESSAGES {
                if !send(Message(token.clone(), number)) {
                    break;
                }
                counted.add(1);
            }
        })
        .check(move |is_done| {
            let (sent, received) = (sent.get(), received.get());
            // What is left in the channel went with it.
            let left = capacity.map_or(MESSAGES, |capacity| capacity as u64);
            assert!((received..=received + left).contains(&sent), "{sent} were sent, {received} received");
            assert!(!is_done || received == MESSAGES);
        })
}

fn one_message(token: &Token) -> Step {
    let (theirs, got_back) = (token.clone(), Counter::default());
    let (token, back) = (token.clone(), got_back.clone());
    let (sender, receiver) = oneshot::channel::<Message>();
    let ours = move || {
        let _token = token;
        assert_eq!(receiver.recv().unwrap().1, 7);
        Ok(())
    };
    Step::new("one message", ours)
        .with(move || {
            give_way();
            back.add(sender.send(Message(theirs, 7)).is_err().into());
        })
        .check(move |is_done| assert!(!is_done || got_back.get() == 0))
}

fn nobody_listens(token: &Token) -> Step {
    let (sender, receiver) = oneshot::channel::<Message>();
    let token = token.clone();
    let ours = move || {
        sender.closed();
        assert!(sender.send(Message(token, 0)).is_err());
        Ok(())
    };
    Step::new("one message, and nobody listens", ours).with(move || {
        give_way();
        drop(receiver);
    })
}

fn to_all(token: &Token) -> Step {
    let (theirs, token) = (token.clone(), token.clone());
    let (sender, mut receiver) = broadcast::channel(2);
    let (mut another, rest) = (receiver.resubscribe(), sender.clone());
    let (heard, hears) = (Counter::default(), Counter::default());
    let counts = heard.clone();
    let ours = move || {
        let _token = token;
        for number in 0..MESSAGES {
            let (_, received): (Token, u64) = receiver.recv().unwrap();
            assert_eq!(received, number);
            hears.add(1);
        }
        Ok(())
    };
    Step::new("to all", ours)
        .with(move || {
            for number in 0..MESSAGES {
                give_way();
                let _ = sender.send((theirs.clone(), number));
            }
        })
        .with(move || {
            for number in 0..MESSAGES {
                if let Ok((_, received)) = another.recv() {
                    assert_eq!(received, number);
                    counts.add(1);
                }
            }
        })
        .check(move |_| {
            assert_eq!(heard.get(), MESSAGES, "the other has heard all");
            assert_eq!(rest.receiver_count(), 0);
        })
}

fn latest(token: &Token) -> Step {
    let token = token.clone();
    let (sender, mut receiver) = watch::channel(0);
    let ours = move || {
        let _token = token;
        receiver.changed().unwrap();
        assert_eq!(*receiver.wait_for(|value| *value == MESSAGES).unwrap(), MESSAGES);
        Ok(())
    };
    Step::new("latest", ours).with(move || {
        for number in 1..=MESSAGES {
            give_way();
            // Fails when the fiber is gone.
            let _ = sender.send(number);
        }
    })
}

fn nobody_watches(token: &Token) -> Step {
    let token = token.clone();
    let (sender, receiver) = watch::channel(());
    let ours = move || {
        let _token = token;
        sender.closed();
        Ok(())
    };
    Step::new("nobody watches", ours).with(move || {
        give_way();
        drop(receiver);
    })
}

/// Receives and sends by turns as chance has it, with losers of every kind beside them.
fn both_ways_at_once(token: &Token) -> Step {
    let ((to_us, from_them), (to_them, from_us)) = (mpmc::sync_channel::<Message>(0), mpmc::sync_channel::<Message>(0));
    let (never, nothing) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (unused, untaken) = (never.clone(), nothing.clone());
    let [sent, received, sent_us, received_us] = [(); 4].map(|()| Counter::default());
    let (counts_sent, counts_received) = (sent.clone(), received.clone());
    let (counts_sent_us, counts_received_us) = (sent_us.clone(), received_us.clone());
    let (token, theirs) = (token.clone(), token.clone());
    let ours = move || {
        let mut idle = fiber::spawn(|| fiber::time::sleep(crate::locks::SHORT));
        while sent.get() + received.get() < 2 * MESSAGES {
            select! {
                result = to_them.send(Message(token.clone(), sent.get())), if sent.get() < MESSAGES => {
                    assert!(result.is_ok());
                    sent.add(1);
                }
                message = from_them.recv(), if received.get() < MESSAGES => {
                    assert_eq!(message.unwrap().1, received.get());
                    received.add(1);
                }
                () = never.notified() => unreachable!(),
                _ = nothing.acquire_many(2) => unreachable!(),
                () = after(LONG) => unreachable!(),
            }
        }
        select! {
            result = idle.join() => result.unwrap(),
            () = never.notified() => unreachable!(),
        }
        Ok(())
    };
    Step::new("both ways at once", ours)
        .with(move || {
            for number in 0..MESSAGES {
                if to_us.send(Message(theirs.clone(), number)).is_err() {
                    break;
                }
                counts_sent_us.add(1);
            }
        })
        .with(move || {
            while let Ok(message) = from_us.recv() {
                assert_eq!(message.1, counts_received_us.get());
                counts_received_us.add(1);
            }
        })
        .check(move |_| {
            assert_eq!(counts_sent.get(), received_us.get(), "what we sent they received");
            assert_eq!(counts_received.get(), sent_us.get(), "what they sent we received");
            assert!(!unused.notified_timeout(Duration::ZERO));
            assert_eq!(untaken.available_permits(), 0);
        })
}

/// A notification that comes while the fiber waits for one of several is taken by it, or left for the next.
fn a_notification_or_more(token: &Token) -> Step {
    let (token, notify) = (token.clone(), Arc::new(Notify::new()));
    let (theirs, left) = (notify.clone(), notify.clone());
    let (_sender, receiver) = mpsc::channel::<()>();
    let ours = move || {
        let _token = (token, _sender);
        select! {
            () = notify.notified() => {}
            _ = receiver.recv() => unreachable!(),
            () = after(LONG) => unreachable!(),
        }
        Ok(())
    };
    Step::new("a notification or more", ours)
        .with(move || {
            give_way();
            theirs.notify_one();
        })
        .check(move |is_done| assert_eq!(left.notified_timeout(Duration::ZERO), !is_done, "one for one"))
}

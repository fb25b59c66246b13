//! What stands in `select!` is checked, and means what it meant.

use fiber::select;
use fiber::sync::mpsc::{Receiver, channel, sync_channel};
use fiber::sync::{Mutex, Notify, Semaphore};
use fiber::time::after;
use std::time::Duration;

/// A method with the name of one that blocks.
struct Door(Notify);

impl Door {
    fn lock(&self) -> &Notify {
        &self.0
    }
}

#[fiber::task]
fn waits(receiver: Receiver<u32>, stop: Receiver<()>) -> Result<u32, String> {
    let (mut sum, total, door) = (0, Mutex::new(0), Door(Notify::new()));
    loop {
        select! {
            biased;
            message = receiver.recv() => match message {
                Ok(number) if number > 100 => return Err(format!("{number}")),
                Ok(number) => sum += number,
                Err(_) => break,
            },
            _ = stop.recv(), if sum > 1000 => break,
            () = door.lock().notified() => unreachable!("nobody is at the door"),
            () = after(Duration::from_secs(1000)) => {
                *total.lock().unwrap() += sum;
                sum = u32::try_from("late".len()).map_err(|error| error.to_string())?;
            }
        }
        *total.lock().unwrap() = sum;
    }
    Ok(total.into_inner().unwrap())
}

#[fiber::check]
fn gives_a_value(semaphore: &Semaphore) -> usize {
    let held = std::sync::Mutex::new(2);
    let permits = select! {
        permit = semaphore.acquire_many(2) => {
            #[fiber::allow_blocking(reason = "nobody else has it")]
            let count = *held.lock().unwrap();
            permit.num_permits() * count
        }
        default => 0,
    };
    // In a tail, in a nested one, and with a loop in a body.
    select! {
        () = after(Duration::ZERO) => select! {
            permit = semaphore.acquire() => {
                #[fiber::no_checkpoint]
                for _ in 0..3 {
                    std::hint::spin_loop();
                }
                permits + permit.num_permits()
            }
            default => permits,
        }
    }
}

fn main() {
    let (sender, receiver) = channel();
    let (_sender, stop) = sync_channel(1);
    [1, 2, 3].map(|number| sender.send(number).unwrap());
    drop(sender);
    assert_eq!(waits(receiver, stop), Ok(6));
    assert_eq!(gives_a_value(&Semaphore::new(1)), 1);
    assert_eq!(gives_a_value(&Semaphore::new(2)), 5);
}

//! The smallest program worth running: three fibers greet in turns, main joins them.
//!
//! ```sh
//! cargo run --release --bin hello
//! ```

use std::time::Duration;

/// Says hello `times` times, waiting between two greetings, and returns how many words that were.
#[fiber::task]
fn greet(name: &'static str, times: usize, pause: Duration) -> usize {
    let mut words = 0;
    for turn in 1..=times {
        println!("hello from {name} ({turn} of {times})");
        words += 3;
        // Only this fiber waits. Its worker runs the others meanwhile.
        fiber::time::sleep(pause);
    }
    words
}

#[fiber::main]
fn main() {
    let greeters = [
        greet::spawn("Ada", 3, Duration::from_millis(30)),
        greet::spawn("Barbara", 2, Duration::from_millis(50)),
        greet::spawn("Grace", 1, Duration::from_millis(10)),
    ];

    let mut words = 0;
    for greeter in greeters {
        words += greeter.join().expect("greeting does not panic");
    }
    println!("{words} words spoken by 3 fibers");
}

//! Waiting for what cannot be awaited.

use std::time::{Duration, Instant};

/// How long the tests wait for anything at all. Only a failing test waits as long.
pub const LIMIT: Duration = Duration::from_secs(150);

/// Asks again and again until `ask` answers with a value.
///
/// # Panics
///
/// After [`LIMIT`], with `what` was awaited and the last thing that `ask` said instead.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(instead) if start.elapsed() > LIMIT => {
                panic!("waited {} s for {what}, but {instead}", LIMIT.as_secs());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

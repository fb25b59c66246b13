//! The end of this process.

use crate::io::end_of_process;
use crate::sched::Current;
use std::process;
use std::thread;

/// Ends this process with a status: [`std::process::exit`].
///
/// On a fiber, a thread of its own does it, and the fiber and its worker stop where they are. `exit` destroys the calling thread's
/// thread-locals; on a fiber they would be its worker's, which the worker's other fibers may have borrowed and would find gone
/// if one of the destructors waits. So prefer this one to std's on fibers.
///
/// Destructors of the stacks do not run. Returning from `main` is the way to end with them.
///
/// # Examples
///
/// ```no_run
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// # let usage_is_wrong = true;
/// if usage_is_wrong {
///     eprintln!("usage: ..");
///     fiber::process::exit(2);
/// }
/// # });
/// ```
pub fn exit(code: i32) -> ! {
    if Current::get().is_some() {
        // Here, because this fiber may be the one that has the standard output locked.
        end_of_process();
        if thread::Builder::new().spawn(move || process::exit(code)).is_ok() {
            loop {
                thread::park();
            }
        }
    }
    process::exit(code)
}

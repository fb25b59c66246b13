//! The attributes of the [fiber](https://docs.rs/fiber) framework: [`macro@main`], [`macro@task`], [`macro@test`], and
//! [`macro@check`] for the functions that these call; and what is behind `select!`.
//!
//! Depend on `fiber`, which re-exports them: the code that they write calls it.
//!
//! Each goes through the same steps. `parse` reads the arguments and the function and collects what is wrong with them;
//! `check` rewrites the body so that blocking calls of std do not compile; `expand` writes the code. After a mistake the
//! expansion is still complete, with the default in place of what was wrong, beside the error: one mistake is one
//! error, and editors go on working.
//!
//! The package also has a program, `fiber-clippy`, which prints a `clippy.toml` with what blocks in std.

mod check;
mod expand;
mod parse;
mod select;
mod table;
mod words;

use parse::Attribute;
use proc_macro::TokenStream;

/// Runs `main` as the first fiber of a new runtime.
///
/// The program starts a runtime, runs the body on a fiber of it, and when the body ends, ends the runtime in order:
/// fibers that are still there are cancelled and awaited for the configured time, as `Runtime::shutdown` says. A fiber
/// does not outlive `main`, as a thread does not.
///
/// ```
/// use std::io;
///
/// #[fiber::task]
/// fn double(number: u32) -> u32 {
///     number * 2
/// }
///
/// #[fiber::main(workers = 2)]
/// fn main() -> io::Result<()> {
///     let answer = double::spawn(21).join().unwrap();
///     println!("{answer}");
///     Ok(())
/// }
/// ```
///
/// The return type is any that an ordinary `main` may have ([`Termination`]), and need not be `Send`: the result is
/// reported on the fiber. `return` and `?` end the body, not the runtime's orderly end. A panic of the body ends the
/// process as in an ordinary `main`. A runtime that does not start (no io_uring, say) prints why and what to do, and
/// exits with [`ExitCode::FAILURE`].
///
/// # Arguments
///
/// The settings of the runtime are also methods of `fiber::runtime::Builder`, and environment variables that win over the
/// attribute. `allow` and `checkpoints` are about the body, which is checked for blocking calls as that of a task is.
///
/// | argument | values | meaning |
/// | --- | --- | --- |
/// | `workers` | from 1 | worker threads; without it, one for each CPU that the process may use |
/// | `stack_size` | bytes, or a string with `k`, `m` or `g` (1024-fold): `"64k"`; from 16 KiB | what is reserved for the stack of a fiber |
/// | `name` | a string | the runtime's name, in the names of its threads and in dumps |
/// | `driver` | `"auto"`, `"io_uring"`, `"epoll"` | how the runtime waits for the outside world |
/// | `numa` | `"any"`, `"local"`, `"spread"`, a node's number | where fibers start if their task does not say |
/// | `blocking_threads` | from 1 | the most threads for `fiber::blocking` calls; 512 without it |
/// | `allow(..)` | paths: `allow(std::sync::Mutex::lock)` | blocking calls that may be made here |
/// | `priority` | `"high"`, `"normal"`, `"low"`, `"idle"` | how soon its fibers are due when they are ready |
/// | `checkpoints` | `true`, `false` | whether loops get checkpoints; without it: yes |
/// | `unsafe(migrate)` | none | started fibers of the task may change their thread: with the feature `migrate` of the crate `fiber`; see below |
/// | `crate` | a path: `crate = "fiber_renamed"` | where the fiber crate is, if not at `::fiber` |
///
/// A wrong argument is an error at its place that lists the right ones.
///
/// # What it expands to
///
/// ```text
/// fn main() -> ExitCode {
///     fn main() -> io::Result<()> { .. }
///     ::fiber::macros_support::v1::main::<io::Result<()>, _>(::fiber::runtime::Builder::new().workers(2), main)
/// }
/// ```
///
/// The function's attributes, documentation and visibility go to the outer function. Errors of types stand in the body,
/// as without the attribute.
///
/// [`ExitCode::FAILURE`]: std::process::ExitCode::FAILURE
/// [`Termination`]: std::process::Termination
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Main, arguments.into(), &item.into()).into()
}

/// Makes a function a task: it can be spawned by name, and the registry, dumps and counters know it.
///
/// The function stays as it was. Called, it runs in the caller's fiber (or thread). Beside it appears a *companion* of
/// the same name and visibility, so that one `use` brings both:
///
/// ```
/// #[fiber::task(stack_size = "64k")]
/// fn fetch(url: String, retries: u32) -> usize {
///     url.len() + retries as usize
/// }
///
/// # #[fiber::main]
/// # fn main() {
/// // Called, as ever.
/// assert_eq!(fetch("here".into(), 0), 4);
/// // On a fiber of its own, on any worker.
/// let handle: fiber::JoinHandle<usize> = fetch::spawn("here".into(), 1);
/// assert_eq!(handle.join().unwrap(), 5);
/// // With other attributes, once.
/// let handle = fetch::builder().name("one of many").spawn(|| fetch("there".into(), 2));
/// assert_eq!(handle.join().unwrap(), 7);
/// // What the registry knows of it.
/// assert_eq!(fetch::TASK.done(), 2);
/// # }
/// ```
///
/// | companion | meaning |
/// | --- | --- |
/// | `fetch::spawn(args..)` | runs it on a fiber that may outlive the caller; as `fiber::spawn` |
/// | `fetch::spawn_scoped(scope, args..)` | runs it in a `fiber::scope`; its arguments may borrow |
/// | `fetch::builder()` | a `fiber::Builder` with the task's attributes, for the rest: other attributes, `spawn_local` |
/// | `fetch::TASK` | its descriptor in `fiber::registry` |
///
/// # Blocking calls
///
/// A call in the body that would block the worker, such as `std::thread::sleep` or `lock` of a `std::sync::Mutex`, does not
/// compile: see [`macro@check`], and [`macro@allow_blocking`] for where it is meant. Loops get checkpoints: see
/// [`macro@checkpoint`].
///
/// # Arguments that cannot cross
///
/// Arguments and result have to be `Send` where the task is *spawned*, and `'static` for `spawn`. A task with an `Rc`
/// or a `&str` compiles, and can be called; handing it an `Rc` of another fiber does not compile:
///
/// ```compile_fail,E0277
/// use std::rc::Rc;
///
/// #[fiber::task]
/// fn length(list: Rc<Vec<u8>>) -> usize {
///     list.len()
/// }
///
/// # fn main() {
/// length::spawn(Rc::new(vec![1, 2])); // `Rc<Vec<u8>>` cannot be handed to another fiber
/// # }
/// ```
///
/// Borrowed arguments go into a scope:
///
/// ```
/// #[fiber::task]
/// fn words(text: &str) -> usize {
///     text.split(' ').count()
/// }
///
/// # #[fiber::main]
/// # fn main() {
/// let text = String::from("on the stack of this fiber");
/// let counted = fiber::scope(|scope| words::spawn_scoped(scope, &text).join().unwrap());
/// assert_eq!(counted, 6);
/// # }
/// ```
///
/// A lifetime that a type hides (`Ref<u8>`) has to be written (`Ref<'_, u8>`). If the result is an `impl Trait`,
/// whether it is `Send` is asked at the definition, because it cannot be named elsewhere; `companion = false` is the
/// way out.
///
/// # Associated functions
///
/// In an inherent `impl` block no type can stand, so the companions of `serve` are `spawn_serve`, `spawn_serve_scoped`
/// and `SERVE_TASK` (with `SERVE_TASK.builder()`). All receivers work; with `&self` and others that borrow there is
/// only the scoped form.
///
/// ```
/// use std::sync::Arc;
///
/// struct Server {
///     name: String,
/// }
///
/// impl Server {
///     #[fiber::task]
///     fn serve(self: Arc<Self>, peer: u32) -> String {
///         format!("{} serves {peer}", self.name)
///     }
///
///     #[fiber::task]
///     fn name_length(&self) -> usize {
///         self.name.len()
///     }
/// }
///
/// # #[fiber::main]
/// # fn main() {
/// let server = Arc::new(Server { name: "echo".into() });
/// let handle = Arc::clone(&server).spawn_serve(7);
/// assert_eq!(handle.join().unwrap(), "echo serves 7");
/// let length = fiber::scope(|scope| server.spawn_name_length_scoped(scope).join().unwrap());
/// assert_eq!(length, 4);
/// # }
/// ```
///
/// The attribute sees its function and nothing around it. It takes one for associated that has a receiver or names
/// `Self`; for any other, say so: `#[fiber::task(associated)]`. (Otherwise the compiler answers that an "enum is not
/// supported in `trait`s or `impl`s".) Methods of traits cannot be tasks: in the `impl` of a trait, the additions are
/// no members of the trait, and the compiler says so. Call the method in a task of your own.
///
/// # Arguments
///
/// | argument | values | meaning |
/// | --- | --- | --- |
/// | `stack_size` | bytes, or a string with `k`, `m` or `g` (1024-fold): `"64k"`; from 16 KiB | what is reserved for the stack of its fibers |
/// | `name` | a string | its name in dumps and in the registry, instead of the function's. No other task of the module may have it: starting the runtime reports both places |
/// | `companion` | `"name"`, or `false` | another name for the companion (`spawn_name` for associated functions), where the function's is also that of a module, type or crate; or none, for a task that is only called |
/// | `associated` | none | the function stands in an `impl` block |
/// | `allow(..)` | paths: `allow(std::sync::Mutex::lock)` | blocking calls that the function may make |
/// | `numa` | `"any"`, `"local"`, `"spread"`, a node's number | on which NUMA node its fibers start, and whether workers of others may take them before that |
/// | `timeslice` | a whole number with `ns`, `us`, `ms` or `s`: `"1ms"` | how long a fiber runs before a checkpoint yields; less than 100 us counts as that |
/// | `priority` | `"high"`, `"normal"`, `"low"`, `"idle"` | how soon its fibers are due when they are ready |
/// | `checkpoints` | `true`, `false` | whether loops get checkpoints; without it: yes |
/// | `crate` | a path: `crate = "fiber_renamed"` | where the fiber crate is, if not at `::fiber` |
///
/// # Safety of `unsafe(migrate)`
///
/// A fiber that has started stays on its thread; that is why `Rc`, `RefCell`, thread-locals and lock guards on its
/// stack are sound. `unsafe(migrate)` gives this up for one task. Who writes it vouches that across every suspension
/// point, in the function and in everything it calls, the standard library and dependencies included, no value that is
/// not `Send` (but for those of the crate `fiber`), no reference to a thread-local, and no address derived from one
/// (`errno` included, and addresses that the compiler keeps) is used, and nothing is believed of the thread that was
/// found out before. `Builder::migratable` has the whole of it. The expansion has an `unsafe` block with the span of
/// this `unsafe`, so `#![forbid(unsafe_code)]` refuses it.
///
/// # What it goes on
///
/// Free functions, also inside bodies, and associated functions of inherent `impl` blocks; with patterns, generics,
/// `impl Trait`, lifetimes, `where` clauses, up to 16 arguments. For an `unsafe fn` the spawning functions are `unsafe`
/// as well, under the same conditions. Not on `async fn`, `const fn`, functions with a foreign calling convention,
/// declarations without a body. A `#[cfg(..)]` that stands below the attribute holds for the companion too.
///
/// A task of a library is registered only if the program links the library: name it once (`use that_crate as _;`) if
/// nothing else does.
///
/// # What it expands to
///
/// ```text
/// fn fetch(url: String, retries: u32) -> usize { .. }
///
/// enum fetch {}
///
/// impl fetch {
///     const TASK: &'static ::fiber::registry::Task = {
///         static TASK: ::fiber::registry::Task =
///             ::fiber::macros_support::v1::Definition::new("fetch", ..).stack_size(65536).task();
///         ::fiber::macros_support::v1::submit! { ::fiber::macros_support::v1::Registration::new(&TASK) }
///         &TASK
///     };
///
///     fn builder() -> ::fiber::Builder {
///         Self::TASK.builder()
///     }
///
///     fn spawn<'call>(url: String, retries: u32) -> ::fiber::JoinHandle<usize>
///     where
///         String: ::fiber::macros_support::v1::Crosses<'call, 'static, 0>,
///     {
///         ::fiber::macros_support::v1::spawn(Self::TASK, (url, retries), |(url, retries)| fetch(url, retries))
///     }
///
///     fn spawn_scoped<'scope, 'env>(scope: &'scope ::fiber::Scope<'scope, 'env>, url: String, retries: u32)
///         -> ::fiber::ScopedJoinHandle<'scope, usize>
///     where
///         String: ::fiber::macros_support::v1::Crosses<'scope, 'scope, 0>,
///     { .. }
/// }
/// ```
///
/// `Crosses` is `Send + 'static` (or `Send + 'scope`), asked for where `spawn` is called.
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Task, arguments.into(), &item.into()).into()
}

/// Runs a test as the first fiber of a runtime of its own.
///
/// ```
/// #[fiber::task]
/// fn parse(text: String) -> Result<u32, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// #[fiber::test(workers = 2)]
/// fn parses() -> Result<(), Box<dyn std::error::Error>> {
///     assert_eq!(parse::spawn("7".into()).join().unwrap()?, 7);
///     Ok(())
/// }
///
/// #[fiber::test]
/// #[should_panic(expected = "not a number")]
/// fn refuses() {
///     parse::spawn("seven".into()).join().unwrap().expect("not a number");
/// }
/// ```
///
/// A panic of the body fails the test; so does an error that it returns, which need not be `Send`. `#[should_panic]`,
/// `#[ignore]` and other attributes of tests work as ever. A runtime that does not start fails the test, also one that
/// `#[should_panic]`.
///
/// It stands in place of `#[test]`, and takes the arguments of [`macro@main`], in the same meaning.
///
/// `sim`, for a deterministic run under a seeded scheduler and a virtual clock, is refused for now: without them, the
/// test would claim a determinism that it does not have.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Test, arguments.into(), &item.into()).into()
}

/// Rejects blocking calls of std in helpers: functions, `impl` blocks, traits, inline modules whose code runs on fibers.
///
/// The other attributes of fiber check their own function; this one adds nothing but the check.
///
/// ```
/// use fiber::sync::Mutex;
///
/// struct Counter(Mutex<u64>);
///
/// #[fiber::check]
/// impl Counter {
///     fn add(&self, more: u64) -> u64 {
///         let mut count = self.0.lock().unwrap();
///         *count += more;
///         *count
///     }
/// }
///
/// assert_eq!(Counter(Mutex::new(1)).add(2), 3);
/// ```
///
/// With `std::sync::Mutex` it would not compile, nor would a sleep, by whatever name:
///
/// ```compile_fail,E0277
/// use std::{thread::sleep as nap, time::Duration};
///
/// #[fiber::check]
/// fn later() {
///     nap(Duration::from_secs(1)); // `std::thread::sleep` blocks the worker thread that runs this fiber
/// }
/// # fn main() {}
/// ```
///
/// What is checked, and what cannot be seen (the inside of functions without an attribute, function pointers, generic
/// and `dyn` receivers, macros of other crates), is in the guide's chapter "What blocks, and how we stop it".
///
/// # Arguments
///
/// | argument | values | meaning |
/// | --- | --- | --- |
/// | `allow(..)` | paths: `allow(std::sync::Mutex::lock)` | blocking calls that may be made here |
/// | `priority` | `"high"`, `"normal"`, `"low"`, `"idle"` | how soon its fibers are due when they are ready |
/// | `checkpoints` | `true`, `false` | whether loops get checkpoints; here without it: no |
/// | `crate` | a path: `crate = "fiber_renamed"` | where the fiber crate is, if not at `::fiber` |
///
/// A function in it that has an attribute of fiber is left to that one.
#[proc_macro_attribute]
pub fn check(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Check, arguments.into(), &item.into()).into()
}

/// Lets a statement, an expression, a block or a function block its worker, for a reason.
///
/// ```
/// use std::sync::Mutex;
///
/// #[fiber::task]
/// fn count(total: &Mutex<u64>) {
///     #[fiber::allow_blocking(reason = "held for a few instructions, never across a wait")]
///     let mut total = total.lock().unwrap();
///     *total += 1;
/// }
///
/// let total = Mutex::new(0);
/// count(&total);
/// assert_eq!(total.into_inner().unwrap(), 1);
/// ```
///
/// It stands inside of a function that another attribute of fiber checks, or on one, below that attribute or above it.
/// For what takes longer than a few microseconds, use `fiber::blocking`, which suspends only the fiber.
///
/// Where it is not needed, because nothing there blocks, it is an error: an exemption that covers nothing today would
/// cover a mistake tomorrow. Loops in it and in the rest of the block behind it get no checkpoints, since a lock of std may
/// be held there.
#[proc_macro_attribute]
pub fn allow_blocking(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray::allow_blocking(arguments.into(), item.into()).into()
}

/// Puts a checkpoint into a loop that would get none: an innermost `for` that calls nothing, one in a closure.
///
/// ```
/// #[fiber::task]
/// fn sum(numbers: Vec<u64>) -> u64 {
///     let mut sum = 0u64;
///     #[fiber::checkpoint]
///     for number in numbers {
///         sum = sum.wrapping_add(number);
///     }
///     sum
/// }
/// # assert_eq!(sum(vec![1, 2]), 3);
/// ```
///
/// At a checkpoint a fiber that has used up its time slice lets others run. It never
/// ends a fiber.
#[proc_macro_attribute]
pub fn checkpoint(_: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray::on_loops("checkpoint", item.into()).into()
}

/// Keeps the checkpoint out of a loop: one that must not be interrupted by other fibers, or that has to be vectorised.
///
/// ```
/// #[fiber::task]
/// fn scale(numbers: &mut [f32]) {
///     let mut index = 0;
///     #[fiber::no_checkpoint]
///     while index < numbers.len() {
///         numbers[index] *= 2.0;
///         index += 1;
///     }
/// }
/// # let mut numbers = [1.0];
/// # scale(&mut numbers);
/// # assert_eq!(numbers, [2.0]);
/// ```
///
/// For a whole task: `#[fiber::task(checkpoints = false)]`.
#[proc_macro_attribute]
pub fn no_checkpoint(_: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray::on_loops("no_checkpoint", item.into()).into()
}

/// The part of fiber's support module that follows from the table of what blocks. For fiber itself.
#[doc(hidden)]
#[proc_macro]
pub fn blocking_table(_: TokenStream) -> TokenStream {
    check::support().into()
}

/// What `fiber::select!` expands by, which passes on where it stands. For fiber itself, where it is documented.
#[doc(hidden)]
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    select::select(input.into()).into()
}

//! The declaration of fiber-locals.

/// Declares variables of which each fiber has its own value: [`thread_local!`](std::thread_local)'s syntax, and a
/// [`LocalKey`](crate::LocalKey) for each, whose documentation says when values are made and destroyed.
///
/// # Inheritance
///
/// With `inherit` before `static`, a fiber that is spawned gets clones of its spawner's values, of those that the spawner has
/// used. It is cloned when `spawn` (`spawn_local`, `scope`, `Builder`, a task's companion) is called, on the spawner, and `spawn` panics if
/// cloning does. The type must be `Send + Clone`. What either of the two sets later, the other does not see; to share, inherit
/// an `Arc`. Fibers that are spawned by an ordinary thread start with the initial expression.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
///
/// fiber::fiber_local! {
///     /// How this fiber is called in the log.
///     static NAME: RefCell<String> = RefCell::new("nobody".to_owned());
///     /// The request that this fiber, and those that it spawns, work for.
///     pub inherit static REQUEST: RefCell<Option<u64>> = const { RefCell::new(None) };
/// }
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// NAME.set("server".to_owned());
/// REQUEST.set(Some(17));
/// let child = fiber::spawn(|| (NAME.take(), REQUEST.take()));
/// assert_eq!(child.join().unwrap(), ("nobody".to_owned(), Some(17)));
/// assert_eq!(REQUEST.take(), Some(17));
/// # });
/// ```
///
/// What is inherited may go to another thread:
///
/// ```compile_fail,E0277
/// fiber::fiber_local! {
///     inherit static SHARED: std::rc::Rc<u8> = std::rc::Rc::new(0);
/// }
/// ```
#[macro_export]
macro_rules! fiber_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis inherit static $name:ident: $type:ty = $initial:expr $(; $($rest:tt)*)?) => {
        $crate::fiber_local! {
            @key [$(#[$attribute])* $visibility] $name, $type, $initial,
            ::core::option::Option::Some($crate::macros_support::local::Inherit::<$type>::new())
        }
        $crate::fiber_local! { $($($rest)*)? }
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $initial:expr $(; $($rest:tt)*)?) => {
        $crate::fiber_local! {
            @key [$(#[$attribute])* $visibility] $name, $type, $initial, ::core::option::Option::None
        }
        $crate::fiber_local! { $($($rest)*)? }
    };
    (@key [$($head:tt)*] $name:ident, $type:ty, $initial:expr, $inherit:expr) => {
        $($head)* static $name: $crate::LocalKey<$type> = {
            fn initial() -> $type {
                $initial
            }
            ::std::thread_local! {
                static OFF_FIBER: $type = initial();
            }
            static KEY: $crate::macros_support::local::Key<$type> = $crate::macros_support::local::Key::new();
            $crate::LocalKey::new(&KEY, initial, OFF_FIBER, $inherit)
        };
    };
}

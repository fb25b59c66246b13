// The same code with attributes and without them, and a comparison of what it does. For the programs under `pass`.

/// The code twice: bare, and in a module that is checked as a whole.
#[allow(unused_macros)]
macro_rules! twice {
    ($($item:tt)*) => {
        mod bare {
            #[allow(unused_imports)]
            use super::*;
            $($item)*
        }
        #[fiber::check]
        mod checked {
            #[allow(unused_imports)]
            use super::*;
            $($item)*
        }
    };
}

/// Functions twice: bare, and each checked by an attribute of its own, which sees nothing of what is around it.
#[allow(unused_macros)]
macro_rules! alone {
    ($(
        $(#[$attr:meta])*
        fn $name:ident($($arguments:tt)*) $(-> $result:ty)? { $($body:tt)* }
    )*) => {
        mod bare {
            #[allow(unused_imports)]
            use super::*;
            $($(#[$attr])* pub fn $name($($arguments)*) $(-> $result)? { $($body)* })*
        }
        mod checked {
            #[allow(unused_imports)]
            use super::*;
            $(#[fiber::check] $(#[$attr])* pub fn $name($($arguments)*) $(-> $result)? { $($body)* })*
        }
    };
}

/// It does the same in both forms.
#[allow(unused_macros)]
macro_rules! same {
    ($name:ident($($argument:expr),* $(,)?)) => {
        assert_eq!(checked::$name($($argument),*), bare::$name($($argument),*), stringify!($name))
    };
}

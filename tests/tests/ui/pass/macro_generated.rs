//! Functions that come out of the user's own macros.

macro_rules! task {
    ($(#[$attr:meta])* $vis:vis fn $name:ident($argument:ident: $ty:ty) -> $output:ty $body:block) => {
        #[fiber::task]
        $(#[$attr])*
        $vis fn $name($argument: $ty) -> $output $body
    };
}

macro_rules! as_item {
    ($item:item) => {
        #[fiber::task(priority = "low")]
        $item
    };
}

macro_rules! methods {
    ($($name:ident),*) => {
        $(
            #[fiber::task]
            pub fn $name(self, other: u8) -> u8 {
                self.0 + other
            }
        )*
    };
}

macro_rules! entry {
    ($body:block) => {
        #[fiber::main]
        fn main() $body
    };
}

task! {
    /// Documented.
    pub fn double(number: u32) -> u32 { number * 2 }
}

task! {
    fn first(text: &str) -> Option<&str> { text.split(' ').next() }
}

as_item! {
    fn same(number: u32) -> u32 { number }
}

struct Adder(u8);

impl Adder {
    methods!(add, plus);
}

entry!({
    assert_eq!(double::spawn(2).join().unwrap(), 4);
    assert_eq!(first::spawn("a b").join().unwrap(), Some("a"));
    assert_eq!(same::spawn(2).join().unwrap(), 2);
    assert_eq!(Adder(1).spawn_add(2).join().unwrap(), 3);
    assert_eq!(Adder(1).spawn_plus(2).join().unwrap(), 3);
});

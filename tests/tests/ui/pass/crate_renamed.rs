//! A dependency under another name, and names of the user's that the expansion must not mistake for its own.

mod vendored {
    pub use ::fiber as renamed;
}

mod hostile {
    #![allow(dead_code, non_camel_case_types, clippy::upper_case_acronyms)]
    pub mod fiber {}
    pub mod core {}
    pub mod std {}
    pub struct Send;
    pub struct Option;
    pub struct Some;
    pub struct Result;
    pub struct String;
    pub struct TASK;
    pub struct Self_;
    pub fn spawn() {}

    #[super::vendored::renamed::task(crate = "crate_renamed_root", allow(std::thread::sleep), timeslice = "1s")]
    pub fn task(number: u8) -> u8 {
        ::std::thread::sleep(::std::time::Duration::ZERO);
        number
    }

    use ::fiber as crate_renamed_root;

    #[::fiber::task]
    pub fn absolute() -> u8 {
        1
    }
}

use vendored::renamed as entry;

#[entry::main(crate = "vendored::renamed")]
fn main() {
    assert_eq!(hostile::task::spawn(3).join().unwrap(), 3);
    assert_eq!(hostile::absolute::spawn().join().unwrap(), 1);
}

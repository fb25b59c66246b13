//! The attributes of the [fiber](https://docs.rs/fiber) framework.
//!
//! Depend on `fiber`, which re-exports them: the code that they write calls it.
//!
//! Each attribute goes through the same steps: `parse` reads its arguments and the function under it and collects what is wrong,
//! `expand` writes the code.

mod expand;
mod parse;
mod words;

use parse::Attribute;
use proc_macro::TokenStream;

/// Main
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Main, arguments.into(), &item.into()).into()
}

/// Task
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Task, arguments.into(), &item.into()).into()
}

/// Test
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Test, arguments.into(), &item.into()).into()
}

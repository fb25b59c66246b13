//! Attributes that another attribute takes away: here they stand where none did.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse_quote;

use crate::check::has_own_check;
use crate::parse::{Attribute, Function};

/// `#[fiber::allow_blocking]` above another attribute of fiber moves below it.
pub(crate) fn allow_blocking(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if let Ok(mut function) = Function::parse(Attribute::Check, &item)
        && has_own_check(&function.attrs)
    {
        function.attrs.push(parse_quote!(#[allow_blocking(#arguments)]));
        return function.into_token_stream();
    }
    let error = "`allow_blocking` exempts something that an attribute of fiber checks, and there is none: put `#[fiber::task]` \
                 or `#[fiber::check]` on the function around it";
    with_error(error, &item)
}

/// `#[fiber::checkpoint]` and `#[fiber::no_checkpoint]`.
pub(crate) fn on_loops(name: &str, item: TokenStream) -> TokenStream {
    let error = format!("`{name}` goes on a loop in a function with an attribute of fiber, such as `#[fiber::task]`");
    with_error(&error, &item)
}

fn with_error(error: &str, item: &TokenStream) -> TokenStream {
    let error = syn::Error::new(Span::call_site(), error).to_compile_error();
    quote!(#error #item)
}

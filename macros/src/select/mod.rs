//! `select!`: from arms to the code that waits for the first of them.
//!
//! `parse` reads the arms, `expand` writes the code. A mistake gives one error, on the token that is wrong, and nothing else:
//! half a `select!` would only add errors about its value.

mod expand;
mod parse;

pub(crate) use parse::Arms;

use proc_macro2::TokenStream;
use quote::quote;

/// What `select! { arms }` becomes. The input is the path of the crate in parentheses, and the arms.
pub(crate) fn select(input: TokenStream) -> TokenStream {
    match syn::parse2::<parse::Select>(input) {
        Ok(select) => expand::expand(select),
        Err(mistake) => {
            let mistake = mistake.to_compile_error();
            quote! { { #mistake } }
        }
    }
}

//! From what was parsed to code: the user's function, whole, and what the attribute adds beside it.
//!
//! Code that comes from the user keeps the user's spans, so that the compiler's errors point into it. Code that comes
//! from here has the attribute's span, so that the user's lints do not see it; where it takes over a name of the
//! user's, it also stands at that name, see [`spans`].
//!
//! - [`entry`]: `main` and tests.
//! - [`task`]: the function, its descriptor ([`descriptor`]), and its companion ([`companion`]), whose signatures are
//!   the user's with lifetimes and `impl Trait` written out ([`rewrite`]).

mod companion;
mod descriptor;
mod entry;
mod rewrite;
mod spans;
mod task;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Path;

use crate::parse::{Arguments, Attribute, Driver, Function, Mistakes, Numa, check_entry, check_task};

/// Expands `#[attribute(arguments)] item`.
pub(crate) fn expand(attribute: Attribute, arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let arguments = Arguments::parse(attribute, arguments, &mut mistakes);
    let function = match Function::parse(attribute, item) {
        Ok(function) => function,
        Err(error) => {
            mistakes.add(error);
            return quote!(#item #mistakes);
        }
    };
    let expansion = match attribute {
        Attribute::Main | Attribute::Test => {
            let rules = check_entry(attribute, &function, &mut mistakes);
            entry::expand(attribute, &arguments, &function, rules)
        }
        Attribute::Task => {
            let rules = check_task(&function, &mut mistakes);
            task::expand(&arguments, &function, rules)
        }
    };
    quote!(#expansion #mistakes)
}

/// The path of the runtime crate: `::fiber`, or what `crate = "..."` says.
fn krate(arguments: &Arguments) -> TokenStream {
    arguments.krate.as_ref().map_or_else(|| quote!(::fiber), Path::to_token_stream)
}

impl Numa {
    fn expand(self, krate: &TokenStream) -> TokenStream {
        match self {
            Numa::Any => quote!(#krate::Numa::Any),
            Numa::Local => quote!(#krate::Numa::Local),
            Numa::Spread => quote!(#krate::Numa::Spread),
            Numa::Node(node) => {
                let node = proc_macro2::Literal::u32_unsuffixed(node);
                quote!(#krate::Numa::Node(#node))
            }
        }
    }
}

impl Driver {
    fn expand(self, krate: &TokenStream) -> TokenStream {
        match self {
            Driver::Auto => quote!(#krate::runtime::DriverKind::Auto),
            Driver::IoUring => quote!(#krate::runtime::DriverKind::IoUring),
            Driver::Epoll => quote!(#krate::runtime::DriverKind::Epoll),
        }
    }
}

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
pub(crate) mod stray;
mod task;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, ItemMod, Path};

use crate::check::{self, Settings};
use crate::parse::{
    Arguments, Attribute, Body, Driver, Function, Mistakes, Numa, check_checked, check_entry, check_task,
};

/// Expands `#[attribute(arguments)] item`.
pub(crate) fn expand(attribute: Attribute, arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let arguments = Arguments::parse(attribute, arguments, &mut mistakes);
    let mut function = match Function::parse(attribute, item) {
        Ok(function) => function,
        Err(error) if attribute == Attribute::Check => {
            let checked = check_item(&arguments, item, error, &mut mistakes);
            return quote!(#checked #mistakes);
        }
        Err(error) => {
            mistakes.add(error);
            return quote!(#item #mistakes);
        }
    };
    let rules = match attribute {
        Attribute::Main | Attribute::Test => check_entry(attribute, &function, &mut mistakes),
        Attribute::Task => check_task(&function, &mut mistakes),
        Attribute::Check => check_checked(&function, &mut mistakes),
    };
    let Function { attrs, sig, body, .. } = &mut function;
    if let Body::Block(_, tokens) = body {
        let settings = settings(attribute, &arguments);
        *tokens = check::body(&settings, attrs, sig, std::mem::take(tokens), &mut mistakes);
    }
    let expansion = match attribute {
        Attribute::Main | Attribute::Test => entry::expand(attribute, &arguments, &function, rules),
        Attribute::Task => task::expand(&arguments, &function, rules),
        Attribute::Check => function.to_token_stream(),
    };
    quote!(#expansion #mistakes)
}

/// `#[fiber::check]` on something with several functions in it.
fn check_item(arguments: &Arguments, item: &TokenStream, error: syn::Error, mistakes: &mut Mistakes) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(mut item @ (Item::Impl(_) | Item::Trait(_) | Item::Mod(ItemMod { content: Some(_), .. }))) => {
            check::item(&settings(Attribute::Check, arguments), &mut item, mistakes);
            item.to_token_stream()
        }
        _ => {
            mistakes.add(error);
            item.clone()
        }
    }
}

/// What the arguments say about the checks. Helpers under `check` may run off fibers as well, and get checkpoints only if
/// they ask for them.
fn settings(attribute: Attribute, arguments: &Arguments) -> Settings<'_> {
    Settings {
        krate: krate(arguments),
        allow: arguments.allow.as_deref().unwrap_or_default(),
        checkpoints: arguments.checkpoints.unwrap_or(attribute != Attribute::Check),
    }
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

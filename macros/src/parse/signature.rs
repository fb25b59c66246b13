//! Which functions the attributes go on. Each kind of function that cannot work has a message of its own.

use syn::{FnArg, Safety, Signature};

use super::attribute::Attribute;
use super::function::{Body, Function};
use super::mistakes::Mistakes;

/// As many arguments, with the receiver, as the runtime's `macros_support` can hand to a fiber.
const MOST_ARGUMENTS: usize = 16;

/// Whether a function can run as the attribute says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    Kept,
    Broken,
}

/// Finds what is wrong with a function under `#[fiber::main]` or `#[fiber::test]`.
pub(crate) fn check_entry(attribute: Attribute, function: &Function, mistakes: &mut Mistakes) -> Rules {
    checked(mistakes, |mistakes| {
        check_kind(attribute, function, mistakes);
        let Signature { ident, generics, inputs, safety, .. } = &function.sig;
        let what = if attribute == Attribute::Main { "`fn main`" } else { "a test" };
        if attribute == Attribute::Main && ident != "main" {
            mistakes.at(
                ident,
                "`#[fiber::main]` goes on `fn main`; to start a runtime elsewhere, use `fiber::runtime::Builder`",
            );
        }
        if let Safety::Unsafe(token) = safety {
            mistakes.at(token, format!("{what} cannot be `unsafe`: nobody could keep its conditions"));
        }
        if !generics.params.is_empty() {
            mistakes.at(generics, format!("{what} cannot be generic"));
        } else if let Some(clause) = &generics.where_clause {
            mistakes.at(clause, format!("{what} cannot have a `where` clause"));
        }
        match inputs.first() {
            Some(FnArg::Receiver(receiver)) => {
                mistakes.at(receiver, format!("{what} is a free function: remove `self`"));
            }
            Some(FnArg::Typed(_)) if attribute == Attribute::Main => {
                mistakes.at(inputs, "`fn main` takes no arguments: `std::env::args` has the command line's");
            }
            Some(FnArg::Typed(_)) => mistakes.at(inputs, "a test takes no arguments"),
            None => {}
        }
        let is_test = |attr: &&syn::Attribute| attr.path().segments.last().is_some_and(|last| last.ident == "test");
        if attribute == Attribute::Test
            && let Some(second) = function.attrs.iter().find(is_test)
        {
            mistakes.at(second, "`#[fiber::test]` makes the function a test already: remove this attribute");
        }
    })
}

/// Finds what is wrong with a function under `#[fiber::check]`.
pub(crate) fn check_checked(function: &Function, mistakes: &mut Mistakes) -> Rules {
    checked(mistakes, |mistakes| {
        if let Some(token) = function.sig.constness {
            mistakes.at(token, "a `const fn` cannot call what blocks: there is nothing to check");
        }
        if let Body::Missing(semicolon) = &function.body {
            mistakes.at(semicolon, "there is no body to check");
        }
    })
}

/// Finds what is wrong with a function under `#[fiber::task]`.
pub(crate) fn check_task(function: &Function, mistakes: &mut Mistakes) -> Rules {
    checked(mistakes, |mistakes| {
        check_kind(Attribute::Task, function, mistakes);
        if let Some(one_more) = function.sig.inputs.iter().nth(MOST_ARGUMENTS) {
            mistakes.at(
                one_more,
                format!("a task takes at most {MOST_ARGUMENTS} arguments: put some of them into a struct"),
            );
        }
        for input in &function.sig.inputs {
            let (FnArg::Receiver(syn::Receiver { attrs, .. }) | FnArg::Typed(syn::PatType { attrs, .. })) = input;
            if let Some(cfg) = attrs.iter().find(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
            {
                mistakes.at(
                    cfg,
                    "a task's arguments are written again where it is spawned, and cannot depend on `cfg`: put it on \
                     the whole function",
                );
            }
        }
    })
}

/// What no fiber can run.
fn check_kind(attribute: Attribute, function: &Function, mistakes: &mut Mistakes) {
    let Signature { constness, asyncness, abi, variadic, ident, .. } = &function.sig;
    if let Some(token) = asyncness {
        mistakes.at(
            token,
            format!(
                "`{attribute}` goes on ordinary functions: remove `async`, and every `.await` inside; a fiber waits in \
                 plain calls"
            ),
        );
    }
    if let Some(token) = constness {
        mistakes.at(token, format!("a `const fn` cannot wait, so it needs no fiber: remove `const` or `{attribute}`"));
    }
    if let Some(abi) = abi.as_ref().filter(|abi| abi.name.as_ref().is_none_or(|name| name.value() != "Rust")) {
        mistakes.at(
            abi,
            "cancelling a fiber unwinds its stack, which cannot cross a foreign calling convention: move the body into \
             an ordinary function",
        );
    }
    if let Some(variadic) = variadic {
        mistakes.at(variadic, format!("`{attribute}` cannot pass on variadic arguments"));
    }
    if let Body::Missing(semicolon) = &function.body {
        mistakes.at(
            semicolon,
            format!("`{ident}` has no body: `{attribute}` goes on the function that is to run, not on a declaration"),
        );
    }
}

fn checked(mistakes: &mut Mistakes, check: impl FnOnce(&mut Mistakes)) -> Rules {
    let before = mistakes.count();
    check(mistakes);
    if mistakes.count() == before { Rules::Kept } else { Rules::Broken }
}

#[cfg(test)]
mod tests {
    use super::{Rules, check_entry, check_task};
    use crate::parse::{Attribute, Function, Mistakes};
    use proc_macro2::TokenStream;
    use quote::quote;

    fn mistakes(attribute: Attribute, item: &TokenStream) -> Vec<String> {
        let function = Function::parse(attribute, item).unwrap();
        let mut mistakes = Mistakes::default();
        let rules = match attribute {
            Attribute::Task => check_task(&function, &mut mistakes),
            entry => check_entry(entry, &function, &mut mistakes),
        };
        assert_eq!(rules == Rules::Kept, mistakes.count() == 0);
        mistakes.messages()
    }

    #[test]
    fn good_functions_have_no_mistakes() {
        for item in
            [quote! { fn main() {} }, quote! { pub fn main() -> impl Termination {} }, quote! { fn main() -> ! {} }]
        {
            assert_eq!(mistakes(Attribute::Main, &item), [""; 0]);
        }
        for item in [
            quote! { pub unsafe fn f<'a, T>(&'a self, x: T) -> &'a T where T: Copy, {} },
            quote! { extern "Rust" fn f(#[allow(unused)] x: u8) {} },
        ] {
            assert_eq!(mistakes(Attribute::Task, &item), [""; 0]);
        }
    }

    #[test]
    fn each_wrong_kind_has_its_message() {
        for (item, start) in [
            (quote! { async fn f() {} }, "`#[fiber::task]` goes on ordinary functions"),
            (quote! { const fn f() {} }, "a `const fn` cannot wait"),
            (quote! { extern "C" fn f() {} }, "cancelling a fiber unwinds"),
            (quote! { extern fn f() {} }, "cancelling a fiber unwinds"),
            (quote! { fn f(); }, "`f` has no body"),
            (quote! { fn f(#[cfg(a)] x: u8) {} }, "a task's arguments are written again"),
            (
                quote! { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, p: u8, q: u8) {} },
                "a task takes at most 16 arguments",
            ),
        ] {
            let found = mistakes(Attribute::Task, &item);
            assert!(found.len() == 1 && found[0].starts_with(start), "{item}: {found:?}");
        }
        for (item, start) in [
            (quote! { async fn main() {} }, "`#[fiber::main]` goes on ordinary functions"),
            (quote! { fn start() {} }, "`#[fiber::main]` goes on `fn main`"),
            (quote! { unsafe fn main() {} }, "`fn main` cannot be `unsafe`"),
            (quote! { fn main<T>() where T: Copy, {} }, "`fn main` cannot be generic"),
            (quote! { fn main() where u8: Copy, {} }, "`fn main` cannot have a `where` clause"),
            (quote! { fn main(&self) {} }, "`fn main` is a free function"),
            (quote! { fn main(a: u8, b: u8) {} }, "`fn main` takes no arguments"),
        ] {
            let found = mistakes(Attribute::Main, &item);
            assert!(found.len() == 1 && found[0].starts_with(start), "{item}: {found:?}");
        }
        let found = mistakes(Attribute::Test, &quote! { #[core::prelude::v1::test] fn f(x: u8) {} });
        assert_eq!(
            found,
            ["a test takes no arguments", "`#[fiber::test]` makes the function a test already: remove this attribute"]
        );
    }
}

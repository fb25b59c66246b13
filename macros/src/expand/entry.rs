//! `main` and tests: the user's function moves into one of the same name that starts a runtime around it.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{ReturnType, Type};

use super::krate;
use super::rewrite::has_impl_trait;
use crate::parse::{Arguments, Attribute, Function, Rules};

/// ```text
/// fn main() -> ExitCode {
///     fn main() -> io::Result<()> { .. }
///     ::fiber::macros_support::v1::main::<io::Result<()>, _>(::fiber::runtime::Builder::new().workers(4), main)
/// }
/// ```
///
/// The inner function keeps `return` and `?` inside the fiber, and a call of `main()` in it means itself, as it reads.
/// Attributes and documentation are the outer function's; the levels of lints reach the inner one from there.
pub(super) fn expand(attribute: Attribute, arguments: &Arguments, function: &Function, rules: Rules) -> TokenStream {
    let Function { attrs, vis, sig, body } = function;
    let name = &sig.ident;
    let test = (attribute == Attribute::Test).then(|| quote!(#[::core::prelude::v1::test]));
    if rules == Rules::Broken {
        // The outer function has the signature that a `main` or a test must have; the inner one is checked as it is.
        let attrs = attrs.iter().filter(|attr| test.is_none() || !attr.path().is_ident("test"));
        return quote! {
            #test
            #(#attrs)*
            #vis fn #name() {
                #[allow(dead_code)]
                #sig #body
            }
        };
    }

    let support = krate(arguments);
    let support = quote!(#support::macros_support::v1);
    let builder = builder(arguments);
    let (output, call) = match (attribute, returned(&sig.output)) {
        (Attribute::Test, Returned::Unit) => {
            let should_panic = attrs.iter().any(|attr| attr.path().is_ident("should_panic"));
            (None, quote!(#support::test(#builder, #should_panic, #name)))
        }
        (attribute, returned) => {
            let entry = if attribute == Attribute::Test { quote!(test_termination) } else { quote!(main) };
            let returned = match returned {
                Returned::Unit => quote!(()),
                Returned::Named(ty) => ty.to_token_stream(),
                Returned::Inferred => quote!(_),
            };
            (Some(quote!(-> ::std::process::ExitCode)), quote!(#support::#entry::<#returned, _>(#builder, #name)))
        }
    };
    quote! {
        #test
        #(#attrs)*
        #vis fn #name() #output {
            #sig #body
            #call
        }
    }
}

/// `::fiber::runtime::Builder::new()` with what the arguments set.
fn builder(arguments: &Arguments) -> TokenStream {
    let krate = krate(arguments);
    let mut builder = quote!(#krate::runtime::Builder::new());
    let mut set = |method: TokenStream, value: Option<TokenStream>| {
        if let Some(value) = value {
            builder.extend(quote!(.#method(#value)));
        }
    };
    let number = |number: usize| Literal::usize_unsuffixed(number).into_token_stream();
    set(quote!(name), arguments.name.as_ref().map(ToTokens::to_token_stream));
    set(quote!(workers), arguments.workers.map(number));
    set(quote!(stack_size), arguments.stack_size.map(|bytes| Literal::u64_unsuffixed(bytes).into_token_stream()));
    set(quote!(numa), arguments.numa.map(|numa| numa.expand(&krate)));
    set(quote!(driver), arguments.driver.map(|driver| driver.expand(&krate)));
    set(quote!(blocking_threads), arguments.blocking_threads.map(number));
    builder
}

/// The return type, by how it can be passed on as a type argument.
enum Returned<'a> {
    Unit,
    Named(&'a Type),
    /// `impl Trait` and `!`, which cannot be written there.
    Inferred,
}

fn returned(output: &ReturnType) -> Returned<'_> {
    match output {
        ReturnType::Default => Returned::Unit,
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Returned::Unit,
            Type::Never(_) => Returned::Inferred,
            ty if has_impl_trait(ty) => Returned::Inferred,
            ty => Returned::Named(ty),
        },
    }
}

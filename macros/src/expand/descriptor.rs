//! The static that describes a task, and its registration.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, GenericParam, LitStr, Signature};

use super::krate;
use super::rewrite::has_impl_trait;
use crate::parse::{Arguments, Function, Priority, Timeslice};

/// A block that defines and registers the descriptor, and whose value is a reference to it.
///
/// The static stands inside the constant that names it: an `impl` block can hold no static, and one in the generated
/// function's body would exist once for each instance of a generic one.
pub(super) fn descriptor(arguments: &Arguments, function: &Function) -> TokenStream {
    let krate = krate(arguments);
    let support = quote!(#krate::macros_support::v1);
    let Signature { ident, .. } = &function.sig;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => LitStr::new(&ident.unraw().to_string(), ident.span()),
    };
    let in_module = format!("::{}", name.value());
    let settings = settings(arguments, function, &krate);
    // The user's `unsafe` stands in the attribute; clippy would look for the comment here.
    let documented = arguments.migrate.map(|_| quote!(#[allow(clippy::undocumented_unsafe_blocks)]));
    quote! {
        {
            #documented
            static TASK: #krate::registry::Task = #support::Definition::new(
                #name,
                ::core::concat!(::core::module_path!(), #in_module),
                ::core::module_path!(),
                ::core::option_env!("CARGO_PKG_VERSION"),
                (::core::file!(), ::core::line!(), ::core::column!()),
            )
            #settings
            .task();
            #support::submit! { #support::Registration::new(&TASK) }
            &TASK
        }
    }
}

/// `.priority(..)` and so on, for what differs from the defaults.
fn settings(arguments: &Arguments, function: &Function, krate: &TokenStream) -> TokenStream {
    let mut settings = TokenStream::new();
    let mut set = |method: TokenStream, value: TokenStream| settings.extend(quote!(.#method(#value)));
    if arguments.name.is_some() {
        set(quote!(named), TokenStream::new());
    }
    if is_generic(&function.sig) {
        set(quote!(generic), TokenStream::new());
    }
    if let Some(numa) = arguments.numa {
        set(quote!(numa), numa.expand(krate));
    }
    if let Some(bytes) = arguments.stack_size {
        set(quote!(stack_size), Literal::u64_unsuffixed(bytes).into_token_stream());
    }
    if let Some(priority) = arguments.priority {
        let variant = match priority {
            Priority::High => quote!(High),
            Priority::Normal => quote!(Normal),
            Priority::Low => quote!(Low),
            Priority::Idle => quote!(Idle),
        };
        set(quote!(priority), quote!(#krate::Priority::#variant));
    }
    if let Some(timeslice) = arguments.timeslice {
        let (constructor, number) = match timeslice {
            Timeslice::Nanos(number) => (quote!(from_nanos), number),
            Timeslice::Micros(number) => (quote!(from_micros), number),
            Timeslice::Millis(number) => (quote!(from_millis), number),
            Timeslice::Secs(number) => (quote!(from_secs), number),
        };
        let number = Literal::u64_unsuffixed(number);
        set(quote!(timeslice), quote!(::core::time::Duration::#constructor(#number)));
    }
    if let Some(checkpoints) = arguments.checkpoints {
        set(quote!(checkpoints), checkpoints.to_token_stream());
    }
    if let Some(paths) = &arguments.allow {
        let paths = paths.iter().map(|path| path.to_token_stream().to_string().replace(' ', ""));
        set(quote!(allow), quote!(&[#(#paths),*]));
    }
    if let Some(unsafe_span) = arguments.migrate {
        // The block has the span of the user's `unsafe`, so that lints against unsafe code see it there.
        let vouched = quote!(#krate::macros_support::v1::Vouched::by_the_author());
        set(quote!(migrate), quote_spanned!(unsafe_span=> unsafe { #vouched }));
    }
    settings
}

fn is_generic(sig: &Signature) -> bool {
    let parameter = sig.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)));
    let argument = sig.inputs.iter().any(|input| match input {
        FnArg::Typed(argument) => has_impl_trait(&argument.ty),
        FnArg::Receiver(_) => false,
    });
    parameter || argument
}

//! The part of the runtime's support module that follows from the table: `fiber_macros::blocking_table!()`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use std::collections::BTreeSet;
use syn::{FnArg, Generics, Signature};

use crate::table::{Entry, Form, TYPES, WRAPPERS, Wrapper, entries, method, named};

/// Expects the rest of the support module around it: `Fine`, `Blocks`, `Method`, `Denied`.
pub(crate) fn support() -> TokenStream {
    let methods = markers();
    let traits = entries().iter().map(entry_trait);
    let (functions, found) = functions();
    let denials = TYPES.iter().flat_map(|ty| {
        let generics = ty.generics;
        ty.implementors().into_iter().flat_map(move |implementor| {
            let of_type = move |entry: &&Entry| matches!(entry.form, Form::Method { of, .. } if std::ptr::eq(of, ty));
            entries().iter().filter(of_type).map(move |entry| {
                let candidates = candidates(entry);
                denial(generics, "", &implementor, entry.name, &candidates)
            })
        })
    });
    let wrappers = WRAPPERS.iter().flat_map(wrapper_denials);
    let shadow = shadow();
    quote! {
        /// A type for each name of a method that may block.
        #[allow(non_camel_case_types, missing_docs)]
        pub mod methods { #methods }
        /// A type for each function that blocks.
        #[allow(missing_docs)]
        pub mod functions { #functions }
        #(#traits)*
        #found
        #(#denials)*
        #(#wrappers)*
        #shadow
    }
}

/// The entries that a receiver probe for `name` can answer, in the order in which its verdict has them.
pub(super) fn method_entries(name: &str) -> Vec<&'static Entry> {
    named(name).filter(|entry| !entry.is_function()).collect()
}

/// The name of the trait of `entry`.
pub(super) fn trait_ident(entry: &Entry, span: Span) -> Ident {
    Ident::new(&entry.trait_name(), span)
}

/// The type that stands for the method `name`.
pub(super) fn marker_ident(name: &str, span: Span) -> Ident {
    Ident::new(name, span)
}

fn markers() -> TokenStream {
    let names: BTreeSet<_> = entries().iter().filter(|entry| !entry.is_function()).map(|entry| entry.name).collect();
    names
        .into_iter()
        .map(|name| {
            let marker = marker_ident(name, Span::call_site());
            let fine = method_entries(name).into_iter().map(|_| quote!(super::Fine));
            quote! {
                #[derive(Clone, Copy)]
                pub struct #marker;
                impl super::Method for #marker { type Harmless = (#(#fine,)*); }
            }
        })
        .collect()
}

/// A marker for each function, and what leads from it to the trait with the message.
fn functions() -> (TokenStream, TokenStream) {
    let names = entries().iter().filter(|entry| entry.is_function()).map(|entry| trait_ident(entry, Span::call_site()));
    names
        .map(|name| {
            let marker = quote! {
                #[derive(Debug)]
                pub struct #name;
            };
            let found = quote! {
                #[allow(missing_docs)]
                impl<'call> Found<'call, functions::#name> {
                    pub fn ok(self)
                    where
                        BlocksHere<'call>: #name,
                    {
                    }
                }
            };
            (marker, found)
        })
        .unzip()
}

/// The trait that only a harmless call has; its absence is the message.
fn entry_trait(entry: &Entry) -> TokenStream {
    let Entry { path, replacement, reason, .. } = entry;
    let name = trait_ident(entry, Span::call_site());
    let message = format!("`{path}` blocks the worker thread that runs this fiber");
    let note = format!("{reason}; use {replacement}, or run it on the blocking pool: `fiber::blocking(|| ...)`");
    quote! {
        #[diagnostic::on_unimplemented(message = #message, label = "blocking call in a fiber", note = #note)]
        #[allow(missing_docs)]
        pub trait #name: Sized { fn ok(_: Self) {} }
        #[diagnostic::do_not_recommend]
        impl #name for Fine {}
    }
}

/// `(Fine, Blocks, Fine)`: of the entries with the name of `entry`, this one.
fn candidates(entry: &Entry) -> TokenStream {
    let verdicts = method_entries(entry.name)
        .into_iter()
        .map(|candidate| if std::ptr::eq(candidate, entry) { quote!(Blocks) } else { quote!(Fine) });
    quote!((#(#verdicts,)*))
}

fn denial(generics: &str, bound: &str, ty: &str, name: &str, candidates: &TokenStream) -> TokenStream {
    let [generics, bound, ty] = [generics, bound, ty].map(parsed);
    let marker = marker_ident(name, Span::call_site());
    quote! {
        impl #generics Denied<methods::#marker> for #ty #bound { type Candidates = #candidates; }
    }
}

fn wrapper_denials(wrapper: &'static Wrapper) -> Vec<TokenStream> {
    let Wrapper { path, arguments, generics, .. } = wrapper;
    let (generics, ty) = (format!("<T {generics}>"), format!("::{path}{arguments}"));
    let passed = wrapper.passes.iter().copied().flatten().map(method).map(|(name, _)| {
        let bound = format!("where T: Denied<methods::{name}>");
        let candidates = format!("<T as Denied<methods::{name}>>::Candidates");
        denial(&generics, &bound, &ty, name, &parsed(&candidates))
    });
    let own = |entry: &&Entry| matches!(entry.form, Form::Wrapped { of, .. } if std::ptr::eq(of, wrapper));
    let added = entries().iter().filter(own).map(|entry| {
        let Form::Wrapped { inner, .. } = entry.form else { unreachable!("filtered") };
        denial(&generics, &format!("where T: Denied<methods::{inner}>"), &ty, entry.name, &candidates(entry))
    });
    passed.chain(added).collect()
}

/// All of std, with free functions that block replaced by ones that cannot be called.
fn shadow() -> TokenStream {
    let functions = entries().iter().filter_map(|entry| match entry.form {
        // One that blocks by its arguments stays: that cannot be asked in a bound.
        Form::Function(function) if !function.is_associated() && function.calls.is_empty() => {
            Some((entry, function.signature))
        }
        _ => None,
    });
    let mut modules: Vec<(Vec<&str>, TokenStream)> = Vec::new();
    for (entry, signature) in functions {
        let mut segments: Vec<&str> = entry.path.split("::").skip(1).collect();
        segments.pop();
        let function = shadow_function(entry, signature);
        match modules.iter_mut().find(|(path, _)| *path == segments) {
            Some((_, functions)) => functions.extend(function),
            None => modules.push((segments, function)),
        }
    }
    let modules = submodules(&mut modules, &[]);
    quote! {
        /// What `std` means in the arguments of macros that the checks cannot look into.
        pub mod shadow { #modules }
    }
}

/// The module at `path` of the shadow: what std has there, and over it `modules` that begin with `path`.
fn submodules(modules: &mut Vec<(Vec<&'static str>, TokenStream)>, path: &[&'static str]) -> TokenStream {
    let mut content = match path {
        [] => quote!(
            pub use ::std::*;
        ),
        _ => {
            let segments = path.iter().map(|segment| format_ident!("{segment}"));
            quote! {
                pub use ::std::#(#segments)::*::*;
                // For the signatures.
                #[allow(unused_imports)]
                use ::std::{io, path::{Path, PathBuf}, time::Duration};
            }
        }
    };
    if let Some(at) = modules.iter().position(|(own, _)| own == path) {
        content.extend(modules.remove(at).1);
    }
    while let Some(name) = modules
        .iter()
        .find(|(longer, _)| longer.starts_with(path))
        .and_then(|(longer, _)| longer.get(path.len()).copied())
    {
        let inner = submodules(modules, &[path, &[name]].concat());
        let name = format_ident!("{name}");
        content.extend(quote!(#[allow(missing_docs)] pub mod #name { #inner }));
    }
    content
}

/// The function with std's signature, and a bound that nothing fulfils. The lifetime makes the bound depend on a
/// parameter: without one it would be wrong here and not at the call.
fn shadow_function(entry: &Entry, signature: &str) -> TokenStream {
    let signature: Signature = parsed_as(&format!("fn {}{signature}", entry.name));
    let Signature { ident, generics, inputs, output, .. } = &signature;
    let Generics { params, where_clause, .. } = generics;
    let trait_name = trait_ident(entry, Span::call_site());
    let predicates = where_clause.iter().flat_map(|clause| &clause.predicates);
    let arguments = inputs.iter().map(|input| match input {
        FnArg::Typed(typed) => &typed.pat,
        FnArg::Receiver(_) => unreachable!("a function of the table has no receiver"),
    });
    let path = parsed(&format!("::{}", entry.path));
    quote! {
        #[allow(missing_docs, deprecated)]
        pub fn #ident<'call, #params>(#inputs) #output
        where
            #(#predicates,)*
            crate::macros_support::check::BlocksHere<'call>: crate::macros_support::check::#trait_name
        {
            #path(#(#arguments),*)
        }
    }
}

fn parsed(text: &str) -> TokenStream {
    text.parse().expect("the table is Rust")
}

fn parsed_as<T: syn::parse::Parse>(text: &str) -> T {
    syn::parse_str(text).expect("the table is Rust")
}

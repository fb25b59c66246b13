//! `#[fiber::task]`: the function as it was, and beside it the ways to run it on a fiber of its own.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Ident, Meta, Safety, Visibility};

use super::companion::Spawning;
use super::descriptor::descriptor;
use super::krate;
use super::rewrite::Lifetimes;
use super::spans::{all_generated, generated};
use crate::parse::{Arguments, Body, Companion, Function, Rules};

/// The function stays whole and callable. A free one gets an empty enum of the same name in the other namespace, with
/// `spawn` and the rest; one in an `impl` block, where no type can stand, gets `spawn_name` and the rest beside it.
pub(super) fn expand(arguments: &Arguments, function: &Function, rules: Rules) -> TokenStream {
    let associated = arguments.associated.is_some() || function.names_self();
    if associated && let Body::Missing(semicolon) = &function.body {
        // A declaration in a trait: more members than it has would only be more errors.
        let Function { attrs, vis, sig, .. } = function;
        return quote!(#(#attrs)* #vis #sig #semicolon);
    }
    let additions = if associated {
        beside_method(arguments, function, rules)
    } else {
        beside_function(arguments, function, rules)
    };
    quote!(#function #additions)
}

/// ```text
/// enum fetch {}
/// impl fetch {
///     const TASK: &'static Task = { static TASK: Task = ..; submit! { .. } &TASK };
///     fn builder() -> Builder { .. }
///     fn spawn(url: String) -> JoinHandle<usize> { .. }
///     fn spawn_scoped<'scope, 'env>(scope: &'scope Scope<'scope, 'env>, url: String) -> ScopedJoinHandle<'scope, usize> { .. }
/// }
/// ```
fn beside_function(arguments: &Arguments, function: &Function, rules: Rules) -> TokenStream {
    let krate = krate(arguments);
    let descriptor = descriptor(arguments, function);
    let Shared { vis, on_items, on_spawns } = Shared::of(function);
    let name = match &arguments.companion {
        Some(Companion::None) => {
            return quote! {
                #on_items
                const _: &#krate::registry::Task = #descriptor;
            };
        }
        Some(Companion::Named(name)) => generated(name),
        None => generated(&function.sig.ident),
    };
    let link = format!("[`{0}`](fn@{0})", function.sig.ident.unraw());
    let spawning = Spawning {
        krate: &krate,
        function,
        rules,
        callee: generated(&function.sig.ident).to_token_stream(),
        descriptor: quote!(Self::TASK),
        associated: false,
    };
    let spawns = spawns(&spawning, &link, &quote!(#on_spawns #[track_caller] #vis), "spawn", "spawn_scoped");
    let enum_doc = format!("Runs {link} on fibers of its own.");
    let task_doc = format!("What the registry knows of {link}.");
    let builder_doc = format!("A builder with the attributes of {link}, to override some of them for one spawn.");
    quote! {
        #[doc = #enum_doc]
        #[allow(non_camel_case_types, clippy::exhaustive_enums)]
        #on_items
        #vis enum #name {}

        #on_items
        impl #name {
            #[doc = #task_doc]
            #vis const TASK: &'static #krate::registry::Task = #descriptor;

            #[doc = #builder_doc]
            #vis fn builder() -> #krate::Builder {
                Self::TASK.builder()
            }

            #spawns
        }
    }
}

/// ```text
/// const SERVE_TASK: &'static Task = { .. };
/// fn spawn_serve(self: Arc<Self>, peer: TcpStream) -> JoinHandle<usize> { .. }
/// fn spawn_serve_scoped<'scope, 'env>(self: Arc<Self>, scope: &'scope Scope<'scope, 'env>, peer: TcpStream) -> .. { .. }
/// ```
fn beside_method(arguments: &Arguments, function: &Function, rules: Rules) -> TokenStream {
    let krate = krate(arguments);
    let descriptor = descriptor(arguments, function);
    let Shared { vis, on_items, on_spawns } = Shared::of(function);
    let method = &function.sig.ident;
    let name = match &arguments.companion {
        Some(Companion::Named(name)) => name.unraw(),
        _ => method.unraw(),
    };
    let at_name = |text: String| generated(&Ident::new(&text, method.span()));
    let constant = name.to_string().to_uppercase();
    let task = at_name(format!("{constant}_TASK"));
    let link = format!("[`{0}`](Self::{0})", method.unraw());
    let task_doc = format!("What the registry knows of {link}.");

    let spawns = (!matches!(arguments.companion, Some(Companion::None))).then(|| {
        let callee = generated(method);
        let spawning = Spawning {
            krate: &krate,
            function,
            rules,
            callee: quote!(Self::#callee),
            descriptor: quote!(Self::#task),
            associated: true,
        };
        let plain = at_name(format!("spawn_{name}")).to_string();
        let scoped = at_name(format!("spawn_{name}_scoped")).to_string();
        spawns(&spawning, &link, &quote!(#on_items #on_spawns #[track_caller] #vis), &plain, &scoped)
    });
    // Members without a visibility could stand in the `impl` of a trait, where the additions are errors: this is the
    // first of them, and says why.
    let guard = matches!(function.vis, Visibility::Inherited).then(|| {
        let guard = at_name(format!("{constant}_CANNOT_BE_A_TASK_IN_A_TRAIT_IMPL"));
        quote! {
            #[doc(hidden)]
            #[allow(dead_code)]
            #on_items
            const #guard: () = ();
        }
    });
    quote! {
        #guard

        #[doc = #task_doc]
        #on_items
        #vis const #task: &'static #krate::registry::Task = #descriptor;

        #spawns
    }
}

/// `spawn` (not where the receiver is borrowed) and `spawn_scoped`.
fn spawns(spawning: &Spawning<'_>, link: &str, before: &TokenStream, plain: &str, scoped: &str) -> TokenStream {
    let name = |text: &str| generated(&format_ident!("{text}", span = spawning.function.sig.ident.span()));
    let safety = match spawning.function.sig.safety {
        Safety::Unsafe(_) => Some(format!("# Safety\n\nThe conditions of {link}.")),
        _ => None,
    };
    // The scope is one argument more than the user's function has; our bounds stand apart from the user's.
    let unused = (spawning.rules == Rules::Broken).then(|| quote!(, unused_variables));
    let lints = quote!(#[allow(clippy::too_many_arguments, clippy::multiple_bound_locations #unused)]);
    let safety = safety.map(|text| quote!(#[doc = ""] #[doc = #text]));
    let plain = spawning.function_called(&name(plain), Lifetimes::Static).map(|function| {
        let doc = format!("Runs {link} on a fiber of its own.");
        quote!(#[doc = #doc] #safety #lints #before #function)
    });
    let scoped = spawning.function_called(&name(scoped), Lifetimes::Named).map(|function| {
        let doc = format!("Runs {link} on a fiber of its own in `scope`: what it gets may be borrowed from outside.");
        // A bound cannot hide a lifetime as an argument can; of the errors about it, this one says what to write.
        quote!(#[doc = #doc] #safety #lints #[deny(elided_lifetimes_in_paths)] #before #function)
    });
    quote!(#plain #scoped)
}

/// What the additions take over from the function.
struct Shared {
    vis: TokenStream,
    /// `cfg`, `doc(hidden)` and levels of lints: for every item.
    on_items: TokenStream,
    /// `deprecated`: for what runs the function.
    on_spawns: TokenStream,
}

impl Shared {
    fn of(function: &Function) -> Self {
        let mut shared = Self {
            vis: all_generated(function.vis.to_token_stream()),
            on_items: TokenStream::new(),
            on_spawns: TokenStream::new(),
        };
        for attr in &function.attrs {
            let path = attr.path();
            if path.is_ident("cfg") || path.is_ident("allow") || is_doc_hidden(&attr.meta) {
                attr.to_tokens(&mut shared.on_items);
            } else if path.is_ident("expect")
                && let Meta::List(list) = &attr.meta
            {
                // Whether the function fulfils it says nothing about the additions.
                let lints = &list.tokens;
                shared.on_items.extend(quote!(#[allow(#lints)]));
            } else if path.is_ident("deprecated") {
                // Even in a deprecated function, the call of another one counts.
                shared.on_spawns.extend(quote!(#attr #[allow(deprecated)]));
            }
        }
        shared
    }
}

fn is_doc_hidden(meta: &Meta) -> bool {
    matches!(meta, Meta::List(list) if list.path.is_ident("doc") && list.tokens.to_string() == "hidden")
}

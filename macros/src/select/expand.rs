//! The code of a `select!`.
//!
//! For two arms, the second with a condition, and no `default`:
//!
//! ```text
//! {
//!     enum Happened<A0, A1> { Arm0(A0), Arm1(A1) }
//!     let happened = match (event(E0), if C1 { Some(event(E1)) } else { None }) {
//!         (mut arm0, mut arm1) => {
//!             first(&mut [&mut arm0, &mut arm1], false, true);
//!             if let Some(output) = Event::take(&mut arm0) {
//!                 Happened::Arm0(output)
//!             } else if let Some(output) = Event::take(&mut arm1) {
//!                 Happened::Arm1(output)
//!             } else {
//!                 none_has_happened()
//!             }
//!         }
//!     };
//!     match happened {
//!         Happened::Arm0(output) => { let P0 = output; B0 }
//!         Happened::Arm1(output) => { let P1 = output; B1 }
//!     }
//! }
//! ```
//!
//! A `match` rather than `let`s, so that temporaries in the events live as long as the events; the outer `let` ends them all before a
//! body runs.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned;

use super::parse::{Arms, Select};

pub(crate) fn expand(select: Select) -> TokenStream {
    let Select { krate, arms: Arms { biased, arms, default } } = select;
    let support = quote!(#krate::select::v1);
    let here = Span::mixed_site();
    let named = |kind: &str| -> Vec<Ident> {
        (0..arms.len()).map(|number| format_ident!("{kind}{number}", span = here)).collect()
    };
    let (types, variants, events) = (named("A"), named("Arm"), named("arm"));
    let (output, happened) = (Ident::new("output", here), Ident::new("happened", here));
    let happening = Ident::new("Happened", here);
    let (default_variant, default_value, default_arm) = match &default {
        Some(body) => (quote!(Default,), quote!(#happening::Default), quote!(#happening::Default => #body,)),
        None => (quote!(), quote!(#support::none_has_happened()), quote!()),
    };
    let waits = default.is_none();
    let sources = arms.iter().map(|arm| {
        let event = &arm.event;
        // The span is that of the expression, so that it is underlined if it is no event.
        let made = quote_spanned!(event.span()=> #support::event(#event));
        match &arm.condition {
            Some(condition) => {
                quote!(if #condition { ::core::option::Option::Some(#made) } else { ::core::option::Option::None })
            }
            None => made,
        }
    });
    let bodies = arms.iter().zip(&variants).map(|(arm, variant)| {
        let (pattern, body) = (&arm.pattern, &arm.body);
        quote! {
            #happening::#variant(#output) => {
                let #pattern = #output;
                #body
            }
        }
    });
    quote! {
        {
            enum #happening<#(#types),*> {
                #(#variants(#types),)*
                #default_variant
            }
            let #happened = match (#(#sources,)*) {
                (#(mut #events,)*) => {
                    let arms: &mut [&mut dyn #support::Arm] = &mut [#(&mut #events),*];
                    #support::first(arms, #biased, #waits);
                    #(if let ::core::option::Option::Some(#output) = #support::Event::take(&mut #events) {
                        #happening::#variants(#output)
                    } else)* {
                        #default_value
                    }
                }
            };
            match #happened {
                #(#bodies)*
                #default_arm
            }
        }
    }
}

//! Where generated tokens stand, for errors, editors and lints.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};

/// The user's name as one of ours: editors and errors find it at the user's place, it resolves as if written there, and
/// lints take it for generated code.
pub(super) fn generated(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::call_site().located_at(name.span()));
    name
}

/// The same for a run of tokens, such as a visibility.
pub(super) fn all_generated(tokens: TokenStream) -> TokenStream {
    let at_its_place = |mut token: TokenTree| {
        token.set_span(Span::call_site().located_at(token.span()));
        if let TokenTree::Group(group) = &token {
            let mut inner = proc_macro2::Group::new(group.delimiter(), all_generated(group.stream()));
            inner.set_span(group.span());
            token = inner.into();
        }
        token
    };
    tokens.into_iter().map(at_its_place).collect()
}

/// A name that no name of the user's can meet.
pub(super) fn private(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

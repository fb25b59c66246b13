//! Looking for words in tokens that are not worth a syntax tree.

use proc_macro2::{Ident, TokenStream, TokenTree};

/// Whether a word that `is_it` accepts stands anywhere in `tokens`.
pub(crate) fn any(tokens: TokenStream, is_it: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => is_it(&word),
        TokenTree::Group(group) => any(group.stream(), is_it),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

//! Where the compiler's errors point.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;

/// The place of the last word of an expression: `rx` of `&self.rx`.
pub(super) fn last(expr: &impl ToTokens) -> Span {
    last_word(expr.to_token_stream()).unwrap_or_else(Span::call_site)
}

/// `files` of `open().files[0]`, `x` of `{ x }`.
fn last_word(tokens: TokenStream) -> Option<Span> {
    let words = tokens.clone().into_iter().filter(|token| matches!(token, TokenTree::Ident(_)));
    let groups = tokens.into_iter().filter_map(|token| match token {
        TokenTree::Group(group) => last_word(group.stream()),
        _ => None,
    });
    words.map(|word| word.span()).last().or_else(|| groups.last())
}

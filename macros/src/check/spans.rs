//! Where the compiler's errors point.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::token::Paren;
use syn::{Expr, ExprParen};

/// Puts a `match` that a statement begins with into parentheses, where it needs them: those that `syn` would put there have no
/// place, and what begins with them neither.
pub(super) fn parenthesize(expr: &mut Expr) {
    let begins_with = match expr {
        Expr::Assign(assign) => &mut assign.left,
        Expr::Await(future) => &mut future.base,
        Expr::Binary(binary) => &mut binary.left,
        Expr::Call(call) => &mut call.func,
        Expr::Cast(cast) => &mut cast.expr,
        Expr::Field(field) => &mut field.base,
        Expr::Index(index) => &mut index.expr,
        Expr::MethodCall(call) => &mut call.receiver,
        Expr::Try(expr) => &mut expr.expr,
        _ => return,
    };
    if let Expr::Match(inner) = &**begins_with {
        let paren_token = Paren(inner.match_token.span);
        let expr = Box::new(Expr::Match(inner.clone()));
        **begins_with = Expr::Paren(ExprParen { attrs: Vec::new(), paren_token, expr });
    } else {
        parenthesize(begins_with);
    }
}

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

//! The attributes that the walk understands inside of a body: it takes them away, because none of them could stand on an
//! expression by itself.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Expr, LitStr, Meta, Token};

use crate::parse::Mistakes;

/// What stood at one statement, expression or function.
#[derive(Default)]
pub(super) struct Marks {
    /// What stands in `#[fiber::allow_blocking(reason = "..")]`.
    pub(super) exempt: Option<TokenStream>,
    /// `#[fiber::checkpoint]` and `#[fiber::no_checkpoint]`.
    pub(super) checkpoint: Option<bool>,
    /// Whether it may not be compiled: `#[cfg(..)]`, which the compiler looks at later.
    pub(super) conditional: bool,
}

/// Whether this is one of ours.
pub(super) fn is_ours(attr: &Attribute) -> bool {
    let name = attr.path().segments.last().map(|name| name.ident.to_string());
    matches!(name.as_deref(), Some("allow_blocking" | "checkpoint" | "no_checkpoint"))
}

/// Takes ours out of `attrs`.
pub(super) fn take(attrs: &mut Vec<Attribute>, mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks { conditional: is_conditional(attrs), ..Marks::default() };
    attrs.retain(|attr| {
        let Some(name) = attr.path().segments.last() else { return true };
        // `checkpoint` alone is a common word.
        let ours = attr.path().segments.len() > 1;
        match name.ident.to_string().as_str() {
            "allow_blocking" => {
                check_reason(attr, mistakes);
                marks.exempt = Some(attr.meta.to_token_stream());
            }
            "checkpoint" if ours => marks.checkpoint = Some(true),
            "no_checkpoint" if ours => marks.checkpoint = Some(false),
            _ => return true,
        }
        if name.ident != "allow_blocking" && !matches!(attr.meta, Meta::Path(_)) {
            mistakes.at(&attr.meta, format!("`{}` takes no arguments", name.ident));
        }
        false
    });
    marks
}

pub(super) fn is_conditional(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
}

/// The same as [`take`] for an expression.
pub(super) fn take_of(expr: &mut Expr, mistakes: &mut Mistakes) -> Marks {
    attrs_of(expr).map(|attrs| take(attrs, mistakes)).unwrap_or_default()
}

/// Whether an attribute of fiber checks this function by itself.
pub(crate) fn has_own_check(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let path = attr.path();
        let Some(name) = path.segments.last() else { return false };
        match name.ident.to_string().as_str() {
            "task" | "check" => true,
            "main" | "test" => path.segments.first().is_some_and(|first| first.ident == "fiber"),
            _ => false,
        }
    })
}

/// `reason = "..."` has to say something.
pub(crate) fn check_reason(attr: &Attribute, mistakes: &mut Mistakes) {
    let wanted = "say why it may block here: `allow_blocking(reason = \"...\")`";
    let Meta::List(list) = &attr.meta else {
        mistakes.at(attr, wanted);
        return;
    };
    mistakes.ok(reason(list.tokens.clone()).map_err(|_| syn::Error::new_spanned(attr, wanted)));
}

/// Whether `tokens` are `reason = "..."`.
pub(crate) fn reason(tokens: TokenStream) -> syn::Result<()> {
    let parser = |input: syn::parse::ParseStream<'_>| {
        let name: syn::Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        let text: LitStr = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if name != "reason" || text.value().trim().is_empty() {
            return Err(syn::Error::new(name.span(), "a reason"));
        }
        Ok(())
    };
    syn::parse::Parser::parse2(parser, tokens)
}

/// The attributes of an expression, if it is of a kind that has some.
fn attrs_of(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    macro_rules! of {
        ($($kind:ident)*) => {
            match expr {
                $(Expr::$kind(expr) => Some(&mut expr.attrs),)*
                _ => None,
            }
        };
    }
    of!(
        Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop Group If Index Infer
        Let Lit Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct Try TryBlock Tuple
        Unary Unsafe While Yield
    )
}

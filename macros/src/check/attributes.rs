//! The attributes that the walk understands inside of a body: it takes them away, because none of them could stand on an
//! expression by itself.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, LitStr, Meta, Result, Stmt, Token};

use crate::parse::Mistakes;

/// What stood at one statement, expression or function.
#[derive(Default)]
pub(super) struct Marks {
    /// What stands in `#[fiber::allow_blocking(reason = "..")]`.
    pub(super) exempt: Option<TokenStream>,
    /// `#[fiber::checkpoint]` and `#[fiber::no_checkpoint]`.
    checkpoint: Option<(bool, TokenStream)>,
}

impl Marks {
    /// Whether this loop gets a checkpoint, if it says so.
    pub(super) fn checkpoint(&self) -> Option<bool> {
        self.checkpoint.as_ref().map(|(wanted, _)| *wanted)
    }

    /// What they stood at is no loop.
    pub(super) fn of_no_loop(&self, mistakes: &mut Mistakes) {
        if let Some((wanted, at)) = &self.checkpoint {
            let name = if *wanted { "checkpoint" } else { "no_checkpoint" };
            mistakes.at(at, format!("`{name}` goes on a loop"));
        }
    }

    fn and(self, inner: Self) -> Self {
        Self { exempt: self.exempt.or(inner.exempt), checkpoint: self.checkpoint.or(inner.checkpoint) }
    }
}

/// Whether this is one of ours.
pub(super) fn is_ours(attr: &Attribute) -> bool {
    let name = attr.path().segments.last().map(|name| name.ident.to_string());
    matches!(name.as_deref(), Some("allow_blocking" | "checkpoint" | "no_checkpoint"))
}

/// Takes ours out of `attrs`.
pub(super) fn take(attrs: &mut Vec<Attribute>, mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks::default();
    attrs.retain(|attr| {
        let Some(name) = attr.path().segments.last() else { return true };
        // `checkpoint` alone is a common word.
        let ours = attr.path().segments.len() > 1;
        match name.ident.to_string().as_str() {
            "allow_blocking" => {
                check_reason(attr, mistakes);
                if marks.exempt.replace(attr.to_token_stream()).is_some() {
                    mistakes.at(attr, "this is exempt already, by the `allow_blocking` above: give one reason");
                }
            }
            checkpoint @ ("checkpoint" | "no_checkpoint") if ours => {
                if !matches!(attr.meta, Meta::Path(_)) {
                    mistakes.at(attr, format!("`{checkpoint}` takes no arguments"));
                }
                let wanted = checkpoint == "checkpoint";
                if marks.checkpoint.replace((wanted, attr.to_token_stream())).is_some() {
                    mistakes.at(attr, "whether this loop gets a checkpoint has been said above");
                }
            }
            _ => return true,
        }
        false
    });
    marks
}

/// The same for an expression that is a statement: of `#[..] a = b`, the parser gives `a` the attribute.
pub(super) fn take_of_statement(expr: &mut Expr, mistakes: &mut Mistakes) -> Marks {
    let marks = take_of(expr, mistakes);
    match expr {
        Expr::Assign(assign) => marks.and(take_of_statement(&mut assign.left, mistakes)),
        Expr::Binary(binary) => marks.and(take_of_statement(&mut binary.left, mistakes)),
        Expr::Cast(cast) => marks.and(take_of_statement(&mut cast.expr, mistakes)),
        _ => marks,
    }
}

/// The same for an expression.
pub(super) fn take_of(expr: &mut Expr, mistakes: &mut Mistakes) -> Marks {
    of_mut(expr).map(|attrs| take(attrs, mistakes)).unwrap_or_default()
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
fn check_reason(attr: &Attribute, mistakes: &mut Mistakes) {
    const WANTED: &str = "say why it may block here: `allow_blocking(reason = \"...\")`";
    let Meta::List(list) = &attr.meta else {
        mistakes.at(attr, WANTED);
        return;
    };
    let parser = |input: ParseStream<'_>| -> Result<()> {
        if input.is_empty() {
            return Err(Error::new_spanned(attr, WANTED));
        }
        let name = input.fork().parse::<Ident>().ok().filter(|_| input.peek2(Token![=]));
        let Some(name) = name else {
            return Err(Error::new(input.span(), WANTED));
        };
        if name != "reason" {
            return Err(Error::new(name.span(), format!("there is no argument `{name}`; {WANTED}")));
        }
        input.parse::<Ident>()?;
        input.parse::<Token![=]>()?;
        let text: LitStr = input.parse().map_err(|error| Error::new(error.span(), "a reason is a text in quotes"))?;
        if text.value().trim().is_empty() {
            return Err(Error::new_spanned(text, "this is no reason: say why it may block here"));
        }
        input.parse::<Option<Token![,]>>()?;
        if input.is_empty() { Ok(()) } else { Err(input.error("`allow_blocking` takes a reason and nothing else")) }
    };
    mistakes.ok(parser.parse2(list.tokens.clone()));
}

/// Those of a statement that is no item.
pub(super) fn of_statement(statement: &Stmt) -> &[Attribute] {
    match statement {
        Stmt::Local(local) => &local.attrs,
        Stmt::Macro(mac) => &mac.attrs,
        Stmt::Expr(expr, _) => of_leftmost(expr),
        Stmt::Item(_) => &[],
    }
}

/// What says when a statement is compiled.
pub(super) fn conditions(statement: &Stmt) -> Vec<Attribute> {
    of_statement(statement).iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// As [`take_of_statement`].
fn of_leftmost(expr: &Expr) -> &[Attribute] {
    match (of(expr), expr) {
        (Some(attrs), _) if !attrs.is_empty() => attrs,
        (_, Expr::Assign(assign)) => of_leftmost(&assign.left),
        (_, Expr::Binary(binary)) => of_leftmost(&binary.left),
        (_, Expr::Cast(cast)) => of_leftmost(&cast.expr),
        _ => &[],
    }
}

/// Whether what has them is compiled under some condition only.
pub(super) fn is_conditional(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
}

/// The attributes of an expression, if it is of a kind that has some.
macro_rules! attributes {
    (@ $expr:ident $reference:tt $($kind:ident)*) => {
        match $expr {
            $(Expr::$kind(expr) => Some(attributes!(@@ expr $reference)),)*
            _ => None,
        }
    };
    (@@ $expr:ident ($($reference:tt)+)) => {
        $($reference)+ $expr.attrs
    };
    ($expr:ident, $($reference:tt)+) => {
        attributes! {
            @ $expr ($($reference)+)
            Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop Group If Index Infer
            Let Lit Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct Try TryBlock Tuple
            Unary Unsafe While Yield
        }
    };
}

fn of(expr: &Expr) -> Option<&Vec<Attribute>> {
    attributes!(expr, &)
}

fn of_mut(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    attributes!(expr, &mut)
}

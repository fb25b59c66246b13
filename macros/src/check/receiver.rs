//! Places and values. `self.state[i]` is a place: a probe may mention it again. `open()?` is a value: mentioned again, it
//! would be a second call, so a probe has to take it on its way.

use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, Ident, Item, Macro, UnOp};

use super::attributes;
use super::macros::Known;

/// Whether `expr` is a place that begins with a variable, or a reference to one.
pub(super) fn can_be_mentioned(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => true,
        // It may be a place: taken on its way, it would be moved.
        Expr::Macro(expr) => Known::parse(&expr.mac).is_none(),
        Expr::Field(field) => can_be_mentioned(&field.base),
        Expr::Index(index) => can_be_mentioned(&index.expr) && repeatable(&index.index),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)) && can_be_mentioned(&unary.expr),
        Expr::Paren(paren) => can_be_mentioned(&paren.expr),
        Expr::Group(group) => can_be_mentioned(&group.expr),
        _ => false,
    }
}

/// The variable that a place begins with, if its type and the fields on the way alone decide the type of the place.
pub(super) fn variable(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Field(field) => variable(&field.base),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => variable(&unary.expr),
        Expr::Paren(paren) => variable(&paren.expr),
        _ => None,
    }
}

/// Whether `expr` is a place that may be mentioned again, or a reference to one.
pub(super) fn can_be_mentioned_as_argument(expr: &Expr) -> bool {
    match expr {
        Expr::Reference(reference) => can_be_mentioned(&reference.expr),
        Expr::Paren(paren) => can_be_mentioned_as_argument(&paren.expr),
        Expr::Group(group) => can_be_mentioned_as_argument(&group.expr),
        _ => can_be_mentioned(expr),
    }
}

/// What the place `expr` begins with: `open()` of `open().files[0]`.
pub(super) fn root(expr: &mut Expr) -> &mut Expr {
    let goes_on = match expr {
        Expr::Field(_) | Expr::Index(_) | Expr::Paren(_) | Expr::Group(_) => true,
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)),
        _ => false,
    };
    if !goes_on {
        return expr;
    }
    match expr {
        Expr::Field(field) => root(&mut field.base),
        Expr::Index(index) => root(&mut index.expr),
        Expr::Unary(unary) => root(&mut unary.expr),
        Expr::Paren(paren) => root(&mut paren.expr),
        Expr::Group(group) => root(&mut group.expr),
        _ => unreachable!("it was one of these"),
    }
}

/// Whether no type that this expression can have blocks in anything, or it never has a value. A text and a tuple can be an
/// address to look up.
pub(super) fn is_harmless(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Array(_)
            | Expr::Binary(_)
            | Expr::Break(_)
            | Expr::Closure(_)
            | Expr::Continue(_)
            | Expr::Range(_)
            | Expr::Repeat(_)
            | Expr::Return(_)
            | Expr::Struct(_)
    )
}

/// What the items come from: `list` of `list?.enumerate().rev()`.
pub(super) fn iterated(expr: &Expr) -> &Expr {
    match expr {
        Expr::Try(expr) => iterated(&expr.expr),
        Expr::Paren(expr) => iterated(&expr.expr),
        Expr::MethodCall(call) if is_adaptor(&call.method.to_string()) => iterated(&call.receiver),
        _ => expr,
    }
}

fn is_adaptor(name: &str) -> bool {
    matches!(
        name,
        "cloned"
            | "copied"
            | "enumerate"
            | "expect"
            | "filter"
            | "map"
            | "rev"
            | "skip"
            | "step_by"
            | "take"
            | "unwrap"
            | "zip"
    )
}

/// Whether a method of this name gives what a collection, a slice or a text holds: most loops go over that, and a look at
/// them would cost the compiler time for nothing.
pub(super) fn iterates_memory(name: &str) -> bool {
    matches!(
        name,
        "char_indices"
            | "chars"
            | "chunks"
            | "chunks_exact"
            | "chunks_mut"
            | "drain"
            | "into_keys"
            | "into_values"
            | "iter"
            | "iter_mut"
            | "keys"
            | "split_whitespace"
            | "values"
            | "values_mut"
            | "windows"
    )
}

/// Whether the expression may stand twice, once in code that never runs: nothing in it declares something, or is much.
pub(super) fn duplicable(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Array(array) => array.elems.iter().all(duplicable),
        Expr::Binary(binary) => duplicable(&binary.left) && duplicable(&binary.right),
        Expr::Call(call) => duplicable(&call.func) && call.args.iter().all(duplicable),
        Expr::Cast(cast) => duplicable(&cast.expr),
        Expr::Field(field) => duplicable(&field.base),
        Expr::Group(group) => duplicable(&group.expr),
        Expr::Index(index) => duplicable(&index.expr) && duplicable(&index.index),
        Expr::MethodCall(call) => duplicable(&call.receiver) && call.args.iter().all(duplicable),
        Expr::Paren(paren) => duplicable(&paren.expr),
        Expr::Range(range) => [&range.start, &range.end].into_iter().flatten().all(|end| duplicable(end)),
        Expr::Reference(reference) => duplicable(&reference.expr),
        Expr::Struct(fields) => fields.rest.is_none() && fields.fields.iter().all(|field| duplicable(&field.expr)),
        Expr::Try(expr) => duplicable(&expr.expr),
        Expr::Tuple(tuple) => tuple.elems.iter().all(duplicable),
        Expr::Unary(unary) => duplicable(&unary.expr),
        _ => false,
    }
}

/// Whether the expression may stand twice, however much it is: nothing in it declares something for all of the crate, or
/// means something to the walk.
pub(super) fn repeatable(expr: &Expr) -> bool {
    struct Repeatable(bool);

    impl VisitMut for Repeatable {
        fn visit_item_mut(&mut self, _: &mut Item) {
            self.0 = false;
        }

        fn visit_macro_mut(&mut self, mac: &mut Macro) {
            self.0 &= Known::parse(mac).is_some();
        }

        fn visit_attribute_mut(&mut self, attr: &mut Attribute) {
            self.0 &= !attributes::is_ours(attr);
        }
    }

    let mut walk = Repeatable(true);
    duplicable(expr) || {
        walk.visit_expr_mut(&mut expr.clone());
        walk.0
    }
}

/// Whether the expression may stand twice, and both times be of the same type.
pub(super) fn has_one_type(expr: &Expr) -> bool {
    struct OneType(bool);

    impl VisitMut for OneType {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            self.0 &= !matches!(expr, Expr::Async(_) | Expr::Closure(_));
            visit_mut::visit_expr_mut(self, expr);
        }
    }

    let mut walk = OneType(true);
    repeatable(expr) && {
        walk.visit_expr_mut(&mut expr.clone());
        walk.0
    }
}

/// Takes `expr` out, to be put back in another form.
pub(super) fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Verbatim(proc_macro2::TokenStream::new()))
}

/// Whether `block` neither calls anything nor loops, as far as one sees.
pub(super) fn is_call_free(block: &Block) -> bool {
    struct Calls(bool);

    impl VisitMut for Calls {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            self.0 |= matches!(
                expr,
                Expr::Await(_)
                    | Expr::Call(_)
                    | Expr::ForLoop(_)
                    | Expr::Loop(_)
                    | Expr::Macro(_)
                    | Expr::MethodCall(_)
                    | Expr::While(_)
                    | Expr::Verbatim(_)
            );
            if !self.0 {
                visit_mut::visit_expr_mut(self, expr);
            }
        }

        fn visit_macro_mut(&mut self, _: &mut Macro) {
            self.0 = true;
        }
    }

    let mut calls = Calls(false);
    calls.visit_block_mut(&mut block.clone());
    !calls.0
}

//! Checkpoints in loops: where a fiber that runs for long can be made to yield.
//!
//! A `while` becomes what the compiler itself makes of it, `loop { if head { .. } else { break } }`, with the checkpoint
//! before the head: in the body it would hold what the head of a `while let` borrowed. In `loop` and `for` it stands
//! first in the body, because `continue` passes by the end.
//!
//! None stands where a switch could break code that is right without it: in `unsafe` blocks and functions, destructors,
//! `async` code, functions with a foreign calling convention, closures that someone else calls, and behind an
//! `allow_blocking`, where a lock of std may be held. None in the innermost `for` loops that call nothing: they would
//! no longer be vectorised.

use quote::ToTokens;
use syn::{Block, Expr, ExprWhile, Safety, Signature, Stmt};

use super::attributes::Marks;
use super::probe::{checkpoint, generated};
use super::receiver::is_call_free;
use super::walk::Walk;

/// Whether loops get checkpoints at this place.
#[derive(Clone, Copy)]
pub(super) struct Checkpoints(pub(super) bool);

impl Checkpoints {
    /// Not here.
    pub(super) fn suspended(self) -> Self {
        Self(false)
    }

    /// In a function of this signature.
    pub(super) fn in_function(self, signature: &Signature) -> Self {
        let plain =
            signature.asyncness.is_none() && signature.abi.is_none() && !matches!(signature.safety, Safety::Unsafe(_));
        Self(self.0 && plain)
    }
}

/// Whether a `loop` or `while` gets one.
pub(super) fn wants(checkpoints: Checkpoints, marks: &Marks) -> bool {
    marks.checkpoint().unwrap_or(checkpoints.0)
}

/// Whether a `for` gets one.
pub(super) fn in_for(checkpoints: Checkpoints, marks: &Marks, body: &Block) -> bool {
    marks.checkpoint().unwrap_or_else(|| checkpoints.0 && !is_call_free(body))
}

/// Puts one first in `body`.
pub(super) fn insert(body: &mut Block) {
    body.stmts.insert(0, Stmt::Expr(Expr::Verbatim(checkpoint()), None));
}

/// `while head { body }` with one before the head.
pub(super) fn desugared(expr: &ExprWhile) -> Expr {
    let ExprWhile { attrs, label, while_token, cond, body } = expr;
    // The edition of the user's token decides how long the temporaries of the head live.
    let keyword = syn::Token![if](while_token.span).to_token_stream();
    let checkpoint = checkpoint();
    Expr::Verbatim(generated! {
        #(#attrs)*
        #label loop {
            #checkpoint
            #keyword #cond #body else { break }
        }
    })
}

impl Walk<'_> {
    /// Reports what stands at something else than a loop.
    pub(super) fn only_on_loops(&mut self, marks: &Marks, expr: &Expr) {
        if !matches!(expr, Expr::ForLoop(_) | Expr::Loop(_) | Expr::While(_)) {
            marks.of_no_loop(self.mistakes);
        }
    }
}

//! The walk over a body: which expressions are looked at, and what stands there afterwards.
//!
//! Here is the way through it, with the scopes and what the attributes on the way say; [`calls`](super::calls) has what
//! is done to an expression.

use proc_macro2::TokenStream;
use std::collections::HashSet;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, Block, Expr, ExprClosure, ExprField, ExprForLoop, ExprIf, ExprRawAddr, ExprTry, ExprUnary,
    ExprWhile, FieldValue, ImplItem, Item, ItemFn, Pat, Signature, Stmt, TraitItem,
};

use super::attributes::{self, Marks};
use super::exempt::Exempt;
use super::loops::{self, Checkpoints};
use super::macros;
use super::names::{self, Names};
use super::probe::{Asks, Called, Prober, generated, passing};
use super::receiver::{can_be_mentioned_as_argument, is_harmless, iterated, iterates_memory, taken};
use super::spans;
use crate::parse::Mistakes;
use crate::table::named;

/// What `for` calls on what stands behind `in`.
const INTO_ITER: Called<'_> = Called { name: "into_iter", arguments: 0 };

/// Where an expression stands in its statement.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Position {
    /// Something else is evaluated before, or names are bound, or it is run by turns.
    #[default]
    Inside,
    /// The statement begins with it: what it mentions is known before the statement as well.
    Leading,
    /// It is the statement.
    Whole,
}

impl Position {
    /// That of the part that is evaluated first.
    fn part(self) -> Self {
        if self == Position::Whole { Position::Leading } else { self }
    }
}

/// The walk, and what it knows at the place where it is.
pub(super) struct Walk<'a> {
    pub(super) prober: &'a Prober,
    pub(super) names: Names,
    pub(super) mistakes: &'a mut Mistakes,
    pub(super) checkpoints: Checkpoints,
    /// Set inside what an exemption covers.
    pub(super) exempt: Option<Exempt>,
    pub(super) seen: Seen,
    /// Of the expression that is visited next.
    pub(super) position: Position,
    /// Probes that belong before the statement.
    pub(super) before: Vec<TokenStream>,
    /// The suspicious names so far.
    pub(super) met: HashSet<String>,
    /// Names of one segment that were asked about as possible renames, once in a body.
    pub(super) asked: HashSet<String>,
    /// What `crate = ".."` calls the runtime crate, last segment.
    pub(super) krate: String,
    /// The methods of variables and their fields that were asked about: the second answer would be the first. A mistake is
    /// then reported where it is made first.
    pub(super) answered: HashSet<(Option<usize>, String)>,
    /// Whether the body of the function has something in it that needs the runtime's part.
    pub(super) supported: bool,
    /// Whether `std` in the arguments of macros means the shadow.
    pub(super) shadowed: bool,
}

/// What the walk came by.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// Calls with a name of the table.
    pub(super) named: usize,
    /// Calls of something that an import may have renamed.
    pub(super) perhaps: usize,
    /// Those that were asked about.
    pub(super) rewritten: usize,
}

impl Walk<'_> {
    /// Whether and what a probe at a call with a name of the table asks; counts it.
    pub(super) fn asks(&mut self, name: &str) -> Option<Asks> {
        self.seen.named += 1;
        self.met.insert(name.to_owned());
        let asks = match &self.exempt {
            None => Some(Asks::Harmless),
            Some(exempt) => exempt.single.then_some(Asks::Blocking),
        };
        self.seen.rewritten += usize::from(asks.is_some());
        self.supported |= asks.is_some();
        asks
    }

    /// The same at a call of something that an import might have renamed.
    pub(super) fn asks_perhaps(&mut self) -> bool {
        self.seen.perhaps += 1;
        let asks = self.exempt.is_none();
        self.seen.rewritten += usize::from(asks);
        self.supported |= asks;
        asks
    }

    pub(super) fn closure(&mut self, closure: &mut ExprClosure, passes_on: bool) {
        self.names.open();
        closure.inputs.iter().for_each(|input| self.names.bind(input));
        let checkpoints =
            if passes_on && closure.asyncness.is_none() { self.checkpoints } else { self.checkpoints.suspended() };
        let outside = std::mem::replace(&mut self.checkpoints, checkpoints);
        self.visit_expr_mut(&mut closure.body);
        self.checkpoints = outside;
        self.names.close();
    }

    /// The body of a function inside of what is walked.
    pub(super) fn function(&mut self, attrs: &mut Vec<Attribute>, signature: &Signature, body: &mut Block, drop: bool) {
        if attributes::has_own_check(attrs) || signature.constness.is_some() {
            return;
        }
        let marks = attributes::take(attrs, self.mistakes);
        marks.of_no_loop(self.mistakes);
        let questions = (std::mem::take(&mut self.asked), std::mem::take(&mut self.answered));
        let outside = (self.checkpoints, std::mem::take(&mut self.supported));
        self.checkpoints = if drop { outside.0.suspended() } else { outside.0.in_function(signature) };
        self.names.open_function(signature);
        self.marked(&marks, |walk| walk.visit_block_mut(body));
        self.names.close();
        if self.supported {
            body.stmts.insert(0, Stmt::Item(Item::Verbatim(self.prober.imports())));
        }
        (self.checkpoints, self.supported) = outside;
        (self.asked, self.answered) = questions;
    }

    fn for_loop(&mut self, expr: &mut ExprForLoop, marks: &Marks, position: Position) {
        let original = expr.expr.clone();
        self.leading(position, &mut expr.expr);
        if !self.is_known(&original)
            && let Some(asks) = self.asks(INTO_ITER.name)
            && (asks == Asks::Blocking || self.prober.refuses_method(INTO_ITER))
        {
            let place = spans::last(&original);
            if position != Position::Inside && can_be_mentioned_as_argument(&original) {
                self.before.push(self.prober.mentioned(asks, INTO_ITER, place, &original));
            } else {
                let passing = passing();
                let probe = self.prober.referenced(asks, INTO_ITER, place, &generated!(&#passing));
                *expr.expr = self.through(&probe, &taken(&mut expr.expr));
            }
        }
        self.names.open();
        self.names.bind(&expr.pat);
        let here = loops::in_for(self.checkpoints, marks, &expr.body);
        self.visit_block_mut(&mut expr.body);
        self.names.close();
        if here {
            self.supported = true;
            loops::insert(&mut expr.body);
        }
    }

    /// Whether what a loop goes over needs no look of its own: it is in memory, or comes from a call with a name of the table,
    /// such as `rx.iter()` or `fs::read_dir(path)?`, and one mistake is one error.
    fn is_known(&self, expr: &Expr) -> bool {
        match iterated(expr) {
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                iterates_memory(&name) || self.prober.knows_method(Called { name: &name, arguments: call.args.len() })
            }
            Expr::Call(call) => matches!(&*call.func, Expr::Path(callee)
                if callee.path.segments.last().is_some_and(|last| named(&last.ident.to_string()).next().is_some())),
            Expr::Macro(_) => true,
            other => is_harmless(other),
        }
    }

    fn while_loop(&mut self, expr: &mut ExprWhile, marks: &Marks) -> Option<Expr> {
        self.names.open();
        self.visit_expr_mut(&mut expr.cond);
        self.visit_block_mut(&mut expr.body);
        self.names.close();
        let here = loops::wants(self.checkpoints, marks);
        self.supported |= here;
        here.then(|| loops::desugared(expr))
    }

    fn if_else(&mut self, expr: &mut ExprIf, position: Position) {
        self.names.open();
        self.leading(position, &mut expr.cond);
        self.visit_block_mut(&mut expr.then_branch);
        self.names.close();
        if let Some((_, otherwise)) = &mut expr.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    /// `visit`, under what stands at `marks`.
    pub(super) fn marked(&mut self, marks: &Marks, mut visit: impl FnMut(&mut Self)) {
        match &marks.exempt {
            Some(at) if self.exempt.is_none() => self.exempted(at, visit),
            Some(at) => {
                self.mistakes.at(at, "this is exempt already, by what is around it: this exemption is not needed");
                visit(self);
            }
            None => visit(self),
        }
    }

    /// A statement of a block, which may become several.
    fn visit_statement(&mut self, mut statement: Stmt, block: &mut Vec<Stmt>) {
        let conditions = attributes::conditions(&statement);
        let outside = std::mem::take(&mut self.before);
        match &mut statement {
            Stmt::Local(local) => {
                let marks = attributes::take(&mut local.attrs, self.mistakes);
                marks.of_no_loop(self.mistakes);
                self.marked(&marks, |walk| {
                    if let Some(init) = &mut local.init {
                        walk.position = Position::Leading;
                        if names::is_name(&local.pat) {
                            walk.visit_expr_mut(&mut init.expr);
                        } else {
                            walk.place(&mut init.expr);
                        }
                        walk.position = Position::Inside;
                        if let Some((_, diverge)) = &mut init.diverge {
                            walk.visit_expr_mut(diverge);
                        }
                    }
                });
                self.names.bind(&local.pat);
                self.after(&marks);
            }
            Stmt::Item(item) => self.visit_item_mut(item),
            Stmt::Macro(mac) => {
                let marks = attributes::take(&mut mac.attrs, self.mistakes);
                marks.of_no_loop(self.mistakes);
                let known = macros::Known::parse(&mac.mac).is_some();
                let tokens = (!known).then(|| mac.mac.tokens.clone());
                let mut probe = None;
                self.marked(&marks, |walk| probe = walk.macro_call(&mut mac.mac));
                self.before.extend(probe);
                tokens.into_iter().for_each(|tokens| self.names.bind_all(tokens));
                self.after(&marks);
            }
            Stmt::Expr(expr, semicolon) => {
                let position = if semicolon.is_some() { Position::Whole } else { Position::Leading };
                let marks = attributes::take_of_statement(expr, self.mistakes);
                self.only_on_loops(&marks, expr);
                self.marked(&marks, |walk| {
                    walk.position = position;
                    walk.visit_marked(expr, &marks);
                });
                spans::parenthesize(expr);
                self.after(&marks);
            }
        }
        for probe in std::mem::replace(&mut self.before, outside) {
            let dead = Prober::dead(&probe);
            block.push(Stmt::Expr(Expr::Verbatim(generated!(#(#conditions)* #dead)), None));
        }
        block.push(statement);
    }

    /// `visit`, of something that may not be compiled if it is `conditional`: then its questions are no answers elsewhere.
    fn perhaps(&mut self, conditional: bool, visit: impl FnOnce(&mut Self)) {
        let questions = conditional.then(|| (self.asked.clone(), self.answered.clone()));
        visit(self);
        if let Some(questions) = questions {
            (self.asked, self.answered) = questions;
        }
    }

    pub(super) fn without_checkpoints(&mut self, visit: impl FnOnce(&mut Self)) {
        let outside = self.checkpoints;
        self.checkpoints = outside.suspended();
        visit(self);
        self.checkpoints = outside;
    }

    /// A lock may be held from here to the end of the block.
    fn after(&mut self, marks: &Marks) {
        if marks.exempt.is_some() {
            self.checkpoints = self.checkpoints.suspended();
        }
    }

    /// A part of an expression at `position` that is evaluated first. If it is a path, it stays one.
    pub(super) fn leading(&mut self, position: Position, part: &mut Expr) {
        self.position = position.part();
        self.place(part);
        self.position = Position::Inside;
    }

    /// An expression whose attributes have been taken.
    fn visit_marked(&mut self, expr: &mut Expr, marks: &Marks) {
        let position = std::mem::take(&mut self.position);
        if marks.exempt.is_some() || matches!(expr, Expr::Paren(paren) if attributes::stand_at(&paren.expr)) {
            spans::keep_delimiters(expr);
        }
        let rewritten = match &mut *expr {
            Expr::Async(block) => {
                self.without_checkpoints(|walk| walk.visit_block_mut(&mut block.block));
                None
            }
            Expr::Call(call) => self.call(call, position),
            Expr::Closure(closure) => {
                self.closure(closure, false);
                None
            }
            // Evaluated by the compiler.
            Expr::Const(_) | Expr::Verbatim(_) => None,
            Expr::ForLoop(expr) => {
                self.for_loop(expr, marks, position);
                None
            }
            Expr::If(expr) => {
                self.if_else(expr, position);
                None
            }
            Expr::Let(condition) => {
                self.leading(position, &mut condition.expr);
                self.names.bind(&condition.pat);
                None
            }
            Expr::Loop(expr) => {
                self.visit_block_mut(&mut expr.body);
                if loops::wants(self.checkpoints, marks) {
                    self.supported = true;
                    loops::insert(&mut expr.body);
                }
                None
            }
            Expr::Macro(expr) => {
                let probe = self.macro_call(&mut expr.mac);
                probe.and_then(|probe| self.put(probe, position, expr, |expr| &mut expr.attrs))
            }
            Expr::MethodCall(call) => self.method_call(call, position),
            Expr::Path(path) if path.attrs.is_empty() => {
                let path = path.clone();
                self.path_as_value(&path, false)
            }
            Expr::Path(_) => None,
            Expr::Repeat(repeat) => {
                self.visit_expr_mut(&mut repeat.expr);
                None
            }
            Expr::Unsafe(block) => {
                self.without_checkpoints(|walk| walk.visit_block_mut(&mut block.block));
                None
            }
            Expr::While(expr) => self.while_loop(expr, marks),
            Expr::Assign(assign) => {
                self.assigned(&mut assign.left);
                self.position = position.part();
                self.visit_expr_mut(&mut assign.right);
                None
            }
            Expr::Await(future) => {
                self.awaited(&mut future.base);
                None
            }
            Expr::Binary(binary) => {
                // `x += 1` is one.
                self.place(&mut binary.left);
                self.visit_expr_mut(&mut binary.right);
                None
            }
            Expr::Field(ExprField { base: place, .. })
            | Expr::RawAddr(ExprRawAddr { expr: place, .. })
            | Expr::Unary(ExprUnary { expr: place, .. })
            | Expr::Try(ExprTry { expr: place, .. }) => {
                self.leading(position, place);
                None
            }
            Expr::Index(index) => {
                self.place(&mut index.expr);
                self.visit_expr_mut(&mut index.index);
                None
            }
            Expr::Match(expr) => {
                self.leading(position, &mut expr.expr);
                expr.arms.iter_mut().for_each(|arm| self.visit_arm_mut(arm));
                None
            }
            Expr::Reference(reference) => self.reference(reference),
            Expr::Struct(fields) => {
                fields.fields.iter_mut().for_each(|field| self.visit_field_value_mut(field));
                if let Some(rest) = &mut fields.rest {
                    self.place(rest);
                }
                None
            }
            expr => {
                visit_mut::visit_expr_mut(self, expr);
                None
            }
        };
        if let Some(rewritten) = rewritten {
            *expr = rewritten;
        }
    }
}

impl VisitMut for Walk<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let marks = attributes::take_of(expr, self.mistakes);
        self.only_on_loops(&marks, expr);
        self.marked(&marks, |walk| walk.visit_marked(expr, &marks));
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.names.open();
        let checkpoints = self.checkpoints;
        for statement in &block.stmts {
            if let Stmt::Item(item) = statement {
                self.names.declare(item);
            }
        }
        let mut statements = Vec::with_capacity(block.stmts.len());
        for statement in std::mem::take(&mut block.stmts) {
            let conditional = attributes::is_conditional(attributes::of_statement(&statement));
            self.perhaps(conditional, |walk| walk.visit_statement(statement, &mut statements));
        }
        block.stmts = statements;
        self.checkpoints = checkpoints;
        self.names.close();
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.names.open();
        self.names.bind(&arm.pat);
        self.perhaps(attributes::is_conditional(&arm.attrs), |walk| {
            walk.visit_pat_mut(&mut arm.pat);
            walk.visit_expr_mut(&mut arm.body);
        });
        spans::parenthesize(&mut arm.body);
        self.names.close();
    }

    /// In a pattern, only the condition behind it is run.
    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        if let Pat::Guard(guard) = pattern {
            self.visit_expr_mut(&mut guard.guard);
        }
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Fn(ItemFn { attrs, sig, block, .. }) => self.function(attrs, sig, block, false),
            Item::Impl(block) => {
                let drop = block
                    .trait_
                    .as_ref()
                    .is_some_and(|(path, _)| path.segments.last().is_some_and(|segment| segment.ident == "Drop"));
                for member in &mut block.items {
                    if let ImplItem::Fn(function) = member {
                        self.function(&mut function.attrs, &function.sig, &mut function.block, drop);
                    }
                }
            }
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    self.module(items);
                }
            }
            Item::Trait(definition) => {
                for member in &mut definition.items {
                    if let TraitItem::Fn(function) = member
                        && let Some(body) = &mut function.default
                    {
                        self.function(&mut function.attrs, &function.sig, body, false);
                    }
                }
            }
            // Constants are evaluated by the compiler; the others have no code.
            _ => {}
        }
    }

    fn visit_field_value_mut(&mut self, field: &mut FieldValue) {
        self.visit_expr_mut(&mut field.expr);
        // `Hooks { sleep }`: what stands for the name has to be written behind it.
        if !matches!(field.expr, Expr::Path(_)) {
            field.colon_token.get_or_insert_default();
        }
    }

    fn visit_type_mut(&mut self, _: &mut syn::Type) {}

    fn visit_generic_argument_mut(&mut self, _: &mut syn::GenericArgument) {}

    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
}

impl Walk<'_> {
    /// The items of an inline module, whose imports are in sight, and none of those around it.
    pub(super) fn module(&mut self, items: &mut [Item]) {
        let outside = std::mem::take(&mut self.names);
        self.names.open();
        items.iter().for_each(|item| self.names.declare(item));
        items.iter_mut().for_each(|item| self.visit_item_mut(item));
        self.names = outside;
    }
}

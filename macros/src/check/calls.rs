//! Calls, and what stands there instead.
//!
//! Each handler first lets the walk go through the parts of its expression and then puts a probe beside it. The dead copy
//! in a probe is the user's expression from before, so that probes do not multiply. What a handler gives back takes the
//! expression's place; where a call is a whole statement, `statement` takes the statements that belong before it.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ExprCall, ExprMethodCall, Index, Macro, Path, Stmt, Token};

use super::exempt::Exempt;
use super::macros::{self, Known};
use super::names::plain;
use super::paths;
use super::probe::{Asks, Called, Prober, generated, passing};
use super::receiver::{can_be_mentioned, can_be_mentioned_as_argument, duplicable, is_harmless, root, taken, variable};
use super::walk::{Walk, last_span};
use crate::table::Entry;

type Arguments = Punctuated<Expr, Token![,]>;

impl Walk<'_> {
    /// A method call: the receiver is asked. As a statement it stays as it is, with a statement before it.
    pub(super) fn method_call(&mut self, call: &mut ExprMethodCall, statement: Option<&mut Vec<Stmt>>) -> Option<Expr> {
        let name = plain(&call.method);
        let method = Called { name: &name, arguments: call.args.len() };
        let original = self.prober.knows_method(method).then(|| call.receiver.clone());
        self.receiver(&mut call.receiver);
        self.arguments(&mut call.args, passes_on(&name));
        if let Some(arguments) = &mut call.turbofish {
            self.visit_angle_bracketed_generic_arguments_mut(arguments);
        }
        let mut original = original?;
        if is_harmless(&original) {
            return None;
        }
        let asks = self.asks(&name)?;
        if asks == Asks::Harmless && !self.prober.refuses_method(method) {
            return None;
        }
        let place = call.method.span();
        if can_be_mentioned(&original) {
            if asks == Asks::Harmless && !self.is_first(&original, method) {
                return None;
            }
            let probe = self.prober.mentioned(asks, method, place, &original);
            if let Some(before) = statement {
                before.push(self.statement(&probe, &call.attrs));
                return None;
            }
            let attrs = std::mem::take(&mut call.attrs);
            return Some(self.beside(&probe, &attrs, call));
        }
        // What the place begins with is a value: it is looked at on its way to the call.
        let passing = passing();
        *root(&mut original) = Expr::Verbatim(passing.to_token_stream());
        let probe = match &*original {
            Expr::Verbatim(_) => self.prober.referenced(asks, method, place, &generated!(&#passing)),
            projection => self.prober.mentioned(asks, method, place, projection),
        };
        let value = root(&mut call.receiver);
        if is_harmless(value) {
            return None;
        }
        *value = self.through(&probe, &taken(value));
        None
    }

    /// A call of a path.
    pub(super) fn call(&mut self, call: &mut ExprCall, statement: Option<&mut Vec<Stmt>>) -> Option<Expr> {
        let Expr::Path(callee) = &*call.func else {
            visit_mut::visit_expr_call_mut(self, call);
            return None;
        };
        let resolved = self.names.resolve(&callee.path);
        if paths::runs_elsewhere(&resolved, &self.krate) {
            self.elsewhere(&mut call.args);
            return None;
        }
        let (callee, original) = (callee.clone(), call.args.clone());
        let name = resolved.last().cloned().unwrap_or_default();
        self.arguments(&mut call.args, passes_on(&name));
        if callee.qself.is_none() && (paths::is_ours(&resolved, &self.krate) || self.is_own(&callee.path)) {
            return None;
        }

        let of_type = paths::is_of_type(&callee);
        if of_type {
            let method = Called { name: &name, arguments: original.len().saturating_sub(1) };
            let has_receiver = self.prober.knows_method(method) && !original.is_empty();
            let is_associated = !paths::functions(&name, true).is_empty();
            if has_receiver && is_associated && self.exempt.is_some() {
                // `open` of `File` or of `OpenOptions`? Not a single question.
                self.seen.perhaps += 2;
                return None;
            }
            if is_associated {
                self.associated(call, &callee.path, &name);
            }
            return if has_receiver { self.call_with_receiver(call, &original[0], method, statement) } else { None };
        }
        let entries = paths::functions(&name, false);
        let (entries, asks) = if entries.is_empty() {
            if !self.may_be_renamed(&callee.path) {
                return None;
            }
            let with_closure = original.iter().any(|argument| matches!(argument, Expr::Closure(_)));
            (paths::functions_with_arity(original.len(), with_closure), self.asks_perhaps()?)
        } else {
            (entries, self.asks(&name)?)
        };
        self.callee(call, &callee.path, &entries, asks, &original, statement)
    }

    /// `Mutex::lock(&state)`, `Read::read(&mut file, ..)`: the first argument is asked as a receiver is.
    fn call_with_receiver(
        &mut self,
        call: &mut ExprCall,
        receiver: &Expr,
        method: Called<'_>,
        statement: Option<&mut Vec<Stmt>>,
    ) -> Option<Expr> {
        if is_harmless(receiver) {
            return None;
        }
        let asks = self.asks(method.name)?;
        if asks == Asks::Harmless && !self.prober.refuses_method(method) {
            return None;
        }
        let place = last_span(&call.func);
        if can_be_mentioned_as_argument(receiver) {
            let probe = self.prober.mentioned(asks, method, place, receiver);
            if let Some(before) = statement {
                before.push(self.statement(&probe, &call.attrs));
                return None;
            }
            let attrs = std::mem::take(&mut call.attrs);
            return Some(self.beside(&probe, &attrs, call));
        }
        let passing = passing();
        let probe = self.prober.referenced(asks, method, place, &generated!(&#passing));
        if let Some(first) = call.args.first_mut() {
            *first = self.through(&probe, &taken(first));
        }
        None
    }

    /// `File::open(path)`: the callee is asked on its way.
    fn associated(&mut self, call: &mut ExprCall, path: &Path, name: &str) {
        let entries = paths::functions(name, true);
        if entries.is_empty() || path.segments.len() < 2 {
            return;
        }
        if let Some(asks) = self.asks(name) {
            let none: Option<&[Expr]> = Some(&[]);
            let probe = self.prober.function(asks, &entries, &passing(), path, none);
            if !probe.is_empty() {
                *call.func = self.through(&probe, &call.func);
            }
        }
    }

    /// The callee is asked: where it stands, or, if the call is a whole statement, in a copy of it before.
    fn callee(
        &mut self,
        call: &mut ExprCall,
        path: &Path,
        entries: &[&'static Entry],
        asks: Asks,
        original: &Arguments,
        statement: Option<&mut Vec<Stmt>>,
    ) -> Option<Expr> {
        let probe = self.prober.function(asks, entries, &passing(), path, Some(original.iter()));
        if probe.is_empty() {
            return None;
        }
        let callee = self.through(&probe, &call.func);
        match statement {
            Some(before) if original.iter().all(duplicable) => {
                let code = generated!(let _ = #callee(#original););
                before.push(self.statement(&code, &call.attrs));
            }
            _ => *call.func = callee,
        }
        None
    }

    /// A path that is not called here: `.map(fs::read)`.
    pub(super) fn path_as_value(&mut self, path: &Path, argument: bool) -> Option<Expr> {
        let resolved = self.names.resolve(path);
        if self.is_own(path) || paths::is_ours(&resolved, &self.krate) {
            return None;
        }
        let name = resolved.last().cloned().unwrap_or_default();
        let associated = path.segments.len() > 1 && paths::names_type(&resolved);
        let entries = paths::functions(&name, associated);
        let (entries, asks) = if entries.is_empty() {
            if !argument || !self.may_be_renamed(path) {
                return None;
            }
            (paths::all_functions(), self.asks_perhaps()?)
        } else {
            (entries, self.asks(&name)?)
        };
        let probe = self.prober.function(asks, &entries, &passing(), path, None::<&[Expr]>);
        (!probe.is_empty()).then(|| self.through(&probe, path))
    }

    pub(super) fn is_own(&self, path: &Path) -> bool {
        path.get_ident().is_some_and(|name| self.names.is_own(name) || name == "self")
    }

    /// Whether an import that is not in sight may have given a function of std this name. Asked once in a body.
    fn may_be_renamed(&mut self, path: &Path) -> bool {
        let Some(name) = path.get_ident() else { return false };
        let text = name.to_string();
        let lower_case = text.chars().all(|letter| letter == '_' || letter.is_lowercase() || letter.is_ascii_digit());
        let in_sight = self.names.resolve(path).len() > 1;
        lower_case && !in_sight && (self.exempt.is_some() || self.asked.insert(text))
    }

    /// `write!(destination, ..)`: it calls a method of the destination.
    fn write(
        &mut self,
        mac: &mut Macro,
        destination: &mut Expr,
        statement: Option<&mut Vec<Stmt>>,
    ) -> Option<TokenStream> {
        let original = destination.clone();
        self.receiver(destination);
        if is_harmless(&original) {
            return None;
        }
        let method = Called { name: "write_fmt", arguments: 1 };
        let asks = self.asks(method.name)?;
        if asks == Asks::Harmless && !self.prober.refuses_method(method) {
            return None;
        }
        if asks == Asks::Harmless && !self.is_first(&original, method) {
            return None;
        }
        let place = mac.path.segments.last()?.ident.span();
        if can_be_mentioned_as_argument(&original) {
            let probe = self.prober.mentioned(asks, method, place, &original);
            if let Some(before) = statement {
                before.push(self.statement(&probe, &[]));
                return None;
            }
            return Some(probe);
        }
        let passing = passing();
        let probe = self.prober.referenced(asks, method, place, &generated!(&#passing));
        *destination = self.through(&probe, &taken(destination));
        None
    }

    /// A macro: what it is given is walked if it is one of std's; the probe that belongs beside it comes back.
    pub(super) fn macro_call(&mut self, mac: &mut Macro, statement: Option<&mut Vec<Stmt>>) -> Option<TokenStream> {
        let Some(mut known) = Known::parse(mac) else {
            if macros::mentions_suspicious(&mac.tokens) {
                self.seen.perhaps += 2;
            }
            if self.shadowed && self.exempt.is_some() {
                mac.tokens = paths::absolute_tokens(std::mem::take(&mut mac.tokens));
            }
            return None;
        };
        let before = self.seen.rewritten;
        let probe = match &mut known.destination {
            Some(destination) => self.write(mac, destination, statement),
            None => None,
        };
        for argument in &mut known.arguments {
            match argument {
                // `name = value`, not an assignment.
                Expr::Assign(named) if matches!(*named.left, Expr::Path(_)) => self.visit_expr_mut(&mut named.right),
                argument => self.visit_expr_mut(argument),
            }
        }
        if self.seen.rewritten != before {
            mac.tokens = known.into_token_stream();
        }
        probe
    }
}

/// How.
impl Walk<'_> {
    /// `(if false { probe }, expr).1`: temporaries of `expr` live as long as without it.
    pub(super) fn beside(&self, probe: &TokenStream, attrs: &[Attribute], expr: &impl ToTokens) -> Expr {
        let dead = Prober::dead(probe);
        in_place_of(&expr.to_token_stream(), attrs, generated!(#dead, #expr), 1)
    }

    /// `(match value { value => { if false { probe } value } },).0`.
    pub(super) fn through(&self, probe: &TokenStream, value: &impl ToTokens) -> Expr {
        let (dead, passing) = (Prober::dead(probe), passing());
        let content = generated!(match #value { #passing => { #dead #passing } },);
        in_place_of(&value.to_token_stream(), &[], content, 0)
    }

    /// Whether this method of this place has not been asked about.
    fn is_first(&mut self, place: &Expr, method: Called<'_>) -> bool {
        let Some(variable) = variable(place) else { return true };
        let question = format!("{} {} {}", place.to_token_stream(), method.name, method.arguments);
        self.answered.insert((self.names.binding(variable), question))
    }

    /// A receiver or head that is only a path needs no look of its own.
    pub(super) fn receiver(&mut self, expr: &mut Expr) {
        if !matches!(expr, Expr::Path(_)) {
            self.visit_expr_mut(expr);
        }
    }

    /// The arguments of a call; `passes_on` if closures among them become fibers or run on this one.
    fn arguments<'e>(&mut self, arguments: impl IntoIterator<Item = &'e mut Expr>, passes_on: bool) {
        for argument in arguments {
            match argument {
                Expr::Closure(closure) if closure.attrs.is_empty() => self.closure(closure, passes_on),
                Expr::Path(path) if path.qself.is_none() && path.attrs.is_empty() => {
                    let path = path.path.clone();
                    if let Some(rewritten) = self.path_as_value(&path, true) {
                        *argument = rewritten;
                    }
                }
                argument => self.visit_expr_mut(argument),
            }
        }
    }

    /// The code of closures that run on another thread, or on the blocking pool.
    pub(super) fn elsewhere(&mut self, arguments: &mut Arguments) {
        let outside = self.exempt.replace(Exempt { single: false });
        let checkpoints = self.checkpoints.suspended();
        let seen = self.seen;
        arguments.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
        self.seen = seen;
        self.checkpoints = checkpoints;
        self.exempt = outside;
    }

    /// A statement before the one that is asked about, under the same conditions.
    fn statement(&self, probe: &TokenStream, attrs: &[Attribute]) -> Stmt {
        let dead = Prober::dead(probe);
        let conditions = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        Stmt::Expr(Expr::Verbatim(generated!(#(#conditions)* #dead)), None)
    }
}

/// Whether closures that a function of this name gets run as fibers, or at once on this one.
fn passes_on(name: &str) -> bool {
    matches!(name, "spawn" | "spawn_local" | "spawn_scoped" | "scope" | "timeout" | "timeout_at")
}

/// `(content).field` where `original` was: it begins and ends with tokens at the same places, so that the compiler's errors
/// about what is around it underline the user's code.
fn in_place_of(original: &TokenStream, attrs: &[Attribute], content: TokenStream, field: u32) -> Expr {
    let mut tokens = original.clone().into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    let last = tokens.last().map_or(first, |token| token.span());
    let mut tuple = Group::new(Delimiter::Parenthesis, content);
    tuple.set_span(first);
    let field = Index { index: field, span: last };
    Expr::Verbatim(quote_spanned!(last=> #(#attrs)* #tuple.#field))
}

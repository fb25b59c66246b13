//! Calls, and what stands there instead.
//!
//! Each handler first lets the walk go through the parts of its expression and then puts a probe beside it. The dead copy
//! in a probe is the user's expression from before, so that probes do not multiply. What a handler gives back takes the
//! expression's place; where a call is a whole statement, `statement` takes the statements that belong before it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ExprCall, ExprMethodCall, ExprPath, Index, Path, Stmt, Token};

use super::exempt::Exempt;
use super::names::plain;
use super::paths;
use super::probe::{Asks, Called, Prober, generated, passing};
use super::receiver::{
    can_be_mentioned, can_be_mentioned_as_argument, duplicable, is_harmless, repeatable, root, taken, variable,
};
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
        if matches!(value, Expr::Path(_)) {
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
        let (callee, original) = (callee.clone(), ExprCall { attrs: Vec::new(), ..call.clone() });
        let closures = original.args.iter().any(is_closure);
        let name = resolved.last().cloned().unwrap_or_default();
        self.arguments(&mut call.args, passes_on(&name));
        if callee.qself.is_none() && (paths::is_ours(&resolved, &self.krate) || self.is_own(&callee.path)) {
            return None;
        }

        let of_type = paths::is_of_type(&callee);
        if of_type {
            let method = Called { name: &name, arguments: original.args.len().saturating_sub(1) };
            let has_receiver = self.prober.knows_method(method) && !original.args.is_empty();
            let is_associated = !paths::functions(&name, true).is_empty();
            if has_receiver && is_associated && self.exempt.is_some() {
                // `open` of `File` or of `OpenOptions`? Not a single question.
                self.seen.perhaps += 2;
                return None;
            }
            // Those of std get none.
            if is_associated && !closures {
                self.associated(call, &callee, &name);
            }
            let std = paths::names_type_of_table(&resolved);
            return if has_receiver { self.call_with_receiver(call, &original, method, std, statement) } else { None };
        }
        let entries = paths::functions(&name, false);
        if closures {
            return self.spelled_out(call, &callee.path, &entries, &resolved, statement);
        }
        if !entries.is_empty() {
            let asks = self.asks(&name)?;
            return self.callee(call, &callee.path, &entries, asks, &original, statement);
        }
        if self.may_be_renamed(&callee.path) && self.asks_perhaps() {
            let probe = self.prober.renamed(&passing(), &callee.path, Some(&original.args));
            self.on_its_way(call, &probe, &original, statement);
        }
        None
    }

    /// `Mutex::lock(&state)`, `Read::read(&mut file, ..)`: the first argument is asked as a receiver is. Of which type it is
    /// may be known only from the call, so the compiler gets to see that first; a value on its way is asked only if the
    /// path has the name of a type or trait of `std`.
    fn call_with_receiver(
        &mut self,
        call: &mut ExprCall,
        original: &ExprCall,
        method: Called<'_>,
        std: bool,
        statement: Option<&mut Vec<Stmt>>,
    ) -> Option<Expr> {
        let receiver = original.args.first()?;
        if is_harmless(receiver) {
            return None;
        }
        let asks = self.asks(method.name)?;
        if asks == Asks::Harmless && !self.prober.refuses_method(method) {
            return None;
        }
        let place = last_span(&original.func);
        if can_be_mentioned_as_argument(receiver) {
            let mut probe = self.prober.mentioned(asks, method, place, receiver);
            if original.args.iter().all(repeatable) {
                probe = Prober::after(&original.to_token_stream(), &probe);
            }
            if let Some(before) = statement {
                before.push(self.statement(&probe, &call.attrs));
                return None;
            }
            let attrs = std::mem::take(&mut call.attrs);
            return Some(self.beside(&probe, &attrs, call));
        }
        if !std {
            return None;
        }
        let passing = passing();
        let probe = self.prober.referenced(asks, method, place, &generated!(&#passing));
        if let Some(first) = call.args.first_mut() {
            *first = self.through(&probe, &taken(first));
        }
        None
    }

    /// `File::open(path)`: the callee is asked on its way.
    fn associated(&mut self, call: &mut ExprCall, callee: &ExprPath, name: &str) {
        let entries = paths::functions(name, true);
        if entries.is_empty() || (callee.path.segments.len() < 2 && callee.qself.is_none()) {
            return;
        }
        if let Some(asks) = self.asks(name) {
            let none: Option<&[Expr]> = Some(&[]);
            let probe = self.prober.function(asks, &entries, &passing(), &callee.path, none);
            if !probe.is_empty() {
                *call.func = self.through(&probe, &call.func);
            }
        }
    }

    /// A call with closures: what they get the compiler sees only in the function where it is called by its name. So it is
    /// not touched, and the name has to say which function it is.
    fn spelled_out(
        &mut self,
        call: &mut ExprCall,
        path: &Path,
        entries: &[&'static Entry],
        resolved: &[String],
        statement: Option<&mut Vec<Stmt>>,
    ) -> Option<Expr> {
        // `thread::scope` is std's, or that of another library of threads.
        let entry = entries.iter().find(|entry| {
            let mut path = entry.path.split("::").skip(usize::from(resolved.len() == 2));
            resolved.iter().all(|segment| path.next() == Some(segment)) && path.next().is_none()
        })?;
        let asks = self.asks(entry.name)?;
        let probe = self.prober.certain(asks, entry, path);
        if let Some(before) = statement {
            before.push(self.statement(&probe, &call.attrs));
            return None;
        }
        let attrs = std::mem::take(&mut call.attrs);
        Some(self.beside(&probe, &attrs, call))
    }

    /// The callee is asked.
    fn callee(
        &mut self,
        call: &mut ExprCall,
        path: &Path,
        entries: &[&'static Entry],
        asks: Asks,
        original: &ExprCall,
        statement: Option<&mut Vec<Stmt>>,
    ) -> Option<Expr> {
        if entries.iter().any(|entry| entry.depends_on_arguments())
            && !original.args.iter().all(can_be_mentioned_as_argument)
            && original.args.iter().all(repeatable)
        {
            let probe = self.called(path, entries, asks, original);
            if let Some(before) = statement {
                before.push(self.statement(&probe, &call.attrs));
                return None;
            }
            let attrs = std::mem::take(&mut call.attrs);
            return Some(self.beside(&probe, &attrs, call));
        }
        let probe = self.prober.function(asks, entries, &passing(), path, Some(original.args.iter()));
        if !probe.is_empty() {
            self.on_its_way(call, &probe, original, statement);
        }
        None
    }

    /// Puts `probe` where the callee stands, or, if the call is a whole statement, in a copy of it before.
    fn on_its_way(
        &self,
        call: &mut ExprCall,
        probe: &TokenStream,
        original: &ExprCall,
        statement: Option<&mut Vec<Stmt>>,
    ) {
        let callee = self.through(probe, &call.func);
        match statement {
            Some(before) if original.args.iter().all(duplicable) => {
                let copy = ExprCall { func: Box::new(callee), ..original.clone() };
                let code = generated!(let _ = #copy;);
                before.push(self.statement(&code, &call.attrs));
            }
            _ => *call.func = callee,
        }
    }

    /// Asks about a function that blocks if what it is given does, in a copy of the call where the arguments have names.
    fn called(&self, path: &Path, entries: &[&'static Entry], asks: Asks, original: &ExprCall) -> TokenStream {
        let (func, values, function) = (&original.func, &original.args, passing());
        let name = |number| Ident::new(&format!("argument{number}"), Span::mixed_site());
        let names: Vec<_> = (0..values.len()).map(name).collect();
        let arguments: Vec<Expr> = names.iter().map(|name| syn::parse_quote!(#name)).collect();
        let questions = self.prober.function(asks, entries, &function, path, Some(&arguments));
        let values = values.iter();
        generated! {
            let #function = #func;
            #(let #names = #values;)*
            let _ = #function(#(#names),*);
            #questions
        }
    }

    /// A path that is not called here: `.map(fs::read)`.
    pub(super) fn path_as_value(&mut self, value: &ExprPath, argument: bool) -> Option<Expr> {
        let path = &value.path;
        let resolved = self.names.resolve(path);
        if value.qself.is_none() && (self.is_own(path) || paths::is_ours(&resolved, &self.krate)) {
            return None;
        }
        let name = resolved.last().cloned().unwrap_or_default();
        let associated = value.qself.is_some() || (path.segments.len() > 1 && paths::names_type(&resolved));
        let mut entries = paths::functions(&name, associated);
        if associated {
            entries.extend(paths::methods(&name));
        }
        let probe = if entries.is_empty() {
            if !argument || associated || !self.may_be_renamed(path) || !self.asks_perhaps() {
                return None;
            }
            self.prober.renamed(&passing(), path, None)
        } else {
            let asks = self.asks(&name)?;
            self.prober.function(asks, &entries, &passing(), path, None::<&[Expr]>)
        };
        (!probe.is_empty()).then(|| self.through(&probe, value))
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
        lower_case
            && !in_sight
            && !paths::is_of_the_processor(&text)
            && (self.exempt.is_some() || self.asked.insert(text))
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
        // In parentheses, because it may be the literal of a struct.
        let content = generated!(match (#value) { #passing => { #dead #passing } },);
        in_place_of(&value.to_token_stream(), &[], content, 0)
    }

    /// Whether this method of this place has not been asked about.
    pub(super) fn is_first(&mut self, place: &Expr, method: Called<'_>) -> bool {
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
                Expr::Path(path) if path.attrs.is_empty() => {
                    let path = path.clone();
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
    pub(super) fn statement(&self, probe: &TokenStream, attrs: &[Attribute]) -> Stmt {
        let dead = Prober::dead(probe);
        let conditions = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        Stmt::Expr(Expr::Verbatim(generated!(#(#conditions)* #dead)), None)
    }
}

/// Whether closures that a function of this name gets run as fibers, or at once on this one.
fn passes_on(name: &str) -> bool {
    matches!(name, "spawn" | "spawn_local" | "spawn_scoped" | "scope" | "timeout" | "timeout_at")
}

/// Whether it is a closure, or a reference to one.
fn is_closure(expr: &Expr) -> bool {
    match expr {
        Expr::Closure(_) => true,
        Expr::Group(group) => is_closure(&group.expr),
        Expr::Paren(paren) => is_closure(&paren.expr),
        Expr::Reference(reference) => is_closure(&reference.expr),
        _ => false,
    }
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

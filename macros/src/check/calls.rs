//! Calls, and what stands there instead.
//!
//! Each handler first lets the walk go through the parts of its expression and then puts a probe beside it. The dead copy
//! in a probe is the user's expression from before, so that probes do not multiply. What a handler gives back takes the
//! expression's place; where a statement begins with the call, the probe stands before the statement, and the compiler and
//! clippy see what the user wrote.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ExprCall, ExprMethodCall, ExprPath, ExprReference, Path, Token};

use super::exempt::Exempt;
use super::names::plain;
use super::paths;
use super::probe::{Asks, Called, Prober, generated, passing};
use super::receiver::{
    can_be_mentioned, can_be_mentioned_as_argument, duplicable, is_harmless, repeatable, root, taken, variable,
};
use super::spans;
use super::walk::{Position, Walk};
use crate::table::Entry;

type Arguments = Punctuated<Expr, Token![,]>;

impl Walk<'_> {
    /// A method call: the receiver is asked. One that a statement begins with stays as it is.
    pub(super) fn method_call(&mut self, call: &mut ExprMethodCall, position: Position) -> Option<Expr> {
        let name = plain(&call.method);
        let method = Called { name: &name, arguments: call.args.len() };
        let original = self.prober.knows_method(method).then(|| call.receiver.clone());
        self.leading(position, &mut call.receiver);
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
            return self.put(probe, position, call, |call| &mut call.attrs);
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

    /// What `.await` stands behind, or an arm of `select!` waits for: nothing of std that blocks gives a future or an event.
    pub(super) fn awaited(&mut self, base: &mut Expr) {
        match base {
            Expr::MethodCall(call) => {
                self.place(&mut call.receiver);
                self.arguments(&mut call.args, false);
            }
            Expr::Call(call) => self.arguments(&mut call.args, false),
            base => self.visit_expr_mut(base),
        }
    }

    /// A call of a path.
    pub(super) fn call(&mut self, call: &mut ExprCall, position: Position) -> Option<Expr> {
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
            return if has_receiver { self.call_with_receiver(call, &original, method, std, position) } else { None };
        }
        let entries = paths::functions(&name, false);
        if closures {
            return self.spelled_out(call, &callee.path, &entries, &resolved, position);
        }
        if !entries.is_empty() {
            let asks = self.asks(&name)?;
            return self.callee(call, &callee.path, &entries, asks, &original, position);
        }
        if self.may_be_renamed(&callee.path) && self.asks_perhaps() {
            let probe = self.prober.renamed(&passing(), &callee.path, Some(&original.args));
            self.on_its_way(call, &probe, &original, position);
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
        position: Position,
    ) -> Option<Expr> {
        let receiver = original.args.first()?;
        if is_harmless(receiver) {
            return None;
        }
        let asks = self.asks(method.name)?;
        if asks == Asks::Harmless && !self.prober.refuses_method(method) {
            return None;
        }
        let place = spans::last(&original.func);
        if can_be_mentioned_as_argument(receiver) {
            let mut probe = self.prober.mentioned(asks, method, place, receiver);
            if original.args.iter().all(repeatable) {
                probe = Prober::after(&original.to_token_stream(), &probe);
            }
            return self.put(probe, position, call, |call| &mut call.attrs);
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
            let probe = self.prober.function(asks, &entries, &passing(), &callee.path, Some(&[]));
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
        position: Position,
    ) -> Option<Expr> {
        // `thread::scope` is std's, or that of another library of threads.
        let entry = entries.iter().find(|entry| {
            let mut path = entry.path.split("::").skip(usize::from(resolved.len() == 2));
            resolved.iter().all(|segment| path.next() == Some(segment)) && path.next().is_none()
        })?;
        let asks = self.asks(entry.name)?;
        let probe = self.prober.certain(asks, entry, path);
        self.put(probe, position, call, |call| &mut call.attrs)
    }

    /// The callee is asked.
    fn callee(
        &mut self,
        call: &mut ExprCall,
        path: &Path,
        entries: &[&'static Entry],
        asks: Asks,
        original: &ExprCall,
        position: Position,
    ) -> Option<Expr> {
        let function = passing();
        let ask = |places: &[_]| self.prober.function(asks, entries, &function, path, Some(places));
        let by_arguments = entries.iter().any(|entry| entry.depends_on_arguments());
        let probe = if by_arguments { Prober::called(&function, &original.args, ask) } else { ask(&[]) };
        if !probe.is_empty() {
            self.on_its_way(call, &probe, original, position);
        }
        None
    }

    /// Puts `probe` where the callee stands, or, if the call is a whole statement, in a copy of it before.
    fn on_its_way(&mut self, call: &mut ExprCall, probe: &TokenStream, original: &ExprCall, position: Position) {
        if position == Position::Whole && original.args.iter().all(duplicable) {
            let (function, ExprCall { func, args, .. }) = (passing(), original);
            self.before.push(generated!(let #function = #func; let _ = #function(#args); #probe));
        } else {
            *call.func = self.through(probe, &call.func);
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
            self.prober.function(asks, &entries, &passing(), path, None)
        };
        (!probe.is_empty()).then(|| self.through(&probe, value))
    }

    pub(super) fn is_own(&self, path: &Path) -> bool {
        path.get_ident().is_some_and(|name| self.names.is_own(name) || name == "self")
    }

    /// Whether an import that is not in sight may have given a function of std this name. Asked once in a body.
    fn may_be_renamed(&mut self, path: &Path) -> bool {
        let Some(name) = path.get_ident() else { return false };
        let text = plain(name);
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
    /// Puts `probe` before the statement if that begins with `expr`, or else beside `expr`; what then takes its place has the
    /// attributes too.
    pub(super) fn put<E: ToTokens>(
        &mut self,
        probe: TokenStream,
        position: Position,
        expr: &mut E,
        attrs: impl FnOnce(&mut E) -> &mut Vec<Attribute>,
    ) -> Option<Expr> {
        if position != Position::Inside {
            self.before.push(probe);
            return None;
        }
        let attrs = std::mem::take(attrs(expr));
        Some(self.beside(&probe, &attrs, expr))
    }

    /// `match value { value => (if false { probe }, value).1 }`.
    ///
    /// Temporaries of `value` live as long as without it, and the result is moved whole: a part of a tuple that lived as long
    /// would keep it borrowed. The tuple inside keeps the compiler from looking into here for what does not fit outside.
    fn beside(&self, probe: &TokenStream, attrs: &[Attribute], value: &impl ToTokens) -> Expr {
        let dead = Prober::dead(probe);
        Expr::Match(Prober::in_place_of(&value.to_token_stream(), attrs, &dead))
    }

    /// The same for a value that the probe looks at on its way.
    pub(super) fn through(&self, probe: &TokenStream, value: &impl ToTokens) -> Expr {
        self.beside(probe, &[], value)
    }

    /// Whether this method of this place has not been asked about.
    pub(super) fn is_first(&mut self, place: &Expr, method: Called<'_>) -> bool {
        let Some(variable) = variable(place) else { return true };
        let question = format!("{} {} {}", place.to_token_stream(), method.name, method.arguments);
        self.answered.insert((self.names.binding(variable), question))
    }

    /// What is used where it stands. If it is a path, it has to stay one, and no function is used like that.
    pub(super) fn place(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Path(_) => {}
            Expr::Group(group) => self.place(&mut group.expr),
            Expr::Paren(paren) => self.place(&mut paren.expr),
            expr => self.visit_expr_mut(expr),
        }
    }

    /// What stands on the left of `=`.
    pub(super) fn assigned(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Array(array) => array.elems.iter_mut().for_each(|element| self.assigned(element)),
            // Of a tuple struct.
            Expr::Call(call) => call.args.iter_mut().for_each(|argument| self.assigned(argument)),
            Expr::Group(group) => self.assigned(&mut group.expr),
            Expr::Paren(paren) => self.assigned(&mut paren.expr),
            Expr::Struct(fields) => fields.fields.iter_mut().for_each(|field| self.assigned(&mut field.expr)),
            Expr::Tuple(tuple) => tuple.elems.iter_mut().for_each(|element| self.assigned(element)),
            expr => self.place(expr),
        }
    }

    /// `&[fs::read]`: what it refers to may be made by the compiler and live forever, so it stays, and a copy is walked.
    pub(super) fn reference(&mut self, reference: &mut ExprReference) -> Option<Expr> {
        if reference.mutability.is_some() {
            self.place(&mut reference.expr);
            return None;
        }
        let original = self.is_constant(&reference.expr).then(|| reference.clone());
        let before = self.seen.rewritten;
        self.visit_expr_mut(&mut reference.expr);
        let original = original.filter(|_| self.seen.rewritten != before)?;
        Some(Prober::either(&reference.expr, &original))
    }

    /// Whether a reference to `expr` is one to a constant: the compiler makes that live forever.
    fn is_constant(&self, expr: &Expr) -> bool {
        let last = |path: &ExprPath| path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        match expr {
            Expr::Lit(_) => true,
            // Not a `const`, which may be something with a destructor.
            Expr::Path(path) => !self.is_own(&path.path) && last(path).contains(char::is_lowercase),
            Expr::Array(array) => array.elems.iter().all(|element| self.is_constant(element)),
            // A tuple struct, or a variant of an enum.
            Expr::Call(call) => {
                let Expr::Path(name) = &*call.func else { return false };
                last(name).starts_with(char::is_uppercase)
                    && call.args.iter().all(|argument| self.is_constant(argument))
            }
            Expr::Cast(cast) => self.is_constant(&cast.expr),
            Expr::Group(group) => self.is_constant(&group.expr),
            Expr::Paren(paren) => self.is_constant(&paren.expr),
            Expr::Reference(reference) => reference.mutability.is_none() && self.is_constant(&reference.expr),
            Expr::Struct(literal) => {
                literal.rest.is_none() && literal.fields.iter().all(|field| self.is_constant(&field.expr))
            }
            Expr::Tuple(tuple) => tuple.elems.iter().all(|element| self.is_constant(element)),
            _ => false,
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
        let seen = self.seen;
        self.without_checkpoints(|walk| arguments.iter_mut().for_each(|argument| walk.visit_expr_mut(argument)));
        self.seen = seen;
        self.exempt = outside;
    }
}

/// Whether closures that a function of this name gets run as fibers, or at once on this one.
fn passes_on(name: &str) -> bool {
    matches!(name, "spawn" | "spawn_local" | "spawn_scoped" | "scope" | "timeout" | "timeout_at")
}

/// Whether it is a closure, a reference to one, or a tuple or list with some.
fn is_closure(expr: &Expr) -> bool {
    match expr {
        Expr::Array(array) => array.elems.iter().any(is_closure),
        Expr::Closure(_) => true,
        Expr::Group(group) => is_closure(&group.expr),
        Expr::Paren(paren) => is_closure(&paren.expr),
        Expr::Reference(reference) => is_closure(&reference.expr),
        Expr::Tuple(tuple) => tuple.elems.iter().any(is_closure),
        _ => false,
    }
}

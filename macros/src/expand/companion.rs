//! The functions that run a task on a fiber: the user's signature, bounds on what crosses into the fiber, and one call.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::visit_mut::VisitMut;
use syn::{
    FnArg, GenericParam, Generics, Ident, Lifetime, Pat, PatType, Receiver, ReceiverKind, ReturnType, Safety, Type,
    WherePredicate, parse_quote,
};

use super::rewrite::{Lifetimes, Rewrite, borrows, first_lifetime, has_impl_trait};
use super::spans::{generated, private};
use crate::parse::{Function, Rules};
use crate::words;

/// What the spawning functions of one task share.
pub(super) struct Spawning<'a> {
    pub(super) krate: &'a TokenStream,
    pub(super) function: &'a Function,
    pub(super) rules: Rules,
    /// How they call the function: `fetch`, `Self::serve`.
    pub(super) callee: TokenStream,
    /// How they name its descriptor.
    pub(super) descriptor: TokenStream,
    pub(super) associated: bool,
}

/// The receiver or an argument, as the spawning function declares it and hands it on.
struct Crossing {
    declared: TokenStream,
    passed: TokenStream,
    /// Its name inside the fiber.
    inside: Ident,
    ty: Type,
}

impl Spawning<'_> {
    /// The function `name`; `None` where the receiver is borrowed and the fiber may outlive it.
    ///
    /// ```text
    /// fn spawn<'call>(url: Url) -> JoinHandle<Page>
    /// where Url: Crosses<'call, 'static, 0>, Page: Returns<'call, 'static>
    /// {
    ///     v1::spawn(Self::TASK, (url,), |(url,)| fetch(url))
    /// }
    /// ```
    pub(super) fn function_called(&self, name: &Ident, lifetimes: Lifetimes) -> Option<TokenStream> {
        let krate = self.krate;
        let sig = &self.function.sig;
        let mut rewrite = Rewrite::new(lifetimes, &sig.generics);

        let mut receiver_lifetime = None;
        let mut crossing = Vec::new();
        for (position, input) in sig.inputs.iter().enumerate() {
            crossing.push(match input {
                FnArg::Receiver(receiver) => {
                    receiver_crossing(receiver, &mut rewrite, lifetimes, &mut receiver_lifetime)?
                }
                FnArg::Typed(argument) => self.argument_crossing(argument, position, &mut rewrite),
            });
        }
        let output = match &sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => rewrite.output(Type::clone(ty), receiver_lifetime.as_ref()),
        };
        let never = matches!(output, Type::Never(_));
        let output = if never { parse_quote!(::core::convert::Infallible) } else { output };

        let names = Names::new(&sig.generics, self.associated);
        let generics = self.generics(&names, &mut rewrite, lifetimes, &crossing, &output);
        let (parameters, _, clause) = generics.split_for_impl();

        let declared = crossing.iter().map(|crossing| &crossing.declared);
        let (receiver, declared): (Vec<_>, Vec<_>) = match sig.receiver() {
            Some(_) => (declared.clone().take(1).collect(), declared.skip(1).collect()),
            None => (Vec::new(), declared.collect()),
        };
        let passed = crossing.iter().map(|crossing| &crossing.passed);
        let inside: Vec<_> = crossing.iter().map(|crossing| &crossing.inside).collect();
        let callee = &self.callee;
        let turbofish = turbofish(&sig.generics);
        let call = quote!(#callee #turbofish(#(#inside),*));
        let (unsafety, call) = match &sig.safety {
            Safety::Unsafe(_) => (Some(quote!(unsafe)), quote!(unsafe { #call })),
            _ => (None, call),
        };
        let run = if never { quote!(|(#(#inside,)*)| -> #output { #call }) } else { quote!(|(#(#inside,)*)| #call) };
        let passed = quote!((#(#passed,)*));
        let descriptor = &self.descriptor;
        let support = quote!(#krate::macros_support::v1);

        let Names { scope, env, .. } = &names;
        let scope_argument = private("scope");
        let (scope_declared, handle, body) = match lifetimes {
            Lifetimes::Static => {
                (None, quote!(#krate::JoinHandle<#output>), quote!(#support::spawn(#descriptor, #passed, #run)))
            }
            Lifetimes::Named => (
                Some(quote!(#scope_argument: &#scope #krate::Scope<#scope, #env>,)),
                quote!(#krate::ScopedJoinHandle<#scope, #output>),
                quote!(#support::spawn_scoped(#descriptor, #scope_argument, #passed, #run)),
            ),
        };
        // After a mistake in the function only the signature matters, so that callers have no errors of their own.
        let body = match self.rules {
            Rules::Kept => body,
            Rules::Broken => quote!(::core::unreachable!()),
        };
        Some(quote! {
            #unsafety fn #name #parameters(#(#receiver,)* #scope_declared #(#declared),*) -> #handle
            #clause
            {
                #body
            }
        })
    }

    fn argument_crossing(&self, argument: &PatType, position: usize, rewrite: &mut Rewrite) -> Crossing {
        let name = match &*argument.pat {
            // In the fiber, an argument of the function's name would hide the function.
            Pat::Ident(pat) if pat.subpat.is_none() && pat.by_ref.is_none() && pat.ident != self.function.sig.ident => {
                generated(&pat.ident)
            }
            _ => private(&format!("argument{position}")),
        };
        let ty = rewrite.argument(Type::clone(&argument.ty));
        Crossing { declared: quote!(#name: #ty), passed: name.to_token_stream(), inside: name, ty }
    }

    /// The user's parameters and `where` clause, with what the rewriting invented and the bounds.
    fn generics(
        &self,
        names: &Names,
        rewrite: &mut Rewrite,
        lifetimes: Lifetimes,
        crossing: &[Crossing],
        output: &Type,
    ) -> Generics {
        let mut generics = self.function.sig.generics.clone();
        let own: Vec<Lifetime> = generics.lifetimes().map(|parameter| parameter.lifetime.clone()).collect();
        if lifetimes == Lifetimes::Static {
            drop_own_lifetimes(&mut generics, &own);
        }
        rewrite.visit_generics_mut(&mut generics);
        generics.params.extend(rewrite.implied.iter().cloned().map(GenericParam::Type));

        let until = match lifetimes {
            Lifetimes::Static => Lifetime::new("'static", Span::call_site()),
            Lifetimes::Named => names.scope.clone(),
        };
        let bounds = if has_impl_trait(output) {
            let borrowed = own.iter().chain(&rewrite.elided).filter(|_| lifetimes == Lifetimes::Named);
            bounds_at_definition(&generics, crossing, &until, borrowed)
        } else {
            let call = if lifetimes == Lifetimes::Named { &names.scope } else { &names.call };
            self.bounds_at_call(crossing, output, call, &until)
        };
        let has_call_bounds = !bounds.is_empty() && !has_impl_trait(output);

        let mut ours: Vec<Lifetime> = match lifetimes {
            Lifetimes::Static if has_call_bounds => vec![names.call.clone()],
            Lifetimes::Static => Vec::new(),
            Lifetimes::Named => vec![names.scope.clone(), names.env.clone()],
        };
        ours.append(&mut rewrite.elided);
        for lifetime in ours.into_iter().rev() {
            generics.params.insert(0, parse_quote!(#lifetime));
        }
        if !bounds.is_empty() {
            generics.make_where_clause().predicates.extend(bounds);
        }
        generics
    }

    /// `Url: Crosses<'call, 'static, 0>`: asked for where the function is called, see the runtime's `macros_support`.
    fn bounds_at_call(
        &self,
        crossing: &[Crossing],
        output: &Type,
        call: &Lifetime,
        until: &Lifetime,
    ) -> Vec<WherePredicate> {
        let krate = self.krate;
        let support = quote!(#krate::macros_support::v1);
        let mut bounds: Vec<WherePredicate> = Vec::new();
        for (position, Crossing { ty, .. }) in crossing.iter().enumerate().filter(|(_, it)| !always_crosses(&it.ty)) {
            let position = Literal::usize_unsuffixed(position);
            bounds.push(parse_quote!(#ty: #support::Crosses<#call, #until, #position>));
        }
        if !always_crosses(output) {
            bounds.push(parse_quote!(#output: #support::Returns<#call, #until>));
        }
        bounds
    }
}

/// `impl Trait` in the return type cannot be named in a bound. Whether it is `Send` follows from the body, and is
/// asked for here, under the assumption that everything generic is.
fn bounds_at_definition<'a>(
    generics: &Generics,
    crossing: &[Crossing],
    until: &Lifetime,
    borrowed: impl Iterator<Item = &'a Lifetime>,
) -> Vec<WherePredicate> {
    let parameters: Vec<&Ident> = generics.type_params().map(|parameter| &parameter.ident).collect();
    let generic = |ty: &&Type| words::any(ty.to_token_stream(), &|word| word == "Self" || parameters.contains(&word));
    let parameter_types: Vec<Type> = parameters.iter().map(|parameter| parse_quote!(#parameter)).collect();
    let types = parameter_types.iter().chain(crossing.iter().map(|crossing| &crossing.ty).filter(generic));
    let lifetimes = borrowed.map(|lifetime| parse_quote!(#lifetime: #until));
    let types = distinct(types).map(|ty| parse_quote!(#ty: ::core::marker::Send + #until));
    lifetimes.chain(types).collect()
}

fn receiver_crossing(
    receiver: &Receiver,
    rewrite: &mut Rewrite,
    lifetimes: Lifetimes,
    lifetime_of_self: &mut Option<Lifetime>,
) -> Option<Crossing> {
    let (declared, ty): (_, Type) = match &receiver.kind {
        ReceiverKind::Value => (quote!(self), parse_quote!(Self)),
        ReceiverKind::Reference(and, lifetime, mutability) => {
            let is_static = lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
            if lifetimes == Lifetimes::Static && !is_static {
                return None;
            }
            let lifetime = match lifetime {
                Some(lifetime) if lifetime.ident != "_" => Some(lifetime.clone()),
                _ => rewrite.unnamed(and.span),
            };
            lifetime_of_self.clone_from(&lifetime);
            (quote!(&#lifetime #mutability self), parse_quote!(&#lifetime #mutability Self))
        }
        ReceiverKind::Typed(_, ty) => {
            if lifetimes == Lifetimes::Static && borrows(ty) {
                return None;
            }
            let ty = rewrite.argument(Type::clone(ty));
            *lifetime_of_self = first_lifetime(&ty);
            (quote!(self: #ty), ty)
        }
        // A kind that Rust does not have yet.
        _ => return None,
    };
    Some(Crossing { declared, passed: quote!(self), inside: private("this"), ty })
}

/// Names for our lifetimes that are none of the user's.
struct Names {
    call: Lifetime,
    scope: Lifetime,
    env: Lifetime,
}

impl Names {
    fn new(generics: &Generics, associated: bool) -> Self {
        // The parameters of the `impl` block cannot be seen; these are unlikely among them.
        let prefix = if associated { "task_" } else { "" };
        let free = |name: &str| {
            let mut name = format!("'{prefix}{name}");
            while generics.lifetimes().any(|parameter| parameter.lifetime.to_string() == name) {
                name.push('_');
            }
            Lifetime::new(&name, Span::call_site())
        };
        Self { call: free("call"), scope: free("scope"), env: free("env") }
    }
}

/// `::<T, N>`: what cannot be inferred from the arguments has to be handed on.
fn turbofish(generics: &Generics) -> Option<TokenStream> {
    let names: Vec<_> = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
        })
        .collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}

/// Removes the function's lifetime parameters, which all became `'static`.
fn drop_own_lifetimes(generics: &mut Generics, own: &[Lifetime]) {
    let params = std::mem::take(&mut generics.params);
    generics.params = params.into_iter().filter(|param| !matches!(param, GenericParam::Lifetime(_))).collect();
    if let Some(clause) = &mut generics.where_clause {
        let stays = |predicate: &WherePredicate| match predicate {
            WherePredicate::Lifetime(predicate) => !own.iter().any(|own| own.ident == predicate.lifetime.ident),
            _ => true,
        };
        let predicates = std::mem::take(&mut clause.predicates);
        clause.predicates = predicates.into_iter().filter(stays).collect();
    }
}

/// Each type once.
fn distinct<'a>(types: impl Iterator<Item = &'a Type>) -> impl Iterator<Item = &'a Type> {
    let mut seen = Vec::new();
    types.filter(move |ty| {
        let text = ty.to_token_stream().to_string();
        let new = !seen.contains(&text);
        seen.push(text);
        new
    })
}

/// `()` and the primitive types need no bound; without it, signatures are easier to read.
fn always_crosses(ty: &Type) -> bool {
    const PRIMITIVES: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize",
    ];
    match ty {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Path(path) => path.path.get_ident().is_some_and(|name| PRIMITIVES.iter().any(|it| name == it)),
        _ => false,
    }
}

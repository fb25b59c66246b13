//! The user's types as the companion has to write them: with every lifetime named, and every `impl Trait` argument a
//! type parameter, so that bounds can be put on them.

use std::collections::BTreeSet;

use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    CapturedParam, Generics, Ident, Lifetime, ParenthesizedGenericArguments, PreciseCapture, Token, Type, TypeFnPtr,
    TypeImplTrait, TypeParam, TypeReference,
};

use crate::words;

/// What becomes of the function's own lifetimes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetimes {
    /// All are `'static`: the fiber may outlive its spawner.
    Static,
    /// All keep their names, elided ones get one.
    Named,
}

/// Rewrites types of one signature, and collects what it had to invent.
pub(super) struct Rewrite {
    lifetimes: Lifetimes,
    /// The function's own lifetime parameters.
    own: BTreeSet<Ident>,
    /// Names for elided lifetimes, in the order they were needed.
    pub(super) elided: Vec<Lifetime>,
    /// Parameters for `impl Trait` arguments.
    pub(super) implied: Vec<TypeParam>,
    position: Position,
}

/// Where the type being rewritten stands.
enum Position {
    /// `impl Trait` becomes a parameter, elided lifetimes get names of their own.
    Argument,
    /// `impl Trait` stays, elided lifetimes are this one.
    Output(Option<Lifetime>),
}

impl Rewrite {
    pub(super) fn new(lifetimes: Lifetimes, generics: &Generics) -> Self {
        let own = generics.lifetimes().map(|parameter| parameter.lifetime.ident.clone()).collect();
        Self { lifetimes, own, elided: Vec::new(), implied: Vec::new(), position: Position::Argument }
    }

    /// An argument's type.
    pub(super) fn argument(&mut self, mut ty: Type) -> Type {
        self.visit_type_mut(&mut ty);
        ty
    }

    /// The return type, whose elided lifetimes are that of the reference `receiver`, or else the arguments' only one.
    pub(super) fn output(&mut self, mut ty: Type, receiver: Option<&Lifetime>) -> Type {
        let only = match &*self.elided {
            [only] if self.own.is_empty() => Some(only.clone()),
            [] if self.own.len() == 1 => {
                self.own.first().map(|name| Lifetime { apostrophe: Span::call_site(), ident: name.clone() })
            }
            _ => None,
        };
        self.position = Position::Output(receiver.cloned().or(only));
        self.visit_type_mut(&mut ty);
        self.position = Position::Argument;
        ty
    }

    /// The lifetime of a reference without one, `None` where the compiler has to complain about it.
    pub(super) fn unnamed(&mut self, span: Span) -> Option<Lifetime> {
        match (self.lifetimes, &self.position) {
            (Lifetimes::Static, _) => Some(Lifetime::new("'static", span)),
            (Lifetimes::Named, Position::Output(lifetime)) => lifetime.clone(),
            (Lifetimes::Named, Position::Argument) => {
                let name = Lifetime::new(&format!("'argument{}", self.elided.len()), Span::call_site());
                self.elided.push(name.clone());
                Some(name)
            }
        }
    }
}

impl VisitMut for Rewrite {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            if let Some(name) = self.unnamed(lifetime.span()) {
                *lifetime = name;
            }
        } else if self.lifetimes == Lifetimes::Static && self.own.contains(&lifetime.ident) {
            *lifetime = Lifetime::new("'static", lifetime.span());
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = self.unnamed(reference.and_token.span);
            self.visit_type_mut(&mut reference.elem);
        } else {
            visit_mut::visit_type_reference_mut(self, reference);
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if matches!(self.position, Position::Argument)
            && let Type::ImplTrait(TypeImplTrait { impl_token, bounds, .. }) = ty
        {
            let ident = format_ident!("Argument{}", self.implied.len(), span = impl_token.span);
            self.implied.push(TypeParam {
                attrs: Vec::new(),
                ident: ident.clone(),
                colon_token: Some(Token![:](impl_token.span)),
                bounds: std::mem::take(bounds),
                default: None,
            });
            *ty = Type::Path(syn::TypePath { attrs: Vec::new(), qself: None, path: ident.into() });
        }
    }

    // Elided lifetimes of `fn(&str) -> &str` and `Fn(&str) -> &str` are their own; only named ones can be the
    // function's.
    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        visit_mut::visit_type_fn_ptr_mut(&mut OnlyNamed(self), pointer);
    }

    fn visit_parenthesized_generic_arguments_mut(&mut self, arguments: &mut ParenthesizedGenericArguments) {
        visit_mut::visit_parenthesized_generic_arguments_mut(&mut OnlyNamed(self), arguments);
    }

    fn visit_precise_capture_mut(&mut self, capture: &mut PreciseCapture) {
        if self.lifetimes == Lifetimes::Static {
            // `use<'static>` is not allowed, nor needed.
            let params = std::mem::take(&mut capture.params);
            let stays = |param: &CapturedParam| match param {
                CapturedParam::Lifetime(lifetime) => !self.own.contains(&lifetime.ident) && lifetime.ident != "_",
                _ => true,
            };
            capture.params = params.into_iter().filter(stays).collect::<Punctuated<_, _>>();
        }
    }

    // Expressions in types (array lengths) have no lifetimes of the signature.
    fn visit_expr_mut(&mut self, _: &mut syn::Expr) {}
}

/// Replaces named lifetimes and leaves elided ones alone.
struct OnlyNamed<'a>(&'a mut Rewrite);

impl VisitMut for OnlyNamed<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "_" {
            self.0.visit_lifetime_mut(lifetime);
        }
    }

    fn visit_expr_mut(&mut self, _: &mut syn::Expr) {}
}

/// Whether `impl Trait` stands anywhere in a type.
pub(super) fn has_impl_trait(ty: &Type) -> bool {
    words::any(ty.to_token_stream(), &|word| word == "impl")
}

/// The lifetime that stands first in a type: in that of a receiver (`Pin<&'a mut Self>`), the one that elided lifetimes
/// of the return type mean.
pub(super) fn first_lifetime(ty: &Type) -> Option<Lifetime> {
    struct Find(Option<Lifetime>);
    impl VisitMut for Find {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            self.0.get_or_insert_with(|| lifetime.clone());
        }
    }
    let mut find = Find(None);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// Whether a type borrows: has a reference or a lifetime that is not `'static`.
pub(super) fn borrows(ty: &Type) -> bool {
    struct Find(bool);
    impl VisitMut for Find {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            self.0 |= reference.lifetime.is_none();
            visit_mut::visit_type_reference_mut(self, reference);
        }
    }
    let mut find = Find(false);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

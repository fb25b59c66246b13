//! The code beside a call that compiles only if the call does not block. Its parts are in the runtime's
//! `macros_support::check`, which says how it works.
//!
//! Tokens that an error may point at have the place of the user's: the name of a method, or a whole path. All others are
//! marked as generated, so that the user's lints do not see them, and variables cannot meet the user's.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::token::Brace;
use syn::{Arm, Attribute, Expr, ExprMatch, ExprReference, Pat, Path, Token};

use super::paths::renamable;
use super::receiver::has_one_type;
use super::shape::shape;
use super::support::{marker_ident, method_entries, trait_ident};
use crate::table::{Entry, Form};

/// How probes are written for one body.
pub(super) struct Prober {
    /// The path of the runtime crate.
    pub(super) krate: TokenStream,
    /// What the attribute allows.
    pub(super) allowed: Vec<Option<&'static Entry>>,
}

/// A method by its name and its number of arguments: `read()` is that of a lock, `read(_)` that of a file.
#[derive(Clone, Copy)]
pub(super) struct Called<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: usize,
}

impl Called<'_> {
    /// What it can be, with the field of the verdict.
    fn entries(self) -> impl Iterator<Item = (usize, &'static Entry)> {
        let entries = method_entries(self.name).into_iter().enumerate();
        entries.filter(move |(_, entry)| entry.arguments == self.arguments)
    }
}

/// What a probe asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// That the call does not block.
    Harmless,
    /// That it does: it is exempted.
    Blocking,
}

/// Generated tokens, with variables that only generated tokens see.
macro_rules! generated {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}
pub(super) use generated;

/// The runtime's part, as a body names it.
fn support() -> Ident {
    Ident::new("__fiber", Span::mixed_site())
}

/// `checkpoint();`
pub(super) fn checkpoint() -> TokenStream {
    let support = support();
    generated!(#support::checkpoint();)
}

/// The value that a probe looks at on its way.
pub(super) fn passing() -> Ident {
    Ident::new("value", Span::mixed_site())
}

impl Prober {
    /// What makes the runtime's part known in the body of a function: once, because it costs the compiler's time.
    pub(super) fn imports(&self) -> TokenStream {
        let (krate, support) = (&self.krate, support());
        generated! {
            #[allow(unused_imports)]
            use #krate::macros_support::v1::check::{self as #support, probes::*};
        }
    }

    /// `match value { value => (dead, value).1 }`. All of it begins and ends with tokens at the same places as `value`, so that
    /// errors about what is around it underline the user's code.
    pub(super) fn in_place_of(value: &TokenStream, attrs: &[Attribute], dead: &TokenStream) -> ExprMatch {
        let mut tokens = value.clone().into_iter();
        let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
        let last = tokens.last().map_or(first, |token| token.span());
        let passing = passing();
        let mut tuple = Group::new(Delimiter::Parenthesis, generated!(#dead, #passing));
        tuple.set_span(first);
        let field = syn::Index { index: 1, span: last };
        let arm = Arm {
            // Of functions that do not return.
            attrs: vec![syn::parse_quote!(#[allow(unreachable_code, clippy::diverging_sub_expression)])],
            pat: Pat::Verbatim(passing.to_token_stream()),
            fat_arrow_token: Token![=>](Span::mixed_site()),
            body: Box::new(Expr::Verbatim(generated!(#tuple.#field))),
            comma: None,
        };
        ExprMatch {
            attrs: attrs.to_vec(),
            match_token: Token![match](first),
            // In parentheses, because it may be the literal of a struct.
            expr: Box::new(Expr::Verbatim(generated!((#value)))),
            brace_token: Brace(last),
            arms: vec![arm],
        }
    }

    /// Code whose types are checked, and which is then thrown away: it stands behind a call that does not return. So it
    /// moves nothing, and costs no analysis of borrows.
    pub(super) fn dead(code: &TokenStream) -> TokenStream {
        let support = support();
        generated! {
            if false {
                #support::never();
                #[allow(unreachable_code, clippy::disallowed_methods, clippy::disallowed_types)]
                let () = { #code };
            }
        }
    }

    /// The reference `original`, beside one to `walked` that is never made: their types are one.
    pub(super) fn either(walked: &Expr, original: &ExprReference) -> Expr {
        let support = support();
        Expr::Verbatim(generated! {
            (if false {
                #[allow(unreachable_code)]
                {
                    #support::never();
                    &#walked
                }
            } else {
                #original
            })
        })
    }

    /// Whether a method of some type blocks and is called so.
    pub(super) fn knows_method(&self, method: Called<'_>) -> bool {
        method.entries().next().is_some()
    }

    /// Whether it can be refused.
    pub(super) fn refuses_method(&self, method: Called<'_>) -> bool {
        method.entries().any(|(_, entry)| !self.allows(entry))
    }

    fn allows(&self, entry: &Entry) -> bool {
        self.allowed.iter().flatten().any(|allowed| std::ptr::eq(*allowed, entry))
    }

    /// Asks about `method`, called at `place`, of a receiver that may be mentioned again.
    pub(super) fn mentioned(
        &self,
        asks: Asks,
        method: Called<'_>,
        place: Span,
        receiver: &impl ToTokens,
    ) -> TokenStream {
        let marker = marker(method.name);
        self.ask_receiver(asks, method, place, &generated!((#receiver).__fiber_receiver(#marker)))
    }

    /// Asks about `method`, called at `place`, of a value behind `reference`.
    pub(super) fn referenced(
        &self,
        asks: Asks,
        method: Called<'_>,
        place: Span,
        reference: &TokenStream,
    ) -> TokenStream {
        let (support, marker) = (support(), marker(method.name));
        self.ask_receiver(asks, method, place, &generated!(#support::Receiver(#marker, #reference)))
    }

    /// `probe` behind `call`, which says of which types its arguments are.
    pub(super) fn after(call: &TokenStream, probe: &TokenStream) -> TokenStream {
        generated!(let _ = #call; #probe)
    }

    fn ask_receiver(&self, asks: Asks, method: Called<'_>, place: Span, receiver: &TokenStream) -> TokenStream {
        let (support, verdict) = (Ident::new("__fiber", place), Ident::new("verdict", place));
        let questions = match asks {
            Asks::Blocking => quote_spanned!(place=> #support::NeedsExemption::ok(#verdict.0);),
            Asks::Harmless => {
                let refused = method.entries().filter(|(_, entry)| !self.allows(entry));
                refused
                    .map(|(field, entry)| {
                        let entry = trait_ident(entry, place);
                        let field = syn::Index { index: u32::try_from(field).unwrap_or_default(), span: place };
                        quote_spanned!(place=> #support::#entry::ok(#verdict.1.#field);)
                    })
                    .collect()
            }
        };
        generated! {
            let #verdict = #receiver.verdict();
            #questions
        }
    }

    /// Asks whether `function`, which the user wrote as `path`, is one of `entries`. `arguments` are those of the call, if
    /// it is one: places that may be mentioned.
    pub(super) fn function(
        &self,
        asks: Asks,
        entries: &[&'static Entry],
        function: &Ident,
        path: &Path,
        arguments: Option<&[Option<TokenStream>]>,
    ) -> TokenStream {
        let Some((first, last)) = ends(path) else { return TokenStream::new() };
        let support = support();
        let verdict = Ident::new("verdict", first);
        let mut questions = TokenStream::new();
        let mut either = generated!(#support::Fine);
        for entry in entries.iter().filter(|entry| asks == Asks::Blocking || !self.allows(entry)) {
            let calls = if let Form::Function(row) = entry.form { row.calls } else { &[] };
            let identity = self.identity(entry, function);
            let arguments = arguments.map(|arguments| {
                let verdicts = calls.iter().zip(arguments).filter_map(|(method, argument)| {
                    let (marker, argument) = (marker(method), argument.as_ref()?);
                    Some(generated!((#argument).__fiber_receiver(#marker).verdict().0))
                });
                generated!(#(.or(#verdicts))*)
            });
            let by_arguments = match arguments {
                _ if calls.is_empty() => TokenStream::new(),
                None => continue,
                Some(verdicts) => generated!(.and(#support::Fine #verdicts)),
            };
            let one = generated!(#identity #by_arguments);
            match asks {
                Asks::Blocking => either = generated!(#either.or(#one)),
                Asks::Harmless => {
                    questions.extend(generated!(let #verdict = (#one,);));
                    questions.extend(self.call_over(&trait_ident(entry, last), first, last));
                }
            }
        }
        if asks == Asks::Blocking {
            questions = generated!(let #verdict = (#either,););
            questions.extend(self.call_over(&Ident::new("NeedsExemption", last), first, last));
        }
        questions
    }

    /// `function(arguments)`, and behind it the questions that `ask` writes: it gets places of the arguments' types, which
    /// may be known only from the call. An argument that cannot stand twice is another one of its type.
    pub(super) fn called<'a>(
        function: &Ident,
        arguments: impl IntoIterator<Item = &'a Expr>,
        ask: impl FnOnce(&[Option<TokenStream>]) -> TokenStream,
    ) -> TokenStream {
        let support = support();
        let (mut names, mut places, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (number, argument) in arguments.into_iter().enumerate() {
            let name = Ident::new(&format!("argument{number}"), Span::mixed_site());
            if has_one_type(argument) {
                places.push(Some(generated!(*#name.place())));
                values.push(generated!(#name.is(#argument)));
            } else {
                places.push(None);
                values.push(generated!(#name.other()));
            }
            names.push(name);
        }
        let questions = ask(&places);
        generated! {
            #(let #names = #support::argument();)*
            let _ = #function(#(#values),*);
            #questions
        }
    }

    /// Asks whether `function`, which the user wrote as `path`, is one of the table under another name; `arguments` as in
    /// [`function`](Self::function). The path stands there a second time: it becomes either the function of the list, or the
    /// user's.
    pub(super) fn renamed(
        &self,
        function: &Ident,
        path: &Path,
        arguments: Option<&Punctuated<Expr, Token![,]>>,
    ) -> TokenStream {
        let (entries, others) = renamable(arguments.map(Punctuated::len));
        let Some((first, last)) = ends(path) else { return TokenStream::new() };
        let (support, own, verdict) = (support(), Ident::new("own", Span::mixed_site()), Ident::new("verdict", first));
        let list = entries.iter().rev().filter(|entry| !self.allows(entry)).fold(generated!(()), |rest, entry| {
            let (marker, std) = (trait_ident(entry, Span::mixed_site()), std_path(&entry.path));
            let types = settled(entry);
            let types = (!types.is_empty()).then(|| generated!(::<#(#types),*>));
            generated!((#support::functions::#marker, #std #types, #rest))
        });
        let question = quote_spanned!(last=> .ok());
        let others = match arguments {
            Some(arguments) if !others.is_empty() => Self::called(function, arguments, |places| {
                self.function(Asks::Harmless, &others, function, path, Some(places))
            }),
            _ => TokenStream::new(),
        };
        generated! {
            #[allow(deprecated)]
            let list = #list;
            let #own = #path;
            let #verdict = #own.__fiber_among(&list).verdict().settle(&#own, &#function);
            #verdict #question;
            #others
        }
    }

    /// `path` is that of `entry`, spelled out.
    pub(super) fn certain(&self, asks: Asks, entry: &Entry, path: &Path) -> TokenStream {
        let Some((first, last)) = ends(path) else { return TokenStream::new() };
        if asks == Asks::Blocking || self.allows(entry) {
            return TokenStream::new();
        }
        let (support, verdict) = (support(), Ident::new("verdict", first));
        let question = self.call_over(&trait_ident(entry, last), first, last);
        generated!(let #verdict = (#support::Blocks,); #question)
    }

    /// `support::name::ok(verdict.0);`, the tokens at the place of a whole path: an error underlines all of it.
    fn call_over(&self, name: &Ident, first: Span, last: Span) -> TokenStream {
        let (support, verdict) = (Ident::new("__fiber", first), Ident::new("verdict", first));
        let field = syn::Index { index: 0, span: last };
        let ok = Ident::new("ok", last);
        let argument = quote_spanned!(last=> (#verdict.#field););
        quote_spanned!(first=> #support::#name::#ok #argument)
    }

    /// Whether `function` is the one of `entry`.
    fn identity(&self, entry: &Entry, function: &Ident) -> TokenStream {
        let std = std_path(&entry.path);
        let row = match entry.form {
            Form::Function(row) => row,
            Form::Method { of, .. } if of.generics.contains('T') => {
                let (ty, name) = (std_path(of.path), Ident::new(entry.name, Span::mixed_site()));
                return generated!({
                    let (std, settled) = (#std, #ty::<()>::#name);
                    #function.__fiber_beside(&std).verdict().settle(&std, &settled)
                });
            }
            _ => {
                return generated!({
                    let std = #std;
                    #function.__fiber_beside(&std).verdict()
                });
            }
        };
        let types = settled(entry);
        let lints = row.deprecated.then(|| generated!(#[allow(deprecated)]));
        if types.is_empty() {
            return generated!({ #lints let std = #std; #function.__fiber_beside(&std).verdict() });
        }
        let open = types.iter().map(|_| generated!(_));
        generated!({
            #lints
            let (std, settled) = (#std::<#(#open),*>, #std::<#(#types),*>);
            #function.__fiber_beside(&std).verdict().settle(&std, &settled)
        })
    }
}

/// `std::fs::read`: that of the runtime, where the user's crate may have no `std` of its own.
fn std_path(path: &str) -> TokenStream {
    let support = support();
    let segments = path.split("::").skip(1).map(|segment| Ident::new(segment, Span::mixed_site()));
    generated!(#support::of_std #(::#segments)*)
}

/// Types that fit the type parameters of a function.
fn settled(entry: &Entry) -> Vec<TokenStream> {
    shape(entry).settled.iter().map(|ty| generated_everywhere(ty)).collect()
}

/// The type of the method `name`.
fn marker(name: &str) -> TokenStream {
    let (support, marker) = (support(), marker_ident(name, Span::mixed_site()));
    generated!(#support::methods::#marker)
}

/// The first and the last token of `path`.
fn ends(path: &Path) -> Option<(Span, Span)> {
    Some((path.segments.first()?.ident.span(), path.segments.last()?.ident.span()))
}

fn generated_everywhere(text: &str) -> TokenStream {
    fn generated(tokens: TokenStream) -> TokenStream {
        let at_its_place = |mut token: TokenTree| {
            if let TokenTree::Group(group) = &token {
                token = Group::new(group.delimiter(), generated(group.stream())).into();
            }
            token.set_span(Span::mixed_site());
            token
        };
        tokens.into_iter().map(at_its_place).collect()
    }
    generated(text.parse().expect("the table is Rust"))
}

//! Macros whose arguments are expressions: those of std, and `select!`. All others get tokens that nobody else understands.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Expr, Macro, Pat, Result, Token};

use super::paths;
use super::probe::{Asks, Called, generated, passing};
use super::receiver::{can_be_mentioned_as_argument, is_harmless, repeatable, taken};
use super::spans;
use super::walk::Walk;
use crate::select::Arms;
use crate::table::named;
use crate::words;

/// The arguments of one.
pub(super) struct Known {
    /// Of `write!` and `writeln!`.
    pub(super) destination: Option<Expr>,
    pub(super) arguments: Vec<Expr>,
    /// `;` in `vec![value; length]`, otherwise `,`.
    separator: TokenStream,
    /// Of `matches!`, with the condition behind it.
    pattern: Option<(Pat, Option<Expr>)>,
    /// How many of the arguments stand in the message or the output as they were written.
    told: usize,
    /// Whether functions can be arguments of it.
    takes_functions: bool,
    /// Of `select!`.
    select: Option<Arms>,
}

impl Known {
    /// `None` for a macro that is not known, or not used as it is meant.
    pub(super) fn parse(mac: &Macro) -> Option<Self> {
        let mut path = mac.path.segments.iter().rev().map(|segment| segment.ident.to_string());
        let name = path.next()?;
        if name == "select" {
            // Of whatever crate: where the arms are those of ours, they mean the same.
            let arms = syn::parse2(mac.tokens.clone()).ok()?;
            return Some(Self { select: Some(arms), ..Self::of(Vec::new()) });
        }
        if !matches!(path.next().as_deref(), None | Some("std" | "core" | "alloc")) {
            return None;
        }
        let tokens = mac.tokens.clone();
        let parsed = match name.as_str() {
            "assert_eq" | "assert_ne" | "debug_assert_eq" | "debug_assert_ne" | "eprint" | "eprintln" | "format"
            | "format_args" | "panic" | "print" | "println" | "todo" | "unimplemented" | "unreachable" => {
                Self::list.parse2(tokens)
            }
            "assert" | "debug_assert" => Self::list.parse2(tokens).map(|known| known.telling(1)),
            "dbg" => Self::list.parse2(tokens).map(|known| known.telling(usize::MAX)),
            "vec" => Self::vec.parse2(tokens).map(|known| Self { takes_functions: true, ..known }),
            "matches" => Self::matches.parse2(tokens),
            "write" | "writeln" => Self::write.parse2(tokens),
            _ => return None,
        };
        parsed.ok()
    }

    fn of(arguments: Vec<Expr>) -> Self {
        Self {
            destination: None,
            arguments,
            separator: quote!(,),
            pattern: None,
            told: 0,
            takes_functions: false,
            select: None,
        }
    }

    fn telling(mut self, first: usize) -> Self {
        self.told = first.min(self.arguments.len());
        self
    }

    fn list(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self::of(Punctuated::<Expr, Token![,]>::parse_terminated(input)?.into_iter().collect()))
    }

    fn vec(input: ParseStream<'_>) -> Result<Self> {
        let fork = input.fork();
        if fork.parse::<Expr>().is_ok() && fork.peek(Token![;]) {
            let value = input.parse()?;
            let separator = input.parse::<Token![;]>()?.to_token_stream();
            return Ok(Self { separator, ..Self::of(vec![value, input.parse()?]) });
        }
        Self::list(input)
    }

    fn matches(input: ParseStream<'_>) -> Result<Self> {
        let value = input.parse()?;
        input.parse::<Token![,]>()?;
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        let condition = if input.parse::<Option<Token![if]>>()?.is_some() { Some(input.parse()?) } else { None };
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { pattern: Some((pattern, condition)), ..Self::of(vec![value]) })
    }

    fn write(input: ParseStream<'_>) -> Result<Self> {
        let destination = Some(input.parse()?);
        if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
            return Err(input.error("another macro of this name"));
        }
        Ok(Self { destination, ..Self::list(input)? })
    }
}

impl ToTokens for Known {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { destination, arguments, separator, pattern, select, .. } = self;
        for argument in destination.iter().chain(arguments) {
            if !tokens.is_empty() {
                tokens.append_all(separator.clone());
            }
            argument.to_tokens(tokens);
        }
        if let Some((pattern, condition)) = pattern {
            let condition = condition.iter();
            tokens.append_all(quote!(, #pattern #(if #condition)*));
        }
        select.to_tokens(tokens);
    }
}

impl Walk<'_> {
    /// `write!(destination, ..)`: it calls a method of the destination.
    fn write(&mut self, mac: &Macro, destination: &mut Expr) -> Option<TokenStream> {
        let original = destination.clone();
        self.place(destination);
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
            return Some(self.prober.mentioned(asks, method, place, &original));
        }
        let passing = passing();
        let probe = self.prober.referenced(asks, method, place, &generated!(&#passing));
        *destination = self.through(&probe, &taken(destination));
        None
    }

    /// `select!`: events and conditions, then bodies. A call that stands for an event does not wait, so it is not asked;
    /// what it is made of is.
    fn select(&mut self, select: &mut Arms) {
        for arm in &mut select.arms {
            arm.condition.iter_mut().for_each(|condition| self.visit_expr_mut(condition));
            self.awaited(&mut arm.event);
        }
        for arm in &mut select.arms {
            self.names.open();
            self.names.bind(&arm.pattern);
            self.arm_body(&mut arm.body);
            self.names.close();
        }
        select.default.iter_mut().for_each(|body| self.arm_body(body));
    }

    fn arm_body(&mut self, body: &mut Expr) {
        self.visit_expr_mut(body);
        spans::parenthesize(body);
    }

    /// What `assert!` says if it fails has to be what the user wrote: a copy of it is walked, which is never run.
    fn told(&mut self, arguments: &[Expr]) -> Option<TokenStream> {
        let before = self.seen.rewritten;
        let mut copies = arguments.to_vec();
        copies.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
        (self.seen.rewritten != before).then(|| generated!(let _ = (#(#copies,)*);))
    }

    /// A macro: what it is given is walked if it is one of std's; the probe that belongs beside it comes back.
    pub(super) fn macro_call(&mut self, mac: &mut Macro) -> Option<TokenStream> {
        let known = if self.names.defines_macro(&mac.path) { None } else { Known::parse(mac) };
        let Some(mut known) = known else {
            if mentions_suspicious(&mac.tokens) {
                self.seen.perhaps += 2;
            }
            if self.shadowed && self.exempt.is_some() {
                mac.tokens = paths::absolute_tokens(std::mem::take(&mut mac.tokens));
            }
            return None;
        };
        let mut before = self.seen.rewritten;
        let (told, others) = known.arguments.split_at_mut(known.told);
        let mut probe = None;
        if told.iter().all(repeatable) {
            probe = self.told(told);
            before = self.seen.rewritten;
        } else {
            told.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
        }
        if let Some(destination) = &mut known.destination {
            probe = self.write(mac, destination);
        }
        for argument in others {
            match argument {
                // `name = value`, not an assignment.
                Expr::Assign(named) if matches!(*named.left, Expr::Path(_)) => self.visit_expr_mut(&mut named.right),
                argument if known.takes_functions => self.visit_expr_mut(argument),
                argument => self.place(argument),
            }
        }
        if let Some((pattern, Some(condition))) = &mut known.pattern {
            self.names.open();
            self.names.bind(pattern);
            self.visit_expr_mut(condition);
            self.names.close();
        }
        if let Some(select) = &mut known.select {
            self.select(select);
            // Marks on loops and blocks in it were taken, too.
            mac.tokens = known.into_token_stream();
        } else if self.seen.rewritten != before {
            mac.tokens = known.into_token_stream();
        }
        probe
    }
}

/// Whether a name of the table stands among the tokens.
pub(super) fn mentions_suspicious(tokens: &TokenStream) -> bool {
    words::any(tokens.clone(), &|word| named(&word.to_string()).next().is_some())
}

/// Whether `std::` stands among the tokens.
pub(super) fn mentions_std(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    let mut absolute = false;
    while let Some(token) = tokens.next() {
        let next_is_colon = matches!(tokens.peek(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
        match &token {
            TokenTree::Ident(word) if word == "std" && next_is_colon && !absolute => return true,
            TokenTree::Group(group) if mentions_std(group.stream()) => return true,
            _ => {}
        }
        absolute = matches!(&token, TokenTree::Punct(colon) if colon.as_char() == ':');
    }
    false
}

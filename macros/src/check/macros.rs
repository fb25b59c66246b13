//! Macros of std whose arguments are expressions. All others get tokens that nobody else understands.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Macro, Result, Token};

use crate::table::named;
use crate::words;

/// The arguments of one.
pub(super) struct Known {
    /// Of `write!` and `writeln!`.
    pub(super) destination: Option<Expr>,
    pub(super) arguments: Vec<Expr>,
    /// `;` in `vec![value; length]`, otherwise `,`.
    separator: TokenStream,
    /// What is no expression, or is evaluated by the compiler.
    rest: TokenStream,
}

impl Known {
    /// `None` for a macro that is not known, or not used as it is meant.
    pub(super) fn parse(mac: &Macro) -> Option<Self> {
        let name = mac.path.segments.last()?.ident.to_string();
        let tokens = mac.tokens.clone();
        let parsed = match name.as_str() {
            "assert" | "assert_eq" | "assert_ne" | "dbg" | "debug_assert" | "debug_assert_eq" | "debug_assert_ne"
            | "eprint" | "eprintln" | "format" | "format_args" | "panic" | "print" | "println" | "todo"
            | "unimplemented" | "unreachable" => Self::list.parse2(tokens),
            "vec" => Self::vec.parse2(tokens),
            "matches" => Self::matches.parse2(tokens),
            "write" | "writeln" => Self::write.parse2(tokens),
            _ => return None,
        };
        parsed.ok()
    }

    fn list(input: ParseStream<'_>) -> Result<Self> {
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated(input)?.into_iter().collect();
        Ok(Self { destination: None, arguments, separator: quote!(,), rest: TokenStream::new() })
    }

    fn vec(input: ParseStream<'_>) -> Result<Self> {
        let fork = input.fork();
        if fork.parse::<Expr>().is_ok() && fork.peek(Token![;]) {
            let value = input.parse()?;
            let separator = input.parse::<Token![;]>()?.to_token_stream();
            return Ok(Self { destination: None, arguments: vec![value], separator, rest: input.parse()? });
        }
        Self::list(input)
    }

    fn matches(input: ParseStream<'_>) -> Result<Self> {
        let value = input.parse()?;
        let separator = input.parse::<Token![,]>()?.to_token_stream();
        Ok(Self { destination: None, arguments: vec![value], separator, rest: input.parse()? })
    }

    fn write(input: ParseStream<'_>) -> Result<Self> {
        let destination = input.parse()?;
        if input.is_empty() {
            return Ok(Self {
                destination: Some(destination),
                arguments: Vec::new(),
                separator: quote!(,),
                rest: TokenStream::new(),
            });
        }
        input.parse::<Token![,]>()?;
        Ok(Self { destination: Some(destination), ..Self::list(input)? })
    }
}

impl ToTokens for Known {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { destination, arguments, separator, rest } = self;
        for argument in destination.iter().chain(arguments) {
            if !tokens.is_empty() {
                tokens.append_all(quote!(,));
            }
            argument.to_tokens(tokens);
        }
        if !rest.is_empty() {
            tokens.append_all(quote!(#separator #rest));
        }
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

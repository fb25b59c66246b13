//! The arguments of an attribute: `name`, `name = value` and `name(list)`, separated by commas.

use std::fmt::Display;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitStr, Path, Result, Token};

use super::attribute::Attribute;
use super::mistakes::Mistakes;
use super::values::{self, Driver, Numa, Priority, Timeslice};

/// What the arguments of one attribute say. What was not given, or was wrong, is `None`.
///
/// One type serves all attributes: the table in [`Attribute`] decides which takes what.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) krate: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) stack_size: Option<u64>,
    pub(crate) numa: Option<Numa>,
    pub(crate) workers: Option<usize>,
    pub(crate) driver: Option<Driver>,
    pub(crate) blocking_threads: Option<usize>,
    pub(crate) priority: Option<Priority>,
    pub(crate) timeslice: Option<Timeslice>,
    pub(crate) checkpoints: Option<bool>,
    pub(crate) allow: Option<Vec<Path>>,
    /// The span of `unsafe` in `unsafe(migrate)`.
    pub(crate) migrate: Option<Span>,
    pub(crate) companion: Option<Companion>,
    pub(crate) associated: Option<Span>,
}

/// `companion = ...`.
pub(crate) enum Companion {
    /// `false`: none.
    None,
    /// Another name than the function's.
    Named(Ident),
}

impl Arguments {
    /// Reads what stands between the parentheses of the attribute.
    pub(crate) fn parse(attribute: Attribute, tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut arguments = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        for tokens in split(tokens, mistakes) {
            if attribute.takes("allow")
                && let Ok(path) = syn::parse2::<Path>(tokens.clone())
                && path.segments.len() > 1
            {
                let text = path.to_token_stream().to_string().replace(' ', "");
                mistakes.at(path, format!("to allow a call that blocks, write `allow({text})`"));
                continue;
            }
            let Some(argument) = mistakes.ok(Argument::parse(tokens)) else { continue };
            let name = argument.name.to_string();
            if !attribute.takes(&name) {
                mistakes.at(&argument.name, attribute.refusal(&name));
            } else if seen.contains(&argument.name) {
                mistakes.at(&argument.name, format!("`{name}` is given twice"));
            } else {
                arguments.set(&name, &argument, mistakes);
                seen.push(argument.name);
            }
        }
        arguments
    }

    fn set(&mut self, name: &str, argument: &Argument, mistakes: &mut Mistakes) {
        match name {
            "workers" => self.workers = mistakes.ok(values::count(argument)),
            "stack_size" => self.stack_size = mistakes.ok(values::stack_size(argument)),
            "numa" => self.numa = mistakes.ok(values::numa(argument)),
            "driver" => self.driver = mistakes.ok(values::driver(argument)),
            "blocking_threads" => self.blocking_threads = mistakes.ok(values::count(argument)),
            "priority" => self.priority = mistakes.ok(values::priority(argument)),
            "timeslice" => self.timeslice = mistakes.ok(values::timeslice(argument)),
            "checkpoints" => self.checkpoints = mistakes.ok(values::checkpoints(argument)),
            "allow" => self.allow = mistakes.ok(values::allow(argument)),
            "unsafe" => self.migrate = mistakes.ok(values::migrate(argument)),
            "companion" => self.companion = mistakes.ok(values::companion(argument)),
            "associated" => self.associated = mistakes.ok(values::flag(argument)),
            "name" => self.name = mistakes.ok(values::name(argument)),
            "crate" => self.krate = mistakes.ok(values::krate(argument)),
            // Running the test on real threads and the real clock would claim a determinism that it does not have.
            "sim" => mistakes.at(
                &argument.name,
                "`sim` needs the simulated scheduler and clock, which this version of fiber does not have yet",
            ),
            _ => unreachable!("`{name}` is in the table of arguments and not read"),
        }
    }
}

/// One argument, not yet understood.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    form: Form,
}

enum Form {
    Flag,
    Assigned(TokenStream),
    Listed(Group),
}

impl Argument {
    pub(super) fn parse(tokens: TokenStream) -> Result<Self> {
        syn::parse2(tokens)
    }

    /// The tokens after `=`.
    pub(super) fn assigned(&self) -> Option<TokenStream> {
        match &self.form {
            Form::Assigned(tokens) => Some(tokens.clone()),
            Form::Flag | Form::Listed(_) => None,
        }
    }

    /// The tokens between parentheses.
    pub(super) fn listed(&self) -> Option<TokenStream> {
        match &self.form {
            Form::Listed(group) => Some(group.stream()),
            Form::Flag | Form::Assigned(_) => None,
        }
    }

    pub(super) fn is_flag(&self) -> bool {
        matches!(self.form, Form::Flag)
    }

    /// An error at the value, or at the name where there is none.
    pub(super) fn error(&self, message: impl Display) -> Error {
        match &self.form {
            Form::Flag => Error::new_spanned(&self.name, message),
            Form::Assigned(tokens) => Error::new_spanned(tokens, message),
            Form::Listed(group) => Error::new_spanned(group, message),
        }
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        // `crate` and `unsafe` are keywords.
        let name = input
            .call(Ident::parse_any)
            .map_err(|error| Error::new(error.span(), "expected the name of an argument, as in `name = \"...\"`"))?;
        if input.is_empty() {
            return Ok(Self { name, form: Form::Flag });
        }
        if let Some(equals) = input.parse::<Option<Token![=]>>()? {
            let value: TokenStream = input.parse()?;
            if value.is_empty() {
                let example = Attribute::example(&name.to_string());
                return Err(Error::new_spanned(equals, format!("`{name}` needs a value: `{example}`")));
            }
            return Ok(Self { name, form: Form::Assigned(value) });
        }
        let rest: TokenStream = input.parse()?;
        match syn::parse2::<Group>(rest.clone()) {
            Ok(group) if group.delimiter() == Delimiter::Parenthesis => Ok(Self { name, form: Form::Listed(group) }),
            _ => Err(Error::new_spanned(rest, format!("expected `=`, `,` or `(` after `{name}`"))),
        }
    }
}

/// The arguments between top-level commas; a trailing comma is fine.
fn split(tokens: TokenStream, mistakes: &mut Mistakes) -> Vec<TokenStream> {
    let mut arguments = Vec::new();
    let mut current = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                if current.is_empty() {
                    mistakes.at(comma, "expected an argument before `,`");
                } else {
                    arguments.push(std::mem::take(&mut current));
                }
            }
            token => token.to_tokens(&mut current),
        }
    }
    if !current.is_empty() {
        arguments.push(current);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Companion};
    use crate::parse::{Attribute, Driver, Mistakes, Numa};
    use proc_macro2::TokenStream;
    use quote::quote;

    fn parse(attribute: Attribute, tokens: TokenStream) -> (Arguments, Vec<String>) {
        let mut mistakes = Mistakes::default();
        let arguments = Arguments::parse(attribute, tokens, &mut mistakes);
        (arguments, mistakes.messages())
    }

    #[test]
    fn everything_main_takes() {
        let (arguments, mistakes) = parse(
            Attribute::Main,
            quote! { workers = 4, stack_size = "64k", numa = "spread", driver = "epoll", blocking_threads = 8, name = "server", crate = "my::fiber", },
        );
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(arguments.workers, Some(4));
        assert_eq!(arguments.stack_size, Some(65_536));
        assert_eq!(arguments.numa, Some(Numa::Spread));
        assert_eq!(arguments.driver, Some(Driver::Epoll));
        assert_eq!(arguments.blocking_threads, Some(8));
        assert_eq!(arguments.name.unwrap().value(), "server");
        assert_eq!(arguments.krate.unwrap().segments.len(), 2);
    }

    #[test]
    fn everything_task_takes() {
        let (arguments, mistakes) = parse(
            Attribute::Task,
            quote! { numa = 1, stack_size = 32768, priority = "low", timeslice = "1ms", name = "a::b", checkpoints = false, allow(std::sync::Mutex::lock, std::fs::read), unsafe(migrate), companion = "r#match", associated },
        );
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(arguments.checkpoints, Some(false));
        assert_eq!(arguments.allow.unwrap().len(), 2);
        assert!(arguments.migrate.is_some() && arguments.associated.is_some());
        assert!(matches!(arguments.companion, Some(Companion::Named(name)) if name == "r#match"));
    }

    #[test]
    fn all_mistakes_are_found_and_the_rest_is_kept() {
        let (arguments, mistakes) =
            parse(Attribute::Main, quote!(worker = 4, workers = 2, workers = 3, priority = "high", name, = 3, numa: 1));
        assert_eq!(
            mistakes,
            [
                "there is no argument `worker`; `#[fiber::main]` takes `workers`, `stack_size`, `numa`, `driver`, \
                 `blocking_threads`, `checkpoints`, `allow`, `name` and `crate`",
                "`workers` is given twice",
                "`priority` is an argument of `#[fiber::task]`; `#[fiber::main]` takes `workers`, `stack_size`, \
                 `numa`, `driver`, `blocking_threads`, `checkpoints`, `allow`, `name` and `crate`",
                "`name` needs a value: `name = \"...\"`",
                "expected the name of an argument, as in `name = \"...\"`",
                "expected `=`, `,` or `(` after `numa`",
            ]
        );
        assert_eq!(arguments.workers, Some(2));
        assert_eq!(arguments.numa, None);
    }

    #[test]
    fn every_argument_of_the_table_is_read() {
        for attribute in [Attribute::Main, Attribute::Task, Attribute::Test, Attribute::Check] {
            for name in [
                "workers",
                "stack_size",
                "numa",
                "driver",
                "blocking_threads",
                "priority",
                "timeslice",
                "checkpoints",
                "allow",
                "unsafe",
                "companion",
                "associated",
                "sim",
                "name",
                "crate",
            ] {
                let example: TokenStream = Attribute::example(name).parse().unwrap();
                let (_, mistakes) = parse(attribute, example);
                let refused = !attribute.takes(name) || name == "sim";
                assert_eq!(mistakes.len(), usize::from(refused), "{attribute} {name}: {mistakes:?}");
            }
        }
    }
}

//! The arms of a `select!`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Pat, Result, Token};

/// A whole `select!`, as it comes with where it stands.
pub(crate) struct Select {
    /// The path of the crate.
    pub(crate) krate: TokenStream,
    pub(crate) arms: Arms,
}

/// What is written in a `select!`.
pub(crate) struct Arms {
    pub(crate) biased: bool,
    pub(crate) arms: Vec<Arm>,
    /// The body for when nothing can happen at once.
    pub(crate) default: Option<Expr>,
}

/// `pattern = event, if condition => body`
pub(crate) struct Arm {
    pub(crate) pattern: Pat,
    pub(crate) event: Expr,
    pub(crate) condition: Option<Expr>,
    pub(crate) body: Expr,
}

/// The methods that stand for an event in an arm, which is what the method `<name>_event` returns.
const EVENTS: [&str; 15] = [
    "recv",
    "send",
    "join",
    "notified",
    "changed",
    "closed",
    "cancelled",
    "join_next",
    "acquire",
    "acquire_many",
    "acquire_owned",
    "acquire_many_owned",
    "readable",
    "writable",
    "wait",
];

const FORM: &str = "an arm is `pattern = event => body`";

impl Parse for Select {
    fn parse(input: ParseStream) -> Result<Select> {
        let krate;
        syn::parenthesized!(krate in input);
        let krate = krate.parse()?;
        let mut arms: Arms = input.parse()?;
        arms.arms.iter_mut().try_for_each(|arm| into_event(&mut arm.event))?;
        Ok(Select { krate, arms })
    }
}

impl Parse for Arms {
    fn parse(input: ParseStream) -> Result<Arms> {
        let biased = parse_biased(input)?;
        let (mut arms, mut default) = (Vec::new(), None);
        while !input.is_empty() {
            if input.peek(Token![else]) {
                return Err(input.error("the arm for when nothing can happen at once is `default => body`"));
            }
            if input.peek(Ident) && input.peek2(Token![=>]) {
                let name: Ident = input.parse()?;
                if name != "default" {
                    return Err(Error::new(name.span(), format!("{FORM}, or `default => body`")));
                }
                if default.is_some() {
                    return Err(Error::new(name.span(), "there is one `default` arm at most"));
                }
                input.parse::<Token![=>]>()?;
                default = Some(parse_body(input)?);
            } else {
                arms.push(input.parse()?);
            }
        }
        if arms.is_empty() {
            let message = if default.is_some() {
                format!("`select!` with nothing but `default` waits for nothing: {FORM}")
            } else {
                format!("`select!` without an arm would wait for ever: {FORM}")
            };
            return Err(Error::new(Span::call_site(), message));
        }
        Ok(Arms { biased, arms, default })
    }
}

impl ToTokens for Arms {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Arms { biased, arms, default } = self;
        let biased = biased.then(|| quote!(biased;));
        let default = default.iter();
        tokens.extend(quote!(#biased #(#arms)* #(default => #default,)*));
    }
}

impl ToTokens for Arm {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Arm { pattern, event, condition, body } = self;
        let condition = condition.iter();
        tokens.extend(quote!(#pattern = #event #(, if #condition)* => #body,));
    }
}

fn parse_biased(input: ParseStream) -> Result<bool> {
    if !input.peek(Ident) || input.peek2(Token![=]) || input.peek2(Token![=>]) {
        return Ok(false);
    }
    let ahead = input.fork();
    if ahead.parse::<Ident>()? != "biased" {
        return Ok(false);
    }
    input.parse::<Ident>()?;
    if !input.peek(Token![;]) {
        return Err(input.error("`biased` ends with a semicolon: `biased;`"));
    }
    input.parse::<Token![;]>()?;
    Ok(true)
}

impl Parse for Arm {
    fn parse(input: ParseStream) -> Result<Arm> {
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        if input.peek(Token![->]) {
            return Err(input.error("the pattern comes first: `message = receiver.recv() => body`"));
        }
        if !input.peek(Token![=]) || input.peek(Token![=>]) {
            return Err(input.error(FORM));
        }
        input.parse::<Token![=]>()?;
        let event = input.parse()?;
        let mut condition = None;
        if input.peek(Token![,]) && input.peek2(Token![if]) {
            input.parse::<Token![,]>()?;
        }
        if input.peek(Token![if]) {
            input.parse::<Token![if]>()?;
            condition = Some(input.parse()?);
        }
        if !input.peek(Token![=>]) {
            return Err(input.error("expected `=> body` or `, if condition => body`"));
        }
        input.parse::<Token![=>]>()?;
        Ok(Arm { pattern, event, condition, body: parse_body(input)? })
    }
}

/// As the body of an arm of a `match`: a block ends by itself, anything else with a comma.
fn parse_body(input: ParseStream) -> Result<Expr> {
    let body = Expr::parse_with_earlier_boundary_rule(input)?;
    let ends_by_itself = matches!(
        body,
        Expr::Block(_)
            | Expr::If(_)
            | Expr::Match(_)
            | Expr::Loop(_)
            | Expr::While(_)
            | Expr::ForLoop(_)
            | Expr::Unsafe(_)
            | Expr::Const(_)
            | Expr::TryBlock(_)
    );
    if input.peek(Token![,]) {
        input.parse::<Token![,]>()?;
    } else if !ends_by_itself && !input.is_empty() {
        return Err(input.error("expected a comma after the body of the arm"));
    }
    Ok(body)
}

/// A call of one of the [`EVENTS`] becomes one of the method that returns the event.
fn into_event(event: &mut Expr) -> Result<()> {
    match event {
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            if EVENTS.contains(&&*name) {
                call.method = Ident::new(&format!("{name}_event"), call.method.span());
            } else if let Some(base) = name.strip_prefix("try_").filter(|base| EVENTS.contains(base)) {
                let message = format!(
                    "an arm never waits by itself: write `{base}`, and `default` for when nothing can happen at once"
                );
                return Err(Error::new(call.method.span(), message));
            } else if let Some(base) = name.strip_suffix("_timeout").or_else(|| name.strip_suffix("_deadline"))
                && EVENTS.contains(&base)
            {
                let message =
                    format!("write `{base}`, and the time limit as an arm of its own: `() = after(duration) => body`");
                return Err(Error::new(call.method.span(), message));
            }
        }
        Expr::Await(_) => {
            let message =
                "`select!` waits for the event itself: without `.await`; a future is selected by `select::future`";
            return Err(Error::new(event.span(), message));
        }
        Expr::Try(expr) => {
            let message = "what the event gives is there only when it has happened: use `?` in the body";
            return Err(Error::new(expr.question_token.span(), message));
        }
        _ => {}
    }
    Ok(())
}

//! The function under an attribute.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Result, Signature, Token, Visibility, braced, token};

use super::attribute::Attribute;
use crate::words;

/// A function, its body unread.
///
/// The body stays tokens, so that one that does not parse yet (the user is typing in it) comes out as it went in, and
/// editors can complete in it. Inner attributes (`#![allow(..)]`) are part of it.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<syn::Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Body,
}

#[derive(Clone)]
pub(crate) enum Body {
    Block(token::Brace, TokenStream),
    /// Only a `;`.
    Missing(Token![;]),
}

impl Function {
    /// Reads the item under `attribute`; an error says what the attribute goes on.
    pub(crate) fn parse(attribute: Attribute, item: &TokenStream) -> Result<Self> {
        syn::parse2(item.clone()).map_err(|error| match other_item(item.clone()) {
            Some(keyword) if keyword == "impl" && attribute == Attribute::Task => Error::new_spanned(
                keyword,
                format!("`{attribute}` goes on a function: put it on each function inside this `impl` block"),
            ),
            Some(keyword) if keyword == "mod" && attribute == Attribute::Check => Error::new_spanned(
                keyword,
                "`#[fiber::check]` sees a module's functions only if they stand here, in `mod name { .. }`: put it on the \
                 functions in the module's file",
            ),
            Some(keyword) if attribute == Attribute::Check => Error::new_spanned(
                &keyword,
                format!(
                    "`{attribute}` goes on a function, an `impl` block, a trait or an inline module, and this is `{keyword}`"
                ),
            ),
            Some(keyword) => {
                let message = format!("`{attribute}` goes on a function, and this is `{keyword}`");
                Error::new_spanned(keyword, message)
            }
            None => error,
        })
    }

    /// Whether it stands in an `impl` block, as far as its own tokens show: it has a receiver, or names `Self`.
    ///
    /// An attribute sees its function and nothing around it.
    pub(crate) fn names_self(&self) -> bool {
        let body = match &self.body {
            Body::Block(_, tokens) => body_mentions_self(tokens.clone()),
            Body::Missing(_) => false,
        };
        body || self.sig.receiver().is_some() || words::any(self.sig.to_token_stream(), &|word| word == "Self")
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(syn::Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if let Some(semicolon) = input.parse()? {
            Body::Missing(semicolon)
        } else {
            let content;
            let brace = braced!(content in input);
            Body::Block(brace, content.parse()?)
        };
        Ok(Self { attrs, vis, sig, body })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

impl ToTokens for Body {
    /// A missing body becomes one that is never run: the mistake is reported elsewhere, once.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Body::Block(brace, content) => brace.surround(tokens, |inner| inner.append_all(content.clone())),
            Body::Missing(_) => tokens.append_all(quote!(
                {
                    #![allow(unused_variables)]
                    ::core::unreachable!()
                }
            )),
        }
    }
}

/// The keyword of an item that is no function: `struct`, `impl`, ...
fn other_item(item: TokenStream) -> Option<Ident> {
    const OTHERS: &[&str] =
        &["struct", "enum", "union", "trait", "impl", "mod", "use", "static", "const", "type", "macro_rules", "extern"];
    let keyword = |input: ParseStream<'_>| -> Result<Ident> {
        input.call(syn::Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        input.parse::<Option<Token![unsafe]>>()?;
        let keyword = input.call(Ident::parse_any)?;
        let is_function = input.peek(Token![fn]) || input.peek(Token![unsafe]) || input.peek(Token![async]);
        input.parse::<TokenStream>()?;
        if is_function { Err(input.error("a function")) } else { Ok(keyword) }
    };
    let keyword = syn::parse::Parser::parse2(keyword, item).ok()?;
    OTHERS.iter().any(|other| keyword == other).then_some(keyword)
}

/// Whether the `Self` of the surroundings stands in the body `tokens`: items in it have their own, or none.
fn body_mentions_self(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    let mut in_item = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if !in_item && word == "Self" => return true,
            TokenTree::Ident(word) => in_item |= opens_item(&word, tokens.peek()),
            TokenTree::Punct(punct) if punct.as_char() == ';' => in_item = false,
            TokenTree::Group(group) if in_item => in_item = group.delimiter() != Delimiter::Brace,
            TokenTree::Group(group) if body_mentions_self(group.stream()) => return true,
            _ => {}
        }
    }
    false
}

fn opens_item(word: &Ident, next: Option<&TokenTree>) -> bool {
    word == "impl"
        || matches!(next, Some(TokenTree::Ident(_)))
            // Not the `fn` of a function pointer's type, nor a variable called `union`.
            && ["trait", "struct", "enum", "union", "fn", "mod"].iter().any(|item| word == item)
}

#[cfg(test)]
mod tests {
    use super::Function;
    use crate::parse::Attribute;
    use proc_macro2::TokenStream;
    use quote::{ToTokens, quote};

    fn function(item: &TokenStream) -> Function {
        Function::parse(Attribute::Task, item).unwrap()
    }

    #[test]
    fn comes_out_as_it_went_in() {
        for item in [
            quote!(/// Documented.
                #[inline] pub(in crate::a) unsafe fn f<'a, T: Clone, const N: usize>(self: &'a Arc<Self>, (a, _): (u8, u8))
                -> impl Iterator<Item = T> + use<'a, T, N> where T: 'a { #![allow(unused)] a.; 1 }),
            quote! { fn r#match(mut x: u8) {} },
        ] {
            assert_eq!(function(&item).to_token_stream().to_string(), item.to_string());
        }
    }

    #[test]
    fn self_shows_an_associated_function() {
        for associated in [
            quote! { fn f(self) {} },
            quote! { fn f(&mut self) {} },
            quote! { fn f(this: Box<Self>) {} },
            quote! { fn f(x: impl Read, y: Self) {} },
            quote! { fn f() -> Result<Self, Error> { make() } },
            quote! { fn f() { call(|x: u8| vec![Self::g(x)]) } },
            quote! { fn f() { fn inner() {} Self::g() } },
            quote! { fn f() { let g: fn(u8) = Self::g; } },
        ] {
            assert!(function(&associated).names_self(), "{associated}");
        }
        for free in [
            quote! { fn f(selfish: u8) -> u8 { 1 } },
            quote! { fn f() { struct A; impl A { fn g() -> Self { A } } } },
            quote! { fn f() { trait A { fn g(&self) -> Self where Self: Sized; } let union = 1; } },
            quote! { fn f() { enum A { B(Box<Self>), } } },
        ] {
            assert!(!function(&free).names_self(), "{free}");
        }
    }

    #[test]
    fn other_items_are_named() {
        let message = |attribute, item: TokenStream| Function::parse(attribute, &item).err().unwrap().to_string();
        assert_eq!(
            message(Attribute::Task, quote! { pub struct A; }),
            "`#[fiber::task]` goes on a function, and this is `struct`"
        );
        assert_eq!(
            message(Attribute::Task, quote! { impl<T> A<T> { fn f() {} } }),
            "`#[fiber::task]` goes on a function: put it on each function inside this `impl` block"
        );
        assert_eq!(
            message(Attribute::Main, quote! { #[doc(hidden)] pub const X: u8 = 1; }),
            "`#[fiber::main]` goes on a function, and this is `const`"
        );
    }
}

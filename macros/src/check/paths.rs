//! What a path can be, and what not.

use proc_macro2::{Group, Punct, Spacing, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Ident, ItemUse, Macro, Path, Token};

use super::macros;
use super::shape::shape;
use crate::table::{Entry, Form, TYPES, WRAPPERS, entries, named};

/// The functions of the table with the last segment `name`: free ones, or those of types.
pub(super) fn functions(name: &str, associated: bool) -> Vec<&'static Entry> {
    named(name).filter(|entry| is_function(entry, associated)).collect()
}

/// The free functions of the table that an import may have given another name, those that block by what they are given last
/// and apart; of `arguments` arguments, if that is known.
pub(super) fn renamable(arguments: Option<usize>) -> (Vec<&'static Entry>, Vec<&'static Entry>) {
    let fits = |entry: &&Entry| {
        let shape = shape(entry);
        is_function(entry, false) && !shape.takes_closure && arguments.is_none_or(|count| shape.arguments == count)
    };
    entries().iter().filter(fits).partition(|entry| !entry.depends_on_arguments())
}

/// The methods with this name that a path can stand for as a function of one argument: `Path::exists`.
pub(super) fn methods(name: &str) -> impl Iterator<Item = &'static Entry> {
    named(name).filter(|entry| matches!(entry.form, Form::Method { of_trait: false, .. }) && entry.arguments == 0)
}

fn is_function(entry: &Entry, associated: bool) -> bool {
    matches!(entry.form, Form::Function(function) if function.is_associated() == associated)
}

/// Whether the path, written out, leads into fiber.
pub(super) fn is_ours(resolved: &[String], krate: &str) -> bool {
    resolved.len() > 1 && resolved.first().is_some_and(|first| first == "fiber" || first == krate)
}

/// Whether closures that this function gets run on another thread: `fiber::blocking`, `std::thread::spawn`.
pub(super) fn runs_elsewhere(resolved: &[String], krate: &str) -> bool {
    match resolved {
        [.., module, name] if name == "blocking" => module == "fiber" || module == krate,
        [first, .., module, name] if name == "spawn" => module == "thread" && first != "self",
        [module, name] if name == "spawn" => module == "thread",
        _ => false,
    }
}

/// Whether the last segment is something of a type or a trait: `File::open`, `Self::read`, `<File as Read>::read`.
pub(super) fn is_of_type(path: &syn::ExprPath) -> bool {
    let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    path.qself.is_some() || names_type(&segments)
}

/// The same for segments.
pub(super) fn names_type(segments: &[String]) -> bool {
    let owner = segments.len().checked_sub(2).map(|owner| &segments[owner]);
    owner.is_some_and(|owner| owner.starts_with(char::is_uppercase))
}

/// The same for the names that types and traits of std with blocking methods have, whoever's they are.
pub(super) fn names_type_of_table(segments: &[String]) -> bool {
    const TRAITS: [&str; 6] = ["BufRead", "FileExt", "IntoIterator", "Iterator", "Read", "Write"];
    let owner = segments.len().checked_sub(2).map(|owner| segments[owner].as_str());
    let is_owner = |path: &str, owner| path.rsplit("::").next() == Some(owner);
    owner.is_some_and(|owner| {
        TRAITS.contains(&owner)
            || TYPES.iter().any(|ty| is_owner(ty.path, owner))
            || WRAPPERS.iter().any(|wrapper| is_owner(wrapper.path, owner))
    })
}

/// Whether this is what the instructions of a processor are called in `std::arch`. Some of those functions take constants
/// among their arguments, and only where they are called by their names.
pub(super) fn is_of_the_processor(name: &str) -> bool {
    name.starts_with('_') || name.contains("_n_") || name.contains("_lane_") || name.contains("_laneq_")
}

/// Makes `std::` absolute, wherever the walk looks, because at this place `std` means the shadow.
pub(super) struct Absolute;

impl VisitMut for Absolute {
    fn visit_path_mut(&mut self, path: &mut Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 && path.segments[0].ident == "std" {
            path.leading_colon = Some(Token![::](path.segments[0].ident.span()));
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_item_use_mut(&mut self, import: &mut ItemUse) {
        let begins = |word: &Ident| word == "std";
        let syn::UseTree::Path(first) = &import.tree else { return };
        if import.leading_colon.is_none() && begins(&first.ident) {
            import.leading_colon = Some(Token![::](first.ident.span()));
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.visit_path_mut(&mut mac.path);
        if macros::Known::parse(mac).is_some() {
            mac.tokens = absolute_tokens(std::mem::take(&mut mac.tokens));
        }
    }
}

/// Whether a macro that nobody understands gets a `std::`.
pub(super) struct Unseen(pub(super) bool);

impl VisitMut for Unseen {
    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.0 |= macros::mentions_std(mac.tokens.clone()) && macros::Known::parse(mac).is_none();
    }
}

/// `std::` becomes `::std::`.
pub(super) fn absolute_tokens(tokens: TokenStream) -> TokenStream {
    let mut absolute = false;
    let mut tokens = tokens.into_iter().peekable();
    let mut result = Vec::new();
    while let Some(mut token) = tokens.next() {
        let colon_follows = matches!(tokens.peek(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
        if let TokenTree::Group(group) = &token {
            let mut inner = Group::new(group.delimiter(), absolute_tokens(group.stream()));
            inner.set_span(group.span());
            token = inner.into();
        }
        if let TokenTree::Ident(word) = &token
            && word == "std"
            && colon_follows
            && !absolute
        {
            for spacing in [Spacing::Joint, Spacing::Alone] {
                let mut colon = Punct::new(':', spacing);
                colon.set_span(word.span());
                result.push(colon.into());
            }
        }
        absolute = matches!(&token, TokenTree::Punct(colon) if colon.as_char() == ':');
        result.push(token);
    }
    result.into_iter().collect()
}

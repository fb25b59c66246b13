//! Which calls block: the step between parsing and expanding that rewrites a body so that a blocking call of std does not
//! compile.
//!
//! A macro sees names, and names are not enough; the compiler knows. So beside each call with a name of the
//! [`table`](crate::table), [`walk`] puts code that never runs and compiles only if the call does not block
//! ([`probe`]; the runtime's `macros_support::check` has the other half). What a call is asked depends on its form:
//!
//! | form | question |
//! | --- | --- |
//! | `sleep(..)`, `fs::read(..)`, `nap(..)`, `.map(fs::read)` | is this function that of std? |
//! | `File::open(..)` | the same |
//! | `x.lock()`, `Mutex::lock(&x)`, `write!(x, ..)`, `for y in x` | does this method of this type, or of what it points to, block? |
//! | `io::copy(&mut x, ..)` | both |
//!
//! Accepted code means what it meant: a place is mentioned once more in dead code, a value passes through a `match`, and a
//! call that is a whole statement only gets another statement before it. Dead code ends in a call that does not return, so that
//! what it moves is not moved.
//!
//! - [`names`]: what is a variable, an item of the body, an import.
//! - [`receiver`]: places and values. [`paths`]: what a path can be. [`macros`]: those whose arguments are walked.
//! - [`attributes`], [`exempt`]: `allow_blocking` and its kin, and whether they are needed.
//! - [`loops`]: the checkpoints, which the same walk inserts.
//! - [`mod@support`], [`shape`]: the part of the runtime that follows from the table, and what its signatures say.
//!
//! Rejected: deciding by spelling (`TcpStream::connect` may be ours, `nap` may be `sleep`); `#[deprecated]` with `deny`
//! (names the wrong thing, and `--cap-lints` hides it); a panic in a constant (silent under `cargo check`).

mod attributes;
mod calls;
mod exempt;
mod loops;
mod macros;
mod names;
mod paths;
mod probe;
mod receiver;
mod shape;
mod spans;
mod support;
mod walk;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::collections::HashSet;
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::VisitMut;
use syn::{Attribute, Block, Item, Path, Result, Signature, Stmt};

pub(crate) use attributes::has_own_check;
pub(crate) use support::support;

use crate::parse::Mistakes;
use crate::table::{Entry, entries};
use loops::Checkpoints;
use names::Names;
use probe::Prober;
use walk::{Position, Seen, Walk};

/// What the arguments of the attribute say about its checks.
pub(crate) struct Settings<'a> {
    /// The path of the runtime crate.
    pub(crate) krate: TokenStream,
    /// Items that may be called.
    pub(crate) allow: &'a [Path],
    /// Whether loops get checkpoints.
    pub(crate) checkpoints: bool,
}

/// The checked body of a function, from the tokens between its braces. One that does not parse comes back as it is: the
/// compiler has more to say about it.
pub(crate) fn body(
    settings: &Settings<'_>,
    attrs: &mut Vec<Attribute>,
    signature: &Signature,
    tokens: TokenStream,
    mistakes: &mut Mistakes,
) -> TokenStream {
    let parser = |input: ParseStream<'_>| -> Result<(Vec<Attribute>, Vec<Stmt>)> {
        Ok((input.call(Attribute::parse_inner)?, Block::parse_within(input)?))
    };
    let Ok((inner, stmts)) = parser.parse2(tokens.clone()) else {
        attributes::take(attrs, mistakes);
        return tokens;
    };
    let mut block = Block { brace_token: syn::token::Brace::default(), stmts };
    let mut unseen = paths::Unseen(false);
    unseen.visit_block_mut(&mut block);
    if unseen.0 {
        paths::Absolute.visit_block_mut(&mut block);
    }
    walked(settings, unseen.0, mistakes, |walk| walk.function(attrs, signature, &mut block, false));
    let shadow = unseen.0.then(|| shadow(&settings.krate));
    let stmts = &block.stmts;
    quote!(#(#inner)* #shadow #(#stmts)*)
}

/// The checked item: an `impl` block, an inline module, a trait.
pub(crate) fn item(settings: &Settings<'_>, item: &mut Item, mistakes: &mut Mistakes) {
    walked(settings, false, mistakes, |walk| walk.visit_item_mut(item));
}

fn walked(settings: &Settings<'_>, shadowed: bool, mistakes: &mut Mistakes, walk: impl FnOnce(&mut Walk<'_>)) {
    let krate = &settings.krate;
    let allowed = allowed(settings.allow, mistakes);
    let prober = Prober { krate: krate.clone(), allowed };
    let last = krate.clone().into_iter().last().map(|token| token.to_string()).unwrap_or_default();
    let mut state = Walk {
        prober: &prober,
        names: Names::default(),
        mistakes,
        checkpoints: Checkpoints(settings.checkpoints),
        exempt: None,
        seen: Seen::default(),
        position: Position::default(),
        before: Vec::new(),
        met: HashSet::new(),
        asked: HashSet::new(),
        krate: last,
        answered: HashSet::new(),
        supported: false,
        shadowed,
    };
    walk(&mut state);
    for (path, entry) in settings.allow.iter().zip(&prober.allowed) {
        let needed = entry
            .is_some_and(|entry| state.met.contains(entry.name) || (entry.is_function() && state.seen.perhaps > 0));
        if !needed && entry.is_some() {
            state.mistakes.at(path, "nothing here has this name: this exemption is not needed");
        }
    }
}

/// The entries that `allow(..)` names.
fn allowed(paths: &[Path], mistakes: &mut Mistakes) -> Vec<Option<&'static Entry>> {
    let mut allowed: Vec<Option<&'static Entry>> = Vec::new();
    for path in paths {
        let text = path.to_token_stream().to_string().replace(' ', "");
        let text = text.trim_start_matches("::");
        let mut entry = entries().iter().find(|entry| entry.path == text);
        if entry.is_none() {
            mistakes.at(path, unknown(text));
        } else if allowed.iter().flatten().any(|earlier| earlier.path == text) {
            mistakes.at(path, format!("`{text}` is allowed already"));
            entry = None;
        }
        allowed.push(entry);
    }
    allowed
}

fn unknown(path: &str) -> String {
    let listed = |entries: &mut dyn Iterator<Item = &'static Entry>| {
        let paths: Vec<_> = entries.map(|entry| format!("`{}`", entry.path)).collect();
        paths.join(", ")
    };
    let (owner, name) = path.rsplit_once("::").unwrap_or(("", path));
    let end = format!("::{path}");
    let longer = listed(&mut entries().iter().filter(|entry| entry.path.ends_with(&end)));
    if !longer.is_empty() {
        return format!("write the whole path: {longer}");
    }
    let namesakes = listed(&mut crate::table::named(name));
    if !namesakes.is_empty() {
        return format!("`{path}` is not known to block; `{name}` is the name of {namesakes}");
    }
    let siblings = listed(&mut entries().iter().filter(|entry| {
        entry.path.rsplit_once("::").is_some_and(|(of, _)| of == owner || of.ends_with(&format!("::{owner}")))
    }));
    if !siblings.is_empty() {
        return format!("`{path}` is not known to block; these are: {siblings}");
    }
    format!("`{path}` is not known to block, so it needs no permission")
}

/// What `std` means in the arguments of macros that the walk cannot look into.
fn shadow(krate: &TokenStream) -> TokenStream {
    quote! {
        #[allow(unused_imports)]
        use #krate::macros_support::v1::check::shadow as std;
    }
}

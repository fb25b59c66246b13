//! How functions can be named.

use crate::compile::Case;
use crate::subject::{Function, functions};

/// Each function of the table, in each form.
pub(crate) fn cases() -> Vec<Case> {
    functions().iter().filter(|function| !function.by_arguments).flat_map(spellings).collect()
}

/// `(form, items of the module, statements before, callee)`.
type Spelling = (&'static str, String, String, String);

fn spellings(function: &Function) -> Vec<Case> {
    let Function { path, owner, name, arguments, types, associated, .. } = *function;
    let (outer, last) = owner.rsplit_once("::").unwrap_or(("", owner));
    let renamed = if associated { "Renamed" } else { "renamed" };
    let none = String::new;
    let mut spellings: Vec<Spelling> = vec![
        ("spelled out", none(), none(), format!("«{path}»")),
        ("from ::std", none(), none(), format!("::«{path}»")),
        ("owner imported", format!("use {owner};"), none(), format!("«{last}::{name}»")),
        ("owner imported in a group", format!("use {outer}::{{{last}}};"), none(), format!("«{last}::{name}»")),
        ("owner renamed", format!("use {owner} as {renamed};"), none(), format!("«{renamed}::{name}»")),
        ("owner imported in the body", none(), format!("use {owner};"), format!("«{last}::{name}»")),
        ("owner renamed in the body", none(), format!("use {owner} as {renamed};"), format!("«{renamed}::{name}»")),
        ("owner by glob", format!("use {outer}::*;"), none(), format!("«{last}::{name}»")),
        (
            "owner by way of a module",
            format!("mod own {{ pub use {owner}; }}"),
            none(),
            format!("«own::{last}::{name}»"),
        ),
        (
            "extern crate",
            "extern crate std as standard;".into(),
            none(),
            format!("«{}»", path.replacen("std", "standard", 1)),
        ),
        ("raw", none(), none(), format!("«{owner}::r#{name}»")),
        ("in parentheses", none(), none(), format!("(«{path}»)")),
    ];
    if associated {
        spellings.extend([
            ("alias", format!("type Alias = {owner};"), none(), format!("«Alias::{name}»")),
            ("alias in the body", none(), format!("type Alias = {owner};"), format!("«Alias::{name}»")),
            ("type in brackets", none(), none(), format!("<{owner}>::«{name}»")),
        ]);
    } else {
        spellings.extend([
            ("imported", format!("use {path};"), none(), format!("«{name}»")),
            ("imported by glob", format!("use {owner}::*;"), none(), format!("«{name}»")),
            ("renamed", format!("use {path} as renamed;"), none(), "«renamed»".into()),
            ("imported in the body", none(), format!("use {path};"), format!("«{name}»")),
            ("renamed in the body", none(), format!("use {path} as renamed;"), "«renamed»".into()),
            ("imported from ::std in the body", none(), format!("use ::{path};"), format!("«{name}»")),
            ("by way of a module", format!("mod own {{ pub use {path}; }}"), none(), format!("«own::{name}»")),
        ]);
    }
    if types > 0 {
        let types = vec!["_"; types].join(", ");
        spellings.push(("turbofish", none(), none(), format!("«{path}»::<{types}>")));
        spellings.push((
            "turbofish, owner imported",
            format!("use {owner};"),
            none(),
            format!("«{last}::{name}»::<{types}>"),
        ));
    }
    let mut cases = Vec::new();
    for (form, items, before, callee) in &spellings {
        let call = format!("{callee}({arguments})");
        for (place, call) in [("a statement", format!("{call};")), ("a value", format!("let _ = {call};"))] {
            cases.push(case(&format!("{form}, {place}"), path, items, &format!("{before}\n    {call}")));
        }
    }
    cases.extend(values(function));
    cases
}

/// The function as a value.
fn values(function: &Function) -> Vec<Case> {
    let Function { path, owner, name, arguments, associated, .. } = *function;
    if path == "std::thread::scope" {
        // Too general for a value without a type.
        return Vec::new();
    }
    let (_, last) = owner.rsplit_once("::").unwrap_or(("", owner));
    let applied = |callee: &str| {
        let count = arguments.split(", ").filter(|argument| !argument.is_empty()).count();
        let separator = if count == 0 { "" } else { ", " };
        format!("let _ = crate::apply{count}({callee}{separator}{arguments});")
    };
    let mut cases = vec![
        case(
            "a variable",
            path,
            &format!("use {owner};"),
            &format!("let f = «{last}::{name}»;\n    let _ = f({arguments});"),
        ),
        case("an argument", path, &format!("use {owner};"), &applied(&format!("«{last}::{name}»"))),
        case("an argument, spelled out", path, "", &applied(&format!("«{path}»"))),
        case("in a tuple", path, "", &format!("let f = («{path}», 1);\n    let _ = (f.0)({arguments});")),
        case("of a block", path, "", &format!("let f = {{ «{path}» }};\n    let _ = f({arguments});")),
    ];
    if !associated {
        cases.push(case("an argument, imported", path, &format!("use {path};"), &applied(&format!("«{name}»"))));
        cases.push(case("an argument, renamed", path, &format!("use {path} as renamed;"), &applied("«renamed»")));
        cases.push(case("in an unknown macro", path, "", &format!("unknown! {{ let _ = «{path}({arguments})»; }}")));
    }
    match arguments.split(", ").count() {
        _ if arguments.is_empty() => {
            cases.push(case("of a combinator", path, "", &format!("let _ = None.unwrap_or_else(«{path}»);")));
        }
        1 => {
            cases.push(case("of map", path, "", &format!("let _ = [{arguments}].into_iter().map(«{path}»).count();")));
            cases.push(case(
                "of for_each",
                path,
                &format!("use {owner};"),
                &format!("[{arguments}].map(«{last}::{name}»);"),
            ));
        }
        _ => {}
    }
    cases
}

fn case(form: &str, entry: &str, items: &str, statements: &str) -> Case {
    let code = format!("{items}\n#[fiber::check]\nfn case() {{\n    {statements}\n}}");
    Case { form: form.to_owned(), entry: entry.to_owned(), code }
}

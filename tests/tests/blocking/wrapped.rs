//! Readers, writers and iterators of std around something that blocks; `for`; `write!`; calls that block by what they are
//! given; methods with explicit types.

use crate::compile::Case;
use crate::subject::{Method, methods};

/// `@` is the type that blocks.
const READERS: &[(&str, &str)] = &[
    ("in a BufReader", "std::io::BufReader<@>"),
    ("in a Box in a BufReader", "std::io::BufReader<Box<@>>"),
    ("in a reference in a BufReader", "std::io::BufReader<&'static mut @>"),
    ("in a boxed BufReader", "Box<std::io::BufReader<@>>"),
    ("in a Take", "std::io::Take<@>"),
    ("in a Take of a BufReader", "std::io::Take<std::io::BufReader<@>>"),
    ("in a Chain", "std::io::Chain<@, std::io::Empty>"),
];

const WRITERS: &[(&str, &str)] = &[
    ("in a BufWriter", "std::io::BufWriter<@>"),
    ("in a Box in a BufWriter", "std::io::BufWriter<Box<@>>"),
    ("in a reference to a BufWriter", "&mut std::io::BufWriter<@>"),
    ("in a LineWriter", "std::io::LineWriter<@>"),
    ("in a BufWriter in a BufWriter", "std::io::BufWriter<std::io::BufWriter<@>>"),
];

const ITERATORS: &[(&str, &str)] = &[
    ("in a chain", "std::iter::Chain<@, @>"),
    ("enumerated", "std::iter::Enumerate<@>"),
    ("filtered", "std::iter::Filter<@, fn(&<@ as Iterator>::Item) -> bool>"),
    ("in a FilterMap", "std::iter::FilterMap<@, fn(<@ as Iterator>::Item) -> Option<u8>>"),
    ("in a FlatMap", "std::iter::FlatMap<@, Vec<u8>, fn(<@ as Iterator>::Item) -> Vec<u8>>"),
    ("flattened", "std::iter::Flatten<@>"),
    ("fused", "std::iter::Fuse<@>"),
    ("inspected", "std::iter::Inspect<@, fn(&<@ as Iterator>::Item)>"),
    ("mapped", "std::iter::Map<@, fn(<@ as Iterator>::Item) -> u8>"),
    ("in a MapWhile", "std::iter::MapWhile<@, fn(<@ as Iterator>::Item) -> Option<u8>>"),
    ("peekable", "std::iter::Peekable<@>"),
    ("in a Skip", "std::iter::Skip<@>"),
    ("in a SkipWhile", "std::iter::SkipWhile<@, fn(&<@ as Iterator>::Item) -> bool>"),
    ("in a StepBy", "std::iter::StepBy<@>"),
    ("in an iterator's Take", "std::iter::Take<@>"),
    ("in a TakeWhile", "std::iter::TakeWhile<@, fn(&<@ as Iterator>::Item) -> bool>"),
    ("zipped", "std::iter::Zip<@, std::ops::Range<u8>>"),
    ("mapped and enumerated", "std::iter::Enumerate<std::iter::Map<@, fn(<@ as Iterator>::Item) -> u8>>"),
    ("boxed", "Box<@>"),
    ("by reference", "&mut @"),
];

/// What `for` goes over: the form, the type of `x`, the expression with its mark.
const LOOPS: &[(&str, &str, &str)] = &[
    ("for", "@", "«x»"),
    ("for, by reference", "&mut @", "«x»"),
    ("for, over a mutable borrow", "@", "&mut «x»"),
    ("for, boxed", "Box<@>", "«x»"),
    ("for, over a field", "Holder<@>", "&mut x.«field»"),
    ("for, in parentheses", "@", "(«x»)"),
    ("for, over a block", "@", "{ «x» }"),
    ("for, over a result", "Holder<@>", "x.«get»()"),
];

/// Methods that can be given types.
const WITH_TYPES: &[(&str, &str)] = &[
    ("call_once", "_"),
    ("call_once_force", "_"),
    ("get_or_init", "_"),
    ("wait_while", "_, _"),
    ("wait_timeout_while", "_, _"),
    ("open", "&str"),
    ("create", "&str"),
    ("connect", "&str"),
    ("send_to", "&str"),
];

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in methods() {
        // The rows of wrappers are around a file already.
        let plain = method.entry.path.starts_with("std::io::Std") || !method.entry.path.starts_with("std::io::");
        let wrappers = match method.of_trait {
            Some("std::io::Read") if plain => READERS,
            Some("std::io::Write") if plain => WRITERS,
            Some("std::iter::Iterator") => ITERATORS,
            Some("std::iter::IntoIterator") if method.path.is_some_and(|path| !path.ends_with("Receiver")) => ITERATORS,
            _ => &[],
        };
        for (number, (form, around)) in wrappers.iter().enumerate() {
            let call = format!("x.«{}»({})", method.name, method.arguments);
            let call = if number % 2 == 0 { format!("{call};") } else { format!("let _ = {call};") };
            cases.push(case(&method, form, around, &call));
        }
        if method.entry.path.ends_with("Receiver::into_iter") {
            cases.push(case(&method, "for, over a borrow", "@", "for _ in &«x» {}"));
            cases.push(case(&method, "for, over a borrowed Arc", "std::sync::Arc<@>", "for _ in &*«x» {}"));
            cases.push(case(&method, "for, by a reference", "&@", "'own: for _ in «x» { continue 'own }"));
        }
        if method.name == "into_iter" {
            for (form, ty, over) in LOOPS {
                let receiver = method.entry.path.ends_with("Receiver::into_iter");
                if (ty.contains('&') || over.contains('&')) && (receiver || method.path.is_none()) {
                    // It is an iterator only by value, or the type is a reference already.
                    continue;
                }
                if (receiver || method.path.is_none()) && (ty.starts_with("Box") || over.contains("get")) {
                    continue;
                }
                cases.push(case(&method, form, ty, &format!("for _ in {over} {{}}")));
            }
        }
        if method.name == "write_fmt" {
            for (form, ty, macro_call) in [
                ("write! to", "@", "let _ = «write»!(x, \"{}\", 1);"),
                ("write! to a reference", "&mut @", "«write»!(x, \"{}\", 1);"),
                ("write! to a mutable borrow", "@", "«write»!(&mut x, \"{}\", 1);"),
                ("write! to a field", "Holder<@>", "let _ = «write»!(x.field, \"{}\", 1);"),
                ("write! to a result", "Holder<@>", "let _ = «write»!(x.get(), \"{}\", 1);"),
                ("writeln! to", "@", "«writeln»!(x).unwrap();"),
                ("std::writeln! to", "@", "let _ = std::«writeln»!(x, \"{x}\", x = 1);"),
                ("writeln! to a Box", "Box<@>", "«writeln»!(x, \"one\");"),
                ("writeln! to a BufWriter", "std::io::BufWriter<@>", "«writeln»!(x, \"one\");"),
                ("writeln! at the end", "@", "return drop(«writeln»!(x, \"one\"))"),
            ] {
                cases.push(case(&method, form, ty, macro_call));
            }
        }
        if let Some((_, types)) = WITH_TYPES.iter().find(|(name, _)| *name == method.name) {
            let Method { name, arguments, .. } = &method;
            cases.push(case(&method, "turbofish", "@", &format!("let _ = x.«{name}»::<{types}>({arguments});")));
            cases.push(case(&method, "turbofish, a statement", "@", &format!("x.«{name}»::<{types}>({arguments});")));
        }
        if method.of_trait == Some("std::io::Read") && method.name == "read" {
            cases.extend(reading(&method));
        }
        if method.of_trait == Some("std::io::Write") && method.name == "write" {
            cases.extend(writing(&method));
        }
    }
    cases
}

/// Functions that read from what they are given.
fn reading(method: &Method) -> Vec<Case> {
    let mut cases = Vec::new();
    for (form, ty, call) in [
        ("copy from", "@", "«std::io::copy»(&mut x, &mut std::io::sink());"),
        ("copy from a reference", "&mut @", "let _ = «std::io::copy»(x, &mut std::io::sink());"),
        ("copy from a Box", "Box<@>", "let _ = «std::io::copy»(&mut x, &mut std::io::sink());"),
        ("copy from a field", "Holder<@>", "let _ = «std::io::copy»(&mut x.field, &mut std::io::sink());"),
        ("copy from a BufReader", "std::io::BufReader<@>", "«std::io::copy»(&mut x, &mut std::io::sink());"),
        ("copy with types", "@", "let _ = «std::io::copy»::<_, _>(&mut x, &mut std::io::sink());"),
        ("copy from both", "@", "«std::io::copy»(&mut x, &mut crate::make::<std::fs::File>());"),
        ("copy imported in the body", "@", "use std::io; «io::copy»(&mut x, &mut io::sink());"),
        ("copy renamed in the body", "@", "use std::io::copy as pour; let _ = «pour»(&mut x, &mut Vec::new());"),
        ("copy from a value", "Holder<@>", "let _ = «std::io::copy»(x.get(), &mut std::io::sink());"),
    ] {
        let case = case(method, form, ty, call);
        cases.push(Case { entry: "std::io::copy".to_owned(), ..case });
    }
    for (form, ty, call) in [
        ("read_to_string of", "@", "«std::io::read_to_string»(x);"),
        ("read_to_string of a reference", "@", "let _ = «std::io::read_to_string»(&mut x);"),
        ("read_to_string of a BufReader", "std::io::BufReader<@>", "let _ = «std::io::read_to_string»(x);"),
        ("read_to_string of a value", "@", "let _ = «std::io::read_to_string»(core::convert::identity(x));"),
    ] {
        let case = case(method, form, ty, call);
        cases.push(Case { entry: "std::io::read_to_string".to_owned(), ..case });
    }
    cases
}

/// Functions that write to what they are given.
fn writing(method: &Method) -> Vec<Case> {
    let forms = [
        ("copy to", "@", "«std::io::copy»(&mut [1].as_slice(), &mut x);"),
        ("copy to a reference", "&mut @", "let _ = «std::io::copy»(&mut std::io::empty(), x);"),
        ("copy to a BufWriter", "std::io::BufWriter<@>", "let _ = «std::io::copy»(&mut std::io::empty(), &mut x);"),
    ];
    let case = |(form, ty, call): (&str, &str, &str)| Case {
        entry: "std::io::copy".to_owned(),
        ..case(method, form, ty, call)
    };
    forms.into_iter().map(case).collect()
}

/// A function with the argument `x`; `@` in its type is the type of the method.
fn case(method: &Method, form: &str, ty: &str, statement: &str) -> Case {
    let ty = ty.replace('@', &method.ty);
    let code = format!("#[fiber::check]\nfn case(mut x: {ty}) {{\n    {statement}\n}}");
    Case { form: form.to_owned(), entry: method.entry.path.clone(), code }
}

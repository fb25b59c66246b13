//! What a method can be called on, and how it can be named.

use crate::compile::Case;
use crate::subject::{Method, methods};
use crate::table::Form;

/// `(form, type of the parameter x, receiver)`: `R` is the type that has the method, `T` one with values that has it.
type Receiver = (&'static str, &'static str, &'static str);

/// What each method is called on.
const COMMON: &[Receiver] = &[
    ("on the value", "T", "x"),
    ("on a reference", "&R", "x"),
    ("on a mutable reference", "&mut R", "x"),
    ("on a Box", "Box<R>", "x"),
    ("on an Rc", "std::rc::Rc<R>", "x"),
    ("on an Arc", "std::sync::Arc<R>", "x"),
    ("on a LazyLock", "std::sync::LazyLock<T>", "x"),
    ("two deep", "std::rc::Rc<std::sync::Arc<R>>", "x"),
    ("four deep", "std::rc::Rc<std::sync::Arc<std::rc::Rc<std::sync::Arc<R>>>>", "x"),
    ("on a field", "Holder<T>", "x.field"),
    ("in a Vec", "Vec<T>", "x[core::cmp::min(1, 2)]"),
    ("on the result of a function", "()", "crate::make::<T>()"),
];

/// What every third method is called on, by turns: they differ for the walk, and methods do not.
const RARE: &[Receiver] = &[
    // ---- pointers
    ("on a reference to a reference", "&&R", "x"),
    ("on a reference to an Arc", "&std::sync::Arc<R>", "x"),
    ("on a static", "&'static std::sync::LazyLock<T>", "x"),
    ("on a Pin", "std::pin::Pin<Box<R>>", "x"),
    ("on a ManuallyDrop", "std::mem::ManuallyDrop<T>", "x"),
    ("on a Ref", "std::cell::Ref<'static, R>", "x"),
    ("on a RefMut", "std::cell::RefMut<'static, R>", "x"),
    ("on a guard", "std::sync::MutexGuard<'static, R>", "x"),
    ("on something with Deref", "impl std::ops::Deref<Target = R>", "x"),
    ("on something with DerefMut", "impl std::ops::DerefMut<Target = R>", "x"),
    ("two deep, with a Box", "std::sync::Arc<Box<R>>", "x"),
    // ---- places
    ("on a field of a reference", "&mut Holder<T>", "x.field"),
    ("on a field of an Arc", "std::sync::Arc<Holder<T>>", "x.field"),
    ("on a field of a field", "Holder<Holder<T>>", "x.field.field"),
    ("on a field of a tuple", "(u8, T)", "x.1"),
    ("in an array", "[T; 2]", "x[1]"),
    ("in a slice", "&mut [T]", "x[1 + 1]"),
    ("in a map", "std::collections::HashMap<&'static str, T>", "x[\"key\"]"),
    ("behind a star", "&mut R", "(*x)"),
    ("behind two stars", "&mut Box<R>", "(**x)"),
    ("in parentheses", "T", "(x)"),
    ("behind an ampersand", "T", "(&x)"),
    ("behind a mutable ampersand", "T", "(&mut x)"),
    ("borrowed again", "std::sync::Arc<R>", "(&*x)"),
    // ---- values
    ("on the result of a method", "Holder<T>", "x.get()"),
    ("on a field of a result", "()", "crate::make::<Holder<T>>().field"),
    ("on the result of a closure", "fn() -> T", "x()"),
    ("in a RefCell", "std::cell::RefCell<T>", "x.borrow_mut()"),
    ("in an Option", "Option<T>", "x.as_mut().unwrap()"),
    ("in a Result", "Result<T, ()>", "x.unwrap()"),
    ("on a clone", "std::sync::Arc<R>", "x.clone()"),
    ("on the result of an associated function", "std::sync::Arc<R>", "std::sync::Arc::clone(&x)"),
    ("on a new Box", "T", "Box::new(x)"),
    ("on a block", "T", "{ x }"),
    ("on an unsafe block", "*mut R", "unsafe { &mut *x }"),
    ("on an if", "T", "(if true { x } else { crate::make() })"),
    ("on a match", "T", "(match 0 { _ => x })"),
    ("on a loop", "T", "(loop { break x })"),
    ("in an array literal", "T", "[x][0]"),
    ("in a tuple literal", "T", "(x, 1).0"),
    ("in a struct literal", "T", "(Holder { field: x }).field"),
];

/// Each method of the table, in each form.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, method) in methods().iter().enumerate() {
        let is_method = method.name != "force";
        let by_turns = RARE.iter().skip(number % 3).step_by(3);
        for (form, parameter, receiver) in COMMON.iter().chain(by_turns).filter(|_| is_method) {
            let statement = (cases.len() + number).is_multiple_of(2);
            cases.extend(on(method, form, parameter, receiver, statement));
        }
        cases.extend(paths(method));
    }
    cases
}

/// The method called on `receiver`.
fn on(method: &Method, form: &str, parameter: &str, receiver: &str, statement: bool) -> Option<Case> {
    let (ty, value) = (&method.ty, method.value_type());
    if (!method.sized && parameter.contains("DerefMut")) || (method.name == "set" && parameter.contains("Pin")) {
        // `Box<Path>` gives a `Path`; `Pin` has a `set` of its own.
        return None;
    }
    let fill = |text: &str| {
        let words = text.split_inclusive(|letter: char| !letter.is_alphanumeric());
        let fill = |word: &str| {
            let (name, rest) = word.split_at(word.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(word.len()));
            match name {
                "R" => format!("{ty}{rest}"),
                "T" => format!("{value}{rest}"),
                _ => word.to_owned(),
            }
        };
        words.map(fill).collect::<String>()
    };
    let call = format!("{}.«{}»({})", fill(receiver), method.name, method.arguments);
    // At the start of a statement a block would be one by itself.
    let statement = statement && !receiver.starts_with('{') && !receiver.starts_with("unsafe");
    let (place, call) =
        if statement { ("a statement", format!("{call};")) } else { ("a value", format!("let _ = {call};")) };
    Some(case(method, &format!("{form}, {place}"), "", &format!("mut x: {}", fill(parameter)), &call))
}

/// The method named by a path, of the type or of the trait.
fn paths(method: &Method) -> Vec<Case> {
    let Method { name, ty, arguments, by_value, .. } = method;
    let first = match (*by_value, method.sized) {
        (true, _) => "x",
        (false, true) => "&mut x",
        (false, false) => "&mut *x",
    };
    let arguments = if arguments.is_empty() { first.to_owned() } else { format!("{first}, {arguments}") };
    let mut forms: Vec<(&str, String, String, String)> =
        vec![("path, type in brackets", String::new(), String::new(), format!("<{ty}>::«{name}»"))];
    let mut of = |kind: &[&'static str; 7], path: &str| {
        let (module, last) = path.rsplit_once("::").expect("it is in a module");
        let outer = module.rsplit("::").next().expect("there is one");
        let outer_last = format!("{outer}::{last}");
        let none = String::new;
        forms.extend([
            (kind[0], none(), none(), format!("{path}::«{name}»")),
            (kind[1], none(), none(), format!("::{path}::«{name}»")),
            (kind[2], format!("use {path};"), none(), format!("{last}::«{name}»")),
            (kind[3], format!("use {module};"), none(), format!("{outer_last}::«{name}»")),
            (kind[4], format!("use {path} as Renamed;"), none(), format!("Renamed::«{name}»")),
            (kind[5], none(), format!("use {path};"), format!("{last}::«{name}»")),
            (kind[6], none(), format!("use {path} as Renamed;"), format!("Renamed::«{name}»")),
        ]);
    };
    if let Some(path) = method.path {
        of(
            &[
                "path of the type",
                "path of the type, from ::std",
                "path of the type, imported",
                "path of the type, module imported",
                "path of the type, renamed",
                "path of the type, imported in the body",
                "path of the type, renamed in the body",
            ],
            path,
        );
    }
    if let Some(path) = method.of_trait {
        of(
            &[
                "path of the trait",
                "path of the trait, from ::std",
                "path of the trait, imported",
                "path of the trait, module imported",
                "path of the trait, renamed",
                "path of the trait, imported in the body",
                "path of the trait, renamed in the body",
            ],
            path,
        );
        forms.push(("path, as the trait", String::new(), String::new(), format!("<{ty} as {path}>::«{name}»")));
        forms.push(("path, something as the trait", String::new(), String::new(), format!("<_ as {path}>::«{name}»")));
    }
    if method.path.is_some() {
        forms.push(("path of an alias", format!("type Alias = {ty};"), String::new(), format!("Alias::«{name}»")));
        if let Some((path, generics)) = ty.split_once('<') {
            forms.push(("path with arguments", String::new(), String::new(), format!("{path}::<{generics}::«{name}»")));
        }
    }
    let parameter = format!("mut x: {}", method.value_type());
    let mut cases = Vec::new();
    if method.path.is_some()
        && matches!(method.entry.form, Form::Method { of_trait: false, .. } if arguments.is_empty())
    {
        cases.push(case(method, "as a value", "", &parameter, &format!("let f = <{ty}>::«{name}»;")));
    }
    for (number, (form, items, before, callee)) in forms.iter().enumerate() {
        let call = format!("{callee}({arguments})");
        let (place, call) =
            if number % 2 == 0 { ("a statement", format!("{call};")) } else { ("a value", format!("let _ = {call};")) };
        cases.push(case(method, &format!("{form}, {place}"), items, &parameter, &format!("{before}\n    {call}")));
    }
    cases
}

fn case(method: &Method, form: &str, items: &str, parameter: &str, statements: &str) -> Case {
    let code = format!("{items}\n#[fiber::check]\nfn case({parameter}) {{\n    {statements}\n}}");
    Case { form: form.to_owned(), entry: method.entry.path.clone(), code }
}

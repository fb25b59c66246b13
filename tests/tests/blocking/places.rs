//! Where a call can stand.

use crate::compile::Case;
use crate::subject::{functions, methods};

/// `(form, code)`: `@call` is the call, `@type` the type of the value `x` that it needs. Every call stands in these.
const COMMON: &[(&str, &str)] = &[
    ("in a task", "#[fiber::task]\nfn case() {\n    let mut x = crate::make::<@type>();\n    let _ = @call;\n}"),
    (
        "in a closure for spawn",
        "#[fiber::check]\nfn case() {\n    fiber::spawn(|| {\n        let mut x = crate::make::<@type>();\n        let _ = @call;\n    });\n}",
    ),
    ("in println!", "#[fiber::check]\nfn case(mut x: @type) {\n    println!(\"{}\", crate::show(@call));\n}"),
];

/// Every fifth call stands in these, by turns.
const RARE: &[(&str, &str)] = &[
    // ---- attributes
    ("in main", "#[fiber::main]\nfn main() {\n    let mut x = crate::make::<@type>();\n    let _ = @call;\n}"),
    ("in a test", "#[fiber::test]\nfn case() {\n    let mut x = crate::make::<@type>();\n    let _ = @call;\n}"),
    (
        "behind one that is not compiled",
        "#[fiber::check]\nfn case(mut x: @type) {\n    #[cfg(any())]\n    let _ = @plain;\n    let _ = @call;\n}",
    ),
    (
        "in a checked impl",
        "struct Own;\n#[fiber::check]\nimpl Own {\n    fn case(&self, mut x: @type) {\n        let _ = @call;\n    }\n}",
    ),
    (
        "in a checked impl of a trait",
        "trait Own {\n    fn case(&mut self);\n}\n#[fiber::check]\nimpl Own for Holder<@type> {\n    fn case(&mut self) {\n        let x = &mut self.field;\n        let _ = @call;\n    }\n}",
    ),
    (
        "in a checked trait",
        "#[fiber::check]\ntrait Own {\n    fn case(&self, mut x: @type) {\n        let _ = @call;\n    }\n}",
    ),
    (
        "in a checked module",
        "#[fiber::check]\nmod own {\n    use crate::prelude::*;\n    pub fn case(mut x: @type) {\n        let _ = @call;\n    }\n}",
    ),
    (
        "in a module in a checked module",
        "#[fiber::check]\nmod own {\n    mod inner {\n        use crate::prelude::*;\n        pub fn case(mut x: @type) {\n            @call;\n        }\n    }\n}",
    ),
    (
        "in a task of an impl",
        "struct Own;\nimpl Own {\n    #[fiber::task]\n    fn case(&self) {\n        let mut x = crate::make::<@type>();\n        let _ = @call;\n    }\n}",
    ),
    (
        "in a generic function",
        "#[fiber::check]\nfn case<A: Clone, const N: usize>(mut x: @type, a: [A; N]) {\n    let _ = @call;\n}",
    ),
    ("in an unsafe function", "#[fiber::check]\nunsafe fn case(mut x: @type) {\n    let _ = @call;\n}"),
    (
        "in an async function",
        "#[fiber::check]\nmod own {\n    use crate::prelude::*;\n    async fn case(mut x: @type) {\n        let _ = @call;\n    }\n}",
    ),
    // ---- inner functions and closures
    (
        "in a nested function",
        "#[fiber::check]\nfn case() {\n    fn inner(mut x: @type) {\n        let _ = @call;\n    }\n}",
    ),
    (
        "in a method of a nested type",
        "#[fiber::check]\nfn case() {\n    struct Own;\n    impl Own {\n        fn inner(mut x: @type) {\n            let _ = @call;\n        }\n    }\n}",
    ),
    ("in a closure", "#[fiber::check]\nfn case(mut x: @type) {\n    let f = || {\n        let _ = @call;\n    };\n}"),
    ("as the body of a closure", "#[fiber::check]\nfn case() {\n    let f = |mut x: @type| @call;\n}"),
    ("in a move closure", "#[fiber::check]\nfn case(mut x: @type) {\n    let f = move || drop(@call);\n}"),
    (
        "in a closure for a scope",
        "#[fiber::check]\nfn case() {\n    fiber::scope(|scope| {\n        scope.spawn(|| {\n            let mut x = crate::make::<@type>();\n            let _ = @call;\n        });\n    });\n}",
    ),
    (
        "in a scope",
        "#[fiber::check]\nfn case(mut x: @type) {\n    fiber::scope(|_| {\n        let _ = @call;\n    });\n}",
    ),
    ("in a closure for a combinator", "#[fiber::check]\nfn case(mut x: @type) {\n    Some(1).map(|_| drop(@call));\n}"),
    (
        "in an async block",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = async {\n        let _ = @call;\n    };\n}",
    ),
    ("in an async closure", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = async || drop(@call);\n}"),
    // ---- blocks and control
    ("at the end", "#[fiber::check]\nfn case(mut x: @type) -> impl Sized {\n    @call\n}"),
    ("returned", "#[fiber::check]\nfn case(mut x: @type) {\n    return drop(@call);\n}"),
    ("as a statement", "#[fiber::check]\nfn case(mut x: @type) {\n    @call;\n}"),
    (
        "as a statement with attributes",
        "#[fiber::check]\nfn case(mut x: @type) {\n    #[allow(unused_must_use)]\n    @call;\n}",
    ),
    ("in a let", "#[fiber::check]\nfn case(mut x: @type) {\n    let value = @call;\n}"),
    ("in a block", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = { @call };\n}"),
    ("in an unsafe block", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = unsafe { @call };\n}"),
    ("in a labelled block", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = 'own: { break 'own @call; };\n}"),
    ("in a loop", "#[fiber::check]\nfn case(mut x: @type) {\n    loop {\n        let _ = @call;\n    }\n}"),
    (
        "in a while",
        "#[fiber::check]\nfn case(mut x: @type) {\n    'own: while crate::make() {\n        let _ = @call;\n        continue 'own;\n    }\n}",
    ),
    ("in the head of a while", "#[fiber::check]\nfn case(mut x: @type) {\n    while crate::show(@call) == 0 {}\n}"),
    (
        "in the head of a while let",
        "#[fiber::check]\nfn case(mut x: @type) {\n    while let Some(_) = Some(@call) {}\n}",
    ),
    ("in a for", "#[fiber::check]\nfn case(mut x: @type) {\n    for _ in 0..3 {\n        let _ = @call;\n    }\n}"),
    ("in the head of a for", "#[fiber::check]\nfn case(mut x: @type) {\n    for _ in Some(@call) {}\n}"),
    (
        "in the head of a match",
        "#[fiber::check]\nfn case(mut x: @type) {\n    match @call {\n        _ => {}\n    }\n}",
    ),
    (
        "in an arm",
        "#[fiber::check]\nfn case(mut x: @type) {\n    match 0 {\n        0 => drop(@call),\n        _ => {}\n    }\n}",
    ),
    (
        "in a guard",
        "#[fiber::check]\nfn case(mut x: @type) {\n    match 0 {\n        0 if crate::show(@call) == 0 => {}\n        _ => {}\n    }\n}",
    ),
    (
        "in an if",
        "#[fiber::check]\nfn case(mut x: @type) {\n    if crate::make() {\n        @call;\n    } else {\n    }\n}",
    ),
    (
        "in an else",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = if crate::make() { crate::make() } else { @call };\n}",
    ),
    ("in the head of an if", "#[fiber::check]\nfn case(mut x: @type) {\n    if crate::show(@call) == 0 {}\n}"),
    ("in the head of an if let", "#[fiber::check]\nfn case(mut x: @type) {\n    if let _value = @call {}\n}"),
    (
        "in a chain of conditions",
        "#[fiber::check]\nfn case(mut x: @type) {\n    if crate::make() && let Some(_) = Some(@call) && true {}\n}",
    ),
    (
        "in a let else",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let Some(_value) = Some(@call) else { return };\n}",
    ),
    (
        "in the else of a let",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let Some(1) = Some(2) else {\n        let _ = @call;\n        return;\n    };\n}",
    ),
    (
        "in a condition with ||",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = crate::make() || crate::show(@call) == 0;\n}",
    ),
    // ---- parts of expressions
    ("as an argument", "#[fiber::check]\nfn case(mut x: @type) {\n    drop(@call);\n}"),
    ("as an argument of a method", "#[fiber::check]\nfn case(mut x: @type) {\n    Vec::new().push(@call);\n}"),
    ("as a receiver", "#[fiber::check]\nfn case(mut x: @type) {\n    Some(@call).is_some();\n}"),
    ("in a tuple", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = (1, @call);\n}"),
    ("in an array", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = [@call];\n}"),
    ("in a struct", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = Holder { field: @call };\n}"),
    ("behind an ampersand of its own", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = &mut @call;\n}"),
    (
        "in an index",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = [1, 2][usize::from(crate::show(@call))];\n}",
    ),
    ("assigned", "#[fiber::check]\nfn case(mut x: @type) {\n    let mut y = crate::make();\n    y = @call;\n}"),
    ("in a cast", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = crate::show(@call) as u32;\n}"),
    ("in a range", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = 0..crate::show(@call);\n}"),
    ("negated", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = !crate::show(@call);\n}"),
    (
        "before a question mark",
        "#[fiber::check]\nfn case(mut x: @type) -> Option<()> {\n    Some(@call)?;\n    None\n}",
    ),
    // ---- macros
    (
        "in format!",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = format!(\"{}{named}\", 1, named = crate::show(@call));\n}",
    ),
    ("in vec!", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = vec![@call];\n}"),
    ("in vec! with a length", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = vec![crate::show(@call); 3];\n}"),
    ("in assert!", "#[fiber::check]\nfn case(mut x: @type) {\n    assert!(crate::show(@call) == 0, \"a message\");\n}"),
    ("in assert_eq!", "#[fiber::check]\nfn case(mut x: @type) {\n    assert_eq!(crate::show(@call), 0);\n}"),
    ("in matches!", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = matches!(Some(@call), Some(_) if true);\n}"),
    ("in dbg!", "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = dbg!(crate::show(@call));\n}"),
    ("in panic!", "#[fiber::check]\nfn case(mut x: @type) {\n    panic!(\"{}\", crate::show(@call));\n}"),
    (
        "in write!",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = write!(Vec::new(), \"{}\", crate::show(@call));\n}",
    ),
    (
        "in eprintln!, spelled out",
        "#[fiber::check]\nfn case(mut x: @type) {\n    std::eprintln!(\"{:?}\", (crate::show(@call), 1));\n}",
    ),
    (
        "in the body of an arm of select!",
        "#[fiber::check]\nfn case(mut x: @type, notify: &fiber::sync::Notify) {\n    fiber::select! {\n        () = notify.notified() => drop(@call),\n        () = notify.notified(), if true => {}\n    }\n}",
    ),
    (
        "in the body of a default arm",
        "#[fiber::check]\nfn case(mut x: @type, notify: &fiber::sync::Notify) {\n    fiber::select! {\n        biased;\n        () = notify.notified() => {}\n        default => {\n            let _ = @call;\n        }\n    }\n}",
    ),
    (
        "in the condition of an arm",
        "#[fiber::check]\nfn case(mut x: @type, notify: &fiber::sync::Notify) {\n    fiber::select! {\n        () = notify.notified(), if crate::show(@call) == 0 => {}\n    }\n}",
    ),
    (
        "in what an arm sends",
        "#[fiber::check]\nfn case(mut x: @type, sender: fiber::sync::mpsc::Sender<u8>) {\n    let _ = fiber::select! {\n        result = sender.send(crate::show(@call)) => result.is_ok(),\n    };\n}",
    ),
    (
        "in println! in vec!",
        "#[fiber::check]\nfn case(mut x: @type) {\n    let _ = vec![println!(\"{}\", crate::show(@call))];\n}",
    ),
];

/// Each function and each method, in its turn at each place.
pub(crate) fn cases() -> Vec<Case> {
    let functions = functions().into_iter().filter(|function| !function.by_arguments);
    let functions = functions.map(|function| {
        let call = format!("«{}»({})", function.path, function.arguments);
        (function.path, "u8".to_owned(), call)
    });
    let methods = methods().into_iter().filter(|method| method.name != "force").map(|method| {
        let call = format!("x.«{}»({})", method.name, method.arguments);
        (method.entry.path.as_str(), method.value_type(), call)
    });
    let mut cases = Vec::new();
    for (number, (entry, ty, call)) in functions.chain(methods).enumerate() {
        for (form, code) in COMMON.iter().chain(RARE.iter().skip(number % 5).step_by(5)) {
            let code =
                code.replace("@plain", &call.replace(['«', '»'], "")).replace("@call", &call).replace("@type", &ty);
            cases.push(Case { form: (*form).to_owned(), entry: entry.to_owned(), code });
        }
    }
    cases
}

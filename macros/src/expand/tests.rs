//! Whole expansions, token by token: what `cargo expand` shows. Whether they compile and work is tested from outside.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand;
use crate::parse::Attribute;

#[track_caller]
fn check(attribute: Attribute, arguments: TokenStream, item: &TokenStream, expected: &TokenStream) {
    assert_eq!(expand(attribute, arguments, item).to_string(), expected.to_string());
}

fn expanded(attribute: Attribute, arguments: TokenStream, item: &TokenStream) -> String {
    expand(attribute, arguments, item).to_string()
}

#[test]
fn main_starts_a_runtime_around_the_body() {
    check(
        Attribute::Main,
        quote!(workers = 2, stack_size = "64k", numa = 1, driver = "epoll", blocking_threads = 3, name = "n"),
        &quote! {
            /// Documented.
            #[allow(unused)]
            pub fn main() -> io::Result<()> { crate::run()?; Ok(()) }
        },
        &quote! {
            /// Documented.
            #[allow(unused)]
            pub fn main() -> ::std::process::ExitCode {
                fn main() -> io::Result<()> { crate::run()?; Ok(()) }
                ::fiber::macros_support::v1::main::<io::Result<()>, _>(
                    ::fiber::runtime::Builder::new()
                        .name("n")
                        .workers(2)
                        .stack_size(65536)
                        .numa(::fiber::Numa::Node(1))
                        .driver(::fiber::runtime::DriverKind::Epoll)
                        .blocking_threads(3),
                    main
                )
            }
        },
    );
}

#[test]
fn main_passes_on_a_type_that_can_be_written() {
    for (written, passed) in [
        (quote!(), quote!(())),
        (quote!(-> ()), quote!(())),
        (quote!(-> !), quote!(_)),
        (quote!(-> Result<impl Termination, u8>), quote!(_)),
        (quote!(-> ExitCode), quote!(ExitCode)),
    ] {
        let text = expanded(Attribute::Main, quote!(), &quote!(fn main() #written {}));
        let call = quote!(v1::main::<#passed, _>).to_string();
        assert!(text.contains(&call), "{text}");
    }
}

#[test]
fn a_test_keeps_what_the_harness_looks_at() {
    check(
        Attribute::Test,
        quote!(workers = 1),
        &quote! { #[should_panic(expected = "x")] #[ignore] fn t() { panic!("x") } },
        &quote! {
            #[::core::prelude::v1::test]
            #[should_panic(expected = "x")]
            #[ignore]
            fn t() {
                fn t() { panic!("x") }
                ::fiber::macros_support::v1::test(::fiber::runtime::Builder::new().workers(1), true, t)
            }
        },
    );
    check(
        Attribute::Test,
        quote!(crate = "other::fiber"),
        &quote! { fn t() -> Result<(), String> { Ok(()) } },
        &quote! {
            #[::core::prelude::v1::test]
            fn t() -> ::std::process::ExitCode {
                fn t() -> Result<(), String> { Ok(()) }
                other::fiber::macros_support::v1::test_termination::<Result<(), String>, _>(
                    other::fiber::runtime::Builder::new(),
                    t
                )
            }
        },
    );
}

#[test]
fn a_task_gets_a_companion() {
    check(
        Attribute::Task,
        quote!(priority = "high"),
        &quote! {
            /// Documented.
            pub(crate) fn fetch(url: &str, (a, b): (u8, Url)) -> usize { 1 }
        },
        &quote! {
            /// Documented.
            pub(crate) fn fetch(url: &str, (a, b): (u8, Url)) -> usize { 1 }

            #[doc = "Runs [`fetch`](fn@fetch) on fibers of its own."]
            #[allow(non_camel_case_types, clippy::exhaustive_enums)]
            pub(crate) enum fetch {}

            impl fetch {
                #[doc = "What the registry knows of [`fetch`](fn@fetch)."]
                pub(crate) const TASK: &'static ::fiber::registry::Task = {
                    static TASK: ::fiber::registry::Task = ::fiber::macros_support::v1::Definition::new(
                        "fetch",
                        ::core::concat!(::core::module_path!(), "::fetch"),
                        ::core::module_path!(),
                        ::core::option_env!("CARGO_PKG_VERSION"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                    )
                    .priority(::fiber::Priority::High)
                    .task();
                    ::fiber::macros_support::v1::submit! {
                        ::fiber::macros_support::v1::Registration::new(&TASK)
                    }
                    &TASK
                };

                #[doc = "A builder with the attributes of [`fetch`](fn@fetch), to override some of them for one spawn."]
                pub(crate) fn builder() -> ::fiber::Builder {
                    Self::TASK.builder()
                }

                #[doc = "Runs [`fetch`](fn@fetch) on a fiber of its own."]
                #[allow(clippy::too_many_arguments, clippy::multiple_bound_locations)]
                #[track_caller]
                pub(crate) fn spawn<'call>(
                    url: &'static str,
                    argument1: (u8, Url)
                ) -> ::fiber::JoinHandle<usize>
                where
                    &'static str: ::fiber::macros_support::v1::Crosses<'call, 'static, 0>,
                    (u8, Url): ::fiber::macros_support::v1::Crosses<'call, 'static, 1>
                {
                    ::fiber::macros_support::v1::spawn(
                        Self::TASK,
                        (url, argument1,),
                        |(url, argument1,)| fetch(url, argument1)
                    )
                }

                #[doc = "Runs [`fetch`](fn@fetch) on a fiber of its own in `scope`: what it gets may be borrowed from outside."]
                #[allow(clippy::too_many_arguments, clippy::multiple_bound_locations)]
                #[deny(elided_lifetimes_in_paths)]
                #[track_caller]
                pub(crate) fn spawn_scoped<'scope, 'env, 'argument0>(
                    scope: &'scope ::fiber::Scope<'scope, 'env>,
                    url: &'argument0 str,
                    argument1: (u8, Url)
                ) -> ::fiber::ScopedJoinHandle<'scope, usize>
                where
                    &'argument0 str: ::fiber::macros_support::v1::Crosses<'scope, 'scope, 0>,
                    (u8, Url): ::fiber::macros_support::v1::Crosses<'scope, 'scope, 1>
                {
                    ::fiber::macros_support::v1::spawn_scoped(
                        Self::TASK,
                        scope,
                        (url, argument1,),
                        |(url, argument1,)| fetch(url, argument1)
                    )
                }
            }
        },
    );
}

/// The signature of the first function in `text` called `name`, up to its body.
fn signature(text: &str, name: &str) -> String {
    let start = text.find(&format!("fn {name}")).unwrap_or_else(|| panic!("no `{name}` in {text}"));
    text[start..].split(" {").next().unwrap().trim_end().to_string()
}

#[test]
fn signatures_of_companions() {
    // The function's signature, and that of the two spawning functions.
    for (user, spawn, scoped) in [
        (
            quote! { fn f<'a, T: 'a + Clone, const N: usize>(x: &'a [T; N], y: impl Fn(&u8) + 'a) -> &'a T where 'a: 'a, {} },
            quote!(fn spawn<'call, T: 'static + Clone, const N: usize, Argument0: Fn(&u8) + 'static>(
                x: &'static [T; N], y: Argument0) -> ::fiber::JoinHandle<&'static T>),
            quote!(fn spawn_scoped<'scope, 'env, 'a, T: 'a + Clone, const N: usize, Argument0: Fn(&u8) + 'a>(
                scope: &'scope ::fiber::Scope<'scope, 'env>, x: &'a [T; N], y: Argument0)
                -> ::fiber::ScopedJoinHandle<'scope, &'a T>),
        ),
        (
            quote! { fn f(x: &Vec<Cow<'_, str>>) -> Ref<'_, u8> {} },
            quote!(fn spawn<'call>(x: &'static Vec<Cow<'static, str>>) -> ::fiber::JoinHandle<Ref<'static, u8>>),
            quote!(fn spawn_scoped<'scope, 'env, 'argument0, 'argument1>(scope: &'scope ::fiber::Scope<'scope, 'env>,
                x: &'argument0 Vec<Cow<'argument1, str>>) -> ::fiber::ScopedJoinHandle<'scope, Ref<'_, u8>>),
        ),
        (
            quote! { fn f(x: &str) -> Option<&str> {} },
            quote!(fn spawn<'call>(x: &'static str) -> ::fiber::JoinHandle<Option<&'static str>>),
            quote!(fn spawn_scoped<'scope, 'env, 'argument0>(scope: &'scope ::fiber::Scope<'scope, 'env>,
                x: &'argument0 str) -> ::fiber::ScopedJoinHandle<'scope, Option<&'argument0 str>>),
        ),
        (
            quote! { fn f(x: fn(&u8) -> &u8, y: Box<dyn for<'x> Fn(&'x u8, &u8)>) -> ! {} },
            quote!(fn spawn<'call>(x: fn(&u8) -> &u8, y: Box<dyn for<'x> Fn(&'x u8, &u8)>)
                -> ::fiber::JoinHandle<::core::convert::Infallible>),
            quote!(fn spawn_scoped<'scope, 'env>(scope: &'scope ::fiber::Scope<'scope, 'env>, x: fn(&u8) -> &u8,
                y: Box<dyn for<'x> Fn(&'x u8, &u8)>)
                -> ::fiber::ScopedJoinHandle<'scope, ::core::convert::Infallible>),
        ),
        (
            quote! { fn f<'a, T>(x: &'a T) -> impl Read + use<'a, T> {} },
            quote!(fn spawn<T>(x: &'static T) -> ::fiber::JoinHandle<impl Read + use<T> >),
            quote!(fn spawn_scoped<'scope, 'env, 'a, T>(scope: &'scope ::fiber::Scope<'scope, 'env>, x: &'a T)
                -> ::fiber::ScopedJoinHandle<'scope, impl Read + use<'a, T> >),
        ),
    ] {
        let text = expanded(Attribute::Task, quote!(), &user);
        // Tokens that went through a parser come out with other spaces.
        let without_spaces = |text: &str| text.split(" where").next().unwrap().replace(' ', "");
        let check = |name, expected: &TokenStream| {
            assert_eq!(without_spaces(&signature(&text, name)), without_spaces(&expected.to_string()));
        };
        check("spawn <", &spawn);
        check("spawn_scoped", &scoped);
    }
}

#[test]
fn methods_get_theirs_beside_them() {
    let text = expanded(
        Attribute::Task,
        quote!(companion = "go"),
        &quote! { pub fn r#do(self: Arc<Self>, x: &Self) -> Self { x } },
    );
    assert!(text.contains(&quote!(pub const GO_TASK: &'static ::fiber::registry::Task).to_string()));
    assert_eq!(
        signature(&text, "spawn_go <"),
        quote! {
            fn spawn_go<'task_call>(self: Arc<Self>, x: &'static Self) -> ::fiber::JoinHandle<Self>
            where
                Arc<Self>: ::fiber::macros_support::v1::Crosses<'task_call, 'static, 0>,
                &'static Self: ::fiber::macros_support::v1::Crosses<'task_call, 'static, 1>,
                Self: ::fiber::macros_support::v1::Returns<'task_call, 'static>
        }
        .to_string()
    );
    assert!(text.contains(&quote! { |(this, x,)| Self::r#do(this, x) }.to_string()), "{text}");
}

#[test]
fn only_the_scoped_form_for_a_borrowed_receiver() {
    for (receiver, has_spawn) in [
        (quote!(&self), false),
        (quote!(&mut self), false),
        (quote!(self: Pin<&mut Self>), false),
        (quote!(self: &Arc<Self>), false),
        (quote!(&'static self), true),
        (quote!(self: &'static Arc<Self>), true),
        (quote!(mut self), true),
        (quote!(self: Box<Self>), true),
    ] {
        let text = expanded(Attribute::Task, quote!(), &quote!(fn f(#receiver) {}));
        assert_eq!(text.contains("fn spawn_f "), has_spawn, "{text}");
        assert!(text.contains("fn spawn_f_scoped "), "{text}");
    }
}

#[test]
fn settings_of_the_descriptor() {
    let text = expanded(
        Attribute::Task,
        quote! { name = "n", numa = "spread", stack_size = 32768, timeslice = "5us", checkpoints = true, allow(std::fs::read::<&str>), unsafe(migrate), companion = false },
        &quote! { fn f(x: impl Read) {} },
    );
    let settings = quote! {
        .named()
        .generic()
        .numa(::fiber::Numa::Spread)
        .stack_size(32768)
        .timeslice(::core::time::Duration::from_micros(5))
        .checkpoints(true)
        .allow(&["std::fs::read::<&str>"])
        .migrate(unsafe { ::fiber::macros_support::v1::Vouched::by_the_author() })
        .task();
    };
    assert!(text.contains(&settings.to_string()), "{text}");
    assert!(text.contains("const _ : & :: fiber :: registry :: Task =") && !text.contains("enum"), "{text}");
}

#[test]
fn additions_take_over_what_concerns_them() {
    let text = expanded(
        Attribute::Task,
        quote!(),
        &quote! {
            #[cfg(unix)] #[doc(hidden)] #[allow(a)] #[expect(b, reason = "c")] #[deprecated = "d"] #[inline] #[must_use]
            fn f() {}
        },
    );
    let on_items = quote!(#[cfg(unix)] #[doc(hidden)] #[allow(a)] #[allow(b, reason = "c")]);
    assert!(text.contains(&quote!(#on_items enum f {}).to_string()), "{text}");
    assert!(text.contains(&quote!(#on_items impl f).to_string()), "{text}");
    assert_eq!(text.matches(&quote!(#[deprecated = "d"]).to_string()).count(), 3, "{text}");
    assert_eq!(text.matches(&quote!(#[inline]).to_string()).count(), 1, "{text}");
}

#[test]
fn after_a_mistake_the_item_is_still_there() {
    // Another item: unchanged.
    let item = quote! { pub struct A; };
    let text = expanded(Attribute::Main, quote!(), &item);
    assert!(text.starts_with(&item.to_string()) && text.contains("compile_error"), "{text}");

    // Wrong arguments: expanded with the defaults.
    let text = expanded(Attribute::Task, quote!(priority = 1), &quote! { fn f() {} });
    assert!(text.contains("enum f") && !text.contains("priority (") && text.contains("compile_error"), "{text}");

    // A function that no fiber can run: itself, and a companion that is only there.
    let text = expanded(Attribute::Task, quote!(), &quote! { async fn f() {} });
    assert!(text.starts_with("async fn f () { }") && text.contains("enum f"), "{text}");
    assert_eq!(text.matches(":: core :: unreachable ! ()").count(), 2, "{text}");

    // A body that does not parse: untouched.
    let text = expanded(Attribute::Task, quote!(), &quote!(fn f(x: u8) { x. }));
    assert!(text.starts_with("fn f (x : u8) { x . }") && !text.contains("compile_error"), "{text}");
}

/// Where loops get checkpoints, and where not.
#[test]
fn checkpoints_stand_where_a_fiber_may_yield() {
    let loops = quote! { loop { step(); } };
    for (body, expected) in [
        (quote! { #loops }, 1),
        (quote! { while ready() { step(); } }, 1),
        (quote! { for item in list { step(item); } }, 1),
        // Vectorised as it is.
        (quote! { for item in list { sum += item; } }, 0),
        // Another thread runs it, and what follows is the fiber's again.
        (quote! { fiber::blocking(|| #loops); }, 0),
        (quote! { fiber::blocking(|| #loops); #loops }, 1),
        (quote! { std::thread::spawn(|| #loops); #loops #loops }, 2),
        (quote! { fiber::spawn(|| #loops); }, 1),
        (quote! { list.sort_by_key(|item| #loops); }, 0),
        (quote! { let future = async { #loops }; }, 0),
        (quote! { unsafe { #loops } #loops }, 1),
        // A lock may be held until the end of the block.
        (quote! { { #[fiber::allow_blocking(reason = "short")] let list = list.lock(); #loops } #loops }, 1),
        (quote! { #[fiber::no_checkpoint] #loops }, 0),
        (quote! { #[fiber::checkpoint] for item in list { sum += item; } }, 1),
    ] {
        let text = expanded(Attribute::Check, quote!(checkpoints = true), &quote!(fn f() { #body }));
        let count = text.matches(&quote!(checkpoint()).to_string()).count();
        assert_eq!(count, expected, "{body}");
    }
}

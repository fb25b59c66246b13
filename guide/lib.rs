//! The guide's Rust snippets as documentation tests: `cargo test --doc -p fiber-guide` compiles and runs each.
//!
//! The guide itself stands in `src/` and is built by mdBook. The chapter about async code is tested with the feature `async`, that about
//! fibers that move with `migrate`.

/// Takes a chapter's text as the documentation of a module, where rustdoc finds its snippets.
macro_rules! chapters {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[doc = include_str!($file)]
            mod $name {}
        )*
    };
}

chapters! {
    introduction: "src/introduction.md",
    first_fiber: "src/first-fiber.md",
    tasks: "src/tasks.md",
    joining: "src/joining.md",
    scopes: "src/scopes.md",
    locks: "src/locks.md",
    select: "src/select.md",
    tcp: "src/tcp.md",
    io: "src/io.md",
    files: "src/files.md",
    processes: "src/processes.md",
    blocking: "src/blocking.md",
    blocking_table: "src/blocking-table.md",
    long: "src/long.md",
    priorities: "src/priorities.md",
    fiber_locals: "src/fiber-locals.md",
    coroutines: "src/coroutines.md",
    runtime: "src/runtime.md",
    numa: "src/numa.md",
    epoll: "src/epoll.md",
    seeing: "src/seeing.md",
    how_it_works: "src/how-it-works.md",
    scheduling: "src/scheduling.md",
    performance: "src/performance.md",
    promises: "src/promises.md",
    limits: "src/limits.md",
    coming_from: "src/coming-from.md",
    glossary: "src/glossary.md",
    readme: "../README.md",
}

#[cfg(feature = "async")]
chapters! {
    async_code: "src/async.md",
}

#[cfg(feature = "migrate")]
chapters! {
    migrate: "src/migrate.md",
}

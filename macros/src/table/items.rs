//! The rows.

/// A free function, or one of a type without a receiver.
pub(crate) struct Function {
    /// Its whole path, from `std`.
    pub(crate) path: &'static str,
    /// Generics, arguments and result, as after the name of a function. Of those of a type, only the generics are used.
    pub(crate) signature: &'static str,
    /// What takes its place.
    pub(crate) replacement: &'static str,
    /// Why it blocks.
    pub(crate) reason: &'static str,
    /// If it blocks only by what it is given: for each of its arguments the method that it calls there.
    pub(crate) calls: &'static [&'static str],
    /// Its name is itself worth a warning.
    pub(crate) deprecated: bool,
}

/// A type with methods that block.
pub(crate) struct Type {
    /// Its whole path, from `std`.
    pub(crate) path: &'static str,
    /// As after `impl`: `<T: ?Sized>`.
    pub(crate) generics: &'static str,
    /// If it is a trait, the types whose methods block.
    pub(crate) implementors: &'static [&'static str],
    /// What takes its place, in Markdown.
    pub(crate) replacement: Replacement,
    pub(crate) methods: &'static [Methods],
}

/// What takes the place of a type's methods.
pub(crate) enum Replacement {
    /// The type of fiber that has all of them under the same names.
    Type(&'static str),
    /// Something else.
    Text(&'static str),
}

/// Methods of one type that block for the same reason.
pub(crate) struct Methods {
    /// With a `_` for each argument: `read(_)`.
    pub(crate) names: &'static [&'static str],
    /// Of a trait that the type implements: a path to the method names the trait, not the type.
    pub(crate) of_trait: bool,
    pub(crate) reason: &'static str,
    /// Instead of the type's.
    pub(crate) replacement: Option<&'static str>,
}

/// A type that blocks where what it wraps does, and has no `Deref` to that.
pub(crate) struct Wrapper {
    /// Its whole path, from `std`.
    pub(crate) path: &'static str,
    /// Its arguments, of which `T` is what it wraps.
    pub(crate) arguments: &'static str,
    /// As after `impl`, from behind `T`.
    pub(crate) generics: &'static str,
    /// What it has in common with `T`: these block where those of `T` do.
    pub(crate) passes: &'static [&'static [&'static str]],
    /// What it adds, and the method of `T` that decides.
    pub(crate) adds: &'static [(&'static [&'static str], &'static str)],
}

const fn function(
    path: &'static str,
    signature: &'static str,
    replacement: &'static str,
    reason: &'static str,
) -> Function {
    Function { path, signature, replacement, reason, calls: &[], deprecated: false }
}

const fn deprecated(
    path: &'static str,
    signature: &'static str,
    replacement: &'static str,
    reason: &'static str,
) -> Function {
    Function { path, signature, replacement, reason, calls: &[], deprecated: true }
}

const fn methods(reason: &'static str, names: &'static [&'static str]) -> Methods {
    Methods { names, of_trait: false, reason, replacement: None }
}

const fn of_trait(reason: &'static str, names: &'static [&'static str]) -> Methods {
    Methods { names, of_trait: true, reason, replacement: None }
}

const fn replaced(names: &'static [&'static str], replacement: &'static str, reason: &'static str) -> Methods {
    Methods { names, of_trait: false, reason, replacement: Some(replacement) }
}

const fn ty(path: &'static str, replacement: &'static str, methods: &'static [Methods]) -> Type {
    generic(path, "", replacement, methods)
}

const fn generic(
    path: &'static str,
    generics: &'static str,
    replacement: &'static str,
    methods: &'static [Methods],
) -> Type {
    Type { path, generics, implementors: &[], replacement: Replacement::Type(replacement), methods }
}

const fn reader(path: &'static str, arguments: &'static str, generics: &'static str) -> Wrapper {
    Wrapper { path, arguments, generics, passes: &[READ], adds: &[(BUF_READ, "read")] }
}

const fn writer(path: &'static str) -> Wrapper {
    let adds: &[(&[&str], &str)] = &[(&["flush()", "into_inner()"], "write")];
    Wrapper { path, arguments: "<T>", generics: ": ::std::io::Write", passes: &[WRITE], adds }
}

const fn iterator_over_reader(path: &'static str) -> Wrapper {
    Wrapper { path, arguments: "<T>", generics: "", passes: &[], adds: &[(ITERATOR, "read")] }
}

const fn adapter(path: &'static str, arguments: &'static str, generics: &'static str) -> Wrapper {
    Wrapper { path, arguments, generics, passes: &[ITERATOR], adds: &[] }
}

const DISK: &str = "it waits for the disk";
const PEER: &str = "it waits for the peer";
const RESOLVER: &str = "it may ask a name server";
const PIPE: &str = "it waits for the process at the other end";
const INPUT: &str = "it waits for whoever types, or for the other end of the pipe";
const LOCK: &str = "it waits for whoever holds the lock";
const INITIALISER: &str = "it waits for whoever runs the initialisation";
const MESSAGE: &str = "it waits for a message";
const CHILD: &str = "it waits for the process";
const FORK: &str = "it waits for the new process to start its program";
const THREAD: &str = "it waits for the thread to end";

/// `std::io::Read`.
const READ: &[&str] =
    &["read(_)", "read_vectored(_)", "read_to_end(_)", "read_to_string(_)", "read_exact(_)", "bytes()"];
/// `std::io::Write`, without `flush`: files, sockets and pipes of std have nothing to flush.
const WRITE: &[&str] = &["write(_)", "write_vectored(_)", "write_all(_)", "write_fmt(_)"];
/// `std::io::BufRead`.
const BUF_READ: &[&str] = &["fill_buf()", "read_until(_, _)", "read_line(_)", "lines()", "split(_)", "skip_until(_)"];
/// `std::os::unix::fs::FileExt`.
const FILE_EXT: &[&str] = &["read_at(_, _)", "read_exact_at(_, _)", "write_at(_, _)", "write_all_at(_, _)"];
/// `Iterator` and `IntoIterator`, and what `for` calls.
const ITERATOR: &[&str] = &["next()", "into_iter()"];

/// Functions.
pub(crate) static FUNCTIONS: &[Function] = &[
    // ---- threads
    function("std::thread::sleep", "(duration: Duration)", "fiber::time::sleep", "it puts the whole thread to sleep"),
    deprecated("std::thread::sleep_ms", "(ms: u32)", "fiber::time::sleep", "it puts the whole thread to sleep"),
    function("std::thread::park", "()", "fiber::park", "it puts the whole thread to sleep"),
    function(
        "std::thread::park_timeout",
        "(duration: Duration)",
        "fiber::park_timeout",
        "it puts the whole thread to sleep",
    ),
    deprecated("std::thread::park_timeout_ms", "(ms: u32)", "fiber::park_timeout", "it puts the whole thread to sleep"),
    function(
        "std::thread::scope",
        "<'env, F, T>(f: F) -> T where F: for<'scope> FnOnce(&'scope ::std::thread::Scope<'scope, 'env>) -> T",
        "fiber::scope",
        "it waits for the threads of the scope",
    ),
    // ---- file system
    function(
        "std::fs::canonicalize",
        "<P: AsRef<Path>>(path: P) -> io::Result<PathBuf>",
        "fiber::fs::canonicalize",
        DISK,
    ),
    function(
        "std::fs::copy",
        "<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64>",
        "fiber::fs::copy",
        DISK,
    ),
    function("std::fs::create_dir", "<P: AsRef<Path>>(path: P) -> io::Result<()>", "fiber::fs::create_dir", DISK),
    function(
        "std::fs::create_dir_all",
        "<P: AsRef<Path>>(path: P) -> io::Result<()>",
        "fiber::fs::create_dir_all",
        DISK,
    ),
    function("std::fs::exists", "<P: AsRef<Path>>(path: P) -> io::Result<bool>", "fiber::fs::exists", DISK),
    function(
        "std::fs::hard_link",
        "<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()>",
        "fiber::fs::hard_link",
        DISK,
    ),
    function(
        "std::fs::metadata",
        "<P: AsRef<Path>>(path: P) -> io::Result<::std::fs::Metadata>",
        "fiber::fs::metadata",
        DISK,
    ),
    function("std::fs::read", "<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>>", "fiber::fs::read", DISK),
    function(
        "std::fs::read_dir",
        "<P: AsRef<Path>>(path: P) -> io::Result<::std::fs::ReadDir>",
        "fiber::fs::read_dir",
        DISK,
    ),
    function("std::fs::read_link", "<P: AsRef<Path>>(path: P) -> io::Result<PathBuf>", "fiber::fs::read_link", DISK),
    function(
        "std::fs::read_to_string",
        "<P: AsRef<Path>>(path: P) -> io::Result<String>",
        "fiber::fs::read_to_string",
        DISK,
    ),
    function("std::fs::remove_dir", "<P: AsRef<Path>>(path: P) -> io::Result<()>", "fiber::fs::remove_dir", DISK),
    function(
        "std::fs::remove_dir_all",
        "<P: AsRef<Path>>(path: P) -> io::Result<()>",
        "fiber::fs::remove_dir_all",
        DISK,
    ),
    function("std::fs::remove_file", "<P: AsRef<Path>>(path: P) -> io::Result<()>", "fiber::fs::remove_file", DISK),
    function(
        "std::fs::rename",
        "<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()>",
        "fiber::fs::rename",
        DISK,
    ),
    function(
        "std::fs::set_permissions",
        "<P: AsRef<Path>>(path: P, permissions: ::std::fs::Permissions) -> io::Result<()>",
        "fiber::fs::set_permissions",
        DISK,
    ),
    deprecated(
        "std::fs::soft_link",
        "<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()>",
        "fiber::os::unix::fs::symlink",
        DISK,
    ),
    function(
        "std::fs::symlink_metadata",
        "<P: AsRef<Path>>(path: P) -> io::Result<::std::fs::Metadata>",
        "fiber::fs::symlink_metadata",
        DISK,
    ),
    function(
        "std::fs::write",
        "<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()>",
        "fiber::fs::write",
        DISK,
    ),
    function(
        "std::os::unix::fs::symlink",
        "<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()>",
        "fiber::os::unix::fs::symlink",
        DISK,
    ),
    function(
        "std::os::unix::fs::chown",
        "<P: AsRef<Path>>(directory: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()>",
        "fiber::os::unix::fs::chown",
        DISK,
    ),
    function(
        "std::os::unix::fs::lchown",
        "<P: AsRef<Path>>(directory: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()>",
        "fiber::os::unix::fs::lchown",
        DISK,
    ),
    function("std::fs::File::open", "<P: AsRef<Path>>()", "fiber::fs::File::open", DISK),
    function("std::fs::File::create", "<P: AsRef<Path>>()", "fiber::fs::File::create", DISK),
    function("std::fs::File::create_new", "<P: AsRef<Path>>()", "fiber::fs::File::create_new", DISK),
    // ---- sockets
    function("std::net::TcpStream::connect", "<A: ToSocketAddrs>()", "fiber::net::TcpStream::connect", PEER),
    function("std::net::TcpStream::connect_timeout", "()", "fiber::net::TcpStream::connect_timeout", PEER),
    function("std::net::TcpListener::bind", "<A: ToSocketAddrs>()", "fiber::net::TcpListener::bind", RESOLVER),
    function("std::net::UdpSocket::bind", "<A: ToSocketAddrs>()", "fiber::net::UdpSocket::bind", RESOLVER),
    function("std::os::unix::net::UnixStream::connect", "<P: AsRef<Path>>()", "fiber::net::UnixStream::connect", PEER),
    function("std::os::unix::net::UnixStream::connect_addr", "()", "fiber::net::UnixStream::connect_addr", PEER),
    function("std::os::unix::net::UnixListener::bind", "<P: AsRef<Path>>()", "fiber::net::UnixListener::bind", DISK),
    function("std::os::unix::net::UnixListener::bind_addr", "()", "fiber::net::UnixListener::bind_addr", DISK),
    function("std::os::unix::net::UnixDatagram::bind", "<P: AsRef<Path>>()", "fiber::net::UnixDatagram::bind", DISK),
    function("std::os::unix::net::UnixDatagram::bind_addr", "()", "fiber::net::UnixDatagram::bind_addr", DISK),
    // ---- by what they are given
    Function {
        path: "std::io::copy",
        signature: "<R: ?Sized + io::Read, W: ?Sized + io::Write>(reader: &mut R, writer: &mut W) -> io::Result<u64>",
        replacement: "fiber::io::copy",
        reason: "it reads from or writes to something that blocks",
        calls: &["read", "write"],
        deprecated: false,
    },
    Function {
        path: "std::io::read_to_string",
        signature: "<R: io::Read>(reader: R) -> io::Result<String>",
        replacement: "fiber::io::read_to_string",
        reason: "it reads from something that blocks",
        calls: &["read"],
        deprecated: false,
    },
];

/// Types and their methods.
pub(crate) static TYPES: &[Type] = &[
    // ---- locks
    generic("std::sync::Mutex", "<T: ?Sized>", "fiber::sync::Mutex", &[methods(LOCK, &["lock()"])]),
    generic("std::sync::RwLock", "<T: ?Sized>", "fiber::sync::RwLock", &[methods(LOCK, &["read()", "write()"])]),
    ty(
        "std::sync::Condvar",
        "fiber::sync::Condvar",
        &[methods(
            "it waits for a notification",
            &[
                "wait(_)",
                "wait_while(_, _)",
                "wait_timeout(_, _)",
                "wait_timeout_ms(_, _)",
                "wait_timeout_while(_, _, _)",
            ],
        )],
    ),
    ty("std::sync::Barrier", "fiber::sync::Barrier", &[methods("it waits for the others", &["wait()"])]),
    ty(
        "std::sync::Once",
        "fiber::sync::Once",
        &[methods(INITIALISER, &["call_once(_)", "call_once_force(_)", "wait()", "wait_force()"])],
    ),
    generic(
        "std::sync::OnceLock",
        "<T>",
        "fiber::sync::OnceLock",
        &[methods(INITIALISER, &["get_or_init(_)", "set(_)", "wait()"])],
    ),
    generic("std::sync::LazyLock", "<T, F>", "fiber::sync::LazyLock", &[methods(INITIALISER, &["force()"])]),
    // ---- channels
    generic(
        "std::sync::mpsc::Receiver",
        "<T>",
        "fiber::sync::mpsc::Receiver",
        &[methods(MESSAGE, &["recv()", "recv_timeout(_)", "iter()"]), of_trait(MESSAGE, &["into_iter()"])],
    ),
    generic("std::sync::mpsc::Iter", "<'a, T>", "fiber::sync::mpsc::Iter", &[of_trait(MESSAGE, ITERATOR)]),
    generic("std::sync::mpsc::IntoIter", "<T>", "fiber::sync::mpsc::IntoIter", &[of_trait(MESSAGE, ITERATOR)]),
    generic(
        "std::sync::mpsc::SyncSender",
        "<T>",
        "fiber::sync::mpsc::SyncSender",
        &[methods("it waits for room in the channel", &["send(_)"])],
    ),
    // ---- threads
    Type {
        path: "std::thread::JoinHandle",
        generics: "<T>",
        implementors: &[],
        replacement: Replacement::Text("`fiber::spawn` and its `fiber::JoinHandle::join`"),
        methods: &[methods(THREAD, &["join()"])],
    },
    Type {
        path: "std::thread::ScopedJoinHandle",
        generics: "<'scope, T>",
        implementors: &[],
        replacement: Replacement::Text("`fiber::scope` and its `fiber::ScopedJoinHandle::join`"),
        methods: &[methods(THREAD, &["join()"])],
    },
    // ---- processes
    ty(
        "std::process::Command",
        "fiber::process::Command",
        &[methods(CHILD, &["output()", "status()"]), methods(FORK, &["spawn()"])],
    ),
    ty("std::process::Child", "fiber::process::Child", &[methods(CHILD, &["wait()", "wait_with_output()"])]),
    ty("std::process::ChildStdin", "fiber::process::ChildStdin", &[of_trait(PIPE, WRITE)]),
    ty("std::process::ChildStdout", "fiber::process::ChildStdout", &[of_trait(PIPE, READ)]),
    ty("std::process::ChildStderr", "fiber::process::ChildStderr", &[of_trait(PIPE, READ)]),
    // ---- standard streams and pipes
    ty(
        "std::io::Stdin",
        "fiber::io::Stdin",
        &[methods(INPUT, &["lock()", "read_line(_)", "lines()"]), of_trait(INPUT, READ)],
    ),
    generic("std::io::StdinLock", "<'a>", "fiber::io::StdinLock", &[of_trait(INPUT, READ), of_trait(INPUT, BUF_READ)]),
    ty("std::io::PipeReader", "fiber::io::PipeReader", &[of_trait(PIPE, READ)]),
    ty("std::io::PipeWriter", "fiber::io::PipeWriter", &[of_trait(PIPE, WRITE)]),
    // ---- sockets
    ty(
        "std::net::TcpStream",
        "fiber::net::TcpStream",
        &[of_trait(PEER, READ), of_trait(PEER, WRITE), methods(PEER, &["peek(_)"])],
    ),
    ty(
        "std::net::TcpListener",
        "fiber::net::TcpListener",
        &[methods("it waits for a connection", &["accept()", "incoming()"])],
    ),
    generic("std::net::Incoming", "<'a>", "fiber::net::Incoming", &[of_trait("it waits for a connection", ITERATOR)]),
    ty(
        "std::net::UdpSocket",
        "fiber::net::UdpSocket",
        &[
            methods("it waits for a datagram", &["recv(_)", "recv_from(_)", "peek(_)", "peek_from(_)"]),
            methods("it waits for room in the socket", &["send(_)", "send_to(_, _)"]),
            methods(RESOLVER, &["connect(_)"]),
        ],
    ),
    ty("std::os::unix::net::UnixStream", "fiber::net::UnixStream", &[of_trait(PEER, READ), of_trait(PEER, WRITE)]),
    ty(
        "std::os::unix::net::UnixListener",
        "fiber::net::UnixListener",
        &[
            methods("it waits for a connection", &["accept()", "incoming()"]),
            of_trait("it waits for a connection", &["into_iter()"]),
        ],
    ),
    generic(
        "std::os::unix::net::Incoming",
        "<'a>",
        "fiber::net::unix::Incoming",
        &[of_trait("it waits for a connection", ITERATOR)],
    ),
    ty(
        "std::os::unix::net::UnixDatagram",
        "fiber::net::UnixDatagram",
        &[
            methods("it waits for a datagram", &["recv(_)", "recv_from(_)"]),
            methods("it waits for room in the socket", &["send(_)", "send_to(_, _)", "send_to_addr(_, _)"]),
            methods(DISK, &["connect(_)", "connect_addr(_)"]),
        ],
    ),
    Type {
        path: "std::net::ToSocketAddrs",
        generics: "<'a>",
        implementors: &["str", "String", "(&'a str, u16)", "(String, u16)"],
        replacement: Replacement::Type("fiber::net::ToSocketAddrs"),
        methods: &[of_trait(RESOLVER, &["to_socket_addrs()"])],
    },
    // ---- file system
    ty(
        "std::fs::File",
        "fiber::fs::File",
        &[
            of_trait(DISK, READ),
            of_trait(DISK, WRITE),
            of_trait(DISK, FILE_EXT),
            methods(
                DISK,
                &[
                    "metadata()",
                    "set_len(_)",
                    "set_modified(_)",
                    "set_permissions(_)",
                    "set_times(_)",
                    "sync_all()",
                    "sync_data()",
                ],
            ),
            methods(LOCK, &["lock()", "lock_shared()"]),
        ],
    ),
    ty("std::fs::OpenOptions", "fiber::fs::OpenOptions", &[methods(DISK, &["open(_)"])]),
    ty("std::fs::DirBuilder", "fiber::fs::DirBuilder", &[methods(DISK, &["create(_)"])]),
    ty("std::fs::ReadDir", "fiber::fs::ReadDir", &[of_trait(DISK, ITERATOR)]),
    ty("std::fs::DirEntry", "fiber::fs::DirEntry", &[methods(DISK, &["metadata()"])]),
    Type {
        path: "std::path::Path",
        generics: "",
        implementors: &[],
        replacement: Replacement::Text("`fiber::fs`"),
        methods: &[
            replaced(&["exists()", "try_exists()"], "`fiber::fs::exists`", DISK),
            replaced(&["metadata()", "is_dir()", "is_file()"], "`fiber::fs::metadata`", DISK),
            replaced(&["symlink_metadata()", "is_symlink()"], "`fiber::fs::symlink_metadata`", DISK),
            replaced(&["canonicalize()"], "`fiber::fs::canonicalize`", DISK),
            replaced(&["read_link()"], "`fiber::fs::read_link`", DISK),
            replaced(&["read_dir()"], "`fiber::fs::read_dir`", DISK),
        ],
    },
];

/// Types that block where what they wrap does. `&T`, `&mut T`, `Box<T>` and all that has `Deref` need no row.
pub(crate) static WRAPPERS: &[Wrapper] = &[
    reader("std::io::BufReader", "<T>", ""),
    reader("std::io::Take", "<T>", ""),
    reader("std::io::Chain", "<T, U>", ", U"),
    Wrapper {
        path: "std::io::BufWriter",
        arguments: "<T>",
        generics: ": ::std::io::Write",
        passes: &[WRITE],
        // Wherever it seeks, it writes out first.
        adds: &[(
            &["flush()", "into_inner()", "rewind()", "seek(_)", "seek_relative(_)", "stream_position()"],
            "write",
        )],
    },
    writer("std::io::LineWriter"),
    iterator_over_reader("std::io::Bytes"),
    iterator_over_reader("std::io::Lines"),
    iterator_over_reader("std::io::Split"),
    adapter("std::iter::Chain", "<T, U>", ", U"),
    adapter("std::iter::Enumerate", "<T>", ""),
    adapter("std::iter::Filter", "<T, F>", ", F"),
    adapter("std::iter::FilterMap", "<T, F>", ", F"),
    adapter("std::iter::FlatMap", "<T, U, F>", ", U: IntoIterator, F"),
    adapter("std::iter::Flatten", "<T>", ": Iterator<Item: IntoIterator>"),
    adapter("std::iter::Fuse", "<T>", ""),
    adapter("std::iter::Inspect", "<T, F>", ", F"),
    adapter("std::iter::Map", "<T, F>", ", F"),
    adapter("std::iter::MapWhile", "<T, F>", ", F"),
    adapter("std::iter::Peekable", "<T>", ": Iterator"),
    adapter("std::iter::Skip", "<T>", ""),
    adapter("std::iter::SkipWhile", "<T, F>", ", F"),
    adapter("std::iter::StepBy", "<T>", ""),
    adapter("std::iter::Take", "<T>", ""),
    adapter("std::iter::TakeWhile", "<T, F>", ", F"),
    adapter("std::iter::Zip", "<T, U>", ", U"),
];

//! The entries of the table, with what a call of each needs: types, arguments, the traits of methods.

use crate::table::{Entry, Form, entries};

/// A free function, or one of a type without a receiver.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) path: &'static str,
    /// `std::fs` of `std::fs::read`, `std::fs::File` of `std::fs::File::open`.
    pub(crate) owner: &'static str,
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    /// How many types can be given to it, if no lifetimes are in the way.
    pub(crate) types: usize,
    /// Of a type.
    pub(crate) associated: bool,
    /// For each argument a method, if it blocks by what it is given.
    pub(crate) by_arguments: bool,
}

/// A method of a type, with a value to call it on.
#[derive(Clone)]
pub(crate) struct Method {
    pub(crate) entry: &'static Entry,
    pub(crate) name: &'static str,
    /// The type, as it is written: `std::sync::Mutex<Vec<u8>>`.
    pub(crate) ty: String,
    /// The path of the type, without arguments, if it has one.
    pub(crate) path: Option<&'static str>,
    /// Whether there are values of the type.
    pub(crate) sized: bool,
    /// The trait that has the method.
    pub(crate) of_trait: Option<&'static str>,
    pub(crate) by_value: bool,
    pub(crate) arguments: &'static str,
}

const DURATION: &str = "core::time::Duration::from_secs(1)";

/// The arguments of calls, by path or by name; nothing stands here for those without.
const ARGUMENTS: &[(&[&str], &str)] = &[
    // ---- functions
    (&["park"], ""),
    (&["sleep", "park_timeout", "recv_timeout"], DURATION),
    (&["sleep_ms", "park_timeout_ms"], "1"),
    (&["std::thread::scope"], "|_| ()"),
    (
        &[
            "canonicalize",
            "create",
            "create_dir",
            "create_dir_all",
            "create_new",
            "exists",
            "metadata",
            "open",
            "read_dir",
            "read_link",
            "remove_dir",
            "remove_dir_all",
            "remove_file",
            "symlink_metadata",
            "std::fs::read",
            "std::fs::read_to_string",
        ],
        "\"path\"",
    ),
    (&["std::fs::copy", "std::fs::write", "hard_link", "rename", "soft_link", "symlink"], "\"path\", \"other\""),
    (&["std::fs::set_permissions"], "\"path\", crate::make()"),
    (&["chown", "lchown"], "\"path\", None, Some(1)"),
    (&["connect", "bind"], "\"localhost:80\""),
    (&["connect_timeout"], "&crate::make(), core::time::Duration::from_secs(1)"),
    (&["connect_addr", "bind_addr"], "&crate::make()"),
    (&["std::io::copy"], "&mut file, &mut core::convert::identity(sink)"),
    (&["std::io::read_to_string"], "&file"),
    // ---- locks and channels
    (&["wait"], "guard!()"),
    (&["wait_while"], "guard!(), |_| false"),
    (&["wait_timeout"], "guard!(), core::time::Duration::from_secs(1)"),
    (&["wait_timeout_ms"], "guard!(), 1"),
    (&["wait_timeout_while"], "guard!(), core::time::Duration::from_secs(1), |_| false"),
    (&["call_once"], "|| ()"),
    (&["call_once_force"], "|_| ()"),
    (&["get_or_init"], "|| vec![1]"),
    (&["set", "std::sync::mpsc::SyncSender::send"], "vec![1]"),
    // ---- readers and writers
    (&["read", "peek", "peek_from", "read_exact", "recv", "recv_from"], "&mut [0; 4]"),
    (&["read_vectored"], "&mut []"),
    (&["read_to_end"], "&mut Vec::new()"),
    (&["read_line", "read_to_string"], "&mut String::new()"),
    (&["read_until"], "b'x', &mut Vec::new()"),
    (&["skip_until", "split"], "b'x'"),
    (&["send", "write", "write_all"], "&[1]"),
    (&["write_vectored"], "&[]"),
    (&["write_fmt"], "format_args!(\"{}\", 1)"),
    (&["read_at", "read_exact_at"], "&mut [0; 4], 0"),
    (&["write_at", "write_all_at"], "&[1], 0"),
    (&["seek"], "std::io::SeekFrom::Start(0)"),
    (&["seek_relative"], "1"),
    (&["send_to"], "&[1], \"localhost:80\""),
    (&["send_to_addr"], "&[1], &crate::make()"),
    // ---- files
    (&["set_len"], "0"),
    (&["set_modified", "set_permissions", "set_times"], "crate::make()"),
];

/// The traits of methods.
const TRAITS: &[(&str, &[&str])] = &[
    ("std::io::Read", &["read", "read_vectored", "read_to_end", "read_to_string", "read_exact", "bytes"]),
    ("std::io::Write", &["write", "write_vectored", "write_all", "write_fmt", "flush"]),
    ("std::io::BufRead", &["fill_buf", "read_until", "read_line", "lines", "split", "skip_until"]),
    ("std::io::Seek", &["rewind", "seek", "seek_relative", "stream_position"]),
    ("std::os::unix::fs::FileExt", &["read_at", "read_exact_at", "write_at", "write_all_at"]),
    ("std::iter::Iterator", &["next"]),
    ("std::iter::IntoIterator", &["into_iter"]),
    ("std::net::ToSocketAddrs", &["to_socket_addrs"]),
];

/// Methods that take `self`; all others take a reference.
const BY_VALUE: &[&str] = &["bytes", "into_inner", "into_iter", "join", "lines", "split", "wait_with_output"];

/// All functions.
pub(crate) fn functions() -> Vec<Function> {
    let function = |entry: &'static Entry| {
        let Form::Function(row) = entry.form else { return None };
        let (owner, name) = entry.path.rsplit_once("::")?;
        let generics = row.signature.split_once('(').map_or("", |(generics, _)| generics);
        Some(Function {
            path: row.path,
            owner,
            name,
            arguments: arguments(entry),
            types: if generics.contains('\'') || generics.is_empty() { 0 } else { generics.matches(": ").count() },
            associated: row.is_associated(),
            by_arguments: !row.calls.is_empty(),
        })
    };
    entries().iter().filter_map(function).collect()
}

/// All methods, those of traits once for each type that has them.
pub(crate) fn methods() -> Vec<Method> {
    entries().iter().flat_map(Method::of).collect()
}

impl Method {
    fn of(entry: &'static Entry) -> Vec<Self> {
        let (path, types) = match entry.form {
            Form::Function(_) => return Vec::new(),
            Form::Method { of, .. } => {
                // Only a reference to a listener of this kind is an iterator.
                let reference = entry.path == "std::os::unix::net::UnixListener::into_iter";
                let path = (of.implementors.is_empty() && !reference).then_some(of.path);
                let ampersand = if reference { "&'static " } else { "" };
                (path, of.implementors().iter().map(|ty| format!("{ampersand}{}", concrete(ty))).collect())
            }
            Form::Wrapped { of, .. } => (Some(of.path), vec![around_file(of.path, entry.name)]),
        };
        let has_trait = match entry.form {
            Form::Method { of_trait, .. } => of_trait,
            _ => trait_of(entry.name).is_some(),
        };
        let of_trait = has_trait.then(|| {
            trait_of(entry.name).unwrap_or_else(|| panic!("TRAITS has to say which trait {} is of", entry.path))
        });
        let method = |ty: String| Self {
            entry,
            name: entry.name,
            sized: ty != "str" && ty != "std::path::Path",
            ty,
            path,
            of_trait,
            by_value: BY_VALUE.contains(&entry.name),
            arguments: arguments(entry),
        };
        types.into_iter().map(method).collect()
    }

    /// A type with values that has the method.
    pub(crate) fn value_type(&self) -> String {
        if self.sized { self.ty.clone() } else { format!("Box<{}>", self.ty) }
    }
}

/// `::std::sync::Mutex<T>` with types in it.
fn concrete(ty: &str) -> String {
    let ty = ty.trim_start_matches("::");
    let Some((path, generics)) = ty.split_once('<') else {
        return ty.replace("'a", "'static");
    };
    let arguments = generics.trim_end_matches('>').split(", ").map(|argument| match argument {
        lifetime if lifetime.starts_with('\'') => "'static",
        "F" => "fn() -> Vec<u8>",
        _ => "Vec<u8>",
    });
    format!("{path}<{}>", arguments.collect::<Vec<_>>().join(", "))
}

/// A wrapper of std around files.
fn around_file(wrapper: &str, method: &str) -> String {
    let file = "std::fs::File";
    let buffered = || format!("std::io::BufReader<{file}>");
    let reads_lines = trait_of(method) == Some("std::io::BufRead");
    match wrapper {
        "std::io::BufReader" => buffered(),
        "std::io::Take" if reads_lines => format!("std::io::Take<{}>", buffered()),
        "std::io::Chain" if reads_lines => format!("std::io::Chain<{0}, {0}>", buffered()),
        "std::io::BufWriter" | "std::io::LineWriter" | "std::io::Bytes" => format!("{wrapper}<{file}>"),
        "std::io::Lines" | "std::io::Split" => format!("{wrapper}<{}>", buffered()),
        _ => panic!("say what {wrapper} can be around"),
    }
}

fn trait_of(name: &str) -> Option<&'static str> {
    TRAITS.iter().find(|(_, names)| names.contains(&name)).map(|(path, _)| *path)
}

fn arguments(entry: &'static Entry) -> &'static str {
    if !entry.is_function() && entry.arguments == 0 {
        return "";
    }
    let row = |by: &str| ARGUMENTS.iter().find(|(names, _)| names.contains(&by));
    let (_, text) = row(&entry.path)
        .or_else(|| row(entry.name))
        .unwrap_or_else(|| panic!("ARGUMENTS has to say how `{}` is called", entry.path));
    text
}

//! The table, one entry for each function or method.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::items::{FUNCTIONS, Function, Methods, Replacement, TYPES, Type, WRAPPERS, Wrapper};

/// One function or method of std that blocks.
pub(crate) struct Entry {
    /// Its whole path: `std::fs::File::read`.
    pub(crate) path: String,
    /// The last segment.
    pub(crate) name: &'static str,
    /// How many arguments a method has, besides the receiver.
    pub(crate) arguments: usize,
    /// What takes its place, in Markdown.
    pub(crate) replacement: String,
    /// Why it blocks.
    pub(crate) reason: &'static str,
    pub(crate) form: Form,
}

/// How a call of it looks.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// A path that is called: a free function, or one of a type without a receiver.
    Function(&'static Function),
    /// A method of this type.
    Method {
        /// The type.
        of: &'static Type,
        /// Whether the method is that of a trait.
        #[allow(dead_code, reason = "for the programs")]
        of_trait: bool,
    },
    /// A method of a wrapper that blocks if `inner` of what it wraps does.
    Wrapped {
        /// The wrapper.
        of: &'static Wrapper,
        /// The method of what it wraps.
        inner: &'static str,
    },
}

/// All of them, in the order of the table.
pub(crate) fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let functions = FUNCTIONS.iter().map(Entry::function);
        let methods = TYPES.iter().flat_map(|ty| ty.methods.iter().flat_map(|methods| Entry::methods(ty, methods)));
        functions.chain(methods).chain(WRAPPERS.iter().flat_map(Entry::wrapped)).collect()
    });
    &ENTRIES
}

/// Those with the last segment `name`.
pub(crate) fn named(name: &str) -> impl Iterator<Item = &'static Entry> {
    static NAMES: LazyLock<HashMap<&str, Vec<&Entry>>> = LazyLock::new(|| {
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        entries().iter().for_each(|entry| names.entry(entry.name).or_default().push(entry));
        names
    });
    NAMES.get(name).into_iter().flatten().copied()
}

impl Entry {
    /// Whether it blocks only if what it is given does.
    #[allow(dead_code, reason = "for the attributes")]
    pub(crate) fn depends_on_arguments(&self) -> bool {
        matches!(self.form, Form::Function(function) if !function.calls.is_empty())
    }

    fn function(function: &'static Function) -> Self {
        Self {
            path: function.path.to_owned(),
            name: last_segment(function.path),
            arguments: 0,
            replacement: format!("`{}`", function.replacement),
            reason: function.reason,
            form: Form::Function(function),
        }
    }

    fn methods(ty: &'static Type, methods: &'static Methods) -> impl Iterator<Item = Self> {
        methods.names.iter().map(method).map(move |(name, arguments)| Self {
            path: format!("{}::{name}", ty.path),
            name,
            arguments,
            replacement: match (methods.replacement, &ty.replacement) {
                (Some(text), _) => text.to_owned(),
                (None, Replacement::Text(text)) => (*text).to_owned(),
                (None, Replacement::Type(path)) => format!("`{path}`"),
            },
            reason: methods.reason,
            form: Form::Method { of: ty, of_trait: methods.of_trait },
        })
    }

    fn wrapped(wrapper: &'static Wrapper) -> impl Iterator<Item = Self> {
        wrapper.adds.iter().flat_map(move |(names, inner)| {
            names.iter().map(method).map(move |(name, arguments)| Self {
                path: format!("{}::{name}", wrapper.path),
                name,
                arguments,
                replacement: "it around a type of `fiber`".to_owned(),
                reason: "what it wraps blocks",
                form: Form::Wrapped { of: wrapper, inner },
            })
        })
    }

    /// Whether it is a path that is called, without a receiver.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.form, Form::Function(_))
    }

    /// The name of its trait in the support module: `FsFileReadOnAFiber`.
    pub(crate) fn trait_name(&self) -> String {
        let segments = self.path.split("::").skip(1).flat_map(|segment| segment.split('_'));
        let mut name = String::new();
        for segment in segments {
            let mut letters = segment.chars();
            name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            name.push_str(letters.as_str());
        }
        name + "OnAFiber"
    }
}

impl Function {
    /// Whether it is one of a type: `std::fs::File::open`.
    pub(crate) fn is_associated(&self) -> bool {
        let owner = self.path.rsplit("::").nth(1).unwrap_or_default();
        owner.starts_with(char::is_uppercase)
    }
}

impl Type {
    /// The type of fiber that takes its place. A trait has none: harmless types implement it too.
    #[allow(dead_code, reason = "for the programs")]
    pub(crate) fn replacing_type(&self) -> Option<&'static str> {
        match self.replacement {
            Replacement::Type(path) if self.implementors.is_empty() => Some(path),
            _ => None,
        }
    }

    /// The types whose methods block, as they are written in an `impl`.
    pub(crate) fn implementors(&self) -> Vec<String> {
        if self.implementors.is_empty() {
            let arguments = self.generics.replace(": ?Sized", "");
            vec![format!("::{}{arguments}", self.path)]
        } else {
            self.implementors.iter().map(|ty| (*ty).to_owned()).collect()
        }
    }
}

/// `read(_)`: the name and the number of arguments.
pub(crate) fn method(text: &&'static str) -> (&'static str, usize) {
    match text.split_once('(') {
        Some((name, arguments)) => (name, arguments.matches('_').count()),
        None => (text, 0),
    }
}

fn last_segment(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::entries;
    use std::collections::HashSet;

    #[test]
    fn no_entry_stands_twice() {
        let mut paths = HashSet::new();
        let mut traits = HashSet::new();
        for entry in entries() {
            assert!(paths.insert(&entry.path), "{} stands twice", entry.path);
            assert!(traits.insert(entry.trait_name()), "{} has the trait of another", entry.path);
        }
    }

    #[test]
    fn names_and_paths_fit() {
        for entry in entries() {
            assert!(entry.path.starts_with("std::") && entry.path.ends_with(entry.name), "{}", entry.path);
            assert!(!entry.reason.is_empty() && !entry.reason.ends_with('.'), "{}", entry.path);
        }
    }
}

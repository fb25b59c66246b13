//! What the signatures of the table's functions say, read once.

use quote::ToTokens;
use std::collections::HashMap;
use std::sync::LazyLock;
use syn::{GenericParam, Signature, TypeParam};

use crate::table::{Entry, Form, entries};

/// Of one function.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) arguments: usize,
    pub(super) takes_closure: bool,
    /// For each type parameter a type that fits, for where the user's function is another and nothing else says.
    pub(super) settled: Vec<&'static str>,
}

/// That of `entry`.
pub(super) fn shape(entry: &Entry) -> &'static Shape {
    static SHAPES: LazyLock<HashMap<&str, Shape>> = LazyLock::new(|| {
        let functions = entries().iter().filter_map(|entry| match entry.form {
            Form::Function(function) => Some((&*entry.path, function.signature)),
            _ => None,
        });
        functions.map(|(path, signature)| (path, Shape::read(signature))).collect()
    });
    static NONE: LazyLock<Shape> = LazyLock::new(Shape::default);
    SHAPES.get(&*entry.path).unwrap_or(&NONE)
}

impl Shape {
    fn read(signature: &str) -> Self {
        let signature: Signature = syn::parse_str(&format!("fn function{signature}")).expect("the table is Rust");
        let types = signature.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(settled(parameter)),
            _ => None,
        });
        let where_clause = signature.generics.where_clause.to_token_stream().to_string();
        Self {
            arguments: signature.inputs.len(),
            takes_closure: where_clause.contains("FnOnce"),
            settled: types.collect(),
        }
    }
}

fn settled(parameter: &TypeParam) -> &'static str {
    let bounds = parameter.bounds.to_token_stream().to_string();
    if bounds.contains("Read") {
        "__fiber::of_std::io::Empty"
    } else if bounds.contains("Write") {
        "__fiber::of_std::io::Sink"
    } else if !bounds.is_empty() {
        // `AsRef<Path>`, `AsRef<[u8]>`, `ToSocketAddrs`.
        "&'static str"
    } else if parameter.ident == "F" {
        // Of `thread::scope`, which has the bounds in its `where` clause.
        "fn(&__fiber::of_std::thread::Scope<'_, '_>)"
    } else {
        "()"
    }
}

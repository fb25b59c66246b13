//! What the names in a body stand for, as far as its tokens show: locals, items, imports.

use proc_macro2::{Ident, TokenStream, TokenTree};
use std::collections::{HashMap, HashSet};
use syn::{FnArg, Item, ItemUse, Pat, Path, Signature, UseTree};

/// The scopes around the place that the walk is at, the innermost last.
#[derive(Default)]
pub(super) struct Names {
    scopes: Vec<Scope>,
    bound: usize,
}

#[derive(Default)]
struct Scope {
    /// Values that are no functions of std: variables, and functions of the body itself; each with a number of its own.
    own: HashMap<String, usize>,
    imports: HashMap<String, Vec<String>>,
    macros: HashSet<String>,
}

impl Names {
    pub(super) fn open(&mut self) {
        self.scopes.push(Scope::default());
    }

    pub(super) fn open_function(&mut self, signature: &Signature) {
        self.open();
        for input in &signature.inputs {
            if let FnArg::Typed(argument) = input {
                self.bind(&argument.pat);
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.scopes.pop();
    }

    /// Everything that `pattern` binds.
    pub(super) fn bind(&mut self, pattern: &Pat) {
        match pattern {
            Pat::Ident(ident) => {
                self.bind_name(&ident.ident);
                if let Some((_, inner)) = &ident.subpat {
                    self.bind(inner);
                }
            }
            Pat::Guard(guard) => self.bind(&guard.pat),
            Pat::Or(or) => or.cases.iter().for_each(|case| self.bind(case)),
            Pat::Paren(paren) => self.bind(&paren.pat),
            Pat::Reference(reference) => self.bind(&reference.pat),
            Pat::Slice(slice) => slice.elems.iter().for_each(|element| self.bind(element)),
            Pat::Struct(fields) => fields.fields.iter().for_each(|field| self.bind(&field.pat)),
            Pat::Tuple(tuple) => tuple.elems.iter().for_each(|element| self.bind(element)),
            Pat::TupleStruct(tuple) => tuple.elems.iter().for_each(|element| self.bind(element)),
            Pat::Type(typed) => self.bind(&typed.pat),
            _ => {}
        }
    }

    pub(super) fn bind_name(&mut self, name: &Ident) {
        self.bound += 1;
        if let Some(scope) = self.scopes.last_mut() {
            scope.own.insert(plain(name), self.bound);
        }
    }

    /// An item of a block or a module, all of which know it.
    pub(super) fn declare(&mut self, item: &Item) {
        let Some(scope) = self.scopes.last_mut() else { return };
        match item {
            Item::Use(import) => self.import(import),
            Item::Fn(function) => self.bind_name(&function.sig.ident),
            Item::Macro(definition) => scope.macros.extend(definition.ident.as_ref().map(plain)),
            Item::Mod(module) => {
                let name = plain(&module.ident);
                scope.imports.insert(name.clone(), vec!["self".to_owned(), name]);
            }
            _ => {}
        }
    }

    /// Whether the macro is one that is defined here.
    pub(super) fn defines_macro(&self, path: &Path) -> bool {
        let name = path.get_ident().map(plain);
        name.is_some_and(|name| self.scopes.iter().any(|scope| scope.macros.contains(&name)))
    }

    /// A macro that stands as a statement may bind what it is given.
    pub(super) fn bind_all(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) => self.bind_name(&name),
                TokenTree::Group(group) => self.bind_all(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn import(&mut self, import: &ItemUse) {
        self.import_tree(&import.tree, &mut Vec::new());
    }

    fn import_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        let (name, alias) = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import_tree(&path.tree, prefix);
                prefix.pop();
                return;
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import_tree(tree, prefix));
                return;
            }
            UseTree::Name(name) => (&name.ident, &name.ident),
            UseTree::Rename(rename) => (&rename.ident, &rename.rename),
            _ => return,
        };
        let (mut path, mut alias) = (prefix.clone(), alias.to_string());
        if name == "self" {
            alias = if alias == "self" { path.last().cloned().unwrap_or_default() } else { alias };
        } else {
            path.push(name.to_string());
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.imports.insert(alias, path);
        }
    }

    /// Whether `name` is a variable or a function of the body itself.
    ///
    /// The variables around a nested function are taken for seen in it: rather is a function that has such a name not
    /// looked at than a variable taken for a function.
    pub(super) fn is_own(&self, name: &Ident) -> bool {
        self.binding(name).is_some()
    }

    /// The number of the variable or function of the body itself that has this name here.
    pub(super) fn binding(&self, name: &Ident) -> Option<usize> {
        let name = plain(name);
        let known = |scope: &&Scope| scope.own.contains_key(&name) || scope.imports.contains_key(&name);
        let scope = self.scopes.iter().rev().find(known)?;
        scope.own.get(&name).copied()
    }

    /// The path with the imports that are in sight written out.
    pub(super) fn resolve(&self, path: &Path) -> Vec<String> {
        let mut segments = path.segments.iter().map(|segment| plain(&segment.ident));
        let first = segments.next().unwrap_or_default();
        let import = self.scopes.iter().rev().find_map(|scope| scope.imports.get(&first));
        let mut resolved = match import {
            Some(import) if path.leading_colon.is_none() => import.clone(),
            _ => vec![first],
        };
        resolved.extend(segments);
        resolved
    }
}

/// `r#match` is `match`.
pub(super) fn plain(name: &Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

/// Whether the pattern is a variable for the whole value.
pub(super) fn is_name(pattern: &Pat) -> bool {
    match pattern {
        Pat::Ident(name) => name.by_ref.is_none(),
        Pat::Type(typed) => is_name(&typed.pat),
        _ => false,
    }
}

//! Published code under the checks: the sources of our own dependencies, each function with the attribute. What uses no blocking
//! item of std compiles as before, and of the rest each is refused that is listed here.
//!
//! Nothing is copied into this repository: the sources are read where cargo has them, rewritten, and checked in a folder of
//! the target directory.

use quote::ToTokens;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::{env, fs};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ImplItemFn, ItemFn, ItemMod, Meta, MetaList, TraitItemFn, parse_quote};

/// Packages that need no others, with what blocks in them. None is of the edition 2015, in which `::fiber` is no crate.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("byteorder", &[]),
    ("bytes", &[]),
    ("clap_lex", &[]),
    ("glob", &["std::fs::metadata", "std::fs::read_dir", "std::fs::symlink_metadata"]),
    ("heck", &[]),
    ("itoa", &[]),
    ("memchr", &[]),
    ("termcolor", &[]),
    ("unicode-ident", &[]),
    ("utf8parse", &[]),
    ("winnow", &[]),
    ("zmij", &[]),
];

#[test]
fn libraries() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real_code");
    let packages = packages(workspace);
    let mut members = Vec::new();
    let mut annotated = 0;
    for (name, _) in LIBRARIES {
        let package = packages.get(*name).unwrap_or_else(|| panic!("{name} is no dependency any more"));
        let copy = folder.join(name);
        let _ = fs::remove_dir_all(&copy);
        let from = Path::new(package["manifest_path"].as_str().unwrap_or_default()).with_file_name("src");
        annotated += rewritten(&from, &copy.join("src"));
        fs::write(copy.join("Cargo.toml"), manifest(package, &workspace.join("runtime"))).expect("it is written");
        members.push(format!("{name:?}"));
    }
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", members.join(", "));
    fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest is written");
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file is copied");
    // So that an attribute that nobody gets is no success.
    assert!(annotated > 1000, "only {annotated} functions have been checked");
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--offline", "--quiet", "--workspace", "--keep-going", "--message-format", "json"])
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder of the target directory"))
        .current_dir(&folder)
        .output()
        .expect("cargo runs");
    let mut refused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut finished = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).expect("cargo writes a message in each line");
        let target = message["target"]["name"].as_str().unwrap_or_default().replace('_', "-");
        let text = message["message"]["message"].as_str().unwrap_or_default();
        if message["reason"] == "compiler-artifact" {
            finished.insert(target);
        } else if message["message"]["level"] == "error" && message["message"]["spans"] != Value::Array(Vec::new()) {
            let item = text.strip_suffix("` blocks the worker thread that runs this fiber");
            let rendered = || panic!("{target}: {}", message["message"]["rendered"].as_str().unwrap_or_default());
            let item = item.unwrap_or_else(rendered).trim_start_matches('`');
            refused.entry(target).or_default().insert(item.to_owned());
        }
    }
    for (name, blocking) in LIBRARIES {
        let name = name.replace('_', "-");
        let found = refused.remove(&name).unwrap_or_default();
        assert!(found.iter().eq(blocking.iter()), "{name}: {found:?} instead of {blocking:?}");
        let compiles = finished.contains(&name);
        assert_eq!(compiles, blocking.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Everything that this workspace is built of.
fn packages(workspace: &Path) -> BTreeMap<String, Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", env::consts::ARCH))
        .current_dir(workspace)
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let entry = |package: &Value| Some((package["name"].as_str()?.to_owned(), package.clone()));
    packages.iter().filter_map(entry).collect()
}

/// A manifest with the features of `package`, none of its dependencies, and fiber.
fn manifest(package: &Value, fiber: &Path) -> String {
    let features = package["features"].as_object().expect("there are features");
    let own = |feature: &&Value| feature.as_str().is_some_and(|name| features.contains_key(name));
    let list = |implied: &Value| {
        implied.as_array().into_iter().flatten().filter(own).map(Value::to_string).collect::<Vec<_>>()
    };
    let lines: String =
        features.iter().map(|(name, implied)| format!("{name} = [{}]\n", list(implied).join(", "))).collect();
    let text = |key: &str| package[key].to_string();
    format!(
        "[package]\nname = {}\nversion = {}\nedition = {}\npublish = false\n\n[features]\n{lines}\n\
         [dependencies]\nfiber = {{ path = {fiber:?} }}\n",
        text("name"),
        text("version"),
        text("edition"),
    )
}

/// Copies the folder, each function of the sources with the attribute; says how many got it.
fn rewritten(from: &Path, to: &Path) -> usize {
    fs::create_dir_all(to).expect("the folder is made");
    let mut count = 0;
    for entry in fs::read_dir(from).expect("the folder is read") {
        let entry = entry.expect("the folder is read");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count += rewritten(&path, &copy);
            continue;
        }
        let is_source =
            path.extension().is_some_and(|end| end == "rs") && path.components().any(|part| part.as_os_str() == "src");
        let text = if is_source { fs::read_to_string(&path).ok() } else { None };
        match text.and_then(|text| syn::parse_file(&text).ok()) {
            Some(mut file) => {
                // It may include files from beside the sources.
                file.attrs.retain(|attr| !attr.path().is_ident("doc"));
                file.attrs.push(parse_quote!(#![doc = "Checked."]));
                let mut annotate = Annotate(0);
                annotate.visit_file_mut(&mut file);
                count += annotate.0;
                fs::write(copy, file.to_token_stream().to_string()).expect("the file is written");
            }
            None => {
                fs::copy(&path, &copy).expect("the file is copied");
            }
        }
    }
    count
}

struct Annotate(usize);

impl Annotate {
    fn annotate(&mut self, attrs: &mut Vec<Attribute>, is_const: bool) {
        if !is_const && !attrs.iter().any(is_of_tests) {
            attrs.push(parse_quote!(#[::fiber::check]));
            self.0 += 1;
        }
    }
}

impl VisitMut for Annotate {
    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        self.annotate(&mut function.attrs, function.sig.constness.is_some());
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        self.annotate(&mut function.attrs, function.sig.constness.is_some());
    }

    fn visit_trait_item_fn_mut(&mut self, function: &mut TraitItemFn) {
        if function.default.is_some() {
            self.annotate(&mut function.attrs, function.sig.constness.is_some());
        }
    }

    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        if !module.attrs.iter().any(is_of_tests) {
            visit_mut::visit_item_mod_mut(self, module);
        }
    }
}

fn is_of_tests(attr: &Attribute) -> bool {
    let condition = |list: &MetaList| list.path.is_ident("cfg") && list.tokens.to_string() == "test";
    attr.path().is_ident("test") || matches!(&attr.meta, Meta::List(list) if condition(list))
}

// `fiber::blocking` under another name: the attribute on a function does not see the import.
use fiber::blocking;

#[fiber::task]
fn version() -> String {
    blocking(|| std::fs::read_to_string("/proc/version").unwrap_or_default())
}

fn main() {}

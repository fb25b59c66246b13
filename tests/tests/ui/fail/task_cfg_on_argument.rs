#[fiber::task]
fn fetch(url: String, #[cfg(unix)] mode: u32) {
    let _ = (url, mode);
}

fn main() {}

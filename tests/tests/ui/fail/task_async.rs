#[fiber::task]
async fn fetch(url: String) -> usize {
    url.len()
}

#[fiber::main]
fn main() {
    // The companion exists, so that this is no second error.
    fetch::spawn(String::new());
}

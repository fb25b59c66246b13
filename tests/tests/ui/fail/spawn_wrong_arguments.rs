#[fiber::task]
fn fetch(url: String, retries: u32) -> usize {
    url.len() + retries as usize
}

#[fiber::main]
fn main() {
    fetch::spawn("text", 1);
    fetch::spawn(String::new());
}

// One mistake in the signature is one error.

#[fiber::task]
fn fetch(url: Strng) -> usize {
    url.len()
}

fn main() {}

#[fiber::task]
fn fetch(url: String) -> usize {
    url.lenght()
}

fn main() {}

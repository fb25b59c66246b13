#[fiber::task]
fn fetch(url: String) -> usize;

trait Service {
    #[fiber::task]
    fn serve(&self) -> usize;
}

#[fiber::main]
fn main() {
    fetch::spawn(String::new());
}

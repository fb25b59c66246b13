// Nothing in the function shows that it stands in an `impl` block: `#[fiber::task(associated)]` would say it.

struct Server;

impl Server {
    #[fiber::task]
    fn limit(number: u32) -> u32 {
        number
    }
}

fn main() {
    Server::limit(1);
}

#[fiber::check]
struct Connection;

#[fiber::check]
static LIMIT: u32 = 3;

#[fiber::check]
const fn constant() -> u32 {
    3
}

#[fiber::check]
#[path = "../twice.rs"]
mod elsewhere;

trait Reads {
    #[fiber::check]
    fn read(&self) -> u32;
}

fn main() {}

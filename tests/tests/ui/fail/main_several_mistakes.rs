// All of them are reported at once, and nothing else.

#[fiber::main(workers = 0, stack_size = "4k", driver = "kqueue", sim)]
fn main() {
    helper::spawn();
}

#[fiber::task(priority = 3)]
fn helper() {}

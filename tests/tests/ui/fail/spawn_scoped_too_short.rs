#[fiber::task]
fn show(text: &str) {
    println!("{text}");
}

#[fiber::main]
fn main() {
    fiber::scope(|scope| {
        let text = String::from("inside the scope");
        show::spawn_scoped(scope, &text);
    });
}

#[fiber::task]
fn show(text: &str) {
    println!("{text}");
}

#[fiber::main]
fn main() {
    let text = String::from("on this fiber's stack");
    show::spawn(&text);
}

async fn answer() -> u8 {
    42
}

#[fiber::main]
async fn main() {
    println!("{}", answer().await);
}

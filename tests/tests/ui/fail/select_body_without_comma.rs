fn main() {
    let (_sender, receiver) = fiber::sync::mpsc::channel::<u8>();
    fiber::select! {
        _ = receiver.recv() => println!("one")
        _ = receiver.recv() => println!("two"),
    }
}

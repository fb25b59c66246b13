fn main() {
    let (_sender, receiver) = fiber::sync::mpsc::channel::<u8>();
    fiber::select! {
        message = receiver.recv() => drop(message),
        default => println!("nothing"),
        default => println!("nothing at all"),
    }
}

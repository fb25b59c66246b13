fn main() {
    let (_sender, receiver) = fiber::sync::mpsc::channel::<u8>();
    fiber::select! {
        Ok(message) = receiver.recv() => println!("{message}"),
    }
}

fn main() {
    let (_sender, receiver) = fiber::sync::mpsc::channel::<u8>();
    fiber::select! {
        message = receiver.try_recv() => drop(message),
    }
}

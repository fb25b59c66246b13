fn main() {
    let (_sender, receiver) = fiber::sync::mpsc::channel::<u8>();
    let number: u8 = fiber::select! {
        _ = receiver.recv() => 5,
        default => "five",
    };
    drop(number);
}

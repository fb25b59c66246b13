fn main() {
    let (_sender, receiver) = fiber::sync::mpsc::channel::<u8>();
    fiber::select! {
        recv(receiver) -> message => drop(message),
    }
}

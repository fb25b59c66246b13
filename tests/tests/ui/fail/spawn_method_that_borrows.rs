struct Server;

impl Server {
    #[fiber::task]
    fn serve(&self) {}
}

#[fiber::main]
fn main() {
    Server.spawn_serve();
}

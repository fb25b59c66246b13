struct Server;

#[fiber::task]
impl Server {
    pub fn serve(&self) {}
}

#[fiber::task]
trait Service {
    fn serve(&self);
}

#[fiber::task]
pub(crate) static LIMIT: u32 = 1;

fn main() {
    Server.serve();
}

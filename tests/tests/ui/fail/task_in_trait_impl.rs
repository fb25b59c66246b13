trait Service {
    fn serve(self, peer: u32) -> u32;
}

struct Echo;

impl Service for Echo {
    #[fiber::task]
    fn serve(self, peer: u32) -> u32 {
        peer
    }
}

fn main() {
    Echo.serve(1);
}

mod fetch {
    pub fn helper() {}
}

#[fiber::task]
fn fetch() {
    fetch::helper();
}

fn main() {}

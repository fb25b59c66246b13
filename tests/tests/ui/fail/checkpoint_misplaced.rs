#[fiber::task]
fn loops(list: Vec<u32>) -> u32 {
    let mut sum = 0;
    #[fiber::checkpoint(every = 100)]
    for x in &list {
        sum += x;
    }
    #[fiber::no_checkpoint = 3]
    while sum < 10 {
        sum += 1;
    }
    #[fiber::checkpoint]
    sum += 1;
    #[fiber::no_checkpoint]
    let more = sum + 1;
    #[fiber::checkpoint]
    #[fiber::no_checkpoint]
    loop {
        break more;
    }
}

fn main() {}

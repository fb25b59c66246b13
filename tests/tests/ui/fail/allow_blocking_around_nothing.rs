#[fiber::task]
#[fiber::allow_blocking(reason = "a function in which nothing blocks")]
fn function(x: u32) -> u32 {
    x + 1
}

#[fiber::task]
fn inside(list: Vec<u32>) -> usize {
    #[fiber::allow_blocking(reason = "a variable")]
    let first = list[0] as usize;

    #[fiber::allow_blocking(reason = "a statement")]
    println!("{first}");

    #[fiber::allow_blocking(reason = "a block")]
    {
        println!("{}", list.len());
    }

    #[fiber::allow_blocking(reason = "a loop")]
    for x in [1, 2] {
        println!("{x}");
    }

    first + #[fiber::allow_blocking(reason = "an expression")] list.len()
}

#[fiber::check]
mod helpers {
    #[fiber::allow_blocking(reason = "a function of a module")]
    pub fn function() -> u32 {
        1
    }
}

fn main() {
    helpers::function();
}

//! `?` ends the body, the error type is not `Send`, and the inner function keeps the return type.

use std::error::Error;

#[fiber::main(workers = 2, stack_size = "64k", name = "example")]
fn main() -> Result<(), Box<dyn Error>> {
    let number: u32 = "7".parse()?;
    assert_eq!(number, 7);
    if number == 7 {
        return Ok(());
    }
    Err("unreachable".into())
}

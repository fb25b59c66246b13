// Errors in the body are at the body's tokens, as without the attribute.

use std::io;

#[fiber::main]
fn main() -> io::Result<()> {
    let number: u32 = "text";
    let _ = number;
}

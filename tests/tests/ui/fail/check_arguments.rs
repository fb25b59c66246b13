#[fiber::check(stack_size = "64k")]
fn of_a_task() {}

#[fiber::check(strict)]
fn unknown() {}

#[fiber::check(allow = "std::fs::read")]
fn allow_value() {}

#[fiber::check(checkpoints = "no")]
fn checkpoints_value() {}

#[fiber::check(std::sync::Mutex::lock)]
fn only_a_path() {}

fn main() {}

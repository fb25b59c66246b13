//! Tasks inside function bodies see local types; two of one name in different functions are no conflict.

fn one() -> u8 {
    struct Local(u8);

    #[fiber::task]
    fn step(local: Local) -> u8 {
        let Local(number) = local;
        number
    }
    step::spawn(Local(1)).join().unwrap()
}

fn two() -> u8 {
    #[fiber::task]
    fn step() -> u8 {
        #[fiber::task]
        fn inner() -> u8 {
            2
        }
        inner::spawn().join().unwrap()
    }
    step::spawn().join().unwrap()
}

#[fiber::main]
fn main() {
    assert_eq!((one(), two()), (1, 2));
    assert!(fiber::registry::find("step").is_none(), "it is ambiguous");
    let steps = fiber::registry::tasks().iter().filter(|task| task.name() == "step");
    assert!(steps.map(|task| task.line()).is_sorted());
}

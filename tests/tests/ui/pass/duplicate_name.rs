//! A chosen name names one task of its module: starting a runtime says where the two are.

#[fiber::task(name = "worker")]
fn one() {}

mod elsewhere {
    // The same name in another module is another path.
    #[fiber::task(name = "worker")]
    pub(crate) fn three() {}
}

fn main() {
    struct Local;
    impl Local {
        #[fiber::task(name = "worker", companion = false)]
        fn two(self) {}
    }

    let error = fiber::runtime::Runtime::new().unwrap_err().to_string();
    let path = concat!(module_path!(), "::worker");
    let [first, second] = [one::TASK, Local::TWO_TASK].map(|task| task.place().to_string());
    assert!(error.contains(path) && error.contains(&first) && error.contains(&second), "{error}");
    assert_ne!(first, second);
    assert_ne!(elsewhere::three::TASK.path(), path);

    // Called, they work all the same.
    one();
    Local.two();
    elsewhere::three();
}

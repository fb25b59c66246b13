//! The values of a fiber's own variables.

use super::record::drop_quietly;
use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

/// Values by variable. A value is dropped by the fiber when it ends, or never: whoever uses one holds it by a count.
#[derive(Default)]
pub(crate) struct Locals(RefCell<Vec<Entry>>);

struct Entry {
    /// The address of the variable.
    variable: usize,
    value: Rc<dyn Any>,
    /// Makes the value of a child, if children inherit the variable.
    inherit: Option<Inherit>,
}

/// Makes the value that a child has of its parent's.
pub(crate) type Inherit = fn(&dyn Any) -> Rc<dyn Any>;

impl Locals {
    pub(crate) fn get(&self, variable: usize) -> Option<Rc<dyn Any>> {
        self.0.borrow().iter().find(|entry| entry.variable == variable).map(|entry| entry.value.clone())
    }

    pub(crate) fn add(&self, variable: usize, value: Rc<dyn Any>, inherit: Option<Inherit>) {
        self.0.borrow_mut().push(Entry { variable, value, inherit });
    }

    /// What a child has from the start: copies that nobody else has, of types that may change threads.
    pub(crate) fn inherited(&self) -> Option<Box<Locals>> {
        // Not while the list is borrowed: a clone is the user's code.
        let inherited = |entry: &Entry| Some((entry.variable, entry.value.clone(), entry.inherit?));
        let values: Vec<_> = self.0.borrow().iter().filter_map(inherited).collect();
        if values.is_empty() {
            return None;
        }
        let entry = |(variable, value, inherit): (usize, Rc<dyn Any>, Inherit)| Entry {
            variable,
            value: inherit(&*value),
            inherit: Some(inherit),
        };
        Some(Box::new(Locals(RefCell::new(values.into_iter().map(entry).collect()))))
    }

    /// Drops all values, and those that their destructors make.
    pub(crate) fn clear(&self) {
        loop {
            let entries = self.0.take();
            if entries.is_empty() {
                return;
            }
            entries.into_iter().for_each(drop_quietly);
        }
    }
}

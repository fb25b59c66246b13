//! Which cancels are to be made again.
//!
//! A cancel can be in vain although its operation goes on. It finds nothing (`ENOENT`) while the kernel has the operation on no list, because it
//! is about to try again: a connect to a local listener with a full queue is tried more than a hundred times before a thread of the
//! kernel waits for it. And it alerts such a thread (`EALREADY`) when that has just taken the operation, which clears alerts
//! before it begins (both seen on 6.18). So a cancel is repeated, after pauses, until its operation has ended; some hundred times, for there are
//! operations that nothing interrupts.

use super::super::Token;
use io_uring::types::Timespec;
use std::collections::HashMap;
use std::mem;

/// How often a cancel is repeated: for four seconds.
const TIMES: u8 = 250;

/// The pauses between a cancel and the next, from 1 to 16 ms, the last of them for ever: an operation that cannot be interrupted, such as a
/// read of a disk that does not answer, is not to cost much.
static PAUSES: [Timespec; 5] = {
    let mut pauses = [Timespec::new(); 5];
    let mut index = 0;
    while index < pauses.len() {
        pauses[index] = Timespec::new().nsec(1_000_000 << index);
        index += 1;
    }
    pauses
};

/// The cancels of a ring.
#[derive(Default)]
pub(super) struct Cancels {
    /// Operations that were cancelled and not handed out since: mostly none, and all at a shutdown.
    /// How often they may be cancelled again.
    ending: HashMap<Token, u8>,
    /// Those of them whose cancel may have been in vain.
    missed: Vec<Token>,
    /// The pause that comes next.
    next: usize,
    pause: Pause,
}

#[derive(Default, PartialEq)]
enum Pause {
    #[default]
    None,
    Lasts,
    Over,
}

/// What is to be submitted.
pub(super) enum Step {
    /// A pause, at whose end [`Cancels::pause_ended`] is called.
    Pause(&'static Timespec),
    /// Cancels.
    Again(Vec<Token>),
}

impl Cancels {
    /// A cancel of this operation is submitted.
    pub(super) fn begin(&mut self, token: Token) {
        self.ending.insert(token, TIMES);
        if self.missed.is_empty() {
            self.next = 0;
        }
    }

    /// An operation has ended.
    #[inline]
    pub(super) fn operation_ended(&mut self, token: Token) {
        if !self.ending.is_empty() {
            self.forget(token);
        }
    }

    #[cold]
    fn forget(&mut self, token: Token) {
        if self.ending.remove(&token).is_some() && self.ending.is_empty() {
            self.ending.shrink_to(64);
        }
    }

    /// A cancel has completed.
    pub(super) fn cancel_ended(&mut self, token: Token, result: i32) {
        if matches!(-result, libc::ENOENT | libc::EALREADY)
            && let Some(times) = self.ending.get_mut(&token)
        {
            match times.checked_sub(1) {
                Some(left) => {
                    *times = left;
                    self.missed.push(token);
                }
                None => self.forget(token),
            }
        }
    }

    pub(super) fn pause_ended(&mut self) {
        self.pause = Pause::Over;
    }

    /// Whether [`Cancels::step`] may have something to do.
    #[inline]
    pub(super) fn are_in_vain(&self) -> bool {
        self.pause == Pause::Over || (self.pause == Pause::None && !self.missed.is_empty())
    }

    /// To be called once more when what it says was submitted.
    #[cold]
    pub(super) fn step(&mut self) -> Option<Step> {
        self.missed.retain(|token| self.ending.contains_key(token));
        if self.missed.is_empty() {
            if self.pause == Pause::Over {
                self.pause = Pause::None;
            }
            return None;
        }
        match mem::replace(&mut self.pause, Pause::Lasts) {
            Pause::None => {
                let pause = &PAUSES[self.next];
                self.next = (self.next + 1).min(PAUSES.len() - 1);
                Some(Step::Pause(pause))
            }
            Pause::Lasts => None,
            Pause::Over => {
                self.pause = Pause::None;
                Some(Step::Again(mem::take(&mut self.missed)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers all that is submitted, cancels with this result, until there is no more; how many cancels these were.
    fn repeated(cancels: &mut Cancels, result: i32) -> usize {
        let mut count = 0;
        while cancels.are_in_vain() {
            match cancels.step() {
                Some(Step::Pause(_)) => cancels.pause_ended(),
                Some(Step::Again(tokens)) => {
                    count += tokens.len();
                    tokens.into_iter().for_each(|token| cancels.cancel_ended(token, result));
                }
                None => (),
            }
        }
        count
    }

    #[test]
    fn what_goes_on_is_cancelled_again_and_not_for_ever() {
        for errno in [libc::ENOENT, libc::EALREADY] {
            let mut cancels = Cancels::default();
            [1, 2].map(Token::new).into_iter().for_each(|token| {
                cancels.begin(token);
                cancels.cancel_ended(token, -errno);
            });
            assert_eq!(repeated(&mut cancels, -errno), 2 * usize::from(TIMES));
            assert!(cancels.ending.is_empty() && cancels.missed.is_empty() && cancels.pause == Pause::None);
        }
    }

    #[test]
    fn what_has_ended_or_will_is_not_cancelled_again() {
        let mut cancels = Cancels::default();
        let token = Token::new(1);
        cancels.begin(token);
        cancels.operation_ended(token);
        cancels.cancel_ended(token, -libc::ENOENT);
        assert!(!cancels.are_in_vain());
        cancels.begin(token);
        cancels.cancel_ended(token, 0);
        assert!(!cancels.are_in_vain());
        // It ends during the pause.
        cancels.cancel_ended(token, -libc::EALREADY);
        assert!(matches!(cancels.step(), Some(Step::Pause(_))) && !cancels.are_in_vain());
        cancels.operation_ended(token);
        cancels.pause_ended();
        assert_eq!(repeated(&mut cancels, 0), 0);
    }
}

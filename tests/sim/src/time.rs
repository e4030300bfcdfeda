//! Virtual time: futures that sleep, run one after the other in the order of their time.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::future::LocalBoxFuture;
use runtime::clock::Micros;

/// A second in microseconds, as all times and lengths of time here are.
pub const SECOND: i64 = 1_000_000;
/// A millisecond.
pub const MILLI: i64 = 1_000;

/// The time, and who waits for which. Cheap to clone.
#[derive(Clone, Default)]
pub struct Time(Rc<Inner>);

#[derive(Default)]
struct Inner {
    now: Cell<i64>,
    /// Which task runs.
    task: Cell<usize>,
    /// Breaks ties: who slept first wakes first.
    number: Cell<u64>,
    waits: RefCell<BinaryHeap<Reverse<(i64, u64, usize)>>>,
    spawned: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
}

impl Time {
    /// That begins at `now`.
    pub fn starting(now: i64) -> Self {
        let time = Self::default();
        time.0.now.set(now);
        time
    }

    /// Microseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.0.now.get()
    }

    /// The same, as the gateway wants it.
    pub fn micros(&self) -> Micros {
        Micros(self.now())
    }

    /// Waits for so many microseconds.
    pub fn sleep(&self, micros: i64) -> Sleep {
        Sleep { time: self.clone(), until: self.now().saturating_add(micros.max(0)), waits: false }
    }

    /// Runs beside the others from now on.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawned.borrow_mut().push(Box::pin(task));
    }

    /// Runs all that was spawned until it has ended, or the time is `end`.
    pub fn run(&self, end: i64) {
        let mut tasks: Vec<Option<LocalBoxFuture<'static, ()>>> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let spawned = std::mem::take(&mut *self.0.spawned.borrow_mut());
            for mut task in spawned {
                let place = free.pop().unwrap_or(tasks.len());
                self.0.task.set(place);
                let left = task.as_mut().poll(&mut context).is_pending().then_some(task);
                match tasks.get_mut(place) {
                    Some(slot) => *slot = left,
                    None => tasks.push(left),
                }
            }
            if !self.0.spawned.borrow().is_empty() {
                continue;
            }
            let Some(Reverse((at, _, place))) = self.0.waits.borrow_mut().pop() else { return };
            if at >= end {
                return;
            }
            self.0.now.set(at);
            self.0.task.set(place);
            let Some(slot) = tasks.get_mut(place) else { continue };
            let ended =
                slot.as_mut().is_none_or(|task| task.as_mut().poll(&mut context).is_ready());
            if ended && slot.take().is_some() {
                free.push(place);
            }
        }
    }
}

/// See [`Time::sleep`].
pub struct Sleep {
    time: Time,
    until: i64,
    waits: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let inner = Rc::clone(&self.time.0);
        if inner.now.get() >= self.until {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.waits, true) {
            let number = inner.number.get();
            inner.number.set(number + 1);
            inner.waits.borrow_mut().push(Reverse((self.until, number, inner.task.get())));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_in_the_order_of_their_time() {
        let (time, seen) = (Time::starting(100), Rc::new(RefCell::new(Vec::new())));
        for (name, pause) in [("b", 20), ("a", 10), ("c", 20), ("late", 900)] {
            let (own, seen) = (time.clone(), Rc::clone(&seen));
            time.spawn(async move {
                own.sleep(pause).await;
                seen.borrow_mut().push((name, own.now()));
                let (inner, seen) = (own.clone(), Rc::clone(&seen));
                own.spawn(async move {
                    inner.sleep(5).await;
                    seen.borrow_mut().push(("child", inner.now()));
                });
            });
        }
        time.run(1000);
        let expected =
            [("a", 110), ("child", 115), ("b", 120), ("c", 120), ("child", 125), ("child", 125)];
        assert_eq!(*seen.borrow(), expected);
    }
}

//! Answers to those who wait for a commit, and the wake-ups that tell of them.
//!
//! To wake a task of another thread's event loop costs a system call, and often a switch to that
//! thread before the next task is woken. A group of commits is therefore answered as a whole: each
//! thread is woken once, and wakes its own tasks. That is done where [`deliver`] runs; tasks of
//! other threads are woken one by one.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

thread_local! {
    static MAILBOX: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
}

/// The tasks of a thread that are to be woken.
#[derive(Debug, Default)]
struct Mailbox(Mutex<Mail>);

#[derive(Debug, Default)]
struct Mail {
    tasks: Vec<Waker>,
    /// Who wakes them; `None` once nobody does.
    deliverer: Option<Waker>,
}

impl Mailbox {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has tasks woken.
    fn post(&self, mut tasks: Vec<Waker>) {
        let mut mail = self.mail();
        let Some(deliverer) = mail.deliverer.clone() else {
            drop(mail);
            return tasks.into_iter().for_each(Waker::wake);
        };
        let was_empty = mail.tasks.is_empty();
        mail.tasks.append(&mut tasks);
        drop(mail);
        if was_empty {
            deliverer.wake();
        }
    }
}

/// Wakes the tasks of this thread that wait for commits; to be run on its event loop beside them. It
/// never ends. Without it, or once it is dropped, each of them is woken by itself.
pub fn deliver() -> impl Future<Output = ()> + Send {
    Delivery::default()
}

#[derive(Default)]
struct Delivery(Arc<Mailbox>);

impl Future for Delivery {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut mail = self.0.mail();
        if mail.deliverer.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            mail.deliverer = Some(context.waker().clone());
            MAILBOX.set(Some(Arc::clone(&self.0)));
        }
        let tasks = std::mem::take(&mut mail.tasks);
        drop(mail);
        tasks.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let mut mail = self.0.mail();
        mail.deliverer = None;
        let tasks = std::mem::take(&mut mail.tasks);
        drop(mail);
        tasks.into_iter().for_each(Waker::wake);
    }
}

/// Wake-ups that are collected and sent when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Wakeups(Vec<(Arc<Mailbox>, Vec<Waker>)>);

impl Wakeups {
    fn add(&mut self, Waiter { task, mailbox }: Waiter) {
        let Some(mailbox) = mailbox else { return task.wake() };
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
            Some((_, tasks)) => tasks.push(task),
            None => self.0.push((mailbox, vec![task])),
        }
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(mailbox, tasks)| mailbox.post(tasks));
    }
}

/// A task that waits, and how its thread is told.
#[derive(Debug)]
struct Waiter {
    task: Waker,
    mailbox: Option<Arc<Mailbox>>,
}

#[derive(Debug)]
enum State<T> {
    Waiting(Option<Waiter>),
    Answered(T),
    /// The answer was taken, or there will be none.
    Over,
}

type Slot<T> = Arc<Mutex<State<T>>>;

fn lock<T>(slot: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place for one answer: who gives it, and who waits for it.
pub(crate) fn answer<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Mutex::new(State::Waiting(None)));
    (Sender(Arc::clone(&slot)), Receiver(slot))
}

/// Gives one answer. Dropped without it, it tells that there will be none.
#[derive(Debug)]
pub(crate) struct Sender<T>(Slot<T>);

impl<T> Sender<T> {
    /// Answers, and wakes who waits.
    pub(crate) fn send(self, answer: T) {
        self.send_with(answer, &mut Wakeups::default());
    }

    /// Answers; who waits is woken together with the others of `wakeups`.
    pub(crate) fn send_with(self, answer: T, wakeups: &mut Wakeups) {
        self.put(State::Answered(answer), wakeups);
    }

    fn put(&self, state: State<T>, wakeups: &mut Wakeups) {
        let mut slot = lock(&self.0);
        if let State::Waiting(waiter) = &mut *slot {
            let waiter = waiter.take();
            *slot = state;
            drop(slot);
            if let Some(waiter) = waiter {
                wakeups.add(waiter);
            }
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.put(State::Over, &mut Wakeups::default());
    }
}

/// Waits for one answer: `None` if there will be none.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Slot<T>);

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        if let State::Waiting(waiter) = &mut *slot {
            let mailbox = MAILBOX.with_borrow(Clone::clone);
            *waiter = Some(Waiter { task: context.waker().clone(), mailbox });
            return Poll::Pending;
        }
        match std::mem::replace(&mut *slot, State::Over) {
            State::Answered(answer) => Poll::Ready(Some(answer)),
            _ => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn poll<F: Future>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
            let waker = Waker::from(Arc::clone(self));
            future.poll(&mut Context::from_waker(&waker))
        }

        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn an_answer_comes_once_and_a_sender_that_is_gone_is_told_of() {
        let task = Arc::new(Count::default());
        let (sender, mut receiver) = answer();
        assert_eq!(task.poll(Pin::new(&mut receiver)), Poll::Pending);
        sender.send(5);
        assert_eq!(task.get(), 1);
        assert_eq!(task.poll(Pin::new(&mut receiver)), Poll::Ready(Some(5)));
        assert_eq!(task.poll(Pin::new(&mut receiver)), Poll::Ready(None));
        let (sender, mut receiver) = answer::<u8>();
        assert_eq!(task.poll(Pin::new(&mut receiver)), Poll::Pending);
        drop(sender);
        assert_eq!(task.get(), 2);
        assert_eq!(task.poll(Pin::new(&mut receiver)), Poll::Ready(None));
    }

    #[test]
    fn the_tasks_of_a_thread_are_woken_by_one_that_is_woken_once() {
        let (deliverer, task) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut delivery = pin!(deliver());
        assert!(deliverer.poll(delivery.as_mut()).is_pending());
        let mut wakeups = Wakeups::default();
        let mut receivers: Vec<_> = (0..3)
            .map(|number| {
                let (sender, mut receiver) = answer();
                assert_eq!(task.poll(Pin::new(&mut receiver)), Poll::Pending);
                sender.send_with(number, &mut wakeups);
                receiver
            })
            .collect();
        assert_eq!((deliverer.get(), task.get()), (0, 0));
        drop(wakeups);
        assert_eq!((deliverer.get(), task.get()), (1, 0));
        assert!(deliverer.poll(delivery.as_mut()).is_pending());
        assert_eq!((deliverer.get(), task.get()), (1, 3));
        for (number, receiver) in receivers.iter_mut().enumerate() {
            assert_eq!(task.poll(Pin::new(receiver)), Poll::Ready(Some(number)));
        }
    }

    #[test]
    fn without_a_deliverer_tasks_are_woken_one_by_one() {
        let task = Arc::new(Count::default());
        let mut delivery = Box::pin(deliver());
        assert!(task.poll(delivery.as_mut()).is_pending());
        let (first, mut waits) = answer();
        let (second, mut waits_too) = answer();
        assert_eq!(task.poll(Pin::new(&mut waits)), Poll::Pending);
        assert_eq!(task.poll(Pin::new(&mut waits_too)), Poll::Pending);
        first.send(1);
        assert_eq!(task.get(), 1, "the deliverer");
        drop(delivery);
        assert_eq!(task.get(), 2, "what it had not delivered");
        second.send(2);
        assert_eq!(task.get(), 3);
        assert_eq!(task.poll(Pin::new(&mut waits)), Poll::Ready(Some(1)));
        assert_eq!(task.poll(Pin::new(&mut waits_too)), Poll::Ready(Some(2)));
    }
}

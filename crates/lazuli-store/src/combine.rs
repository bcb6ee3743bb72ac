//! Changes to one blob or queue from many connections, combined: each would conflict with the others,
//! so they are made one after the other in one commit.
//!
//! Who comes first leads: he makes his own change with those that wait by then, commits
//! once, answers all and hands the lead to the next who waits. A change that is refused changes
//! nothing and fails alone; each that is made has its own journal entry in the commit.
//!
//! A leader whose client goes away leaves work that others wait for: it then goes on as a task of
//! its own. Only then is a task spawned.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use lazuli_model::{ErrorCode, Refusal};
use tokio::sync::oneshot;

use crate::Store;
use crate::blob::BlobPath;
use crate::origin::Origin;
use crate::txn::{Attempts, Outcome, Txn};

/// Most changes in one commit.
const CHANGES_MAX: usize = 64;

/// Most bytes that the changes of one commit bring along in memory; one that has more goes alone.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most changes that wait for their turn at one blob.
const WAITING_MAX: usize = 4096;

/// The full name of a blob, or of a queue, owned: a change may outlive the request that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    account: String,
    container: String,
    blob: String,
}

impl Name {
    /// The name of a queue, which no blob changes in the same way.
    pub(crate) fn of_queue(account: &str, queue: &str) -> Self {
        Self { account: account.to_owned(), container: queue.to_owned(), blob: String::new() }
    }

    pub(crate) fn path(&self) -> BlobPath<'_> {
        BlobPath { account: &self.account, container: &self.container, blob: &self.blob }
    }
}

impl From<&BlobPath<'_>> for Name {
    fn from(path: &BlobPath<'_>) -> Self {
        Self {
            account: path.account.to_owned(),
            container: path.container.to_owned(),
            blob: path.blob.to_owned(),
        }
    }
}

/// A change to a blob or queue that can be made in one commit with others of its kind.
pub(crate) trait Change: Sized + Send + Sync + 'static {
    /// What it answers.
    type Done: Send + 'static;
    /// The blob or queue as the changes before left it, with what else they share.
    type State: Send;

    /// Where changes of this kind wait.
    fn combiner(store: &Store) -> &Combiner<Self>;

    /// Bytes it holds in memory and brings along in the commit.
    fn bytes(&self) -> usize;

    /// Reads what the changes of a commit begin with.
    fn open<'a>(
        store: &'a Store,
        txn: &'a mut Txn<'_>,
        path: &'a BlobPath<'_>,
    ) -> impl Future<Output = Result<Self::State, Refusal>> + Send + 'a;

    /// Makes the change: to `blob`, and in `txn` what is its own alone, with one journal entry
    /// recorded last. One that is refused leaves both as they were.
    fn make<'a>(
        &'a self,
        store: &'a Store,
        txn: &'a mut Txn<'_>,
        blob: &'a mut Self::State,
        path: &'a BlobPath<'_>,
    ) -> impl Future<Output = Result<Self::Done, Refusal>> + Send + 'a;

    /// Writes the blob as the changes left it; called only if one was made.
    fn close(blob: &Self::State, txn: &mut Txn<'_>, path: &BlobPath<'_>) -> Result<(), Refusal>;

    /// Told of the blob once it is durable.
    fn durable(_store: &Store, _blob: &Self::State) {}
}

/// Where changes of one kind wait for their turn at their blobs.
pub(crate) struct Combiner<C: Change> {
    /// A blob has a queue for as long as somebody leads.
    queues: Mutex<HashMap<Arc<Name>, VecDeque<Waiting<C>>>>,
}

impl<C: Change> Default for Combiner<C> {
    fn default() -> Self {
        Self { queues: Mutex::default() }
    }
}

/// A change that waits.
struct Waiting<C: Change> {
    change: C,
    origin: Option<Arc<Origin>>,
    turn: oneshot::Sender<Turn<C>>,
}

/// What a change is told that waited.
enum Turn<C: Change> {
    /// It was made, or refused.
    Done(Result<C::Done, Refusal>),
    /// Its owner is to lead; it is given back to him.
    Lead(C),
}

/// How a change begins.
enum Begun<C: Change> {
    /// Its owner leads.
    Leads(C),
    /// It waits.
    Waits(oneshot::Receiver<Turn<C>>),
}

impl<C: Change> Combiner<C> {
    fn queues(&self) -> MutexGuard<'_, HashMap<Arc<Name>, VecDeque<Waiting<C>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a change behind those that wait, or lets its owner lead if nobody does.
    fn begin(
        &self,
        name: &Arc<Name>,
        (change, origin): (C, Option<Arc<Origin>>),
    ) -> Result<Begun<C>, Refusal> {
        match self.queues().entry(Arc::clone(name)) {
            Entry::Vacant(place) => {
                place.insert(VecDeque::new());
                Ok(Begun::Leads(change))
            }
            Entry::Occupied(queue) if queue.get().len() >= WAITING_MAX => {
                Err(Refusal::new(ErrorCode::ServerBusy)
                    .with_cause("too many changes wait for their turn at the blob"))
            }
            Entry::Occupied(mut queue) => {
                let (turn, told) = oneshot::channel();
                queue.get_mut().push_back(Waiting { change, origin, turn });
                Ok(Begun::Waits(told))
            }
        }
    }

    /// Takes the changes that wait, as many as go into one commit besides one of `bytes`. Those
    /// whose owners went away are dropped.
    fn take(&self, name: &Name, mut bytes: usize) -> Vec<Waiting<C>> {
        let mut taken = Vec::new();
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(name) else { return taken };
        while taken.len() + 1 < CHANGES_MAX
            && let Some(waiting) =
                queue.pop_front_if(|next| bytes + next.change.bytes() <= BYTES_MAX)
        {
            if !waiting.turn.is_closed() {
                bytes += waiting.change.bytes();
                taken.push(waiting);
            }
        }
        taken
    }

    /// Lets the next who waits lead; nobody does if nobody waits.
    fn hand_over(&self, name: &Name) {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(name) else { return };
        while let Some(Waiting { change, turn, .. }) = queue.pop_front() {
            if turn.send(Turn::Lead(change)).is_ok() {
                return;
            }
        }
        queues.remove(name);
    }
}

impl Store {
    /// Makes a change together with those that others make to the same blob or queue at the same time.
    ///
    /// The change is made, or refused, on what is there by then. It may be made even if this
    /// is dropped before it answers.
    pub(crate) async fn combine<C: Change>(
        &self,
        name: Name,
        change: C,
    ) -> Result<C::Done, Refusal> {
        let name = Arc::new(name);
        let change = match C::combiner(self).begin(&name, (change, self.origin.clone()))? {
            Begun::Leads(change) => change,
            Begun::Waits(told) => {
                let mut place = Place { store: self, name: &name, told };
                match (&mut place.told).await {
                    Ok(Turn::Done(done)) => return done,
                    Ok(Turn::Lead(change)) => change,
                    Err(_) => {
                        return Err(Refusal::new(ErrorCode::ServerBusy)
                            .with_cause("who led the changes to the blob is gone"));
                    }
                }
            }
        };
        Led::new(lead(self.clone(), name, change)).await
    }
}

/// The place of a change that waits. If its owner goes away just when he is to lead, the next does.
struct Place<'s, C: Change> {
    store: &'s Store,
    name: &'s Name,
    told: oneshot::Receiver<Turn<C>>,
}

impl<C: Change> Drop for Place<'_, C> {
    fn drop(&mut self) {
        self.told.close();
        if let Ok(Turn::Lead(_)) = self.told.try_recv() {
            C::combiner(self.store).hand_over(self.name);
        }
    }
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that goes on as a task if it is dropped before its end.
pub(crate) struct Led<T: Send + 'static>(Option<Work<T>>);

impl<T: Send + 'static> Led<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Led<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Led<T> {
    fn drop(&mut self) {
        // Outside of a runtime nothing can go on: those who wait are told that the leader is gone.
        if let Some(work) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

/// The lead at a blob; whoever waits has it when this is dropped.
struct Lead<'s, C: Change> {
    combiner: &'s Combiner<C>,
    name: &'s Name,
}

impl<C: Change> Drop for Lead<'_, C> {
    fn drop(&mut self) {
        self.combiner.hand_over(self.name);
    }
}

/// Makes the leader's change and those that wait; gives the answer to his.
async fn lead<C: Change>(store: Store, name: Arc<Name>, own: C) -> Result<C::Done, Refusal> {
    let combiner = C::combiner(&store);
    let lead = Lead { combiner, name: &name };
    let others = combiner.take(&name, own.bytes());
    let mut members = vec![(&own, store.origin())];
    members.extend(others.iter().map(|waiting| (&waiting.change, waiting.origin.as_deref())));
    let mut answers = make_all(&store, &name, &members).await.into_iter();
    let answer = answers.next().unwrap_or_else(|| Err(ErrorCode::InternalError.into()));
    for (waiting, answer) in others.into_iter().zip(answers) {
        // Who went away does not miss his answer.
        let _ = waiting.turn.send(Turn::Done(answer));
    }
    drop(lead);
    answer
}

/// A change, and the request it is of.
type Member<'m, C> = (&'m C, Option<&'m Origin>);

/// Makes changes in one commit; gives an answer for each, in order.
async fn make_all<C: Change>(
    store: &Store,
    name: &Name,
    members: &[Member<'_, C>],
) -> Vec<Result<C::Done, Refusal>> {
    let path = name.path();
    let mut attempts = Attempts::default();
    loop {
        let mut txn = store.begin();
        let made = match make_each(store, &path, members, &mut txn).await {
            Ok(made) => made,
            Err(refusal) => return members.iter().map(|_| Err(refusal.clone())).collect(),
        };
        if !made.any {
            return made.each.into_iter().map(|done| done.map(|(done, _)| done)).collect();
        }
        match store.commit_for_many(txn, &mut attempts).await {
            Ok(Outcome::Conflict) => {}
            Ok(Outcome::Durable(proof)) => {
                C::durable(store, &made.blob);
                let settle = |(done, (_, origin)): (Made<C>, &Member<'_, C>)| {
                    let (done, entry) = done?;
                    if let (Some(origin), Some(proof), Some(entry)) = (origin, &proof, entry) {
                        origin.proved(Arc::clone(proof), entry);
                    }
                    Ok(done)
                };
                return made.each.into_iter().zip(members).map(settle).collect();
            }
            Err(refusal) => {
                let fail = |done: Made<C>| done.and_then(|_| Err(refusal.clone()));
                return made.each.into_iter().map(fail).collect();
            }
        }
    }
}

/// What a change answers once it is durable, and the place of its journal entry in the commit.
type Made<C> = Result<(<C as Change>::Done, Option<usize>), Refusal>;

/// Changes that were made one after the other and are not committed.
struct AllMade<C: Change> {
    each: Vec<Made<C>>,
    any: bool,
    blob: C::State,
}

async fn make_each<'m, C: Change>(
    store: &Store,
    path: &BlobPath<'_>,
    members: &[Member<'m, C>],
    txn: &mut Txn<'m>,
) -> Result<AllMade<C>, Refusal> {
    let mut blob = C::open(store, txn, path).await?;
    let mut each = Vec::with_capacity(members.len());
    for (change, origin) in members {
        txn.go_on_for(*origin);
        let done = change.make(store, txn, &mut blob, path).await;
        each.push(done.map(|done| (done, txn.recorded())));
    }
    let any = each.iter().any(Result::is_ok);
    if any {
        C::close(&blob, txn, path)?;
    }
    Ok(AllMade { each, any, blob })
}

#[cfg(test)]
mod tests;

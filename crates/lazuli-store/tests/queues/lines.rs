//! A queue is used while what is known of it is forgotten for the sake of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lazuli_base::SystemClock;
use lazuli_model::names::QueueName;
use tokio::task::JoinSet;

use super::{ACCOUNT, HIDDEN, create, create_named, forever, open, queue};

#[test]
fn order_and_counts_outlive_what_is_known_of_a_queue() {
    const PRODUCERS: u64 = 2;
    const EACH: u64 = 150;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        // On a disk, for there a change is under way for a while.
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), Arc::new(SystemClock)).store.with_queues_known(2);
        create(&store).await;
        let mut workers = JoinSet::new();
        let put = Arc::new(AtomicU64::new(0));
        for producer in 0..PRODUCERS {
            let (store, put) = (store.clone(), Arc::clone(&put));
            workers.spawn(async move {
                for n in 0..EACH {
                    let new = forever(&format!("{producer} {n}"));
                    store.put_message(ACCOUNT, &queue(), new).await.unwrap();
                    put.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // What is known of the queue is forgotten again and again, in the midst of changes.
        let others = store.clone();
        let mut disturber = JoinSet::new();
        disturber.spawn(async move {
            let names = ["others-1", "others-2", "others-3"];
            let names = names.map(|name| QueueName::parse(name).unwrap());
            for name in &names {
                create_named(&others, name).await;
            }
            for name in names.iter().cycle() {
                for _ in 0..4 {
                    others.put_message(ACCOUNT, name, forever("x")).await.unwrap();
                }
            }
        });
        let mut eaten = [0; PRODUCERS as usize];
        while eaten != [EACH; PRODUCERS as usize] {
            let gone: u64 = eaten.iter().sum();
            let at_least = put.load(Ordering::SeqCst) - gone;
            let (_, counted) = store.count_messages(ACCOUNT, &queue()).await.unwrap();
            // Each producer may not have told of one that he put.
            let at_most = put.load(Ordering::SeqCst) + PRODUCERS - gone;
            assert!(
                (at_least..=at_most).contains(&counted),
                "{counted} of {at_least} to {at_most}"
            );
            let got = store.get_messages(ACCOUNT, &queue(), (2, HIDDEN)).await.unwrap();
            assert!(got.len() as u64 >= at_least.min(2), "{got:?} of {at_least}");
            for message in got {
                let (producer, n) = message.text.split_once(' ').unwrap();
                let next = &mut eaten[producer.parse::<usize>().unwrap()];
                assert_eq!(n, next.to_string(), "of producer {producer}");
                *next += 1;
                let held = (message.id, message.receipt);
                store.delete_message(ACCOUNT, &queue(), held).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(store.count_messages(ACCOUNT, &queue()).await.unwrap().1, 0);
        while let Some(done) = workers.join_next().await {
            done.unwrap();
        }
        disturber.shutdown().await;
    });
}

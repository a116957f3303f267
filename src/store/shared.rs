//! Reads of one kind that come at the same time share a query.
//!
//! Nothing is remembered: whoever asks gets what a query found that began after the asking, so the answer is
//! as true as that of a query of its own. While one is under way all that come wait for the next, so there
//! is at most one of a kind at once. Who is alone waits for nothing; after a query that a crowd shared all
//! tasks that are ready have their turn first, so that the next query is a crowd's as well.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::store::error::StoreError;

/// How many who share a query are a crowd.
const CROWD: usize = 8;

/// What those who ask are told.
type Told<V> = Result<Option<Arc<V>>, StoreError>;

/// Reads of things of one kind by their key.
#[derive(Debug)]
pub struct Shared<K, V>(Arc<Mutex<Asked<K, V>>>);

#[derive(Debug)]
struct Asked<K, V> {
    waiting: Vec<(K, oneshot::Sender<Told<V>>)>,
    is_reading: bool,
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Asked {
            waiting: Vec::new(),
            is_reading: false,
        })))
    }
}

impl<K, V> Clone for Shared<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Shared<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Send + Sync + 'static,
{
    /// The thing with this key; `read` finds those of many keys that exist.
    pub async fn get<R, F>(&self, key: K, read: R) -> Told<V>
    where
        R: Fn(Vec<K>) -> F + Send + 'static,
        F: Future<Output = Result<HashMap<K, V>, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let must_read = self.with(|asked| {
            asked.waiting.push((key, answer));
            !std::mem::replace(&mut asked.is_reading, true)
        });
        if must_read {
            // In a task of its own: whoever asked first may be gone before the others have their answer.
            tokio::spawn(self.clone().read_all(read));
        }
        let told = answered.await;
        told.unwrap_or_else(|_| Err(StoreError::corrupt("a shared read", "it ended early")))
    }

    async fn read_all<R, F>(self, read: R)
    where
        R: Fn(Vec<K>) -> F,
        F: Future<Output = Result<HashMap<K, V>, StoreError>>,
    {
        let reading = Reading(&self);
        loop {
            let asked = self.with(|asked| {
                asked.is_reading = !asked.waiting.is_empty();
                std::mem::take(&mut asked.waiting)
            });
            if asked.is_empty() {
                std::mem::forget(reading);
                return;
            }
            let is_crowd = asked.len() >= CROWD;
            let keys: HashSet<K> = asked.iter().map(|(key, _)| *key).collect();
            let found = read(keys.into_iter().collect()).await.map(|found| {
                let found = found.into_iter();
                let found = found.map(|(key, value)| (key, Arc::new(value)));
                found.collect::<HashMap<K, Arc<V>>>()
            });
            for (key, answer) in asked {
                let told = match &found {
                    Ok(found) => Ok(found.get(&key).cloned()),
                    Err(error) => Err(error.clone()),
                };
                // Whoever is gone needs no answer.
                let _ = answer.send(told);
            }
            if is_crowd {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl<K, V> Shared<K, V> {
    fn with<T>(&self, work: impl FnOnce(&mut Asked<K, V>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets others read again, and tells those who wait, should a read end in a panic.
struct Reading<'a, K, V>(&'a Shared<K, V>);

impl<K, V> Drop for Reading<'_, K, V> {
    fn drop(&mut self) {
        self.0.with(|asked| {
            asked.is_reading = false;
            asked.waiting.clear();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles even numbers, one query after a permit.
    #[derive(Clone, Debug)]
    struct Source {
        permits: Arc<Semaphore>,
        queries: Arc<AtomicUsize>,
    }

    impl Source {
        fn new(permits: usize) -> Self {
            Self {
                permits: Arc::new(Semaphore::new(permits)),
                queries: Arc::default(),
            }
        }

        async fn get(&self, shared: &Shared<u32, u32>, key: u32) -> Told<u32> {
            let source = self.clone();
            let read = move |keys: Vec<u32>| {
                let source = source.clone();
                async move {
                    source.permits.acquire().await.unwrap().forget();
                    source.queries.fetch_add(1, Ordering::Relaxed);
                    let even = keys.into_iter().filter(|key| key % 2 == 0);
                    Ok(even.map(|key| (key, key.wrapping_mul(2))).collect())
                }
            };
            shared.get(key, read).await
        }
    }

    #[tokio::test]
    async fn those_who_ask_during_a_query_share_the_next_one() {
        let (shared, source) = (Shared::default(), Source::new(2));
        let asking = (0..100).map(|key| source.get(&shared, key));
        for (key, told) in (0..100_u32).zip(join_all(asking).await) {
            let wanted = (key % 2 == 0).then(|| Arc::new(key.wrapping_mul(2)));
            assert_eq!(told.unwrap(), wanted);
        }
        assert!(source.queries.load(Ordering::Relaxed) <= 2);
    }

    #[tokio::test]
    async fn a_query_begins_after_it_was_asked_for() {
        let (shared, source) = (Shared::default(), Source::new(3));
        for asked in 1..=3 {
            source.get(&shared, 4).await.unwrap();
            assert_eq!(source.queries.load(Ordering::Relaxed), asked);
        }
    }

    #[tokio::test]
    async fn after_a_panic_others_are_told_and_can_read_again() {
        let shared: Shared<u32, u32> = Shared::default();
        shared
            .get(1, |_| async { panic!("planted") })
            .await
            .unwrap_err();
        let source = Source::new(1);
        assert_eq!(source.get(&shared, 4).await.unwrap(), Some(Arc::new(8)));
    }
}

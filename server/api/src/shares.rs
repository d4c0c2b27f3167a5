//! Bounds: how much of something one account, or everybody together, has at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::id::AccountId;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// How many of something each account has now.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    taken: Mutex<HashMap<AccountId, usize>>,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Shares>,
    account: AccountId,
}

impl Shares {
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// One more for the account; `None` when it has as many as there may be.
    #[must_use]
    pub fn take(self: &Arc<Self>, account: &AccountId) -> Option<Share> {
        let mut taken = self.taken.lock();
        let count = taken.entry(account.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share {
            of: Arc::clone(self),
            account: account.clone(),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock();
        if let Some(count) = taken.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.account);
            }
        }
    }
}

/// Turns at something scarce: few at work, some waiting, and the rest are told so.
#[derive(Debug)]
pub struct Turns {
    working: Semaphore,
    waiting: Semaphore,
    patience: Duration,
}

/// A turn; over when dropped.
#[derive(Debug)]
pub struct Turn<'t> {
    _place: SemaphorePermit<'t>,
    _work: SemaphorePermit<'t>,
}

impl Turns {
    /// `queue` counts those at work too.
    #[must_use]
    pub const fn new(at_work: usize, queue: usize, patience: Duration) -> Self {
        Self {
            working: Semaphore::const_new(at_work),
            waiting: Semaphore::const_new(queue),
            patience,
        }
    }

    /// Waits for a turn. Hold no transaction meanwhile.
    ///
    /// # Errors
    /// 503 `overloaded` when the queue is full or patience runs out.
    pub async fn wait(&self) -> Result<Turn<'_>, ApiError> {
        let overloaded = || ApiError::unavailable("overloaded").with("retry_after", 5);
        let place = self.waiting.try_acquire().map_err(|_| overloaded())?;
        let work = tokio::time::timeout(self.patience, self.working.acquire())
            .await
            .map_err(|_| overloaded())?
            .map_err(ApiError::internal)?;
        Ok(Turn {
            _place: place,
            _work: work,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_and_no_more() {
        let shares = Shares::new(2);
        let (a, b) = (AccountId::from("a"), AccountId::from("b"));
        let first = shares.take(&a).unwrap();
        let _second = shares.take(&a).unwrap();
        assert!(shares.take(&a).is_none());
        assert!(shares.take(&b).is_some(), "others have their own");
        drop(first);
        assert!(shares.take(&a).is_some());
        assert_eq!(
            shares.taken.lock().len(),
            1,
            "nothing is kept of who has none"
        );
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_so_is_the_wait() {
        let turns = Turns::new(1, 2, Duration::from_millis(20));
        let working = turns.wait().await.unwrap();
        let (second, third) = tokio::join!(turns.wait(), turns.wait());
        assert!(second.is_err(), "waited in vain");
        assert!(third.is_err(), "no place to wait");
        drop(working);
        assert!(turns.wait().await.is_ok());
    }
}

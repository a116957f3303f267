//! Who guesses tokens is slowed down, by address.
//!
//! An address that made too many calls with wrong tokens is closed to tokens that nobody knows here, until its
//! allowance has filled up again by one. A proxy's address stands for many clients, and one of them may repeat an
//! outdated token without end: so a token that was right not long ago goes on, and is looked up as ever.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::Clock as _;

use crate::clock::Clock;
use crate::config::CallRate;
use crate::grpc::connection::Peer;
use crate::grpc::limits::rate::{Exceeded, Passing, Rate};

/// How many addresses are counted apart; the others share one count.
const ADDRESSES_MAX: usize = 10_000;
/// How many tokens that were right are known; beyond it those that were not used lately are forgotten.
const RIGHT_MAX: usize = 10_000;
/// Stands for all addresses once there are too many.
const ANY_ADDRESS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The addresses that wrong tokens came from, and the tokens that were right.
#[derive(Debug)]
pub(super) struct WrongTokens {
    rate: Rate<IpAddr>,
    closed: Mutex<HashMap<IpAddr, (Duration, Exceeded)>>,
    right: RwLock<Right>,
    hasher: RandomState,
    passing: Passing,
}

/// Hashes of tokens, under a key of this process; in two generations, of which the older is dropped.
#[derive(Debug, Default)]
struct Right {
    recent: HashSet<u64>,
    older: HashSet<u64>,
}

impl WrongTokens {
    pub(super) fn new(rate: CallRate, clock: &Clock) -> Self {
        Self {
            rate: Rate::new(rate, clock),
            closed: Mutex::default(),
            right: RwLock::default(),
            hasher: RandomState::new(),
            passing: Passing::of(clock),
        }
    }

    pub(super) fn may_try(&self, peer: Peer, token: &str) -> Result<(), Exceeded> {
        let now = self.passing.now();
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.is_empty() {
            return Ok(());
        }
        let found = closed.get(&self.counted(peer)).copied();
        drop(closed);
        match found {
            Some((until, exceeded)) if until > now && !self.is_right(token) => Err(Exceeded {
                wait: until.saturating_sub(now),
                ..exceeded
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn was_wrong(&self, peer: Peer) {
        let address = self.counted(peer);
        if let Err(exceeded) = self.rate.count(&address) {
            let until = self.passing.now().saturating_add(exceeded.wait);
            let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            closed.insert(address, (until, exceeded));
        }
    }

    pub(super) fn was_right(&self, token: &str) {
        let hash = self.hasher.hash_one(token);
        let right = self.right.read().unwrap_or_else(PoisonError::into_inner);
        if right.recent.contains(&hash) {
            return;
        }
        drop(right);
        let mut right = self.right.write().unwrap_or_else(PoisonError::into_inner);
        if right.recent.len() >= RIGHT_MAX {
            right.older = std::mem::take(&mut right.recent);
        }
        right.recent.insert(hash);
    }

    fn is_right(&self, token: &str) -> bool {
        let hash = self.hasher.hash_one(token);
        let right = self.right.read().unwrap_or_else(PoisonError::into_inner);
        right.recent.contains(&hash) || right.older.contains(&hash)
    }

    /// Under which address a client is counted: the network, where one client has a whole one.
    fn counted(&self, Peer(address): Peer) -> IpAddr {
        let address = match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
            v4 @ IpAddr::V4(_) => v4,
        };
        if self.rate.len() < ADDRESSES_MAX {
            address
        } else {
            ANY_ADDRESS
        }
    }

    pub(super) fn forget(&self) {
        self.rate.forget();
        let now = self.passing.now();
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.retain(|_, (until, _)| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn at(address: &str) -> Peer {
        Peer(address.parse().unwrap())
    }

    fn guesses(tokens: &WrongTokens, peer: Peer, count: usize) -> usize {
        let tried = (0..count).filter(|_| {
            let may = tokens.may_try(peer, "a guess").is_ok();
            if may {
                tokens.was_wrong(peer);
            }
            may
        });
        tried.count()
    }

    #[test]
    fn a_guesser_is_slowed_and_nobody_else() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let tokens = WrongTokens::new("2/10".parse().unwrap(), &clock);
        let (one, other) = (at("192.0.2.1"), at("192.0.2.2"));
        tokens.was_right("a good one");
        // The one that is too many is still looked up.
        assert_eq!(guesses(&tokens, one, 100), 11);
        let wait = tokens.may_try(one, "a guess").unwrap_err().wait;
        assert_eq!(wait, Duration::from_millis(500));
        assert!(tokens.may_try(one, "a good one").is_ok());
        assert!(tokens.may_try(other, "a guess").is_ok());
        for _ in 0..10 {
            clock.advance(TimeDelta::milliseconds(500));
            assert!(guesses(&tokens, one, 100) <= 2);
        }
        clock.advance(TimeDelta::hours(1));
        tokens.forget();
        assert_eq!(guesses(&tokens, one, 100), 11);
    }

    #[test]
    fn a_network_of_one_client_is_one_address() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let tokens = WrongTokens::new("1/5".parse().unwrap(), &clock);
        assert_eq!(guesses(&tokens, at("2001:db8::1"), 100), 6);
        assert_eq!(guesses(&tokens, at("2001:db8::2:1"), 100), 0);
        assert_eq!(guesses(&tokens, at("2001:db8:0:1::1"), 100), 6);
        assert_eq!(guesses(&tokens, at("192.0.2.1"), 100), 6);
        assert_eq!(guesses(&tokens, at("::ffff:192.0.2.1"), 100), 0);
    }

    #[test]
    fn the_memory_is_bounded() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let tokens = WrongTokens::new("1/1".parse().unwrap(), &clock);
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() * 3 {
            let peer = Peer(IpAddr::V4(number.into()));
            guesses(&tokens, peer, 3);
            tokens.was_right(&number.to_string());
        }
        assert!(tokens.rate.len() <= ADDRESSES_MAX + 1);
        assert!(tokens.closed.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        let right = tokens.right.read().unwrap();
        assert!(right.recent.len() + right.older.len() <= 2 * RIGHT_MAX);
    }
}

//! What every use case works with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::LedgerSettings;
use crate::domain::access::HeldToken;
use crate::domain::business::Business;
use crate::domain::catalog::Item;
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId, ItemId, TokenId};
use crate::ledger::Ledger;
use crate::service::denials::Denials;
use crate::service::error::ServiceError;
use crate::service::mailing::Mailing;
use crate::service::readiness::Readiness;
use crate::service::token_uses::TokenUses;
use crate::store::db::Database;
use crate::store::error::StoreError;
use crate::store::lines::LineCache;
use crate::store::shared::Shared;
use crate::store::{businesses, items, lots, tokens};

/// How many reports read all that a business has at the same time: fewer than there are connections to read
/// with, so that they never keep others waiting.
const REPORTS_MAX: usize = 2;
/// How long a report waits for others to end.
const REPORT_WAIT: Duration = Duration::from_secs(5);

/// The parts that use cases share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// The write path of credits.
    pub ledger: Ledger,
    /// Whether this process may be given work.
    pub readiness: Readiness,
    /// What e-mails are made of.
    pub mailing: Mailing,
    pub(super) token_uses: TokenUses,
    pub(super) denials: Denials,
    shared: SharedReads,
    reports: Arc<Semaphore>,
}

/// What almost every call reads by its key.
#[derive(Clone, Debug, Default)]
struct SharedReads {
    tokens: Shared<(BusinessId, TokenId), Known>,
    items: Shared<(BusinessId, ItemId), Item>,
    lots: Shared<(BusinessId, CustomerId), Vec<Lot>>,
    lines: Arc<LineCache>,
}

/// Whom a token stands for.
#[derive(Clone, Debug)]
pub struct Known {
    /// The token, with what its user may do.
    pub held: HeldToken,
    /// The business; none: it is leaving.
    pub business: Option<Arc<Business>>,
}

impl Context {
    /// A context on `db` with a ledger of its own, for a command that a person runs.
    pub fn new(db: Database, clock: Clock) -> Self {
        let ledger = Ledger::new(db.clone(), clock.clone());
        Self::with_ledger(db, clock, ledger)
    }

    /// A context on `db` for a server, where uses of credits share commits as `settings` say.
    pub fn serving(db: Database, clock: Clock, settings: LedgerSettings) -> Self {
        let ledger = Ledger::batching(db.clone(), clock.clone(), settings);
        Self::with_ledger(db, clock, ledger)
    }

    /// The same with other templates and another operator than by default.
    #[must_use]
    pub fn with_mailing(self, mailing: Mailing) -> Self {
        Self { mailing, ..self }
    }

    fn with_ledger(db: Database, clock: Clock, ledger: Ledger) -> Self {
        Self {
            db,
            clock,
            ledger,
            readiness: Readiness::default(),
            mailing: Mailing::default(),
            token_uses: TokenUses::default(),
            denials: Denials::default(),
            shared: SharedReads::default(),
            reports: Arc::new(Semaphore::new(REPORTS_MAX)),
        }
    }

    /// A place for a report that reads all that a business has; it is free again when the answer is dropped.
    ///
    /// # Errors
    /// [`ServiceError::Overloaded`] if others have all places for too long.
    pub async fn report_place(&self) -> Result<OwnedSemaphorePermit, ServiceError> {
        let place = Arc::clone(&self.reports).acquire_owned();
        match timeout(REPORT_WAIT, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(ServiceError::Overloaded),
        }
    }

    /// A token, its user and its business as they are now; calls that ask at the same time share the queries.
    pub async fn token(
        &self,
        business_id: BusinessId,
        id: TokenId,
    ) -> Result<Option<Arc<Known>>, ServiceError> {
        let db = self.db.clone();
        let read = move |keys| {
            let db = db.clone();
            async move { known(&db, keys).await }
        };
        Ok(self.shared.tokens.get((business_id, id), read).await?)
    }

    /// An item as it is now; calls that ask at the same time share the query.
    pub async fn item(
        &self,
        business_id: BusinessId,
        id: ItemId,
    ) -> Result<Option<Arc<Item>>, ServiceError> {
        let db = self.db.clone();
        let read = move |keys| {
            let db = db.clone();
            async move { items::by_keys(db.reader(), keys).await }
        };
        Ok(self.shared.items.get((business_id, id), read).await?)
    }

    /// The lots of a customer as they are now, in the order of their ids, if there are any; calls that ask
    /// at the same time share the query.
    pub async fn lots_of_customer(
        &self,
        business_id: BusinessId,
        id: CustomerId,
    ) -> Result<Option<Arc<Vec<Lot>>>, ServiceError> {
        let (db, lines) = (self.db.clone(), Arc::clone(&self.shared.lines));
        let read = move |keys| {
            let (db, lines) = (db.clone(), Arc::clone(&lines));
            async move { lots::batch::of_customers(db.reader(), keys, &lines).await }
        };
        Ok(self.shared.lots.get((business_id, id), read).await?)
    }
}

/// Whom those of these tokens that exist stand for.
async fn known(
    db: &Database,
    keys: Vec<(BusinessId, TokenId)>,
) -> Result<HashMap<(BusinessId, TokenId), Known>, StoreError> {
    let ids: HashSet<BusinessId> = keys.iter().map(|(business_id, _)| *business_id).collect();
    let (tokens, businesses) = tokio::try_join!(
        tokens::by_keys(db.reader(), keys),
        businesses::by_ids(db.reader(), ids)
    )?;
    let businesses = businesses.into_iter();
    let businesses: HashMap<BusinessId, Arc<Business>> = businesses
        .map(|(id, business)| (id, Arc::new(business)))
        .collect();
    let known = tokens.into_iter().map(|(key, held)| {
        let business = businesses.get(&key.0).cloned();
        (key, Known { held, business })
    });
    Ok(known.collect())
}

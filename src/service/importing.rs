//! Importing customers and half-used packages from another system (J4).
//!
//! A file comes in parts. Each is judged, which writes nothing, and later written in a transaction of its own. What was
//! written before is known by ids that follow from the cut-over day and the external ids, so an import that broke off is
//! done again from the beginning, and doubles nothing.
//!
//! What another system sold is taken as it is: no policy of selling is held against it, it raises no event, and no
//! e-mail goes out for it. Reminders begin with leads later than the day of the import, since a package counts as made
//! then (semantics 41).

pub mod catalog;
pub mod customers;
mod naming;
mod offering;
pub mod packages;
mod planning;
pub mod totals;

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::money::Currency;
use crate::ids::{CustomerId, derived_uuid};
use crate::service::error::ServiceError;
use crate::store::error::StoreError;

/// How often the same part is tried that lost to others.
const TRIES_MAX: u32 = 8;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// One import: what it brings is known by its business, its cut-over day and the external ids.
#[derive(Clone, Debug)]
pub struct Import {
    /// Into which business.
    pub business: Business,
    /// The local day from which on Carnet counts.
    pub cut_over: NaiveDate,
    /// The first instant of that day.
    pub cut_over_at: DateTime<Utc>,
}

/// What is wrong with a cell of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line that its row begins on, from 1.
    pub line: u64,
    /// The column.
    pub column: &'static str,
    /// What the cell says.
    pub value: String,
    /// What is wanted instead; continues "the cell", as in "must be given".
    pub expected: String,
}

impl Fault {
    /// A fault of the cell in `column` of the row on `line`.
    pub fn new(
        line: u64,
        column: &'static str,
        value: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            line,
            column,
            value: value.into(),
            expected: expected.into(),
        }
    }
}

/// What became of a part of a file, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many were written, or would be.
    pub new: usize,
    /// How many this import had written before.
    pub here: usize,
    /// What is wrong; then nothing was written.
    pub faults: Vec<Fault>,
}

impl Outcome {
    /// Counts what became of another part.
    pub fn count(&mut self, new: usize, here: usize) {
        self.new = self.new.saturating_add(new);
        self.here = self.here.saturating_add(here);
    }
}

impl Import {
    /// An import that is cut over on a day of the business; `None` if that lies ahead at `now`.
    pub fn begin(business: Business, cut_over: NaiveDate, now: DateTime<Utc>) -> Option<Self> {
        let cut_over_at = calendar::first_instant_of(cut_over, business.zone)?;
        (cut_over_at <= now).then_some(Self {
            business,
            cut_over,
            cut_over_at,
        })
    }

    /// The id of all of it.
    fn id(&self) -> Uuid {
        self.derived(&["import"])
    }

    /// The id of the customer that it makes of this external id.
    fn customer_id(&self, external_id: &str) -> CustomerId {
        CustomerId::from_uuid(self.derived(&["customer", external_id]))
    }

    /// The posting that issues the package of this external id.
    fn issue_id(&self, external_id: &str) -> Uuid {
        self.derived(&["issue", external_id])
    }

    /// The posting that consumes what was used of the package's part of this number.
    fn use_id(&self, external_id: &str, part: usize) -> Uuid {
        self.derived(&["use", &part.to_string(), external_id])
    }

    fn derived(&self, texts: &[&str]) -> Uuid {
        let business_id = self.business.id.to_string();
        let texts: Vec<&str> = std::iter::once(business_id.as_str())
            .chain(texts.iter().copied())
            .collect();
        derived_uuid(self.cut_over_at, &texts)
    }
}

/// A sum of money in whole units of its currency, as people write it.
pub fn major(minor: i64, currency: Currency) -> Credits {
    let places = 6_u32.saturating_sub(currency.exponent());
    let scale = 10_i64.checked_pow(places).unwrap_or(1);
    Credits::from_millionths(minor.saturating_mul(scale))
}

/// Whether a part that could not be written is worth another try: others held what it needs, or wrote the same.
fn is_worth_another_try(error: &ServiceError) -> bool {
    error.is_worth_another_try() || matches!(error, ServiceError::Broken(StoreError::Taken(_)))
}

/// Does `work`, again if it lost to others.
async fn patiently<T>(
    mut work: impl AsyncFnMut() -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let mut tries = 1;
    loop {
        let result = work().await;
        let again = matches!(&result, Err(error) if is_worth_another_try(error));
        if !again || tries >= TRIES_MAX {
            return result;
        }
        tokio::time::sleep(PAUSE).await;
        tries = tries.saturating_add(1);
    }
}

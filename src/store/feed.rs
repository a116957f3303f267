//! The feed: entries, changes and charge requests in an order in which none comes before one that was seen.
//!
//! Neither the time nor a counter says when a transaction commits. On PostgreSQL each row carries the number
//! of the transaction that wrote it, and all transactions below the oldest one that runs are over: what they
//! wrote is there, and nothing will be added to it. On SQLite there is one writer, and rows are numbered as it
//! commits them. So whoever reads up to the [`horizon`] and goes on from there misses nothing and sees nothing
//! twice, however many processes write.

use std::fmt::Write as _;

use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::change::Change;
use crate::domain::charge::ChargeRequest;
use crate::domain::entry::Entry;
use crate::ids::BusinessId;
use crate::store::error::StoreError;
use crate::store::{changes, charge_requests, entries};

/// How many numbers are looked through first.
const FIRST_SPAN: i64 = 4_096;
/// How many times as many are next if there was nothing in them.
const SPAN_GROWTH: i64 = 4;

/// A table that the feed is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The ledger.
    Entries,
    /// What changed on packages and is not an entry.
    Changes,
    /// What the payment system is to charge.
    ChargeRequests,
}

impl Source {
    const fn table(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Changes => "changes",
            Self::ChargeRequests => "charge_requests",
        }
    }

    /// What tells rows of one transaction apart, with their number.
    const fn id(self) -> &'static str {
        match self {
            Self::Entries => "lot_id",
            Self::Changes => "package_id",
            Self::ChargeRequests => "id",
        }
    }

    /// What tells rows with one id apart.
    const fn seq(self) -> &'static str {
        match self {
            Self::Entries | Self::Changes => "seq",
            Self::ChargeRequests => "0",
        }
    }
}

/// A place in a table's feed: behind one of its rows, or before all that have a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    feed: i64,
    id: Uuid,
    seq: i64,
}

impl Place {
    /// Before all rows.
    pub const OLDEST: Self = Self::before(i64::MIN);

    /// Before all rows with this number and later ones.
    pub const fn before(feed: i64) -> Self {
        Self {
            feed,
            id: Uuid::nil(),
            seq: i64::MIN,
        }
    }

    /// The number up to which a file has rows, if it has all that were seen here.
    const fn last_number(self) -> i64 {
        if self.id.is_nil() {
            self.feed.saturating_sub(1)
        } else {
            self.feed
        }
    }
}

/// A part of a table's feed.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// The rows, each with the place behind it.
    pub rows: Vec<(Place, T)>,
    /// All before this place was read.
    pub reached: Place,
}

/// The number below which a table's feed is complete.
pub async fn horizon(db: &impl ConnectionTrait, source: Source) -> Result<i64, StoreError> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres {
        "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)".to_owned()
    } else {
        format!("SELECT COALESCE(max(feed), 0) + 1 FROM {}", source.table())
    };
    let row = db
        .query_one_raw(Statement::from_string(backend, sql))
        .await?;
    let row = row.ok_or_else(|| StoreError::corrupt(source.table(), "its horizon"))?;
    Ok(row.try_get_by_index(0)?)
}

/// Entries of a business from a place on and below `horizon`, at most `limit`.
pub async fn entries(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    from: Place,
    horizon: i64,
    limit: usize,
) -> Result<Part<Entry>, StoreError> {
    read(
        db,
        Source::Entries,
        business_id,
        (from, horizon),
        limit,
        entries::of_row,
    )
    .await
}

/// Changes of a business from a place on and below `horizon`, at most `limit`.
pub async fn changes(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    from: Place,
    horizon: i64,
    limit: usize,
) -> Result<Part<Change>, StoreError> {
    read(
        db,
        Source::Changes,
        business_id,
        (from, horizon),
        limit,
        changes::of_row,
    )
    .await
}

/// Charge requests of a business from a place on and below `horizon`, at most `limit`, as they are now.
pub async fn charge_requests(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    from: Place,
    horizon: i64,
    limit: usize,
) -> Result<Part<ChargeRequest>, StoreError> {
    let (source, of_row) = (Source::ChargeRequests, charge_requests::of_row);
    read(db, source, business_id, (from, horizon), limit, of_row).await
}

async fn read<T>(
    db: &impl ConnectionTrait,
    source: Source,
    business_id: BusinessId,
    (from, horizon): (Place, i64),
    limit: usize,
    of_row: impl Fn(&QueryResult) -> Result<T, StoreError>,
) -> Result<Part<T>, StoreError> {
    let mut part = Part {
        rows: Vec::new(),
        reached: from,
    };
    let mut span = FIRST_SPAN;
    // An index of blocks sorts all that it finds, so it is not asked for everything at once.
    while part.reached.feed < horizon {
        let before = part.reached.feed.max(0).saturating_add(span).min(horizon);
        let statement = statement(db, source, business_id, part.reached, before, limit);
        for row in db.query_all_raw(statement).await? {
            let place = Place {
                feed: row.try_get("", "feed")?,
                id: row.try_get("", source.id())?,
                seq: row.try_get("", "place_in_id")?,
            };
            part.rows.push((place, of_row(&row)?));
        }
        if part.rows.len() >= limit {
            part.reached = part.rows.last().map_or(part.reached, |(place, _)| *place);
            break;
        }
        part.reached = Place::before(before);
        if !part.rows.is_empty() {
            break;
        }
        span = span.saturating_mul(SPAN_GROWTH);
    }
    Ok(part)
}

fn statement(
    db: &impl ConnectionTrait,
    source: Source,
    business_id: BusinessId,
    from: Place,
    before: i64,
    limit: usize,
) -> Statement {
    let (table, id, seq) = (source.table(), source.id(), source.seq());
    let sql = format!(
        "SELECT {table}.*, CAST({seq} AS BIGINT) AS place_in_id FROM {table}
         WHERE business_id = $1 AND feed >= $2 AND feed < $3
            AND (feed > $2 OR {id} > $4 OR ({id} = $4 AND {seq} > $5))
         ORDER BY feed, {id}, place_in_id LIMIT $6"
    );
    let values: [Value; 6] = [
        business_id.uuid().into(),
        from.feed.into(),
        before.into(),
        from.id.into(),
        from.seq.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

/// What tells this history of the database from another one that has the same numbers: a restored copy, or
/// another database. `seen` is how far the entries were read; the answer is the same for as long as all that
/// was there then is there.
pub async fn timeline(db: &impl ConnectionTrait, seen: Place) -> Result<String, StoreError> {
    let backend = db.get_database_backend();
    let statement = if backend == DbBackend::Postgres {
        // The cluster, how often a copy of it has gone on by itself, and the database in it.
        let sql = "SELECT concat_ws('/', system_identifier, timeline_id, oid)
            FROM pg_control_system(), pg_control_checkpoint(), pg_database
            WHERE datname = current_database()";
        Statement::from_string(backend, sql)
    } else {
        // A file has no name of its own: the last entry that was seen must be there.
        let sql = "SELECT lower(hex(hash)) FROM entries WHERE feed = $1";
        Statement::from_sql_and_values(backend, sql, [seen.last_number().into()])
    };
    let row = db.query_one_raw(statement).await?;
    let told: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(told.unwrap_or_default())
}

/// The same behind an entry that was just read, where it was `before` it.
pub fn timeline_behind(db: &impl ConnectionTrait, before: &str, entry: &Entry) -> String {
    if db.get_database_backend() == DbBackend::Postgres {
        return before.to_owned();
    }
    entry.hash.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _done = write!(text, "{byte:02x}");
        text
    })
}

//! What the tables hold of a person besides the row in `customers`: one list of statements, so that one can see
//! that nothing is missing. All of it lies outside the hashes and sums of the ledger.
//!
//! Not here: the client's own id of a package in an old `changes` row, which nobody can change.

use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, Value};

use crate::domain::booking::BookingState;
use crate::domain::charge::ChargeState;
use crate::domain::customer::Open;
use crate::domain::email::EmailState;
use crate::domain::invoice::InvoiceState;
use crate::domain::notice::DropReason;
use crate::domain::trigger::EventKind;
use crate::ids::{BusinessId, CustomerId};
use crate::store::columns::micros;
use crate::store::email_attempts;
use crate::store::error::StoreError;

/// What clears it; `$1` is the business, `$2` the customer.
const CLEARED: [&str; 16] = [
    "UPDATE tokens SET name = '' WHERE business_id = $1 AND customer_id = $2",
    "UPDATE emails SET to_address = NULL, envelope = NULL, subject = NULL, html_body = NULL, text_body = NULL
     WHERE business_id = $1 AND customer_id = $2",
    "UPDATE bookings SET external_id = NULL, note = '', version = version + 1
     WHERE business_id = $1 AND customer_id = $2",
    "UPDATE invoice_lines SET description = '' WHERE business_id = $1 AND invoice_id IN (
        SELECT id FROM invoices WHERE business_id = $1 AND customer_id = $2)",
    "UPDATE payments SET reference = '' WHERE business_id = $1 AND invoice_id IN (
        SELECT id FROM invoices WHERE business_id = $1 AND customer_id = $2)",
    "UPDATE charge_requests SET cause = '' WHERE business_id = $1 AND invoice_id IN (
        SELECT id FROM invoices WHERE business_id = $1 AND customer_id = $2)",
    "UPDATE invoices SET external_id = NULL, version = version + 1
     WHERE business_id = $1 AND customer_id = $2",
    "UPDATE payments SET reference = '' WHERE business_id = $1 AND sale_id IN (
        SELECT id FROM sales WHERE business_id = $1 AND customer_id = $2
        UNION SELECT sale_id FROM packages WHERE business_id = $1 AND customer_id = $2)",
    "UPDATE charge_requests SET cause = '' WHERE business_id = $1 AND sale_id IN (
        SELECT id FROM sales WHERE business_id = $1 AND customer_id = $2
        UNION SELECT sale_id FROM packages WHERE business_id = $1 AND customer_id = $2)",
    "UPDATE packages SET external_id = NULL, version = version + 1
     WHERE business_id = $1 AND customer_id = $2",
    "UPDATE subscriptions SET external_id = NULL, version = version + 1
     WHERE business_id = $1 AND customer_id = $2",
    "UPDATE groups SET external_id = NULL, name = '', search_text = '', version = version + 1
     WHERE business_id = $1 AND contact_id = $2 AND NOT active",
    "DELETE FROM posting_notes WHERE business_id = $1 AND posting_id IN (
        SELECT request_id FROM changes WHERE business_id = $1 AND package_id IN (
            SELECT id FROM packages WHERE business_id = $1 AND customer_id = $2))",
    "DELETE FROM posting_notes WHERE business_id = $1 AND posting_id IN (
        SELECT request_id FROM sales WHERE business_id = $1 AND customer_id = $2)",
    // What was posted on the customer's own packages, and by the customer on those of others: along the chains of
    // their lots.
    "WITH RECURSIVE chain AS (
        SELECT last_posting_id AS posting_id, last_n AS n, customer_id AS owner_id FROM lots
        WHERE business_id = $1 AND customer_id = $2
        UNION ALL
        SELECT lots.last_posting_id, lots.last_n, lots.customer_id FROM package_members
        CROSS JOIN lots WHERE package_members.business_id = $1 AND package_members.customer_id = $2
            AND lots.business_id = $1 AND lots.package_id = package_members.package_id
            AND lots.customer_id <> $2
        UNION ALL
        SELECT entries.previous_posting_id, entries.previous_n, chain.owner_id FROM chain
        CROSS JOIN entries WHERE entries.business_id = $1 AND entries.posting_id = chain.posting_id
            AND entries.n = chain.n AND entries.previous_posting_id IS NOT NULL
     )
     DELETE FROM posting_notes WHERE business_id = $1 AND posting_id IN (
        SELECT chain.posting_id FROM chain
        CROSS JOIN entries WHERE entries.business_id = $1 AND entries.posting_id = chain.posting_id
            AND entries.n = chain.n AND (chain.owner_id = $2 OR entries.customer_id = $2))",
    "DELETE FROM suppressions WHERE business_id = $1
        AND address_folded IN (
            SELECT email_folded FROM customers WHERE business_id = $1 AND id = $2)
        AND NOT EXISTS (
            SELECT 1 FROM customers WHERE customers.business_id = $1
            AND customers.email_folded = suppressions.address_folded AND customers.id <> $2)",
];

/// The e-mails whose attempts are cleared.
const EMAILS: &str = "SELECT id FROM emails WHERE business_id = $1 AND customer_id = $2";

/// Ends e-mails that wait or are on their way: whoever has one loses its claim, so nothing of it is written
/// afterwards. `$3` is the instant, `$4` the state, `$5` the reason.
const MAIL_ENDED: &str = "UPDATE emails SET state = $4, reason = $5, finished_at = $3,
        lease_until = NULL, fence = fence + 1
     WHERE business_id = $1 AND customer_id = $2 AND finished_at IS NULL";

/// Their notices are dropped for the same reason, `$3`.
const NOTICES_DROPPED: &str = "UPDATE notices SET dropped_reason = $3
     WHERE business_id = $1 AND dropped_reason IS NULL AND email_id IN (
        SELECT id FROM emails WHERE business_id = $1 AND customer_id = $2 AND reason = $3)";

/// A client's own ids of what happened to the customer, of the kind `$3`; each keeps one that is nobody else's.
const EVENTS: [&str; 2] = [
    "UPDATE events SET subject = lower(hex(id)) WHERE business_id = $1 AND customer_id = $2 AND kind = $3",
    "UPDATE events SET subject = CAST(id AS TEXT) WHERE business_id = $1 AND customer_id = $2 AND kind = $3",
];

/// The answers that were kept of the commands about a customer, whose id in text is `$2`.
const ANSWERS: &str = "UPDATE requests SET answer = NULL WHERE business_id = $1 AND request_id IN (
        SELECT audit_events.request_id FROM audit_subjects
        JOIN audit_events ON audit_events.business_id = $1
            AND audit_events.id = audit_subjects.audit_event_id
        WHERE audit_subjects.business_id = $1 AND audit_subjects.subject = $2)";

/// What is open of a customer; `$3` is the instant, `$4` to `$8` are states.
const OPEN: &str = "SELECT
        (SELECT COUNT(*) FROM packages WHERE business_id = $1 AND customer_id = $2 AND EXISTS (
            SELECT 1 FROM lots WHERE lots.business_id = $1 AND lots.package_id = packages.id
            AND (lots.held > 0 OR (lots.available > 0
                AND (lots.expires_at IS NULL OR lots.expires_at > $3))))),
        (SELECT COUNT(*) FROM bookings WHERE business_id = $1 AND customer_id = $2 AND state = $4),
        (SELECT COUNT(*) FROM invoices WHERE business_id = $1 AND customer_id = $2
            AND state IN ($5, $6, $7)),
        (SELECT COUNT(*) FROM sales WHERE business_id = $1 AND customer_id = $2 AND undone_at IS NULL
            AND (waiting IS NOT NULL OR EXISTS (
                SELECT 1 FROM charge_requests WHERE charge_requests.business_id = $1
                AND charge_requests.sale_id = sales.id AND charge_requests.state = $8
                AND charge_requests.times_out_at > $3))),
        (SELECT COUNT(*) FROM subscriptions WHERE business_id = $1 AND customer_id = $2
            AND cancelled_at IS NULL),
        (SELECT COUNT(*) FROM groups WHERE business_id = $1 AND contact_id = $2 AND active)";

/// What is still open of a customer at `now`.
pub async fn open(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
    now: DateTimeUtc,
) -> Result<Open, StoreError> {
    let values = [
        business_id.uuid().into(),
        customer_id.uuid().into(),
        micros(now).into(),
        BookingState::Booked.code().into(),
        InvoiceState::Draft.code().into(),
        InvoiceState::Issued.code().into(),
        InvoiceState::PartlyPaid.code().into(),
        ChargeState::Pending.code().into(),
    ];
    let backend = txn.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, OPEN, values);
    let row = txn.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("customers", customer_id))?;
    Ok(Open {
        packages: row.try_get_by_index(0)?,
        bookings: row.try_get_by_index(1)?,
        invoices: row.try_get_by_index(2)?,
        sales: row.try_get_by_index(3)?,
        subscriptions: row.try_get_by_index(4)?,
        groups: row.try_get_by_index(5)?,
    })
}

/// Clears everything that is held on a customer but the row in `customers`, which must still be as it was.
pub async fn clear(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
    now: DateTimeUtc,
) -> Result<(), StoreError> {
    let key = || [business_id.uuid().into(), customer_id.uuid().into()];
    let erased = DropReason::Erased.as_str();
    let [business, customer] = key();
    let cancelled = EmailState::Cancelled.code().into();
    let values = [
        business,
        customer,
        micros(now).into(),
        cancelled,
        erased.into(),
    ];
    run(txn, MAIL_ENDED, values).await?;
    let [business, customer] = key();
    run(txn, NOTICES_DROPPED, [business, customer, erased.into()]).await?;
    let [on_sqlite, on_postgres] = EVENTS;
    let is_sqlite = txn.get_database_backend() == DbBackend::Sqlite;
    let events = if is_sqlite { on_sqlite } else { on_postgres };
    let [business, customer] = key();
    run(
        txn,
        events,
        [business, customer, EventKind::Fired.code().into()],
    )
    .await?;
    for sql in CLEARED {
        run(txn, sql, key()).await?;
    }
    let backend = txn.get_database_backend();
    let emails = Statement::from_sql_and_values(backend, EMAILS, key());
    let emails = txn.query_all_raw(emails).await?;
    let emails: Result<Vec<Uuid>, _> = emails.iter().map(|row| row.try_get_by_index(0)).collect();
    email_attempts::clear_details(txn, business_id, &emails?).await?;
    let subject = customer_id.to_string();
    run(txn, ANSWERS, [business_id.uuid().into(), subject.into()]).await
}

async fn run<const N: usize>(
    txn: &DatabaseTransaction,
    sql: &str,
    values: [Value; N],
) -> Result<(), StoreError> {
    let backend = txn.get_database_backend();
    txn.execute_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    Ok(())
}

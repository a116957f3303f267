//! The tour's chapter at the front desk: an invoice that credits and money pay together, and a booking that
//! finds its package by itself.

use std::io::Write;

use anyhow::{Context as _, ensure};
use chrono::Days;
use serde_json::json;

use super::{show, title};
use crate::cli::demo::Stage;
use crate::cli::demo::caller::text;

/// Plays the chapter.
pub(super) async fn play(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    pay_half_in_credits(stage, out).await?;
    book_and_cancel(stage, out).await
}

async fn book_and_cancel(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "She books the day after tomorrow; her package pays by itself.",
    )?;
    let starts_at = stage.clock.now().checked_add_days(Days::new(2));
    let request = json!({
        "customer_id": "ext:mari",
        "item_id": "ext:swim-lesson",
        "starts_at": starts_at.context("there is such a day")?.to_rfc3339(),
    });
    let made = show(stage, out, "BookingService/CreateBooking", &request).await?;
    ensure!(
        text(&made, "/booking/packages/0/credits")? == "1",
        "one credit is held"
    );
    title(out, "She cannot come after all: the credit is free again.")?;
    let request = json!({ "booking_id": text(&made, "/booking/id")? });
    let cancelled = show(stage, out, "BookingService/CancelBooking", &request).await?;
    ensure!(
        text(&cancelled, "/booking/state")? == "BOOKING_STATE_CANCELLED",
        "it is cancelled"
    );
    Ok(())
}

async fn pay_half_in_credits(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "Mari brings a friend: an invoice for two lessons, one of them from her package.",
    )?;
    let request = json!({
        "customer_id": "ext:mari",
        "lines": [{ "item_id": "ext:swim-lesson", "quantity": "2" }],
    });
    let made = show(stage, out, "InvoiceService/CreateInvoice", &request).await?;
    let invoice_id = text(&made, "/invoice/id")?;
    let line_id = text(&made, "/invoice/lines/0/id")?;
    let request = json!({ "invoice_id": invoice_id, "invoice_line_id": line_id, "units": "1" });
    let applied = show(stage, out, "InvoiceService/ApplyCredits", &request).await?;
    ensure!(
        text(&applied, "/invoice/due/minor_units")? == "1800",
        "one lesson is left to pay"
    );

    title(
        out,
        "Issued, and the rest is paid in cash: the credit is used.",
    )?;
    let request = json!({ "invoice_id": invoice_id });
    show(stage, out, "InvoiceService/IssueInvoice", &request).await?;
    let request = json!({
        "invoice_id": invoice_id,
        "payment": { "method": "PAYMENT_METHOD_CASH" },
    });
    let paid = show(stage, out, "InvoiceService/RecordPayment", &request).await?;
    ensure!(
        text(&paid, "/invoice/state")? == "INVOICE_STATE_PAID",
        "all of it is paid"
    );
    Ok(())
}

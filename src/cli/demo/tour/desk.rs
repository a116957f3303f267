//! The tour's chapter at the front desk: an invoice that credits and money pay together.

use std::io::Write;

use anyhow::ensure;
use serde_json::json;

use super::{show, title};
use crate::cli::demo::Stage;
use crate::cli::demo::caller::text;

/// Plays the chapter.
pub(super) async fn play(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
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

//! The tour's chapter on a package that is sold by an invoice and paid in two parts.

use std::io::Write;

use anyhow::ensure;
use serde_json::json;

use super::{show, title};
use crate::cli::demo::Stage;
use crate::cli::demo::caller::text;

/// Where an invoice says which package its first line has issued.
const PACKAGE_ID: &str = "/invoice/lines/0/package/package_id";

/// Plays the chapter.
pub(super) async fn play(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    offer_a_course(stage).await?;
    title(
        out,
        "Anna orders a course by invoice, 60.00 of its 120.00 by card. It is hers once something is paid.",
    )?;
    let request = json!({
        "customer_id": "ext:anna",
        "lines": [{ "template_id": "ext:course" }],
    });
    let made = show(stage, out, "InvoiceService/CreateInvoice", &request).await?;
    let invoice_id = text(&made, "/invoice/id")?;
    let request = json!({
        "invoice_id": invoice_id,
        "charge": { "amount": { "currency_code": "EUR", "minor_units": "6000" } },
    });
    let issued = show(stage, out, "InvoiceService/IssueInvoice", &request).await?;
    ensure!(
        text(&issued, PACKAGE_ID).is_err(),
        "there is no package yet"
    );

    title(
        out,
        "The payment system finds the charge request, charges her card and says so: the course is there.",
    )?;
    let request = json!({
        "charge_request_id": text(&issued, "/invoice/charge_requests/0/id")?,
        "payment": { "reference": "terminal 1" },
    });
    let partly = show(stage, out, "InvoiceService/RecordPayment", &request).await?;
    ensure!(
        text(&partly, "/invoice/state")? == "INVOICE_STATE_PARTLY_PAID",
        "half of it is paid"
    );
    let package_id = text(&partly, PACKAGE_ID)?;

    title(out, "The rest comes by bank transfer.")?;
    let request = json!({
        "invoice_id": invoice_id,
        "payment": { "method": "PAYMENT_METHOD_TRANSFER" },
    });
    let paid = stage
        .caller
        .call("InvoiceService/RecordPayment", &request)
        .await?;
    ensure!(
        text(&paid, "/invoice/state")? == "INVOICE_STATE_PAID",
        "all of it is paid"
    );
    ensure!(
        text(&paid, PACKAGE_ID)? == package_id,
        "and no second package was issued"
    );
    let number = text(&paid, "/invoice/number")?;
    writeln!(
        out,
        "\nInvoice {number} is paid, the course is {package_id}."
    )?;
    Ok(())
}

async fn offer_a_course(stage: &Stage) -> anyhow::Result<()> {
    let template = json!({
        "external_id": "course", "name": "Course", "tax_basis_points": 2_400,
        "price": { "currency_code": "EUR", "minor_units": "12000" },
        "validity": { "never": {} },
        "selling": { "issue_when": "ISSUE_WHEN_FIRST_PAID" },
        "lines": [{
            "kind": "LINE_KIND_PREPAID", "credit_type_id": "ext:lesson", "quantity": "10",
            "covers": [{ "item_id": "ext:swim-lesson" }],
        }],
    });
    stage.caller.offer(&template).await
}

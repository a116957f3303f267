//! The tour's chapter on the life of packages that were sold: frozen, queued, and given closed days back.

use std::io::Write;

use anyhow::{Context as _, ensure};
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use super::{refused, show, title};
use crate::cli::demo::caller::text;
use crate::cli::demo::{Stage, ZONE};
use crate::domain::calendar;

/// Plays the chapter.
pub(super) async fn play(stage: &mut Stage, out: &mut impl Write) -> anyhow::Result<()> {
    go_away(stage, out).await?;
    buy_two_in_a_row(stage, out).await?;
    close_for_a_weekend(stage, out).await
}

async fn go_away(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(out, "Anna goes away for a week. Her massages wait for her.")?;
    let request = json!({
        "package_id": "ext:anna-massage-10",
        "until_date": day(stage, 6)?.to_string(),
        "reason": "Goes away",
    });
    let frozen = show(stage, out, "PackageService/FreezePackage", &request).await?;
    ensure!(
        text(&frozen, "/package/status")? == "PACKAGE_STATUS_FROZEN",
        "it is frozen"
    );
    let request = json!({
        "customer_id": "ext:anna",
        "item": { "item_id": "ext:massage-60", "units": "1" },
        "package_ids": ["ext:anna-massage-10"],
    });
    let reason = "PACKAGE_FROZEN";
    refused(stage, out, "CreditService/Consume", &request, reason).await?;

    title(
        out,
        "She is back before she left: it ends when it would have.",
    )?;
    let request = json!({ "package_id": "ext:anna-massage-10" });
    let thawed = show(stage, out, "PackageService/UnfreezePackage", &request).await?;
    ensure!(
        text(&thawed, "/package/status")? == "PACKAGE_STATUS_ACTIVE",
        "it can be used"
    );
    Ok(())
}

async fn buy_two_in_a_row(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "Peeter buys two weekend passes. The second one waits until the first is used up.",
    )?;
    let template = json!({
        "external_id": "weekend", "name": "Weekend pass", "tax_basis_points": 2_400,
        "price": { "currency_code": "EUR", "minor_units": "3000" },
        "validity": {
            "period": { "count": 7, "unit": "PERIOD_UNIT_DAY", "anchor": "ANCHOR_SALE" }
        },
        "selling": { "overlap": "OVERLAP_POLICY_QUEUE" },
        "lines": [{
            "kind": "LINE_KIND_PREPAID", "credit_type_id": "ext:lesson", "quantity": "2",
            "covers": [{ "item_id": "ext:swim-lesson" }],
        }],
    });
    stage.caller.offer(&template).await?;
    let entry = |id: &str| {
        json!({
            "customer_id": "ext:peeter", "template_id": "ext:weekend", "external_id": id,
            "recorded": { "method": "PAYMENT_METHOD_CASH" },
        })
    };
    let request = json!({ "entries": [entry("weekend-1"), entry("weekend-2")] });
    let sold = show(stage, out, "PackageService/SellPackages", &request).await?;
    ensure!(
        text(&sold, "/results/1/package/status")? == "PACKAGE_STATUS_QUEUED",
        "the second one waits"
    );
    let request = json!({
        "customer_id": "ext:peeter",
        "item": { "item_id": "ext:swim-lesson", "units": "2" },
        "package_ids": ["ext:weekend-1"],
    });
    show(stage, out, "CreditService/Consume", &request).await?;
    let which = json!({ "package_id": "ext:weekend-2" });
    let next = show(stage, out, "PackageService/GetPackage", &which).await?;
    ensure!(
        text(&next, "/package/status")? == "PACKAGE_STATUS_ACTIVE",
        "it has started"
    );
    Ok(())
}

async fn close_for_a_weekend(stage: &mut Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "The pool is closed for three days. Whose package is valid then gets them back.",
    )?;
    let before = last_day(stage).await?;
    let closure = json!({
        "name": "New pump",
        "first_date": day(stage, 1)?.to_string(),
        "last_date": day(stage, 3)?.to_string(),
    });
    let request = json!({ "closure": closure });
    show(stage, out, "PackageService/PreviewClosure", &request).await?;
    show(stage, out, "PackageService/CreateClosure", &request).await?;
    stage.run_jobs().await?;
    let after = last_day(stage).await?;
    ensure!(
        before.checked_add_days(Days::new(3)) == Some(after),
        "Jaan's package ends three days later"
    );
    writeln!(
        out,
        "\nJaan's trial month ended on {before} and ends on {after} now."
    )?;
    Ok(())
}

/// The last day of Jaan's package.
async fn last_day(stage: &Stage) -> anyhow::Result<NaiveDate> {
    let which = json!({ "package_id": "ext:jaan-trial-month" });
    let found: Value = stage
        .caller
        .call("PackageService/GetPackage", &which)
        .await?;
    Ok(text(&found, "/package/last_usable_date")?.parse()?)
}

/// The local day so many days from today.
fn day(stage: &Stage, days: u64) -> anyhow::Result<NaiveDate> {
    let today = calendar::local_day(stage.clock.now(), ZONE);
    let day = today.checked_add_days(Days::new(days));
    day.context("it is on the calendar")
}

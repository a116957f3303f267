//! The tour: the promises of the README, played through real calls. A step that goes otherwise than it
//! should ends the tour with an error.

mod desk;
mod instalments;
mod life;

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::{Context as _, ensure};
use chrono::{Days, TimeDelta};
use serde_json::{Value, json};
use tonic_types::StatusExt;

use super::Stage;
use super::caller::text;
use crate::cli::call::{CallError, report};
use crate::ids::new_uuid;
use crate::ledger::verify::{Asked, verify};
use crate::store::businesses;

/// Plays the story and proves the ledger at its end.
pub(super) async fn play(stage: &mut Stage, out: &mut impl Write) -> anyhow::Result<()> {
    // Today's reminders go out before anything else happens.
    stage.run_jobs().await?;
    use_a_lesson(stage, out).await?;
    use_too_many(stage, out).await?;
    book_a_lesson(stage, out).await?;
    bring_back_what_ran_out(stage, out).await?;
    desk::play(stage, out).await?;
    instalments::play(stage, out).await?;
    life::play(stage, out).await?;
    run_out(stage, out).await?;
    look_at_the_emails(stage, out).await?;
    prove(stage, out).await
}

async fn use_a_lesson(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "Mari bought 8 swimming lessons and used 1. What is left?",
    )?;
    let whose = json!({ "customer_id": "ext:mari" });
    let balance = show(stage, out, "CreditService/GetBalance", &whose).await?;
    ensure!(
        text(&balance, "/balances/0/usable")? == "7",
        "seven are left"
    );

    title(out, "She comes to a lesson.")?;
    let request_id = new_uuid(stage.clock.now()).to_string();
    let request = json!({
        "request_id": request_id,
        "customer_id": "ext:mari",
        "item": { "item_id": "ext:swim-lesson", "units": "1" },
    });
    let first = show(stage, out, "CreditService/Consume", &request).await?;
    ensure!(
        text(&first, "/parts/0/balances/available")? == "6",
        "six are left"
    );

    title(
        out,
        "The line was bad: the same request, with the same request_id, once more.",
    )?;
    let second = show(stage, out, "CreditService/Consume", &request).await?;
    ensure!(
        second.get("replayed") == Some(&json!(true)),
        "it is a repeat"
    );
    ensure!(
        second.get("parts") == first.get("parts"),
        "with an equal answer"
    );
    let balance = show(stage, out, "CreditService/GetBalance", &whose).await?;
    ensure!(
        text(&balance, "/balances/0/usable")? == "6",
        "nothing was taken"
    );
    Ok(())
}

async fn use_too_many(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(out, "Seven more, though six are left?")?;
    let request = json!({
        "customer_id": "ext:mari",
        "item": { "item_id": "ext:swim-lesson", "units": "7" },
    });
    refused(
        stage,
        out,
        "CreditService/Consume",
        &request,
        "INSUFFICIENT_CREDITS",
    )
    .await
}

async fn book_a_lesson(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(out, "She books a lesson for tomorrow: one is set aside.")?;
    let tomorrow = stage.clock.now().checked_add_days(Days::new(1));
    let request = json!({
        "customer_id": "ext:mari",
        "item": { "item_id": "ext:swim-lesson" },
        "service_at": tomorrow.context("there is a tomorrow")?.to_rfc3339(),
    });
    let held = show(stage, out, "CreditService/Hold", &request).await?;
    let balances = "/parts/0/balances";
    ensure!(
        text(&held, &format!("{balances}/available"))? == "5",
        "five are free"
    );
    let hold_id = text(&held, "/hold_id")?;
    title(out, "She came a day early. What was held is used.")?;
    let request = json!({ "hold_id": hold_id });
    let used = show(stage, out, "CreditService/Capture", &request).await?;
    ensure!(
        text(&used, &format!("{balances}/held"))? == "0",
        "nothing is held"
    );
    title(
        out,
        "No, that was her sister: it goes back where it came from.",
    )?;
    let request = json!({ "posting_id": text(&used, "/posting_id")?, "note": "It was her sister" });
    let back = show(stage, out, "CreditService/Reverse", &request).await?;
    let available = text(&back, "/returned/0/balances/available")?;
    ensure!(available == "6", "six are left again");
    Ok(())
}

async fn bring_back_what_ran_out(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "Jaan's trial month ended yesterday, with 3 of 4 lessons unused.",
    )?;
    let which = json!({ "package_id": "ext:jaan-trial-month" });
    let answer = show(stage, out, "PackageService/GetPackage", &which).await?;
    let status = text(&answer, "/package/status")?;
    ensure!(status == "PACKAGE_STATUS_EXPIRED", "it has expired");
    let line_id = text(&answer, "/package/lines/0/id")?;

    title(
        out,
        "He was ill. Two more weeks, and a lesson on the house.",
    )?;
    let request = json!({
        "package_id": "ext:jaan-trial-month",
        "by": { "count": 2, "unit": "PERIOD_UNIT_WEEK" },
        "bonuses": [{ "line_id": line_id, "amount": "1" }],
        "reason": "Was ill; a lesson on the house",
    });
    let answer = show(stage, out, "PackageService/ExtendPackage", &request).await?;
    let available = text(&answer, "/package/lines/0/balances/available")?;
    ensure!(available == "4", "three came back and one was added");
    Ok(())
}

async fn run_out(stage: &mut Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(
        out,
        "Eleven days later. No job has run; Mari's lessons have ended all the same.",
    )?;
    stage.clock.advance(TimeDelta::days(11));
    let request = json!({
        "customer_id": "ext:mari",
        "item": { "item_id": "ext:swim-lesson", "units": "1" },
        "package_ids": ["ext:mari-standard-8"],
    });
    refused(
        stage,
        out,
        "CreditService/Consume",
        &request,
        "PACKAGE_EXPIRED",
    )
    .await?;
    stage.run_jobs().await
}

async fn look_at_the_emails(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(out, "The jobs have run now. What did Mari get?")?;
    let request = json!({ "customer_id": "ext:mari" });
    let answer = show(stage, out, "EmailService/ListEmails", &request).await?;
    let emails = answer.get("emails").and_then(Value::as_array);
    let newest = emails.and_then(|emails| emails.first());
    let newest = newest.context("Mari got e-mails")?;
    ensure!(
        text(newest, "/kind")? == "EMAIL_KIND_EXPIRED",
        "told what was lost"
    );
    ensure!(
        text(newest, "/state")? == "EMAIL_STATE_SENT",
        "and it went out"
    );
    let which = json!({ "email_id": text(newest, "/id")? });
    let email = stage.caller.call("EmailService/GetEmail", &which).await?;
    writeln!(out, "\n{}", text(&email, "/email/text_body")?)?;
    Ok(())
}

async fn prove(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    title(out, "Does all of it add up?")?;
    let db = &stage.ctx().db;
    for business in businesses::all(db.reader()).await? {
        let asked = Asked::everything();
        let go_on = |_| ControlFlow::Continue(());
        let report = verify(db, business.id, &asked, go_on).await?;
        writeln!(
            out,
            "{}: {} lots, {} entries, {} faults",
            business.name, report.done.lots, report.done.entries, report.faults_count
        )?;
        ensure!(report.faults_count == 0, "the ledger adds up");
    }
    Ok(())
}

fn title(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    writeln!(out, "\n# {text}")?;
    Ok(())
}

/// Prints a call and its answer.
async fn show(
    stage: &Stage,
    out: &mut impl Write,
    method: &str,
    request: &Value,
) -> anyhow::Result<Value> {
    writeln!(out, "\n$ carnet call {method} '{request}'")?;
    let answer = stage.caller.call(method, request).await?;
    writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
    Ok(answer)
}

/// Prints a call that must be refused for this reason.
async fn refused(
    stage: &Stage,
    out: &mut impl Write,
    method: &str,
    request: &Value,
    reason: &str,
) -> anyhow::Result<()> {
    writeln!(out, "\n$ carnet call {method} '{request}'")?;
    let Err(status) = stage.caller.attempt(method, request).await? else {
        anyhow::bail!("{method} should have been refused with {reason}");
    };
    let found = status.get_details_error_info().map(|info| info.reason);
    ensure!(found.as_deref() == Some(reason), "refused with {found:?}");
    report::write_error(out, &CallError::Refused(Box::new(status)))?;
    Ok(())
}

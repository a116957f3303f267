//! The past of the demo's business: what was offered, sold and used before today, day by day.
//!
//! The stories are those that such services are asked about: eight lessons of which one was used and that
//! end soon, a package "until 31 December", one that ran out with credits left, one that is used up.

use anyhow::Context as _;
use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use super::caller::Caller;
use super::{Stage, ZONE};
use crate::domain::calendar;

/// The first day of the past, counted from today.
const FIRST_DAY: u64 = 40;
/// The local hour at which a day of the past happens.
const HOUR: u32 = 15;

/// Lives through the past up to the day before that of `now`.
pub(super) async fn live(stage: &mut Stage, now: DateTime<Utc>) -> anyhow::Result<()> {
    let today = calendar::local_day(now, ZONE);
    for days_ago in (1..=FIRST_DAY).rev() {
        let day = today.checked_sub_days(Days::new(days_ago));
        let at = day.and_then(|day| calendar::at_local_hour(day, HOUR, ZONE));
        stage.clock.set(at.context("the past is on the calendar")?);
        happen(&stage.caller, days_ago, today).await?;
        // What the customers got by then is looked at a little later.
        stage.clock.advance(TimeDelta::hours(1));
        stage.run_jobs().await?;
    }
    Ok(())
}

/// What happened so many days ago.
async fn happen(caller: &Caller, days_ago: u64, today: NaiveDate) -> anyhow::Result<()> {
    match days_ago {
        FIRST_DAY => {
            settings(caller).await?;
            catalogue(caller).await?;
            people(caller).await
        }
        // 30 days from then was yesterday: it has run out with three lessons left.
        31 => sell(caller, "jaan", "trial-month", &json!({})).await,
        // 30 days from then is in a week.
        23 => sell(caller, "mari", "standard-8", &json!({})).await,
        22 => consume(caller, "jaan", "swim-lesson", "1").await,
        20 => {
            let last_day = NaiveDate::from_ymd_opt(today.year(), 12, 31).unwrap_or(today);
            let until = json!({ "validity": { "until_date": last_day.to_string() } });
            sell(caller, "anna", "massage-10", &until).await
        }
        19 => consume(caller, "mari", "swim-lesson", "1").await,
        15 => sell(caller, "peeter", "duo", &json!({})).await,
        12 => {
            consume(caller, "peeter", "swim-lesson", "1").await?;
            consume(caller, "anna", "massage-60", "3").await
        }
        5 => consume(caller, "peeter", "swim-lesson", "1").await,
        _ => Ok(()),
    }
}

/// Reminders are due with the beginning of the day, so that those of today are, whatever the hour.
async fn settings(caller: &Caller) -> anyhow::Result<()> {
    let request = json!({
        "settings": { "sender": {
            "from_name": "Aqua Swim & Spa", "from_email": "hello@aqua.example", "accent_colour": "#0e7490",
        } },
        "update_mask": "sender",
    });
    caller
        .call("BusinessService/UpdateSettings", &request)
        .await?;
    let request = json!({ "policy": { "local_hour": 0 }, "update_mask": "localHour" });
    caller
        .call("EmailService/UpdateReminderPolicy", &request)
        .await?;
    Ok(())
}

async fn catalogue(caller: &Caller) -> anyhow::Result<()> {
    for (id, name, plural) in [
        ("lesson", "lesson", "lessons"),
        ("massage", "massage", "massages"),
    ] {
        let credit_type = json!({ "external_id": id, "name": name, "name_plural": plural });
        let request = json!({ "credit_type": credit_type });
        caller
            .call("CatalogService/CreateCreditType", &request)
            .await?;
    }
    for (id, name, category, rate) in [
        ("swim-lesson", "Swimming lesson", "Lessons", 1_800),
        ("massage-60", "Massage, 60 minutes", "Spa", 6_000),
    ] {
        let item = json!({
            "external_id": id, "name": name, "category": category, "active": true,
            "standard_rate": euros(rate),
        });
        caller
            .call("CatalogService/CreateItem", &json!({ "item": item }))
            .await?;
    }
    let lessons = |quantity: &str| line(quantity, "lesson", "swim-lesson");
    offer(
        caller,
        "standard-8",
        "Standard",
        12_000,
        &lessons("8"),
        &days(30),
    )
    .await?;
    offer(
        caller,
        "trial-month",
        "Trial month",
        4_900,
        &lessons("4"),
        &days(30),
    )
    .await?;
    offer(caller, "duo", "Duo", 3_200, &lessons("2"), &days(60)).await?;
    let massages = line("10", "massage", "massage-60");
    let never = json!({ "never": {} });
    offer(
        caller,
        "massage-10",
        "Massage book",
        52_000,
        &massages,
        &never,
    )
    .await
}

async fn offer(
    caller: &Caller,
    id: &str,
    name: &str,
    price: i64,
    line: &Value,
    validity: &Value,
) -> anyhow::Result<()> {
    let template = json!({
        "external_id": id, "name": name, "price": euros(price), "tax_basis_points": 2_400,
        "validity": validity, "lines": [line],
    });
    caller.offer(&template).await
}

fn line(quantity: &str, credit_type: &str, item: &str) -> Value {
    json!({
        "kind": "LINE_KIND_PREPAID",
        "credit_type_id": format!("ext:{credit_type}"),
        "quantity": quantity,
        "covers": [{ "item_id": format!("ext:{item}") }],
    })
}

fn days(count: i32) -> Value {
    json!({ "period": { "count": count, "unit": "PERIOD_UNIT_DAY", "anchor": "ANCHOR_SALE" } })
}

async fn people(caller: &Caller) -> anyhow::Result<()> {
    for (id, name, locale) in [
        ("mari", "Mari Tamm", "en"),
        ("jaan", "Jaan Kask", "en"),
        ("anna", "Anna Saar", "en"),
        ("peeter", "Peeter Lepp", "et"),
    ] {
        let customer = json!({
            "external_id": id, "name": name, "email": format!("{id}@example.com"),
            "email_verified": true, "locale": locale, "active": true,
        });
        let request = json!({ "customer": customer });
        caller
            .call("CustomerService/CreateCustomer", &request)
            .await?;
    }
    Ok(())
}

async fn sell(caller: &Caller, customer: &str, template: &str, more: &Value) -> anyhow::Result<()> {
    let mut entry = json!({
        "customer_id": format!("ext:{customer}"),
        "template_id": format!("ext:{template}"),
        "external_id": format!("{customer}-{template}"),
        "recorded": { "method": "PAYMENT_METHOD_CARD", "reference": "terminal 1" },
    });
    if let (Some(entry), Some(more)) = (entry.as_object_mut(), more.as_object()) {
        entry.extend(more.clone());
    }
    let request = json!({ "entries": [entry] });
    caller.call("PackageService/SellPackages", &request).await?;
    Ok(())
}

async fn consume(caller: &Caller, customer: &str, item: &str, units: &str) -> anyhow::Result<()> {
    let request = json!({
        "customer_id": format!("ext:{customer}"),
        "item": { "item_id": format!("ext:{item}"), "units": units },
    });
    caller.call("CreditService/Consume", &request).await?;
    Ok(())
}

fn euros(minor_units: i64) -> Value {
    json!({ "currency_code": "EUR", "minor_units": minor_units.to_string() })
}

//! Every method against everybody who may not call it, from the descriptors: who forgets a permission, a
//! look-up in the caller's business, or the audit, fails here.

use std::collections::{BTreeMap, BTreeSet};

use carnet::config::{CallRate, Settings};
use carnet::domain::permission::Permission;
use carnet::proto::v1;
use chrono::TimeDelta;
use rstest::rstest;
use serde_json::Value as Json;
use tonic::Code;

use super::script::steps;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{on, on_tuned};
use crate::support::day::{Day, reason};
use crate::support::dynamic::{call, methods, only_reads, permission};
use crate::support::refused::refused;
use crate::support::staff::{all_of_staff, token};

/// What calls with another's id are told that are not told `NOT_FOUND`: lists by a filter show nothing, a line
/// of another's package is none of the package, and a sale tells the reason of each entry in its details.
const OTHERWISE: [(&str, &str); 5] = [
    ("SellPackages", "SALE_REFUSED"),
    ("ListSubscriptions", NOTHING),
    ("ListInvoices", NOTHING),
    ("ListBookings", NOTHING),
    ("Adjust", "LINE_NOT_IN_PACKAGE"),
];
/// Stands for an answer with nothing in it.
const NOTHING: &str = "an empty answer";

#[rstest]
#[tokio::test]
async fn no_method_answers_who_has_no_good_token(#[values(Sqlite, Postgres)] database: Database) {
    // It tries more of them than an address may.
    let any_number = |settings: &mut Settings| {
        settings.server.limits.rate_of_wrong_tokens = CallRate::Unlimited;
    };
    on_tuned(database, any_number, async |app| {
        let everything = all_of_staff();
        let revoked = app.try_token(token("", &everything)).await.unwrap();
        let revoke = v1::RevokeTokenRequest {
            token_id: revoked.token.unwrap().id,
            ..Default::default()
        };
        app.business().revoke_token(revoke).await.unwrap();
        let an_hour = app.clock.now() + TimeDelta::hours(1);
        let expired = v1::Token {
            expires_at: Some(carnet::grpc::faults::timestamp(an_hour)),
            ..token("", &everything)
        };
        let expired = app.try_token(expired).await.unwrap();
        app.clock.set(an_hour);
        let user = app.user_with_role("Kati", "owner").await;
        let of_one_who_left = app.held_by(&user, &everything).await.token;
        app.dismiss(&user).await;
        let forged = app.token.replace(&app.token[60..70], "AAAAAAAAAA");
        let bad = [
            None,
            Some("carnet_".to_owned()),
            Some(forged),
            Some(revoked.secret),
            Some(expired.secret),
            Some(of_one_who_left),
        ];
        for method in methods() {
            for token in &bad {
                let request = Json::Object(serde_json::Map::new());
                let answer = call(&app.channel, token.as_deref(), &method, &request).await;
                refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");
            }
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn no_method_answers_who_lacks_its_permission(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut lacking = BTreeMap::new();
        for lacks in Permission::ALL {
            let others = Permission::ALL.iter().copied();
            let others: Vec<_> = others.filter(|held| held != lacks).collect();
            lacking.insert(lacks.as_str(), app.token_with(&others).await);
        }
        for method in methods() {
            let needed = permission(&method);
            let token = &lacking[needed.as_str()];
            let request = Json::Object(serde_json::Map::new());
            let answer = call(&app.channel, Some(token), &method, &request).await;
            let numbers = refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(numbers["permission"], needed, "{}", method.full_name());
        }
    })
    .await;
}

#[test]
fn the_day_has_every_method_that_writes_or_gets() {
    let taken: BTreeSet<_> = steps().map(|step| step.0).collect();
    let without_id = ["GetSettings", "GetReminderPolicy"];
    // No call makes an e-mail fail; tests/it/mail/again.rs has a mail server that does.
    let of_failures = ["RetryEmail"];
    // No token of staff can call them; tests/it/portal* does.
    let of_customers = ["GetMyPackages", "BuyPackage"];
    let elsewhere = [&without_id[..], &of_failures, &of_customers].concat();
    let missing: Vec<_> = methods()
        .into_iter()
        .filter(|method| !only_reads(method) || method.name().starts_with("Get"))
        .map(|method| method.name().to_owned())
        .filter(|name| !taken.contains(name.as_str()) && !elsewhere.contains(&name.as_str()))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[rstest]
#[tokio::test]
async fn ids_of_another_business_are_found_by_no_method(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut first = Day::new(&app.channel, app);
        for step in steps() {
            first.take(step).await;
        }
        let before = first.seen(steps()).await;
        let mut second = Day::new(&app.channel, &app.second_business().await);
        let mut faults = Vec::new();
        for step in steps() {
            // One id at a time is the other's, so nothing else can be wrong with the call.
            for foreign in Day::names(step.1) {
                let id = |name: &str| {
                    let of = if name == foreign { &first } else { &second };
                    of.known[name].clone()
                };
                let request = second.request(step, id);
                let told = match second.call(step, &request).await {
                    Err(error) => reason(&error),
                    Ok(answer) if answer == serde_json::json!({}) => NOTHING.to_owned(),
                    Ok(answer) => answer.to_string(),
                };
                let is_told = |wanted: &(&str, &str)| *wanted == (step.0, told.as_str());
                if told != "NOT_FOUND" && !OTHERWISE.iter().any(is_told) {
                    faults.push(format!("{} took another's ${foreign}: {told}", step.0));
                }
            }
            second.take(step).await;
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert_eq!(first.seen(steps()).await, before);
    })
    .await;
}

#[tokio::test]
async fn no_method_needs_a_second_connection_while_it_holds_one() {
    // As many calls at once as there are connections would else wait for each other.
    let a_single_one = |settings: &mut Settings| settings.database.database_connections_max = 1;
    on_tuned(Postgres, a_single_one, async |app| {
        let mut day = Day::new(&app.channel, app);
        for step in steps() {
            day.take(step).await;
        }
        day.seen(steps()).await;
        app.deliver().await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn every_write_leaves_an_audit_event_or_a_posting(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut day = Day::new(&app.channel, app);
        let mut unseen = Vec::new();
        for step in steps() {
            let request = day.take(step).await;
            let Some(request_id) = request.get("request_id").and_then(Json::as_str) else {
                continue;
            };
            let events = app.audited(v1::list_audit_events_request::About::Method(
                step.0.to_owned(),
            ));
            let is_audited = events
                .await
                .iter()
                .any(|event| event.request_id == request_id);
            let entries = v1::ListEntriesRequest {
                scope: Some(v1::list_entries_request::Scope::PostingId(
                    request_id.to_owned(),
                )),
                ..Default::default()
            };
            let posted = app.credits().list_entries(entries).await;
            let is_posted = posted.is_ok_and(|it| !it.into_inner().entries.is_empty());
            if !is_audited && !is_posted {
                unseen.push(step.0);
            }
        }
        assert_eq!(unseen, [""; 0]);
    })
    .await;
}

//! The ledger as staff read it (H1): who took what and when, through gRPC on both databases.

use std::collections::BTreeSet;

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::EntryKind;
use carnet::proto::v1::list_entries_request::Scope;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, covers, days};

fn instant(at: DateTime<Utc>) -> prost_types::Timestamp {
    carnet::grpc::faults::timestamp(at)
}

/// What an entry is known by.
fn key(entry: &v1::Entry) -> (String, i32) {
    (entry.posting_id.clone(), entry.number)
}

#[track_caller]
fn assert_newest_first(entries: &[v1::Entry]) {
    let instants = entries.iter().map(|entry| {
        let at = entry.recorded_at.unwrap();
        (at.seconds, at.nanos)
    });
    assert!(instants.rev().is_sorted(), "{entries:?}");
    for lot in entries.iter().map(|entry| &entry.lot_id) {
        let of_lot = entries.iter().filter(|entry| entry.lot_id == *lot);
        let sequences: Vec<_> = of_lot.map(|entry| entry.sequence).collect();
        assert!(sequences.iter().rev().is_sorted(), "{sequences:?}");
    }
}

#[rstest]
#[tokio::test]
async fn pages_of_a_customers_entries_neither_miss_nor_double_one(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("100", days(30))).await;
        let mut written = 0;
        // Most of it at one and the same instant, in several packages; one chain is longer than is read
        // at once.
        for _ in 0..5 {
            shop.sell(&template_id).await;
            written += 1;
        }
        let packages = app.all_packages().await;
        let long = &packages[2];
        for _ in 0..70 {
            shop.consume(shop.use_lessons_of(&long.id, "1"))
                .await
                .unwrap();
            written += 1;
        }
        for (round, package) in packages.iter().cycle().take(15).enumerate() {
            if round % 4 == 0 {
                app.clock.advance(TimeDelta::microseconds(1));
            }
            shop.consume(shop.use_lessons_of(&package.id, "1"))
                .await
                .unwrap();
            written += 1;
        }
        // One posting over two packages.
        let mut over_two = shop.use_lessons("30");
        over_two.package_ids = vec![long.id.clone(), packages[0].id.clone()];
        written += shop.consume(over_two).await.unwrap().parts.len();
        let of_customer = Scope::CustomerId(shop.customer.clone());
        let whole = app.all_entries(of_customer.clone(), 200).await;
        assert_eq!(whole.len(), written);
        assert_newest_first(&whole);
        let different: BTreeSet<_> = whole.iter().map(key).collect();
        assert_eq!(different.len(), written);
        for page_size in [1, 7, 50] {
            let paged = app.all_entries(of_customer.clone(), page_size).await;
            assert_eq!(paged, whole, "pages of {page_size}");
        }
        let range = Scope::Recorded(v1::TimeRange {
            from: Some(instant(app.clock.now() - TimeDelta::days(1))),
            before: Some(instant(app.clock.now() + TimeDelta::days(1))),
        });
        for page_size in [7, 200] {
            assert_eq!(app.all_entries(range.clone(), page_size).await, whole);
        }
        let of_long = app.all_entries(Scope::PackageId(long.id.clone()), 9).await;
        let wanted = whole.iter().filter(|entry| entry.package_id == long.id);
        assert!(of_long.iter().eq(wanted));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_written_between_two_pages_moves_nothing(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("100", days(30)).await;
        for _ in 0..6 {
            shop.consume(shop.use_lessons("1")).await.unwrap();
        }
        let before = app.entries_of_package(&package.id).await;
        let mut request = v1::ListEntriesRequest {
            scope: Some(Scope::PackageId(package.id.clone())),
            page_size: 3,
            ..Default::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = app.page_of_entries(request.clone()).await;
            seen.extend(page.entries);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            shop.consume(shop.use_lessons("1")).await.unwrap();
        }
        assert_eq!(seen, before);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_posting_is_listed_by_its_request_id_with_its_note_and_its_numbers(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let soon = shop.sell_lessons("2", days(10)).await;
        let late = shop.sell_lessons("8", days(90)).await;
        let mut request = shop.use_lessons("3");
        request.note = "Two children\nand their father".to_owned();
        shop.consume(request.clone()).await.unwrap();
        let scope = Scope::PostingId(request.request_id.clone());
        let mut entries = app.all_entries(scope, 1).await;
        entries.sort_unstable_by_key(|entry| entry.number);
        let [first, second] = entries.as_slice() else {
            panic!("one entry for each package: {entries:?}");
        };
        assert_eq!(
            [&first.package_id, &second.package_id],
            [&soon.id, &late.id]
        );
        for (entry, number) in entries.iter().zip(0..) {
            assert_eq!(entry.number, number);
            assert_eq!(entry.note, request.note);
            assert_eq!(entry.item_id, shop.swim);
            assert_eq!(entry.customer_id, shop.customer);
            assert_eq!(entry.sequence, 2);
            assert_eq!(entry.method, "Consume");
            assert_eq!(entry.hash.len(), 32);
        }
        let balances = first.balances.as_ref().unwrap();
        assert_eq!(
            (balances.available.as_str(), balances.consumed.as_str()),
            ("0", "2")
        );
        let unknown = Scope::PostingId(app.request_id());
        assert_eq!(app.all_entries(unknown, 50).await, []);
        let foreign = app.second_business().await;
        let theirs = Scope::PostingId(request.request_id);
        assert_eq!(foreign.all_entries(theirs, 50).await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_range_of_time_has_its_first_instant_in_it_and_its_last_not(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(90)).await;
        let from = app.clock.now() + TimeDelta::hours(1);
        for hour in 0..3 {
            app.clock.set(from + TimeDelta::hours(hour));
            shop.consume(shop.use_lessons("1")).await.unwrap();
        }
        let range = |from, before| {
            Scope::Recorded(v1::TimeRange {
                from: Some(instant(from)),
                before: Some(instant(before)),
            })
        };
        let found = app
            .all_entries(range(from, from + TimeDelta::hours(2)), 50)
            .await;
        let recorded: Vec<_> = found.iter().map(|entry| entry.recorded_at).collect();
        assert_eq!(
            recorded,
            [from + TimeDelta::hours(1), from].map(|at| Some(instant(at)))
        );
        let ask = async |scope| {
            let request = v1::ListEntriesRequest {
                scope: Some(scope),
                ..Default::default()
            };
            app.credits().list_entries(request).await
        };
        let limit = TimeDelta::days(92);
        assert!(ask(range(from, from + limit)).await.is_ok());
        for before in [
            from + limit + TimeDelta::microseconds(1),
            from,
            from - limit,
        ] {
            let faults = field_faults(ask(range(from, before)).await);
            assert_eq!(faults[0].0, "recorded.before");
        }
    })
    .await;
}

async fn filtered(app: &TestApp, request: v1::ListEntriesRequest) -> Vec<(EntryKind, String)> {
    let mut found = Vec::new();
    let mut request = v1::ListEntriesRequest {
        page_size: 1,
        ..request
    };
    loop {
        let page = app.page_of_entries(request.clone()).await;
        let entries = page.entries.iter();
        found.extend(entries.map(|entry| (entry.kind(), entry.amount.clone())));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

#[rstest]
#[tokio::test]
async fn entries_are_found_by_item_user_and_kind(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let aqua = shop.item("Aqua aerobics", "Lessons", 1_500).await;
        let mut template = shop.lessons("20", days(30));
        template.lines[0].covers.extend(covers(&aqua));
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        let kati = app.user("Coach Kati").await;
        let toomas = app.user("Coach Toomas").await;
        for (item, units, user) in [
            (&shop.swim, "1", &kati),
            (&shop.swim, "2", &toomas),
            (&aqua, "3", &kati),
            (&aqua, "4", &String::new()),
        ] {
            let mut request = shop.use_lessons(units);
            request.what = Some(v1::consume_request::What::Item(v1::ItemUnits {
                item_id: item.clone(),
                units: units.to_owned(),
            }));
            request.consumed_by.clone_from(user);
            shop.consume(request).await.unwrap();
        }
        app.clock.advance(TimeDelta::days(60));
        settle::step(app.context()).await.unwrap();
        let all = v1::ListEntriesRequest {
            scope: Some(Scope::PackageId(package.id.clone())),
            ..Default::default()
        };
        let amounts = async |request| {
            let found = filtered(app, request).await;
            found
                .into_iter()
                .map(|(_, amount)| amount)
                .collect::<Vec<_>>()
        };
        let by_item = v1::ListEntriesRequest {
            item_id: aqua.clone(),
            ..all.clone()
        };
        assert_eq!(amounts(by_item.clone()).await, ["4", "3"]);
        let by_user = v1::ListEntriesRequest {
            user_id: kati.clone(),
            ..all.clone()
        };
        assert_eq!(amounts(by_user).await, ["3", "1"]);
        let both = v1::ListEntriesRequest {
            user_id: kati,
            ..by_item
        };
        assert_eq!(amounts(both).await, ["3"]);
        let by_kind = v1::ListEntriesRequest {
            kinds: vec![EntryKind::Issue.into(), EntryKind::Expire.into()],
            ..all.clone()
        };
        let found = filtered(app, by_kind).await;
        let wanted = [
            (EntryKind::Expire, "10".to_owned()),
            (EntryKind::Issue, "20".to_owned()),
        ];
        assert_eq!(found, wanted);
        let nobodys = v1::ListEntriesRequest {
            user_id: "ext:nobody".to_owned(),
            ..all
        };
        let result = app.credits().list_entries(nobodys).await;
        refused(result, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

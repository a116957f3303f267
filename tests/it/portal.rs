//! What customers see of their own (H7), with tokens that can do nothing else.

mod buying;
mod page;
mod tokens;

use carnet::proto::v1;
use carnet::proto::v1::{EntryKind, PackageStatus, UnitState};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

/// All that the customer whose token it is has, in pages of this size.
async fn packages(tenant: &Tenant, page_size: i32) -> Result<Vec<v1::MyPackage>, Status> {
    let mut request = v1::GetMyPackagesRequest {
        page_size,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = tenant.portal().get_my_packages(request.clone()).await?;
        let page = page.into_inner();
        assert_eq!(page.time_zone, "Europe/Tallinn");
        all.extend(page.packages);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// All its history, in pages of this size.
async fn entries(tenant: &Tenant, page_size: i32) -> Result<Vec<v1::MyEntry>, Status> {
    let mut request = v1::ListMyEntriesRequest {
        page_size,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = tenant.portal().list_my_entries(request.clone()).await?;
        let page = page.into_inner();
        all.extend(page.entries);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

fn ids(packages: &[v1::MyPackage]) -> Vec<&str> {
    packages.iter().map(|it| it.id.as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn a_customer_sees_its_packages_unit_by_unit_and_nothing_of_others(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = app.held_by_customer(&shop.customer).await;
        assert_eq!(packages(&mari, 0).await.unwrap(), []);
        assert_eq!(entries(&mari, 0).await.unwrap(), []);

        let package = shop.sell_lessons("3", days(30)).await;
        let stranger = Shop {
            customer: shop.customer("Jaan Kask").await,
            ..shop.clone()
        };
        stranger.sell_lessons("9", days(30)).await;
        let used = v1::ConsumeRequest {
            note: "came late, again".to_owned(),
            ..shop.use_lessons("1")
        };
        shop.consume(used).await.unwrap();

        let mut mine = packages(&mari, 0).await.unwrap();
        assert_eq!(mine.len(), 1);
        let mine = mine.remove(0);
        assert_eq!(mine.id, package.id);
        assert_eq!(mine.name, "Standard");
        assert_eq!(mine.status(), PackageStatus::Active);
        assert_eq!(mine.last_usable_date, "2026-02-13");
        assert_eq!(mine.expires_at, package.expires_at);
        assert_eq!((mine.shared, mine.price), (false, Some(euros(12_000))));
        let [line] = &mine.lines[..] else {
            panic!("{:?}", mine.lines)
        };
        assert_eq!(line.credit_name_plural, "lessons");
        assert_eq!(line.balances.as_ref().unwrap().available, "2");
        let states: Vec<_> = line.units.iter().map(v1::Unit::state).collect();
        assert_eq!(
            states,
            [UnitState::Used, UnitState::Unused, UnitState::Unused]
        );

        let told = entries(&mari, 0).await.unwrap();
        let kinds: Vec<_> = told.iter().map(v1::MyEntry::kind).collect();
        assert_eq!(kinds, [EntryKind::Consume, EntryKind::Issue]);
        let used = &told[0];
        assert_eq!((&*used.amount, &*used.credit_name), ("1", "lesson"));
        assert_eq!((&*used.item_name, &*used.units), ("Swimming lesson", "1"));
        assert_eq!(
            (&used.package_id, &*used.package_name),
            (&package.id, "Standard")
        );
        assert!(!format!("{told:?}").contains("late"), "{told:?}");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_time_has_ended_is_told_whether_or_not_a_job_has_written_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = app.held_by_customer(&shop.customer).await;
        shop.sell_lessons("2", days(10)).await;
        app.clock.advance(TimeDelta::days(12));
        let mine = packages(&mari, 0).await.unwrap();
        assert_eq!(mine[0].status(), PackageStatus::Expired);
        assert_eq!(mine[0].last_usable_date, "2026-01-24");
        let states: Vec<_> = mine[0].lines[0].units.iter().map(v1::Unit::state).collect();
        assert_eq!(states, [UnitState::Expired, UnitState::Expired]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn who_shares_a_package_sees_what_is_in_it_its_own_uses_and_no_price(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let friend = Shop {
            customer: shop.customer("Jaan Kask").await,
            ..shop.clone()
        };
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let entry = v1::SaleEntry {
            member_ids: vec![friend.customer.clone()],
            share_max: 2,
            ..shop.entry(&template_id)
        };
        shop.try_to_sell(vec![entry]).await.unwrap();
        shop.consume(shop.use_lessons("2")).await.unwrap();
        friend.consume(friend.use_lessons("1")).await.unwrap();

        let jaan = app.held_by_customer(&friend.customer).await;
        let shared = packages(&jaan, 0).await.unwrap();
        assert_eq!((shared[0].shared, shared[0].price.clone()), (true, None));
        let balances = shared[0].lines[0].balances.clone().unwrap();
        assert_eq!((&*balances.available, &*balances.consumed), ("5", "3"));
        let uses = entries(&jaan, 0).await.unwrap();
        let amounts: Vec<_> = uses.iter().map(|it| it.amount.as_str()).collect();
        assert_eq!(amounts, ["1"], "not what the others did");

        let mari = app.held_by_customer(&shop.customer).await;
        let own = packages(&mari, 0).await.unwrap();
        assert!(!own[0].shared && own[0].price.is_some());
        let all = entries(&mari, 0).await.unwrap();
        let amounts: Vec<_> = all.iter().map(|it| it.amount.as_str()).collect();
        assert_eq!(amounts, ["1", "2", "8"]);
        for names in ["Jaan", friend.customer.as_str()] {
            assert!(!format!("{own:?}{all:?}").contains(names), "{names}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn pages_of_one_are_all_of_it_in_order(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("4", days(30))).await;
        for _ in 0..3 {
            app.clock.advance(TimeDelta::seconds(1));
            shop.sell(&template_id).await;
            shop.consume(shop.use_lessons("1")).await.unwrap();
        }
        let mari = app.held_by_customer(&shop.customer).await;
        let (all, history) = (packages(&mari, 0).await, entries(&mari, 0).await);
        let (all, history) = (all.unwrap(), history.unwrap());
        assert_eq!((all.len(), history.len()), (3, 6));
        let mut newest_first = ids(&all);
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(ids(&all), newest_first);
        assert_eq!(packages(&mari, 1).await.unwrap(), all);
        assert_eq!(entries(&mari, 1).await.unwrap(), history);
        assert_eq!(field_faults(packages(&mari, -1).await)[0].0, "page_size");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn who_was_merged_sees_what_the_other_has_and_who_was_erased_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let twin = Shop {
            customer: shop.customer("Mari Kask").await,
            ..shop.clone()
        };
        let first = shop.sell_lessons("1", days(30)).await;
        let second = twin.sell_lessons("1", days(30)).await;
        let mari = app.held_by_customer(&shop.customer).await;
        let merge = v1::MergeCustomersRequest {
            customer_id: shop.customer.clone(),
            into_id: twin.customer.clone(),
            ..Default::default()
        };
        app.customers().merge_customers(merge).await.unwrap();
        let mine = packages(&mari, 0).await.unwrap();
        let mut wanted = [first.id.as_str(), second.id.as_str()];
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(ids(&mine), wanted);
        assert_eq!(entries(&mari, 0).await.unwrap().len(), 2);
        let again = app.try_token(app.customers_token(&shop.customer)).await;
        refused(again, Code::FailedPrecondition, "CUSTOMER_MERGED");

        twin.consume(twin.use_lessons("2")).await.unwrap();
        let erase = v1::EraseCustomerRequest {
            customer_id: twin.customer.clone(),
            ..Default::default()
        };
        app.customers().erase_customer(erase).await.unwrap();
        refused(
            packages(&mari, 0).await,
            Code::Unauthenticated,
            "UNAUTHENTICATED",
        );
        let again = app.try_token(app.customers_token(&twin.customer)).await;
        refused(again, Code::FailedPrecondition, "CUSTOMER_ERASED");
        let kept = tokens::of_customer(app, &shop.customer).await;
        assert_eq!(kept[0].name, "", "it may have said who she was");
        assert!(kept[0].revoked_at.is_some());
    })
    .await;
}

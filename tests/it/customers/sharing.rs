//! Packages that several customers use: shared ones (A11, C5) and those of groups (B2, semantics 30).

use carnet::proto::v1;
use carnet::proto::v1::list_entries_request::Scope;
use futures_util::future::join_all;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

/// The shop as another customer sees it.
fn seen_by(shop: &Shop, customer: &str) -> Shop {
    Shop {
        customer: customer.to_owned(),
        ..shop.clone()
    }
}

/// Sells lessons that so many may share, with these members.
async fn sell_shared(shop: &Shop, quantity: &str, members: &[&String], most: i32) -> v1::Package {
    let template_id = shop.offer(shop.lessons(quantity, days(30))).await;
    let entry = v1::SaleEntry {
        member_ids: members.iter().map(ToString::to_string).collect(),
        share_max: most,
        ..shop.entry(&template_id)
    };
    let answer = shop.try_to_sell(vec![entry]).await.unwrap().into_inner();
    answer.results[0].package.clone().unwrap()
}

async fn add(tenant: &Tenant, package_id: &str, customer_id: &str) -> Result<v1::Package, Status> {
    let request = v1::AddMemberRequest {
        package_id: package_id.to_owned(),
        customer_id: customer_id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.packages().add_member(request).await?;
    Ok(answer.into_inner().package.unwrap())
}

async fn remove(tenant: &Tenant, package_id: &str, who: &str) -> Result<v1::Package, Status> {
    let request = v1::RemoveMemberRequest {
        package_id: package_id.to_owned(),
        customer_id: who.to_owned(),
        ..Default::default()
    };
    let answer = tenant.packages().remove_member(request).await?;
    Ok(answer.into_inner().package.unwrap())
}

/// How many packages a customer is offered to pay with, and how many credits it can use.
pub(super) async fn sees(tenant: &Tenant, customer_id: &str) -> (usize, String) {
    let request = v1::ListUsablePackagesRequest {
        customer_id: customer_id.to_owned(),
        ..Default::default()
    };
    let listed = tenant
        .credits()
        .list_usable_packages(request)
        .await
        .unwrap();
    let request = v1::GetBalanceRequest {
        scope: Some(v1::get_balance_request::Scope::CustomerId(
            customer_id.to_owned(),
        )),
        ..Default::default()
    };
    let sheet = tenant.credits().get_balance(request).await.unwrap();
    let balances = sheet.into_inner().balances;
    let usable = balances.first().map(|it| it.usable.clone());
    (
        listed.into_inner().packages.len(),
        usable.unwrap_or_default(),
    )
}

/// Who used what, the newest first, by a customer's history.
pub(super) async fn users(tenant: &Tenant, customer_id: &str) -> Vec<String> {
    let scope = Scope::CustomerId(customer_id.to_owned());
    let entries = tenant.all_entries(scope, 200).await;
    let used = entries.into_iter();
    used.filter(|entry| entry.kind() == v1::EntryKind::Consume)
        .map(|entry| entry.customer_id)
        .collect()
}

#[rstest]
#[tokio::test]
async fn any_member_uses_a_shared_package_and_the_entry_says_who(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let [jaan, kati] = [shop.customer("Jaan").await, shop.customer("Kati").await];
        let package = sell_shared(&shop, "5", &[&jaan], 2).await;
        assert_eq!(
            (package.share_max, package.member_ids),
            (2, vec![jaan.clone()])
        );
        let by_jaan = seen_by(&shop, &jaan);
        assert_eq!(sees(app, &jaan).await, (1, "5".to_owned()));
        by_jaan.consume(by_jaan.use_lessons("1")).await.unwrap();
        by_jaan
            .consume(by_jaan.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let hold = by_jaan.hold(by_jaan.hold_lessons("1")).await.unwrap();
        by_jaan.capture(by_jaan.capturing(&hold)).await.unwrap();
        assert_eq!(shop.left(&package.id).await, "1");
        let mari = shop.customer.clone();
        assert_eq!(
            users(app, &mari).await,
            [&mari, &jaan, &jaan].map(String::clone)
        );
        assert_eq!(users(app, &jaan).await, [&jaan, &jaan].map(String::clone));

        let by_kati = seen_by(&shop, &kati);
        let none = by_kati.consume(by_kati.use_lessons("1")).await;
        refused(none, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        let other = by_kati
            .consume(by_kati.use_lessons_of(&package.id, "1"))
            .await;
        refused(other, Code::FailedPrecondition, "PACKAGE_OF_OTHER_CUSTOMER");
        by_jaan.consume(by_jaan.use_lessons("1")).await.unwrap();
        let empty = by_jaan
            .consume(by_jaan.use_lessons_of(&package.id, "1"))
            .await;
        refused(empty, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_removed_member_uses_no_more_and_its_history_stays(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let jaan = shop.customer("Jaan").await;
        let package = sell_shared(&shop, "5", &[&jaan], 2).await;
        let by_jaan = seen_by(&shop, &jaan);
        by_jaan.consume(by_jaan.use_lessons("1")).await.unwrap();
        let left = remove(app, &package.id, &jaan).await.unwrap();
        assert_eq!(left.member_ids, [""; 0]);
        assert_eq!(sees(app, &jaan).await, (0, String::new()));
        let none = by_jaan.consume(by_jaan.use_lessons("1")).await;
        refused(none, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(users(app, &jaan).await, std::slice::from_ref(&jaan));
        let again = remove(app, &package.id, &jaan).await;
        refused(again, Code::FailedPrecondition, "NOT_A_MEMBER");
        let owner = remove(app, &package.id, &shop.customer).await;
        refused(owner, Code::FailedPrecondition, "MEMBER_IS_OWNER");

        add(app, &package.id, &jaan).await.unwrap();
        by_jaan.consume(by_jaan.use_lessons("1")).await.unwrap();
        let changes = app.changes_of(&package.id).await;
        let told: Vec<_> = changes
            .iter()
            .map(|change| {
                let Some(v1::change::Detail::Customer(it)) = change.detail.clone() else {
                    panic!("something else changed: {change:?}");
                };
                (change.kind(), it.old_customer_id, it.new_customer_id)
            })
            .collect();
        let none = String::new();
        assert_eq!(
            told,
            [
                (v1::ChangeKind::MemberAdded, none.clone(), jaan.clone()),
                (v1::ChangeKind::MemberRemoved, jaan.clone(), none),
            ]
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn no_more_customers_share_a_package_than_may(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let [jaan, kati] = [shop.customer("Jaan").await, shop.customer("Kati").await];
        let package = sell_shared(&shop, "5", &[&jaan], 2).await;
        let full = add(app, &package.id, &kati).await;
        let numbers = refused(full, Code::FailedPrecondition, "SHARE_LIMIT_EXCEEDED");
        assert_eq!(
            (numbers["share_max"].as_str(), numbers["requested"].as_str()),
            ("2", "3")
        );
        let twice = add(app, &package.id, &jaan).await;
        refused(twice, Code::FailedPrecondition, "ALREADY_MEMBER");
        let alone = shop.sell_lessons("5", days(30)).await;
        let full = add(app, &alone.id, &kati).await;
        refused(full, Code::FailedPrecondition, "SHARE_LIMIT_EXCEEDED");

        let stale = v1::RemoveMemberRequest {
            package_id: package.id.clone(),
            customer_id: jaan.clone(),
            etag: "99".to_owned(),
            ..Default::default()
        };
        let stale = app.packages().remove_member(stale).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let off = v1::Customer {
            id: kati.clone(),
            ..Default::default()
        };
        app.change_customer(off, &["active"]).await;
        remove(app, &package.id, &jaan).await.unwrap();
        let inactive = add(app, &package.id, &kati).await;
        refused(inactive, Code::FailedPrecondition, "CUSTOMER_INACTIVE");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_last_credit_of_a_shared_package_goes_to_one_of_its_members(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut members = Vec::new();
        for index in 0..7 {
            members.push(shop.customer(&format!("Member {index}")).await);
        }
        let named: Vec<&String> = members.iter().collect();
        let package = sell_shared(&shop, "3", &named, 8).await;
        members.push(shop.customer.clone());
        let shops: Vec<Shop> = members.iter().map(|id| seen_by(&shop, id)).collect();
        let calls = shops.iter().map(|shop| shop.consume(shop.use_lessons("1")));
        let mut won = 0;
        for result in join_all(calls).await {
            if result.is_ok() {
                won += 1;
            } else {
                refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
            }
        }
        assert_eq!((won, shop.left(&package.id).await.as_str()), (3, "0"));
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_removed_while_others_use_has_used_nothing_afterwards(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let jaan = shop.customer("Jaan").await;
        let package = sell_shared(&shop, "50", &[&jaan], 2).await;
        let by_jaan = seen_by(&shop, &jaan);
        let uses = (0..20).map(|_| by_jaan.consume(by_jaan.use_lessons("1")));
        let (used, removed) = tokio::join!(join_all(uses), remove(app, &package.id, &jaan));
        removed.unwrap();
        let removed_at = app.changes_of(&package.id).await[0].sequence;
        assert_eq!(removed_at, 1);
        let won = used.iter().filter(|it| it.is_ok()).count();
        assert_eq!(users(app, &jaan).await.len(), won);
        let late = by_jaan.consume(by_jaan.use_lessons("1")).await;
        refused(late, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn members_are_checked_in_the_sale_that_adds_them(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let jaan = shop.customer("Jaan").await;
        let template_id = shop.offer(shop.lessons("5", days(30))).await;
        let with = |members: &[&String], share_max| v1::SaleEntry {
            member_ids: members.iter().map(ToString::to_string).collect(),
            share_max,
            ..shop.entry(&template_id)
        };
        let both = v1::SaleEntry {
            group_id: "ext:club".to_owned(),
            ..with(&[], 0)
        };
        let faults = field_faults(shop.try_to_sell(vec![both]).await);
        assert_eq!(faults[0].0, "entries[0].customer_id");
        for (entry, reason) in [
            (with(&[&jaan], 0), "SHARE_LIMIT_EXCEEDED"),
            (with(&[&shop.customer], 3), "ALREADY_MEMBER"),
            (with(&[&jaan, &jaan], 3), "ALREADY_MEMBER"),
            (with(&[&"ext:nobody".to_owned()], 3), "NOT_FOUND"),
        ] {
            let status = shop.try_to_sell(vec![entry]).await.unwrap_err();
            assert!(
                super::unmet(&status).contains(&reason.to_owned()),
                "{status:?}"
            );
        }
    })
    .await;
}

//! Merging two customers (B4, semantics 25).

use carnet::proto::v1;
use rstest::rstest;
use tonic::{Code, Status};

use super::sharing::{sees, users};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

async fn merge(tenant: &Tenant, customer_id: &str, into: &str) -> Result<v1::Customer, Status> {
    let request = v1::MergeCustomersRequest {
        customer_id: customer_id.to_owned(),
        into_id: into.to_owned(),
        ..Default::default()
    };
    let answer = tenant.customers().merge_customers(request).await?;
    Ok(answer.into_inner().customer.unwrap())
}

async fn customer(tenant: &Tenant, id: &str) -> v1::Customer {
    let request = v1::GetCustomerRequest {
        customer_id: id.to_owned(),
    };
    let found = tenant.customers().get_customer(request).await.unwrap();
    found.into_inner().customer.unwrap()
}

fn owned_by(shop: &Shop, customer: &str) -> Shop {
    Shop {
        customer: customer.to_owned(),
        ..shop.clone()
    }
}

#[rstest]
#[tokio::test]
async fn packages_sales_and_holds_go_to_the_survivor_and_history_is_read_there(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (mari, jaan) = (shop.customer.clone(), shop.customer("Jaan").await);
        let package = shop.sell_lessons("5", days(30)).await;
        let used = shop.consume(shop.use_lessons("1")).await.unwrap();
        let hold = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let survivor = merge(app, &mari, &jaan).await.unwrap();
        assert_eq!((survivor.id, survivor.active), (jaan.clone(), true));
        let given_up = customer(app, &mari).await;
        assert_eq!(
            (given_up.merged_into, given_up.active),
            (jaan.clone(), false)
        );

        assert_eq!(shop.package(&package.id).await.customer_id, jaan);
        assert_eq!(app.sale(&package.sale_id).await.customer_id, jaan);
        assert_eq!(sees(app, &jaan).await, (1, "3".to_owned()));
        assert_eq!(
            users(app, &jaan).await,
            std::slice::from_ref(&mari),
            "entries stay as they were"
        );
        let change = app.changes_of(&package.id).await.remove(0);
        assert_eq!(change.kind(), v1::ChangeKind::OwnerChanged);
        let owner = v1::CustomerChange {
            old_customer_id: mari.clone(),
            new_customer_id: jaan.clone(),
        };
        assert_eq!(change.detail, Some(v1::change::Detail::Customer(owner)));

        let by_jaan = owned_by(&shop, &jaan);
        let more = v1::CaptureRequest {
            portion: Some(v1::capture_request::Portion::Units("2".to_owned())),
            allow_excess: true,
            ..by_jaan.capturing(&hold)
        };
        by_jaan.capture(more).await.unwrap();
        let other = by_jaan.sell_lessons("5", days(60)).await;
        by_jaan.relocate(&used.posting_id, &other.id).await.unwrap();
        assert_eq!(shop.left(&package.id).await, "3");
        assert_eq!(shop.left(&other.id).await, "4");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_call_that_names_a_merged_customer_is_refused_with_the_survivor(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (mari, jaan) = (shop.customer.clone(), shop.customer("Jaan").await);
        let template_id = shop.offer(shop.lessons("5", days(30))).await;
        let package = shop.sell(&template_id).await;
        let itself = merge(app, &mari, &mari).await;
        refused(itself, Code::FailedPrecondition, "MERGED_INTO_ITSELF");
        merge(app, &mari, &jaan).await.unwrap();

        let named = |result: Result<(), Status>| {
            let names = refused(result, Code::FailedPrecondition, "CUSTOMER_MERGED");
            assert_eq!(
                (&names["customer_id"], &names["merged_into"]),
                (&mari, &jaan)
            );
        };
        named(shop.consume(shop.use_lessons("1")).await.map(drop));
        named(
            shop.consume(shop.use_lessons_of(&package.id, "1"))
                .await
                .map(drop),
        );
        named(shop.hold(shop.hold_lessons("1")).await.map(drop));
        named(merge(app, &mari, &jaan).await.map(drop));
        named(merge(app, &jaan, &mari).await.map(drop));
        let usable = v1::ListUsablePackagesRequest {
            customer_id: mari.clone(),
            ..Default::default()
        };
        named(app.credits().list_usable_packages(usable).await.map(drop));
        let balance = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(mari.clone())),
            ..Default::default()
        };
        named(app.credits().get_balance(balance).await.map(drop));
        let packages = v1::ListPackagesRequest {
            customer_id: mari.clone(),
            ..Default::default()
        };
        named(app.packages().list_packages(packages).await.map(drop));
        let entries = v1::ListEntriesRequest {
            scope: Some(v1::list_entries_request::Scope::CustomerId(mari.clone())),
            ..Default::default()
        };
        named(app.credits().list_entries(entries).await.map(drop));
        let status = shop
            .try_to_sell(vec![shop.entry(&template_id)])
            .await
            .unwrap_err();
        assert_eq!(super::unmet(&status), ["CUSTOMER_MERGED"]);
        let back = v1::Customer {
            id: mari.clone(),
            active: true,
            ..Default::default()
        };
        named(super::update(app, back, &["active"]).await.map(drop));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn memberships_go_to_the_survivor_and_a_merge_follows_a_merge(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let [jaan, kati] = [shop.customer("Jaan").await, shop.customer("Kati").await];
        let template_id = shop.offer(shop.lessons("5", days(30))).await;
        let shared = v1::SaleEntry {
            member_ids: vec![jaan.clone()],
            share_max: 2,
            ..shop.entry(&template_id)
        };
        shop.try_to_sell(vec![shared]).await.unwrap();
        let request = v1::CreateGroupRequest {
            group: Some(v1::Group {
                name: "Club".to_owned(),
                contact_id: jaan.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let club = app.customers().create_group(request).await.unwrap();
        let club = club.into_inner().group.unwrap();
        let of_group = v1::SaleEntry {
            customer_id: String::new(),
            group_id: club.id.clone(),
            ..shop.entry(&template_id)
        };
        shop.try_to_sell(vec![of_group]).await.unwrap();
        let by_jaan = owned_by(&shop, &jaan);
        by_jaan.consume(by_jaan.use_lessons("1")).await.unwrap();

        let wrong = v1::MergeCustomersRequest {
            customer_id: jaan.clone(),
            into_id: kati.clone(),
            etag: "99".to_owned(),
            ..Default::default()
        };
        let wrong = app.customers().merge_customers(wrong).await;
        refused(wrong, Code::Aborted, "ETAG_MISMATCH");
        let tried = v1::MergeCustomersRequest {
            customer_id: jaan.clone(),
            into_id: kati.clone(),
            validate_only: true,
            ..Default::default()
        };
        app.customers().merge_customers(tried).await.unwrap();
        assert_eq!(sees(app, &jaan).await, (2, "9".to_owned()));

        merge(app, &jaan, &kati).await.unwrap();
        assert_eq!(sees(app, &kati).await, (2, "9".to_owned()));
        let request = v1::GetGroupRequest {
            group_id: club.id.clone(),
        };
        let club = app.customers().get_group(request).await.unwrap();
        let club = club.into_inner().group.unwrap();
        assert_eq!(
            (&club.contact_id, &club.member_ids),
            (&kati, &vec![kati.clone()])
        );
        let by_kati = owned_by(&shop, &kati);
        by_kati.consume(by_kati.use_lessons("1")).await.unwrap();

        // The owner of the shared package takes the place of the one who shared it.
        merge(app, &kati, &shop.customer).await.unwrap();
        assert_eq!(customer(app, &jaan).await.merged_into, shop.customer);
        assert_eq!(sees(app, &shop.customer).await, (2, "8".to_owned()));
        assert_eq!(users(app, &shop.customer).await, [kati, jaan]);
    })
    .await;
}

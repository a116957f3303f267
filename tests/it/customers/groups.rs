//! Groups of customers (B2, semantics 30).

use carnet::proto::v1;
use rstest::rstest;
use tonic::{Code, Status};

use super::sharing::{sees, users};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};
use crate::support::steps::mask;
use crate::support::tenant::Tenant;

async fn create(tenant: &Tenant, name: &str, contact_id: &str) -> Result<v1::Group, Status> {
    let request = v1::CreateGroupRequest {
        group: Some(v1::Group {
            external_id: name.to_lowercase(),
            name: name.to_owned(),
            contact_id: contact_id.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = tenant.customers().create_group(request).await?;
    Ok(answer.into_inner().group.unwrap())
}

async fn add(tenant: &Tenant, group_id: &str, customer_id: &str) -> Result<v1::Group, Status> {
    let request = v1::AddGroupMemberRequest {
        group_id: group_id.to_owned(),
        customer_id: customer_id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.customers().add_group_member(request).await?;
    Ok(answer.into_inner().group.unwrap())
}

async fn remove(tenant: &Tenant, group_id: &str, who: &str) -> Result<v1::Group, Status> {
    let request = v1::RemoveGroupMemberRequest {
        group_id: group_id.to_owned(),
        customer_id: who.to_owned(),
        ..Default::default()
    };
    let answer = tenant.customers().remove_group_member(request).await?;
    Ok(answer.into_inner().group.unwrap())
}

async fn update(tenant: &Tenant, group: v1::Group, paths: &[&str]) -> v1::Group {
    let request = v1::UpdateGroupRequest {
        group: Some(group),
        update_mask: Some(mask(paths)),
        ..Default::default()
    };
    let answer = tenant.customers().update_group(request).await.unwrap();
    answer.into_inner().group.unwrap()
}

/// Sells lessons to a group, paid.
async fn sell(shop: &Shop, group_id: &str) -> Result<v1::Package, Status> {
    let template_id = shop.offer(shop.lessons("5", days(30))).await;
    let entry = v1::SaleEntry {
        customer_id: String::new(),
        group_id: group_id.to_owned(),
        ..shop.entry(&template_id)
    };
    let answer = shop.try_to_sell(vec![entry]).await?.into_inner();
    assert_eq!(
        answer.sales[0].group_id,
        answer.results[0].package.as_ref().unwrap().group_id
    );
    Ok(answer.results[0].package.clone().unwrap())
}

#[rstest]
#[tokio::test]
async fn each_active_member_of_a_group_uses_its_package_whenever_it_joined(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let [jaan, kati] = [shop.customer("Jaan").await, shop.customer("Kati").await];
        let club = create(app, "Club", &shop.customer).await.unwrap();
        add(app, "ext:club", &jaan).await.unwrap();
        let package = sell(&shop, "ext:club").await.unwrap();
        assert_eq!(
            (package.group_id.as_str(), package.member_ids.len()),
            (club.id.as_str(), 1)
        );
        let club = add(app, &club.id, &kati).await.unwrap();
        assert_eq!(club.member_ids.len(), 3);
        for customer in [&shop.customer, &jaan, &kati] {
            let own = Shop {
                customer: customer.clone(),
                ..shop.clone()
            };
            assert_eq!(sees(app, customer).await.0, 1);
            own.consume(own.use_lessons("1")).await.unwrap();
        }
        assert_eq!(users(app, &kati).await, std::slice::from_ref(&kati));
        assert_eq!(shop.left(&package.id).await, "2");

        let off = v1::Customer {
            id: kati.clone(),
            ..Default::default()
        };
        app.change_customer(off, &["active"]).await;
        remove(app, &club.id, &jaan).await.unwrap();
        for customer in [&jaan, &kati] {
            let own = Shop {
                customer: customer.clone(),
                ..shop.clone()
            };
            assert_eq!(sees(app, customer).await, (0, String::new()));
            let none = own.consume(own.use_lessons("1")).await;
            refused(none, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
            let none = own.hold(own.hold_lessons_of(&package.id, "1")).await;
            refused(none, Code::FailedPrecondition, "PACKAGE_OF_OTHER_CUSTOMER");
        }
        assert_eq!(users(app, &jaan).await, std::slice::from_ref(&jaan));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nothing_is_sold_to_an_inactive_group(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let club = create(app, "Club", &shop.customer).await.unwrap();
        assert!(club.active);
        let taken = create(app, "Club", &shop.customer).await;
        refused(taken, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        let package = sell(&shop, &club.id).await.unwrap();
        let off = v1::Group {
            id: club.id.clone(),
            ..Default::default()
        };
        assert!(!update(app, off, &["active"]).await.active);
        let status = sell(&shop, &club.id).await.unwrap_err();
        assert_eq!(super::unmet(&status), ["GROUP_INACTIVE"]);
        let status = sell(&shop, "ext:nobody").await.unwrap_err();
        assert_eq!(super::unmet(&status), ["NOT_FOUND"]);
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        let list = async |include_inactive| {
            let request = v1::ListGroupsRequest {
                include_inactive,
                query: "LUB".to_owned(),
                member_id: shop.customer.clone(),
                ..Default::default()
            };
            let answer = app.customers().list_groups(request).await.unwrap();
            answer.into_inner().groups.len()
        };
        assert_eq!((list(false).await, list(true).await), (0, 1));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_new_contact_gets_the_e_mails_and_the_old_one_stays_a_member(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let jaan = shop.customer("Jaan").await;
        let club = create(app, "Club", &shop.customer).await.unwrap();
        let package = sell(&shop, &club.id).await.unwrap();
        let left = remove(app, &club.id, &shop.customer).await;
        refused(left, Code::FailedPrecondition, "MEMBER_IS_OWNER");
        let changed = v1::Group {
            id: club.id.clone(),
            contact_id: jaan.clone(),
            ..Default::default()
        };
        let changed = update(app, changed, &["contact_id"]).await;
        assert_eq!((&changed.contact_id, changed.member_ids.len()), (&jaan, 2));
        assert_eq!(shop.package(&package.id).await.customer_id, jaan);
        for customer in [&shop.customer, &jaan] {
            assert_eq!(sees(app, customer).await, (1, "5".to_owned()));
        }
        let request = v1::AddMemberRequest {
            package_id: package.id.clone(),
            customer_id: shop.customer("Kati").await,
            ..Default::default()
        };
        let shared = app.packages().add_member(request).await;
        refused(shared, Code::FailedPrecondition, "PACKAGE_OF_GROUP");
        remove(app, &club.id, &shop.customer).await.unwrap();
        let twice = remove(app, &club.id, &shop.customer).await;
        refused(twice, Code::FailedPrecondition, "NOT_A_MEMBER");
        assert_eq!(sees(app, &shop.customer).await, (0, String::new()));
        let second = sell(&shop, &club.id).await.unwrap();
        app.deliver().await;
        let request = v1::ListEmailsRequest {
            customer_id: jaan.clone(),
            ..Default::default()
        };
        let emails = app.emails().list_emails(request).await.unwrap();
        assert_eq!(emails.into_inner().emails.len(), 1, "{}", second.id);
    })
    .await;
}

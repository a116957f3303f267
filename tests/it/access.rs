//! Who may do what: roles and the members of staff who have them (F6, J3), through gRPC on both databases.

mod audit_log;
mod mailing;
mod matrix;
pub(crate) mod script;
mod tokens;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::Permission as Held;
use carnet::proto::v1::list_entries_request::Scope;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};
use crate::support::staff::token;
use crate::support::steps::mask;
use crate::support::tenant::Tenant;

async fn roles(tenant: &Tenant) -> v1::ListRolesResponse {
    let request = v1::ListRolesRequest::default();
    let answer = tenant.business().list_roles(request).await;
    answer.unwrap().into_inner()
}

async fn change_role(tenant: &Tenant, role: v1::Role, paths: &[&str]) -> Result<v1::Role, Status> {
    let request = v1::UpdateRoleRequest {
        role: Some(role),
        update_mask: Some(mask(paths)),
        ..Default::default()
    };
    let answer = tenant.business().update_role(request).await?;
    Ok(answer.into_inner().role.unwrap())
}

#[rstest]
#[tokio::test]
async fn the_built_in_roles_are_there_and_cannot_be_changed_or_named_again(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let built_in = roles(app).await.built_in_roles;
        let ids: Vec<_> = built_in.iter().map(|role| role.id.as_str()).collect();
        assert_eq!(ids, ["owner", "manager", "front_desk", "read_only"]);
        assert!(built_in.iter().all(|role| role.built_in));
        assert_eq!(
            built_in[0].permissions.len(),
            Permission::of_staff().count()
        );
        for role in built_in {
            let numbers = refused(
                change_role(app, role.clone(), &["name"]).await,
                Code::FailedPrecondition,
                "ROLE_BUILT_IN",
            );
            assert_eq!(numbers["role_id"], role.id);
            let again = role.name.to_uppercase();
            let again = app.try_role(&again, &[Held::CatalogRead]).await;
            refused(again, Code::AlreadyExists, "ROLE_NAME_TAKEN");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_role_has_a_name_of_its_own_and_changes_from_what_the_caller_has_seen(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let till = app.try_role("Till", &[Held::CatalogRead]).await.unwrap();
        let again = app.try_role(" tILL ", &[Held::CatalogRead]).await;
        let numbers = refused(again, Code::AlreadyExists, "ROLE_NAME_TAKEN");
        assert_eq!(numbers["name"], "tILL");
        app.clock.advance(TimeDelta::milliseconds(1));
        let desk = app.try_role("Desk", &[Held::CatalogRead]).await.unwrap();
        let renamed = v1::Role {
            name: "TILL".to_owned(),
            ..desk.clone()
        };
        let taken = change_role(app, renamed, &["name"]).await;
        refused(taken, Code::AlreadyExists, "ROLE_NAME_TAKEN");
        let wider = v1::Role {
            permissions: vec![Held::CatalogRead.into(), Held::PackagesSell.into()],
            ..desk.clone()
        };
        let changed = change_role(app, wider.clone(), &["permissions"]).await;
        let changed = changed.unwrap();
        assert_eq!(changed.permissions, wider.permissions);
        let stale = change_role(app, wider, &["permissions"]).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        assert_eq!(roles(app).await.roles, [changed, till]);
        let nothing = app.try_role("Nothing", &[]).await;
        assert_eq!(field_faults(nothing)[0].0, "role.permissions");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_users_token_may_do_what_both_the_role_and_the_token_allow(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let role = app.try_role("Till", &[Held::SettingsRead, Held::CatalogRead]);
        let role = role.await.unwrap();
        let user = app.user_with_role("Kati", &role.id).await;
        let kati = app.held_by(&user, &[Held::SettingsRead, Held::UsersRead]);
        let kati = kati.await;
        kati.read_settings().await.unwrap();
        let list = async || {
            let request = v1::ListUsersRequest::default();
            kati.business().list_users(request).await
        };
        // The token allows it, the role does not.
        refused(list().await, Code::PermissionDenied, "PERMISSION_DENIED");
        // The role allows it, the token does not.
        let items = v1::ListItemsRequest::default();
        let items = kati.catalog().list_items(items).await;
        refused(items, Code::PermissionDenied, "PERMISSION_DENIED");
        // A role that changes changes what the next call may do.
        let other = v1::Role {
            permissions: vec![Held::UsersRead.into()],
            ..role
        };
        change_role(app, other, &["permissions"]).await.unwrap();
        list().await.unwrap();
        let settings = kati.read_settings().await;
        refused(settings, Code::PermissionDenied, "PERMISSION_DENIED");
        // So does another role.
        let other = v1::User {
            id: user,
            role_id: "read_only".to_owned(),
            ..Default::default()
        };
        app.change_user(other, &["role_id"]).await.unwrap();
        kati.read_settings().await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_token_of_a_user_who_left_is_refused_at_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let user = app.user_with_role("Kati", "front_desk").await;
        let kati = app.held_by(&user, &[Held::SettingsRead]).await;
        kati.read_settings().await.unwrap();
        app.dismiss(&user).await;
        let settings = kati.read_settings().await;
        refused(settings, Code::Unauthenticated, "UNAUTHENTICATED");
        let another = app.try_token(token(&user, &[Held::SettingsRead])).await;
        let numbers = refused(another, Code::FailedPrecondition, "USER_INACTIVE");
        assert_eq!(numbers["user_id"], user);
        let request = v1::ListUsersRequest {
            hide_inactive: true,
            ..Default::default()
        };
        let listed = app.business().list_users(request).await.unwrap();
        assert_eq!(listed.into_inner().users, []);
        let back = v1::User {
            id: user,
            active: true,
            ..Default::default()
        };
        app.change_user(back, &["active"]).await.unwrap();
        kati.read_settings().await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nobody_gives_or_takes_more_than_they_hold(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let owner = app.user_with_role("The owner", "owner").await;
        let clerk = [
            Permission::UsersManage,
            Permission::RolesManage,
            Permission::TokensManage,
            Permission::CatalogRead,
        ];
        let clerk = app.allowed_only(&clerk).await;
        let denied = (Code::PermissionDenied, "PERMISSIONS_EXCEED_CALLER");
        let more = clerk.try_role(
            "More",
            &[Held::CatalogRead, Held::PackagesSell, Held::CreditsIssue],
        );
        let numbers = refused(more.await, denied.0, denied.1);
        assert_eq!(numbers["permissions"], "PACKAGES_SELL, CREDITS_ISSUE");
        let role = clerk
            .try_role("Reader", &[Held::CatalogRead])
            .await
            .unwrap();
        let wider = v1::Role {
            permissions: vec![Held::PackagesSell.into()],
            ..role.clone()
        };
        refused(
            change_role(&clerk, wider, &["permissions"]).await,
            denied.0,
            denied.1,
        );
        let mighty = app.try_role("Seller", &[Held::PackagesSell]).await.unwrap();
        let narrower = v1::Role {
            permissions: vec![Held::CatalogRead.into()],
            ..mighty
        };
        refused(
            change_role(&clerk, narrower, &["permissions"]).await,
            denied.0,
            denied.1,
        );
        refused(clerk.try_user("Me", "manager").await, denied.0, denied.1);
        let own = clerk.try_user("Me", &role.id).await.unwrap();
        let promoted = v1::User {
            id: own.id.clone(),
            role_id: "owner".to_owned(),
            ..Default::default()
        };
        refused(
            clerk.change_user(promoted, &["role_id"]).await,
            denied.0,
            denied.1,
        );
        for (field, change) in [
            ("role_id", v1::User::default()),
            ("active", v1::User::default()),
        ] {
            let demoted = v1::User {
                id: owner.clone(),
                ..change
            };
            refused(
                clerk.change_user(demoted, &[field]).await,
                denied.0,
                denied.1,
            );
        }
        // A name gives nothing.
        let renamed = v1::User {
            id: owner,
            name: "Mari".to_owned(),
            ..Default::default()
        };
        clerk.change_user(renamed, &["name"]).await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_user_changes_field_by_field_from_what_the_caller_has_seen(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let unknown = app.try_user("Kati", "rol_01jd0c5hqbf9bvxk2mqnz8s6wt").await;
        refused(unknown, Code::NotFound, "NOT_FOUND");
        let nonsense = app.try_user("Kati", "boss").await;
        assert_eq!(field_faults(nonsense)[0].0, "user.role_id");
        let user = app.try_user("Kati", "").await.unwrap();
        assert!(user.active && user.role_id.is_empty());
        let change = v1::User {
            external_id: "K".to_owned(),
            role_id: "front_desk".to_owned(),
            ..user.clone()
        };
        let changed = app.change_user(change.clone(), &["external_id", "role_id"]);
        let changed = changed.await.unwrap();
        assert_eq!(changed.role_id, "front_desk");
        assert_eq!((changed.name.as_str(), changed.active), ("Kati", true));
        let stale = app.change_user(change, &["role_id"]).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let other = app.try_user("Jaan", "").await.unwrap();
        let same = v1::User {
            external_id: "K".to_owned(),
            ..other
        };
        let taken = app.change_user(same, &["external_id"]).await;
        refused(taken, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        let by_external_id = v1::User {
            id: "ext:K".to_owned(),
            name: "Coach Kati".to_owned(),
            ..Default::default()
        };
        let renamed = app.change_user(by_external_id, &["name"]).await.unwrap();
        assert_eq!((renamed.id, renamed.role_id), (user.id, changed.role_id));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_use_is_recorded_by_the_user_whose_token_it_was(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let user = app.user_with_role("Kati", "front_desk").await;
        let kati = app.held_by(&user, &[Held::CreditsConsume]).await;
        let request = shop.use_lessons_of(&package.id, "1");
        kati.credits().consume(request).await.unwrap();
        let entries = app.all_entries(Scope::PackageId(package.id), 10).await;
        assert_eq!(entries[0].actor_id, user);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn to_see_billing_to_add_invoices_and_to_manage_them_are_three_permissions(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let see = app
            .allowed_only(&[Permission::PackagesRead, Permission::InvoicesRead])
            .await;
        let add = app
            .allowed_only(&[Permission::PackagesSell, Permission::InvoicesCreate])
            .await;
        let manage = app
            .allowed_only(&[Permission::PackagesRevoke, Permission::InvoicesManage])
            .await;
        let invoice = v1::CreateInvoiceRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            lines: vec![v1::InvoiceLineInput {
                item_id: shop.swim.clone(),
                quantity: "1".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };
        for clerk in [&see, &manage] {
            let made = clerk.invoices().create_invoice(invoice.clone()).await;
            refused(made, Code::PermissionDenied, "PERMISSION_DENIED");
        }
        let made = add.invoices().create_invoice(invoice).await.unwrap();
        let issue = v1::IssueInvoiceRequest {
            request_id: app.request_id(),
            invoice_id: made.into_inner().invoice.unwrap().id,
            ..Default::default()
        };
        for clerk in [&see, &add] {
            let issued = clerk.invoices().issue_invoice(issue.clone()).await;
            refused(issued, Code::PermissionDenied, "PERMISSION_DENIED");
        }
        manage.invoices().issue_invoice(issue).await.unwrap();
        let get = v1::GetPackageRequest {
            package_id: package.id,
        };
        for clerk in [&add, &manage] {
            let got = clerk.packages().get_package(get.clone()).await;
            refused(got, Code::PermissionDenied, "PERMISSION_DENIED");
        }
        see.packages().get_package(get).await.unwrap();
    })
    .await;
}

//! Customers (B1), through gRPC on both databases.

mod groups;
mod merging;
mod resolving;
mod sharing;

use carnet::proto::v1;
use prost_types::FieldMask;
use rstest::rstest;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::tenant::Tenant;

/// The reasons for which entries of a sale are refused.
fn unmet(status: &Status) -> Vec<String> {
    let details = status.get_details_precondition_failure().unwrap();
    let unmet = details.violations.into_iter();
    unmet.map(|violation| violation.r#type).collect()
}

async fn create(tenant: &Tenant, customer: v1::Customer) -> Result<v1::Customer, Status> {
    let request = v1::CreateCustomerRequest {
        customer: Some(customer),
        ..Default::default()
    };
    let answer = tenant.customers().create_customer(request).await?;
    Ok(answer.into_inner().customer.unwrap())
}

async fn update(
    tenant: &Tenant,
    customer: v1::Customer,
    paths: &[&str],
) -> Result<v1::Customer, Status> {
    let mask = FieldMask {
        paths: paths.iter().map(ToString::to_string).collect(),
    };
    let request = v1::UpdateCustomerRequest {
        customer: Some(customer),
        update_mask: Some(mask),
        ..Default::default()
    };
    let answer = tenant.customers().update_customer(request).await?;
    Ok(answer.into_inner().customer.unwrap())
}

fn mari() -> v1::Customer {
    v1::Customer {
        external_id: "CRM-7".to_owned(),
        name: "Mari Õun".to_owned(),
        email: "Mari@Example.com".to_owned(),
        email_verified: true,
        phone: "+372 5550 1234".to_owned(),
        locale: "EN-gb".to_owned(),
        ..Default::default()
    }
}

#[rstest]
#[tokio::test]
async fn a_search_looks_through_every_field_in_any_case_and_takes_each_character_for_itself(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        create(app, mari()).await.unwrap();
        let jaan = v1::Customer {
            name: "100% Jaan_".to_owned(),
            ..Default::default()
        };
        create(app, jaan).await.unwrap();
        let found = async |query: &str| {
            let request = v1::ListCustomersRequest {
                query: query.to_owned(),
                ..Default::default()
            };
            let answer = app.customers().list_customers(request).await.unwrap();
            answer.into_inner().customers.len()
        };
        for query in ["mari õUN", "@EXAMPLE", "crm-7", "5550", "%", "_", "100% j"] {
            assert_eq!(found(query).await, 1, "{query}");
        }
        assert_eq!(
            (found("").await, found("!").await, found("Õun Mari").await),
            (2, 0, 0)
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_customer_is_active_and_kept_as_given(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let made = create(app, mari()).await.unwrap();
        assert!(made.active && made.email_verified);
        assert_eq!(
            (made.email.as_str(), made.locale.as_str()),
            ("mari@example.com", "en-GB")
        );
        let request = v1::GetCustomerRequest {
            customer_id: "ext:CRM-7".to_owned(),
        };
        let found = app.customers().get_customer(request).await.unwrap();
        assert_eq!(found.into_inner().customer, Some(made));
        let again = create(app, mari()).await;
        refused(again, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_new_address_is_not_verified_unless_the_caller_says_so(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let made = create(app, mari()).await.unwrap();
        let with = |email: &str| v1::Customer {
            email: email.to_owned(),
            ..made.clone()
        };
        let write = async |email: &str, paths: &[&str]| {
            let customer = v1::Customer {
                etag: String::new(),
                ..with(email)
            };
            update(app, customer, paths).await.unwrap()
        };
        assert!(write("mari@example.com", &["email"]).await.email_verified);
        assert!(!write("m@example.com", &["email"]).await.email_verified);
        assert!(
            write("o@example.com", &["email", "email_verified"])
                .await
                .email_verified
        );
        let stale = update(app, with("p@example.com"), &["email"]).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let cleared = write("", &["email"]).await;
        assert_eq!(
            (cleared.email.as_str(), cleared.name.as_str()),
            ("", "Mari Õun")
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_inactive_customer_is_listed_only_if_asked_for(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let made = create(app, mari()).await.unwrap();
        let off = v1::Customer {
            active: false,
            ..made
        };
        assert!(!update(app, off, &["active"]).await.unwrap().active);
        let list = async |include_inactive| {
            let request = v1::ListCustomersRequest {
                include_inactive,
                ..Default::default()
            };
            let answer = app.customers().list_customers(request).await.unwrap();
            answer.into_inner().customers.len()
        };
        assert_eq!((list(false).await, list(true).await), (0, 1));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_no_message_can_be_sent_to_is_no_address(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let customer = v1::Customer {
            name: String::new(),
            email: "mari@".to_owned(),
            time_zone: "Europe/Tartu".to_owned(),
            ..Default::default()
        };
        let faults = field_faults(create(app, customer).await);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["customer.name", "customer.email", "customer.time_zone"]
        );
    })
    .await;
}

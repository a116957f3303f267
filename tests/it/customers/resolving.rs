//! Finding a customer by an e-mail address (B4, semantics 31).

use carnet::proto::v1;
use rstest::rstest;
use tonic::{Code, Status};

use super::{create, mari, update};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::tenant::Tenant;

async fn resolve(tenant: &Tenant, email: &str) -> Result<v1::Customer, Status> {
    let request = v1::ResolveCustomerRequest {
        email: email.to_owned(),
    };
    let answer = tenant.customers().resolve_customer(request).await?;
    Ok(answer.into_inner().customer.unwrap())
}

fn with(email: &str, email_verified: bool) -> v1::Customer {
    v1::Customer {
        external_id: String::new(),
        email: email.to_owned(),
        email_verified,
        ..mari()
    }
}

#[rstest]
#[tokio::test]
async fn an_address_finds_its_one_customer_in_any_case_of_any_script(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let made = create(app, with("Õnne@Example.com", true)).await.unwrap();
        create(app, with("onne@example.com", true)).await.unwrap();
        let other = app.second_business().await;
        create(&other, with("õnne@example.com", true))
            .await
            .unwrap();
        for email in ["õnne@example.com", "  ÕNNE@EXAMPLE.COM "] {
            assert_eq!(resolve(app, email).await.unwrap().id, made.id, "{email}");
        }
        let none = resolve(app, "õnn@example.com").await;
        let details = refused(none, Code::NotFound, "NOT_FOUND");
        assert_eq!(details["kind"], "customer");
        for email in ["", "õnne"] {
            let faults = field_faults(resolve(app, email).await);
            assert_eq!(faults[0].0, "email");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn two_verified_customers_of_an_address_are_named_and_none_is_guessed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let first = create(app, with("m@example.com", true)).await.unwrap();
        let second = create(app, with("M@Example.com", false)).await.unwrap();
        let found = resolve(app, "m@example.com").await.unwrap();
        assert_eq!(found.id, first.id, "one of them is not verified");
        let verified = v1::Customer {
            etag: String::new(),
            email_verified: true,
            ..second
        };
        let second = update(app, verified, &["email_verified"]).await.unwrap();
        let details = refused(
            resolve(app, "m@example.com").await,
            Code::FailedPrecondition,
            "AMBIGUOUS_CUSTOMER",
        );
        let mut named: Vec<&str> = details["customer_ids"].split(',').collect();
        let mut both = [first.id.as_str(), second.id.as_str()];
        named.sort_unstable();
        both.sort_unstable();
        assert_eq!(named, both);
    })
    .await;
}

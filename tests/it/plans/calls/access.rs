//! Lists that are about who may do what, and who did it.

use carnet::ids::{TokenId, UserId};
use carnet::proto::v1;
use carnet::proto::v1::list_audit_events_request::About;

use super::{Caller, at, key};

impl Caller<'_> {
    pub(super) async fn access(&mut self) {
        let mut business = self.large.tenant.business();
        let users = v1::ListUsersRequest::default();
        self.ask("ListUsers", business.list_users(users)).await;
        let tokens = v1::ListTokensRequest::default();
        self.ask("ListTokens", business.list_tokens(tokens)).await;
        let customer_id = self.large.seeds.shop.customer.clone();
        let of_customer = v1::ListTokensRequest {
            customer_id,
            ..Default::default()
        };
        self.ask(
            "ListTokens of a customer",
            business.list_tokens(of_customer),
        )
        .await;
        let roles = v1::ListRolesRequest::default();
        self.ask("ListRoles", business.list_roles(roles)).await;
        let all = v1::ListAuditEventsRequest::default();
        let about = |about| v1::ListAuditEventsRequest {
            about: Some(about),
            ..Default::default()
        };
        let first = self
            .ask("ListAuditEvents", business.list_audit_events(all.clone()))
            .await;
        let next = v1::ListAuditEventsRequest {
            page_token: first.next_page_token,
            ..all.clone()
        };
        let of_a_day = v1::ListAuditEventsRequest {
            recorded_from: Some(at("2026-01-14T00:00:00Z")),
            recorded_before: Some(at("2026-01-15T00:00:00Z")),
            ..all
        };
        let (user, token) = (UserId::from_uuid(key(1)), TokenId::from_uuid(key(1)));
        let method = About::Method("CreateUser".to_owned());
        for (name, request) in [
            ("ListAuditEvents, the next page", next),
            ("ListAuditEvents of a day", of_a_day),
            (
                "ListAuditEvents of a subject",
                about(About::SubjectId(user.to_string())),
            ),
            (
                "ListAuditEvents of a user",
                about(About::UserId(user.to_string())),
            ),
            (
                "ListAuditEvents of a token",
                about(About::TokenId(token.to_string())),
            ),
            ("ListAuditEvents of a method", about(method)),
            ("ListAuditEvents, refused ones", about(About::Denied(true))),
        ] {
            self.ask(name, business.list_audit_events(request)).await;
        }
        self.portal().await;
        self.erasing().await;
    }

    async fn portal(&mut self) {
        let customer_id = &self.large.seeds.shop.customer;
        let mari = self.large.tenant.held_by_customer(customer_id).await;
        let mine = v1::GetMyPackagesRequest::default();
        self.ask("GetMyPackages", mari.portal().get_my_packages(mine))
            .await;
        let mine = v1::ListMyEntriesRequest::default();
        self.ask("ListMyEntries", mari.portal().list_my_entries(mine))
            .await;
    }

    async fn erasing(&mut self) {
        let mut customers = self.large.tenant.customers();
        let create = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                name: "Forgotten".to_owned(),
                email: "forgotten@example.com".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = customers.create_customer(create).await.unwrap();
        let erase = v1::EraseCustomerRequest {
            customer_id: made.into_inner().customer.unwrap().id,
            validate_only: true,
            ..Default::default()
        };
        self.ask("EraseCustomer", customers.erase_customer(erase))
            .await;
    }
}

//! Every call that lists something, with every filter that it has.

mod access;
mod reports;

use std::collections::BTreeSet;

use carnet::config::RetentionSettings;
use carnet::ids::{BookingSeriesId, CustomerId, GroupId, ItemId, SaleId, TemplateId};
use carnet::jobs::{bulk, retention, settle};
use carnet::proto::v1;
use carnet::proto::v1::list_entries_request::Scope;
use carnet::store::{charge_requests, emails, packages, subscriptions};
use chrono::TimeDelta;
use prost_types::Timestamp;
use tonic::{Response, Status};

use super::heard::Heard;
use super::large::{Large, OF_ONE_OWNER, key};

/// What was heard while a client waited for an answer.
pub(super) struct Asked {
    /// The method, and what of it.
    pub(super) name: String,
    /// What the server's connections said.
    pub(super) heard: Vec<String>,
}

/// Calls, and hears what comes of it.
pub(super) struct Caller<'a> {
    large: &'a Large,
    heard: &'a Heard,
    target: &'static str,
    asked: Vec<Asked>,
}

fn at(text: &str) -> Timestamp {
    let at: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
    carnet::grpc::faults::timestamp(at)
}

/// So long that nothing is over.
const KEEP: RetentionSettings = RetentionSettings {
    keep_answers_days: 3_650,
    keep_email_texts_days: 3_650,
    keep_audit_days: 3_650,
};

impl<'a> Caller<'a> {
    /// Calls everything; `target` is whose events are heard.
    pub(super) async fn call_all(
        large: &'a Large,
        heard: &'a Heard,
        target: &'static str,
    ) -> Vec<Asked> {
        let asked = Vec::new();
        let mut caller = Self {
            large,
            heard,
            target,
            asked,
        };
        caller.packages().await;
        caller.history().await;
        caller.catalogue().await;
        caller.people().await;
        caller.access().await;
        caller.mail_and_runs().await;
        caller.subscriptions().await;
        caller.bookings().await;
        caller.invoices().await;
        caller.triggers().await;
        caller.reports().await;
        caller.jobs().await;
        caller.asked
    }

    async fn ask<T>(
        &mut self,
        name: &str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> T {
        self.heard.take(self.target);
        let answer = answer
            .await
            .unwrap_or_else(|status| panic!("{name}: {status}"));
        self.keep(name);
        answer.into_inner()
    }

    async fn packages(&mut self) {
        let tenant = self.large.tenant.clone();
        let mut packages = tenant.packages();
        let all = v1::ListPackagesRequest::default();
        let first = self
            .ask("ListPackages", packages.list_packages(all.clone()))
            .await;
        let owner = CustomerId::from_uuid(key(1)).to_string();
        let (rare, group) = (TemplateId::from_uuid(key(1)), GroupId::from_uuid(key(1)));
        let filtered: [(&str, v1::ListPackagesRequest); 6] = [
            (
                "ListPackages, the next page",
                v1::ListPackagesRequest {
                    page_token: first.next_page_token,
                    ..all.clone()
                },
            ),
            (
                "ListPackages of a customer with many",
                v1::ListPackagesRequest {
                    customer_id: owner,
                    ..all.clone()
                },
            ),
            (
                "ListPackages of a group with many",
                v1::ListPackagesRequest {
                    group_id: group.to_string(),
                    ..all.clone()
                },
            ),
            (
                "ListPackages of a template that hardly sells",
                v1::ListPackagesRequest {
                    template_id: rare.to_string(),
                    ..all.clone()
                },
            ),
            (
                "ListPackages that end in a week",
                v1::ListPackagesRequest {
                    expires_from: Some(at("2026-03-01T00:00:00Z")),
                    expires_before: Some(at("2026-03-08T00:00:00Z")),
                    ..all.clone()
                },
            ),
            (
                "ListPackages of a status",
                v1::ListPackagesRequest {
                    statuses: vec![v1::PackageStatus::Active.into()],
                    ..all
                },
            ),
        ];
        for (name, request) in filtered {
            self.ask(name, packages.list_packages(request)).await;
        }
        let usable = v1::ListUsablePackagesRequest {
            customer_id: self.large.seeds.shop.customer.clone(),
            ..Default::default()
        };
        self.ask(
            "ListUsablePackages",
            tenant.credits().list_usable_packages(usable),
        )
        .await;
    }

    async fn history(&mut self) {
        let tenant = self.large.tenant.clone();
        let seeds = &self.large.seeds;
        let scopes = [
            (
                "ListEntries of a package",
                Scope::PackageId(seeds.package.id.clone()),
            ),
            (
                "ListEntries of a customer",
                Scope::CustomerId(seeds.shop.customer.clone()),
            ),
            (
                "ListEntries of a posting",
                Scope::PostingId(seeds.posting_id.clone()),
            ),
            (
                "ListEntries of a time",
                Scope::Recorded(v1::TimeRange {
                    from: Some(at("2025-12-01T00:00:00Z")),
                    before: Some(at("2026-02-01T00:00:00Z")),
                }),
            ),
        ];
        for (name, scope) in scopes {
            let request = v1::ListEntriesRequest {
                scope: Some(scope),
                ..Default::default()
            };
            self.ask(name, tenant.credits().list_entries(request)).await;
        }
        let changes = v1::ListChangesRequest {
            package_id: seeds.package.id.clone(),
            ..Default::default()
        };
        self.ask("ListChanges", tenant.packages().list_changes(changes))
            .await;
    }

    async fn catalogue(&mut self) {
        let tenant = self.large.tenant.clone();
        let mut catalog = tenant.catalog();
        let types = v1::ListCreditTypesRequest::default();
        self.ask("ListCreditTypes", catalog.list_credit_types(types))
            .await;
        let items = v1::ListItemsRequest::default();
        self.ask("ListItems", catalog.list_items(items.clone()))
            .await;
        let rare = v1::Item {
            name: "Sauna".to_owned(),
            category: "Rest".to_owned(),
            ..Default::default()
        };
        let rare = v1::CreateItemRequest {
            item: Some(rare),
            ..Default::default()
        };
        let made = catalog.create_item(rare).await.unwrap().into_inner();
        assert!(made.item.unwrap().id > ItemId::from_uuid(key(1)).to_string());
        let of_category = v1::ListItemsRequest {
            category: "Rest".to_owned(),
            ..items
        };
        self.ask("ListItems of a category", catalog.list_items(of_category))
            .await;
        let templates = v1::ListTemplatesRequest::default();
        self.ask("ListTemplates", catalog.list_templates(templates.clone()))
            .await;
        let archived = v1::ListTemplatesRequest {
            states: vec![v1::TemplateState::Archived.into()],
            ..templates
        };
        self.ask("ListTemplates of a state", catalog.list_templates(archived))
            .await;
    }

    async fn people(&mut self) {
        let tenant = self.large.tenant.clone();
        let mut customers = tenant.customers();
        let all = v1::ListCustomersRequest::default();
        self.ask("ListCustomers", customers.list_customers(all.clone()))
            .await;
        let inactive = v1::ListCustomersRequest {
            include_inactive: true,
            ..all.clone()
        };
        self.ask(
            "ListCustomers, inactive too",
            customers.list_customers(inactive),
        )
        .await;
        let found = v1::ListCustomersRequest {
            query: "kask".to_owned(),
            ..all
        };
        self.ask("ListCustomers by a name", customers.list_customers(found))
            .await;
        let all = v1::ListGroupsRequest::default();
        self.ask("ListGroups", customers.list_groups(all.clone()))
            .await;
        let found = v1::ListGroupsRequest {
            query: "no such".to_owned(),
            ..all.clone()
        };
        self.ask("ListGroups by a name", customers.list_groups(found))
            .await;
        let of_member = v1::ListGroupsRequest {
            member_id: CustomerId::from_uuid(key(3)).to_string(),
            ..all
        };
        self.ask("ListGroups of a member", customers.list_groups(of_member))
            .await;
    }

    async fn mail_and_runs(&mut self) {
        let tenant = self.large.tenant.clone();
        let mut emails = tenant.emails();
        let all = v1::ListEmailsRequest::default();
        self.ask("ListEmails", emails.list_emails(all.clone()))
            .await;
        let of_customer = v1::ListEmailsRequest {
            customer_id: self.large.seeds.shop.customer.clone(),
            ..all.clone()
        };
        self.ask("ListEmails to a customer", emails.list_emails(of_customer))
            .await;
        let of_package = v1::ListEmailsRequest {
            package_id: self.large.seeds.package.id.clone(),
            ..all.clone()
        };
        self.ask("ListEmails of a package", emails.list_emails(of_package))
            .await;
        let failed = v1::ListEmailsRequest {
            states: vec![v1::EmailState::Failed.into()],
            ..all
        };
        self.ask("ListEmails of a state", emails.list_emails(failed))
            .await;
        let upcoming = v1::ListUpcomingRequest::default();
        self.ask("ListUpcoming", emails.list_upcoming(upcoming))
            .await;
        let suppressions = v1::ListSuppressionsRequest::default();
        let listed = emails.list_suppressions(suppressions);
        self.ask("ListSuppressions", listed).await;
        let templates = v1::ListEmailTemplatesRequest::default();
        let listed = emails.list_email_templates(templates);
        self.ask("ListEmailTemplates", listed).await;
        let mut packages = tenant.packages();
        let results = v1::ListBulkResultsRequest {
            run_id: self.large.seeds.run_id.clone(),
            ..Default::default()
        };
        self.ask(
            "ListBulkResults",
            packages.list_bulk_results(results.clone()),
        )
        .await;
        let refused = v1::ListBulkResultsRequest {
            refused_only: true,
            ..results
        };
        self.ask(
            "ListBulkResults, refused ones",
            packages.list_bulk_results(refused),
        )
        .await;
        let closures = v1::ListClosuresRequest::default();
        self.ask("ListClosures", packages.list_closures(closures))
            .await;
    }

    async fn subscriptions(&mut self) {
        let mut subscriptions = self.large.tenant.subscriptions();
        let all = v1::ListSubscriptionsRequest::default();
        let of_customer = v1::ListSubscriptionsRequest {
            customer_id: CustomerId::from_uuid(key(1)).to_string(),
            ..all.clone()
        };
        let cancelled = v1::ListSubscriptionsRequest {
            state: v1::SubscriptionState::Cancelled.into(),
            ..all.clone()
        };
        for (name, request) in [
            ("ListSubscriptions", all),
            ("ListSubscriptions of a customer with many", of_customer),
            ("ListSubscriptions of a state", cancelled),
        ] {
            let answer = subscriptions.list_subscriptions(request);
            self.ask(name, answer).await;
        }
    }

    async fn bookings(&mut self) {
        let mut bookings = self.large.tenant.bookings();
        let all = v1::ListBookingsRequest::default();
        let first = self
            .ask("ListBookings", bookings.list_bookings(all.clone()))
            .await;
        let next = v1::ListBookingsRequest {
            page_token: first.next_page_token,
            ..all.clone()
        };
        let of_customer = v1::ListBookingsRequest {
            customer_id: CustomerId::from_uuid(key(1)).to_string(),
            ..all.clone()
        };
        let cancelled = v1::ListBookingsRequest {
            state: v1::BookingState::Cancelled.into(),
            ..all.clone()
        };
        let of_a_week = v1::ListBookingsRequest {
            starts_from: Some(at("2026-03-01T00:00:00Z")),
            starts_before: Some(at("2026-03-08T00:00:00Z")),
            ..all.clone()
        };
        let of_series = v1::ListBookingsRequest {
            series_id: BookingSeriesId::from_uuid(key(1)).to_string(),
            ..all
        };
        for (name, request) in [
            ("ListBookings, the next page", next),
            ("ListBookings of a customer with many", of_customer),
            ("ListBookings of a state", cancelled),
            ("ListBookings of a week", of_a_week),
            ("ListBookings of a series", of_series),
        ] {
            let answer = bookings.list_bookings(request);
            self.ask(name, answer).await;
        }
    }

    async fn invoices(&mut self) {
        let mut invoices = self.large.tenant.invoices();
        let all = v1::ListInvoicesRequest::default();
        let of_customer = v1::ListInvoicesRequest {
            customer_id: CustomerId::from_uuid(key(1)).to_string(),
            ..all.clone()
        };
        let drafts = v1::ListInvoicesRequest {
            state: v1::InvoiceState::Draft.into(),
            ..all.clone()
        };
        for (name, request) in [
            ("ListInvoices", all),
            ("ListInvoices of a customer with many", of_customer),
            ("ListInvoices of a state", drafts),
        ] {
            self.ask(name, invoices.list_invoices(request)).await;
        }
        let all = v1::ListChargeRequestsRequest::default();
        let pending = v1::ListChargeRequestsRequest {
            state: v1::ChargeState::Pending.into(),
            ..all.clone()
        };
        let of_sale = v1::ListChargeRequestsRequest {
            sale_id: SaleId::from_uuid(key(2)).to_string(),
            ..all.clone()
        };
        for (name, request) in [
            ("ListChargeRequests", all),
            ("ListChargeRequests of a state", pending),
            ("ListChargeRequests of a sale", of_sale),
        ] {
            self.ask(name, invoices.list_charge_requests(request)).await;
        }
    }

    async fn triggers(&mut self) {
        let mut triggers = self.large.tenant.triggers();
        let all = v1::ListTriggersRequest::default();
        let of_event = v1::ListTriggersRequest {
            event: v1::TriggerEvent::PackageSold.into(),
            include_archived: true,
            ..all.clone()
        };
        for (name, request) in [
            ("ListTriggers", all),
            ("ListTriggers of an event", of_event),
        ] {
            self.ask(name, triggers.list_triggers(request)).await;
        }
    }

    /// What the jobs look for, which is not done here but for what is due of lots and runs.
    async fn jobs(&mut self) {
        let ctx = self.large.running.context().clone();
        let now = ctx.clock.now();
        let business_id = self.large.tenant.business_id;
        self.heard.take(self.target);
        settle::step(&ctx).await.unwrap();
        self.keep("lots, holds and freezes that are due");
        bulk::step(&ctx).await.unwrap();
        self.keep("runs that are not done");
        assert!(
            !subscriptions::due(ctx.db.reader(), now, 200)
                .await
                .unwrap()
                .is_empty()
        );
        self.keep("periods of subscriptions that are due");
        let late = now + TimeDelta::days(30);
        let overdue = charge_requests::overdue(ctx.db.reader(), late, 200);
        assert!(!overdue.await.unwrap().is_empty());
        self.keep("charge requests that are overdue");
        let txn = ctx.db.begin().await.unwrap();
        let due = emails::lock_due(&txn, business_id, now, 16).await;
        assert!(!due.unwrap().is_empty());
        self.keep("e-mails that are due");
        let week = (now, now + TimeDelta::days(7));
        let page = packages::ending_between(&txn, business_id, week, None, 200)
            .await
            .unwrap();
        let last = page.last().unwrap();
        let after = Some((last.end().unwrap(), last.id));
        packages::ending_between(&txn, business_id, week, after, 200)
            .await
            .unwrap();
        self.keep("packages that end within a week");
        // Those after them have an owner each.
        let later = now + TimeDelta::hours(i64::from(OF_ONE_OWNER) + 100);
        let week = (later, later + TimeDelta::days(7));
        let page = packages::ending_between(&txn, business_id, week, None, 200)
            .await
            .unwrap();
        let owners: BTreeSet<CustomerId> = page.iter().map(|it| it.customer_id).collect();
        assert!(owners.len() > 100, "{}", owners.len());
        let lasting = packages::lasting(&txn, business_id, owners, now).await;
        assert!(lasting.unwrap().len() >= page.len());
        self.keep("packages that may go on where others end");
        txn.rollback().await.unwrap();
        retention::step(&ctx, &KEEP).await.unwrap();
        self.keep("what is over");
    }

    fn keep(&mut self, name: &str) {
        let heard = self.heard.take(self.target);
        assert!(!heard.is_empty(), "nothing is heard of {name}");
        let name = name.to_owned();
        self.asked.push(Asked { name, heard });
    }
}

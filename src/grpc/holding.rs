//! `CustomerService.ExportCustomer`: everything that is held on a customer, one message after the other.
//!
//! The pages come from the very handlers that clients page through, so it is told as they tell it. One page is in
//! memory at a time, and nothing of the database is held while its reader takes its time.

use tonic::Response;

use crate::domain::customer::Customer;
use crate::grpc::api::{Api, use_case};
use crate::grpc::bookings::Bookings;
use crate::grpc::business::Business;
use crate::grpc::convert::customer::to_customer;
use crate::grpc::convert::suppression::to_suppression;
use crate::grpc::credits::Credits;
use crate::grpc::customers::Customers;
use crate::grpc::emails::Emails;
use crate::grpc::exporting::from;
use crate::grpc::invoices::Invoices;
use crate::grpc::packages::Packages;
use crate::grpc::stream::{End, Feeder};
use crate::grpc::subscriptions::Subscriptions;
use crate::ids::CustomerId;
use crate::proto::v1;
use crate::proto::v1::booking_service_server::BookingService;
use crate::proto::v1::business_service_server::BusinessService;
use crate::proto::v1::credit_service_server::CreditService;
use crate::proto::v1::customer_service_server::CustomerService;
use crate::proto::v1::email_service_server::EmailService;
use crate::proto::v1::export_customer_response::Held;
use crate::proto::v1::invoice_service_server::InvoiceService;
use crate::proto::v1::list_audit_events_request::About;
use crate::proto::v1::list_entries_request::Scope;
use crate::proto::v1::package_service_server::PackageService;
use crate::proto::v1::subscription_service_server::SubscriptionService;
use crate::service::Call;
use crate::service::holdings::{self, SalesOf};

/// How many rows a page has.
const PAGE_SIZE: i32 = 100;
/// The same of what is paged by ids alone.
const IDS_PER_PAGE: u64 = 100;

/// Where it all goes.
struct Holding<'a> {
    api: Api,
    call: &'a Call,
    feeder: &'a mut Feeder<v1::ExportCustomerResponse>,
}

/// Goes through all pages of a list: `$method` is its handler, `$rows` the field of its answer that has the rows, and
/// `$each` is done with each of them.
macro_rules! each_row {
    ($call:expr, $request:expr, $service:ident.$method:ident, $rows:ident, |$row:ident| $each:expr) => {{
        let mut request = $request;
        request.page_size = PAGE_SIZE;
        loop {
            let answer = $service.$method(from(&$call.caller, request.clone())).await;
            let page = answer.map(Response::into_inner)?;
            for $row in page.$rows {
                $each;
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
    }};
}

/// Writes all of it; `people` are the customer and those who were merged into it.
pub async fn write(
    api: Api,
    call: &Call,
    people: Vec<Customer>,
    feeder: &mut Feeder<v1::ExportCustomerResponse>,
) -> Result<(), End> {
    let mut holding = Holding { api, call, feeder };
    let mut addresses: Vec<String> = Vec::new();
    let ids: Vec<CustomerId> = people.iter().map(|customer| customer.id).collect();
    for customer in people {
        addresses.extend(customer.email.clone());
        holding.send(Held::Customer(to_customer(customer))).await?;
    }
    if let Some(id) = ids.first() {
        holding.owned(*id).await?;
    }
    for id in ids {
        holding.emails(id).await?;
        holding.tokens(id).await?;
        holding.audit(id).await?;
    }
    addresses.dedup();
    for address in addresses {
        let (api, call) = (holding.api.clone(), call.clone());
        let found = api.run(call, address, |ctx, call, address| {
            Box::pin(holdings::suppression(ctx, call, address))
        });
        if let Some(suppression) = found.await? {
            let held = Held::Suppression(to_suppression(suppression));
            holding.send(held).await?;
        }
    }
    Ok(())
}

impl Holding<'_> {
    async fn send(&mut self, held: Held) -> Result<(), End> {
        let held = Some(held);
        self.feeder.send(v1::ExportCustomerResponse { held }).await
    }

    /// What went over to the customer from those who were merged into it.
    async fn owned(&mut self, id: CustomerId) -> Result<(), End> {
        let customer_id = id.to_string();
        let service = Customers(self.api.clone());
        let request = v1::ListGroupsRequest {
            member_id: customer_id.clone(),
            include_inactive: true,
            ..Default::default()
        };
        each_row!(self.call, request, service.list_groups, groups, |row| {
            self.send(Held::Group(row)).await?;
        });
        self.packages(&customer_id).await?;
        let service = Credits(self.api.clone());
        let request = v1::ListEntriesRequest {
            scope: Some(Scope::CustomerId(customer_id.clone())),
            ..Default::default()
        };
        each_row!(self.call, request, service.list_entries, entries, |row| {
            self.send(Held::Entry(row)).await?;
        });
        let service = Bookings(self.api.clone());
        let request = v1::ListBookingsRequest {
            customer_id: customer_id.clone(),
            ..Default::default()
        };
        each_row!(self.call, request, service.list_bookings, bookings, |row| {
            self.send(Held::Booking(row)).await?;
        });
        let service = Invoices(self.api.clone());
        let request = v1::ListInvoicesRequest {
            customer_id: customer_id.clone(),
            ..Default::default()
        };
        each_row!(self.call, request, service.list_invoices, invoices, |row| {
            self.send(Held::Invoice(row)).await?;
        });
        self.sales(id).await?;
        let service = Subscriptions(self.api.clone());
        let request = v1::ListSubscriptionsRequest {
            customer_id,
            ..Default::default()
        };
        each_row!(
            self.call,
            request,
            service.list_subscriptions,
            subscriptions,
            |row| {
                self.send(Held::Subscription(row)).await?;
            }
        );
        Ok(())
    }

    /// Each package, and behind it what changed of it.
    async fn packages(&mut self, customer_id: &str) -> Result<(), End> {
        let service = Packages(self.api.clone());
        let request = v1::ListPackagesRequest {
            customer_id: customer_id.to_owned(),
            ..Default::default()
        };
        each_row!(
            self.call,
            request,
            service.list_packages,
            packages,
            |package| {
                let request = v1::ListChangesRequest {
                    package_id: package.id.clone(),
                    ..Default::default()
                };
                self.send(Held::Package(package)).await?;
                each_row!(self.call, request, service.list_changes, changes, |row| {
                    self.send(Held::Change(row)).await?;
                });
            }
        );
        Ok(())
    }

    async fn sales(&mut self, customer_id: CustomerId) -> Result<(), End> {
        let service = Packages(self.api.clone());
        let mut page = SalesOf {
            customer_id,
            before: None,
            limit: IDS_PER_PAGE,
        };
        loop {
            let ids = self
                .api
                .run(self.call.clone(), page, use_case!(holdings::sales));
            let ids = ids.await?;
            let Some(last) = ids.last().copied() else {
                return Ok(());
            };
            for id in ids {
                let request = v1::GetSaleRequest {
                    sale_id: id.to_string(),
                };
                let answer = service.get_sale(from(&self.call.caller, request)).await?;
                if let Some(sale) = answer.into_inner().sale {
                    self.send(Held::Sale(sale)).await?;
                }
            }
            page.before = Some(last);
        }
    }

    async fn emails(&mut self, id: CustomerId) -> Result<(), End> {
        let service = Emails(self.api.clone());
        let request = v1::ListEmailsRequest {
            customer_id: id.to_string(),
            ..Default::default()
        };
        each_row!(self.call, request, service.list_emails, emails, |email| {
            // A list leaves out what it says, and the attempts.
            let request = v1::GetEmailRequest { email_id: email.id };
            let answer = service.get_email(from(&self.call.caller, request)).await?;
            if let Some(email) = answer.into_inner().email {
                self.send(Held::Email(email)).await?;
            }
        });
        Ok(())
    }

    async fn tokens(&mut self, id: CustomerId) -> Result<(), End> {
        let service = Business(self.api.clone());
        let request = v1::ListTokensRequest {
            customer_id: id.to_string(),
            ..Default::default()
        };
        each_row!(self.call, request, service.list_tokens, tokens, |row| {
            self.send(Held::Token(row)).await?;
        });
        Ok(())
    }

    async fn audit(&mut self, id: CustomerId) -> Result<(), End> {
        let service = Business(self.api.clone());
        let request = v1::ListAuditEventsRequest {
            about: Some(About::SubjectId(id.to_string())),
            ..Default::default()
        };
        each_row!(
            self.call,
            request,
            service.list_audit_events,
            audit_events,
            |row| {
                self.send(Held::AuditEvent(row)).await?;
            }
        );
        Ok(())
    }
}

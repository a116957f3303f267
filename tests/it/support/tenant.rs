//! A business and the clients that call with its token.

use carnet::domain::business::{Business, Invoicing, ReminderPolicy, Sender};
use carnet::domain::money::Currency;
use carnet::domain::permission::{Permission, Permissions};
use carnet::domain::policies::Policies;
use carnet::ids::BusinessId;
use carnet::proto::v1::booking_service_client::BookingServiceClient;
use carnet::proto::v1::business_service_client::BusinessServiceClient;
use carnet::proto::v1::catalog_service_client::CatalogServiceClient;
use carnet::proto::v1::credit_service_client::CreditServiceClient;
use carnet::proto::v1::customer_service_client::CustomerServiceClient;
use carnet::proto::v1::email_service_client::EmailServiceClient;
use carnet::proto::v1::invoice_service_client::InvoiceServiceClient;
use carnet::proto::v1::package_service_client::PackageServiceClient;
use carnet::proto::v1::portal_service_client::PortalServiceClient;
use carnet::proto::v1::report_service_client::ReportServiceClient;
use carnet::proto::v1::subscription_service_client::SubscriptionServiceClient;
use carnet::proto::v1::trigger_service_client::TriggerServiceClient;
use carnet::service::{Context, access};
use carnet::store::{businesses, tokens};
use chrono::{DateTime, Utc};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The zone of every business in the tests, unless a test changes it: UTC+2 in winter, +3 in summer.
pub(crate) const ZONE: chrono_tz::Tz = chrono_tz::Europe::Tallinn;

/// A channel that sends a token with each call.
pub(crate) type Bearing = InterceptedService<Channel, Bearer>;

/// Adds a token to each call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(AsciiMetadataValue);

impl Bearer {
    pub(crate) fn new(token: &str) -> Self {
        Self(format!("Bearer {token}").parse().unwrap())
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A business, a token that may do everything, and clients that use it.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) business_id: BusinessId,
    pub(crate) token: String,
    ctx: Context,
    channel: Channel,
}

impl Tenant {
    /// Makes a business whose prices are in euros.
    pub(crate) async fn create(ctx: &Context, name: &str, channel: Channel) -> Self {
        let now = ctx.clock.now();
        let business = Business {
            id: BusinessId::generate(now),
            name: name.to_owned(),
            zone: ZONE,
            locale: "en".to_owned(),
            currency: Currency::parse("EUR").unwrap(),
            feature_enabled: true,
            account_payments_active: false,
            prices_include_tax: true,
            quarantine_days: 30,
            policies: Policies::default(),
            default_priority: 0,
            reminder_policy: ReminderPolicy::default(),
            invoicing: Invoicing::default(),
            sender: Sender::default(),
            version: 1,
        };
        let txn = ctx.db.begin().await.unwrap();
        businesses::insert(&txn, &business, now).await.unwrap();
        txn.commit().await.unwrap();
        let mut tenant = Self {
            business_id: business.id,
            token: String::new(),
            ctx: ctx.clone(),
            channel,
        };
        tenant.token = tenant.token_with(Permission::ALL).await;
        tenant
    }

    /// The text of a token that may do only this.
    pub(crate) async fn token_with(&self, permissions: &[Permission]) -> String {
        let held: Permissions = permissions.iter().copied().collect();
        let made = access::new_token(&self.ctx, self.business_id, "a token", held, None);
        let txn = self.ctx.db.begin().await.unwrap();
        tokens::insert(&txn, self.business_id, &made.token)
            .await
            .unwrap();
        txn.commit().await.unwrap();
        made.text
    }

    /// The same business, called with a token that may do only this.
    pub(crate) async fn allowed_only(&self, permissions: &[Permission]) -> Self {
        Self {
            token: self.token_with(permissions).await,
            ..self.clone()
        }
    }

    /// The same business, called with this token.
    pub(crate) fn bearing_token(&self, token: String) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    /// The same business through another server on its database.
    pub(crate) fn through(&self, channel: Channel) -> Self {
        Self {
            channel,
            ..self.clone()
        }
    }

    fn bearing(&self) -> Bearing {
        InterceptedService::new(self.channel.clone(), Bearer::new(&self.token))
    }

    pub(crate) fn business(&self) -> BusinessServiceClient<Bearing> {
        BusinessServiceClient::new(self.bearing())
    }

    pub(crate) fn catalog(&self) -> CatalogServiceClient<Bearing> {
        CatalogServiceClient::new(self.bearing())
    }

    pub(crate) fn customers(&self) -> CustomerServiceClient<Bearing> {
        CustomerServiceClient::new(self.bearing())
    }

    pub(crate) fn packages(&self) -> PackageServiceClient<Bearing> {
        PackageServiceClient::new(self.bearing())
    }

    pub(crate) fn credits(&self) -> CreditServiceClient<Bearing> {
        CreditServiceClient::new(self.bearing())
    }

    pub(crate) fn invoices(&self) -> InvoiceServiceClient<Bearing> {
        InvoiceServiceClient::new(self.bearing())
    }

    pub(crate) fn subscriptions(&self) -> SubscriptionServiceClient<Bearing> {
        SubscriptionServiceClient::new(self.bearing())
    }

    pub(crate) fn bookings(&self) -> BookingServiceClient<Bearing> {
        BookingServiceClient::new(self.bearing())
    }

    pub(crate) fn triggers(&self) -> TriggerServiceClient<Bearing> {
        TriggerServiceClient::new(self.bearing())
    }

    pub(crate) fn reports(&self) -> ReportServiceClient<Bearing> {
        ReportServiceClient::new(self.bearing())
    }

    pub(crate) fn portal(&self) -> PortalServiceClient<Bearing> {
        PortalServiceClient::new(self.bearing())
    }

    pub(crate) fn emails(&self) -> EmailServiceClient<Bearing> {
        EmailServiceClient::new(self.bearing())
    }

    /// The time of the test.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.ctx.clock.now()
    }

    /// A request id that nobody used.
    pub(crate) fn request_id(&self) -> String {
        carnet::ids::new_uuid(self.ctx.clock.now()).to_string()
    }
}

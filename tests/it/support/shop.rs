//! A small catalogue and a customer, made through gRPC: what most tests of packages begin with.

use carnet::proto::v1;
use tonic::{Response, Status};

use crate::support::tenant::Tenant;

/// What a business offers in most tests: swimming lessons, one credit each.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) tenant: Tenant,
    /// The credit type "lesson", without decimal places.
    pub(crate) lesson: String,
    /// The item "Swimming lesson", at 18.00.
    pub(crate) swim: String,
    /// A customer who is active.
    pub(crate) customer: String,
}

/// A validity of so many days from the sale.
pub(crate) fn days(count: i32) -> v1::Validity {
    period(count, v1::PeriodUnit::Day, v1::Anchor::Sale)
}

/// A validity of a period.
pub(crate) fn period(count: i32, unit: v1::PeriodUnit, anchor: v1::Anchor) -> v1::Validity {
    v1::Validity {
        rule: Some(v1::validity::Rule::Period(v1::ValidityPeriod {
            count,
            unit: unit.into(),
            anchor: anchor.into(),
            must_start_by: None,
        })),
    }
}

/// A validity through a local day.
pub(crate) fn until(date: &str) -> v1::Validity {
    v1::Validity {
        rule: Some(v1::validity::Rule::UntilDate(date.to_owned())),
    }
}

/// A validity without end.
pub(crate) fn never() -> v1::Validity {
    v1::Validity {
        rule: Some(v1::validity::Rule::Never(v1::Never {})),
    }
}

/// A sum in euros.
pub(crate) fn euros(minor_units: i64) -> v1::Money {
    v1::Money {
        currency_code: "EUR".to_owned(),
        minor_units,
    }
}

/// What covers one item at one credit a unit.
pub(crate) fn covers(item_id: &str) -> Vec<v1::Coverage> {
    vec![v1::Coverage {
        target: Some(v1::coverage::Target::ItemId(item_id.to_owned())),
        credits_per_unit: String::new(),
    }]
}

/// Paid in cash.
pub(crate) fn paid() -> v1::sale_entry::Payment {
    v1::sale_entry::Payment::Recorded(v1::RecordedPayment {
        method: v1::PaymentMethod::Cash.into(),
        amount: None,
        reference: String::new(),
    })
}

impl Shop {
    /// Sets the shop up in a business.
    pub(crate) async fn open(tenant: &Tenant) -> Self {
        let mut shop = Self {
            tenant: tenant.clone(),
            lesson: String::new(),
            swim: String::new(),
            customer: String::new(),
        };
        shop.lesson = shop.credit_type("lesson", 0).await;
        shop.swim = shop.item("Swimming lesson", "Lessons", 1_800).await;
        shop.customer = shop.customer("Mari Tamm").await;
        shop
    }

    /// Makes a credit type.
    pub(crate) async fn credit_type(&self, name: &str, decimal_places: i32) -> String {
        let request = v1::CreateCreditTypeRequest {
            credit_type: Some(v1::CreditType {
                name: name.to_owned(),
                name_plural: format!("{name}s"),
                decimal_places,
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.tenant.catalog().create_credit_type(request).await;
        answer.unwrap().into_inner().credit_type.unwrap().id
    }

    /// Makes an item that is offered.
    pub(crate) async fn item(&self, name: &str, category: &str, rate_minor: i64) -> String {
        let request = v1::CreateItemRequest {
            item: Some(v1::Item {
                name: name.to_owned(),
                category: category.to_owned(),
                standard_rate: Some(euros(rate_minor)),
                active: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.tenant.catalog().create_item(request).await;
        answer.unwrap().into_inner().item.unwrap().id
    }

    /// Makes a customer who is active.
    pub(crate) async fn customer(&self, name: &str) -> String {
        let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        let request = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                name: name.to_owned(),
                email,
                email_verified: true,
                active: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.tenant.customers().create_customer(request).await;
        answer.unwrap().into_inner().customer.unwrap().id
    }

    /// A template of lessons, not made yet.
    pub(crate) fn lessons(&self, quantity: &str, validity: v1::Validity) -> v1::Template {
        v1::Template {
            name: "Standard".to_owned(),
            price: Some(euros(12_000)),
            validity: Some(validity),
            lines: vec![v1::TemplateLine {
                kind: v1::LineKind::Prepaid.into(),
                credit_type_id: self.lesson.clone(),
                quantity: quantity.to_owned(),
                covers: covers(&self.swim),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    /// Makes a template and activates it.
    pub(crate) async fn offer(&self, template: v1::Template) -> String {
        let request = v1::CreateTemplateRequest {
            template: Some(template),
            ..Default::default()
        };
        let answer = self.tenant.catalog().create_template(request).await;
        let template_id = answer.unwrap().into_inner().template.unwrap().id;
        let request = v1::ActivateTemplateRequest {
            template_id: template_id.clone(),
            ..Default::default()
        };
        let activated = self.tenant.catalog().activate_template(request).await;
        activated.unwrap();
        template_id
    }

    /// Sells one package of a template to the customer, paid.
    pub(crate) async fn sell(&self, template_id: &str) -> v1::Package {
        let answer = self.try_to_sell(vec![self.entry(template_id)]).await;
        let mut results = answer.unwrap().into_inner().results;
        results.remove(0).package.unwrap()
    }

    /// Offers so many lessons for so long, and sells them to the customer.
    pub(crate) async fn sell_lessons(&self, quantity: &str, validity: v1::Validity) -> v1::Package {
        let template_id = self.offer(self.lessons(quantity, validity)).await;
        self.sell(&template_id).await
    }

    /// An entry that sells a template to the customer, paid.
    pub(crate) fn entry(&self, template_id: &str) -> v1::SaleEntry {
        v1::SaleEntry {
            customer_id: self.customer.clone(),
            template_id: template_id.to_owned(),
            payment: Some(paid()),
            ..Default::default()
        }
    }

    /// Tries to sell.
    pub(crate) async fn try_to_sell(
        &self,
        entries: Vec<v1::SaleEntry>,
    ) -> Result<Response<v1::SellPackagesResponse>, Status> {
        let request = v1::SellPackagesRequest {
            request_id: self.tenant.request_id(),
            entries,
            validate_only: false,
        };
        self.tenant.packages().sell_packages(request).await
    }

    /// A request to use units of the swimming lesson.
    pub(crate) fn use_lessons(&self, units: &str) -> v1::ConsumeRequest {
        v1::ConsumeRequest {
            request_id: self.tenant.request_id(),
            customer_id: self.customer.clone(),
            what: Some(v1::consume_request::What::Item(v1::ItemUnits {
                item_id: self.swim.clone(),
                units: units.to_owned(),
            })),
            ..Default::default()
        }
    }

    /// A request to use units of the swimming lesson from this package only.
    pub(crate) fn use_lessons_of(&self, package_id: &str, units: &str) -> v1::ConsumeRequest {
        v1::ConsumeRequest {
            package_ids: vec![package_id.to_owned()],
            ..self.use_lessons(units)
        }
    }

    /// Uses credits.
    pub(crate) async fn consume(
        &self,
        request: v1::ConsumeRequest,
    ) -> Result<v1::ConsumeResponse, Status> {
        let answer = self.tenant.credits().consume(request).await?;
        Ok(answer.into_inner())
    }

    /// The package as it is now.
    pub(crate) async fn package(&self, package_id: &str) -> v1::Package {
        let request = v1::GetPackageRequest {
            package_id: package_id.to_owned(),
        };
        let answer = self.tenant.packages().get_package(request).await;
        answer.unwrap().into_inner().package.unwrap()
    }

    /// What is available in a package's first line now.
    pub(crate) async fn left(&self, package_id: &str) -> String {
        let package = self.package(package_id).await;
        package.lines[0]
            .balances
            .as_ref()
            .unwrap()
            .available
            .clone()
    }
}

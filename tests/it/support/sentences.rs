//! What happens in a shop, in sentences: each goes through gRPC and must succeed.
//!
//! A test that is about a refusal, or about a field that is not here, calls the client itself.

use carnet::proto::v1;
use tonic::Status;

use crate::support::tenant::Tenant;

/// An amount in euro cents.
pub(crate) fn euros(cents: i64) -> v1::Money {
    v1::Money {
        currency_code: "EUR".to_owned(),
        minor_units: cents,
    }
}

/// Usable through this local day, such as `2026-12-31`.
pub(crate) fn until(date: &str) -> v1::Validity {
    v1::Validity {
        rule: Some(v1::validity::Rule::UntilDate(date.to_owned())),
    }
}

/// So many credits that pay for these items, at one credit a unit.
pub(crate) fn prepaid(
    credit_type: &v1::CreditType,
    quantity: &str,
    items: &[&v1::Item],
) -> v1::TemplateLine {
    let covers = items.iter().map(|item| v1::Coverage {
        target: Some(v1::coverage::Target::ItemId(item.id.clone())),
        credits_per_unit: "1".to_owned(),
    });
    v1::TemplateLine {
        id: String::new(),
        kind: v1::LineKind::Prepaid.into(),
        credit_type_id: credit_type.id.clone(),
        quantity: quantity.to_owned(),
        covers: covers.collect(),
        package_rate: None,
    }
}

/// A template of 80 euros without tax that ends with the year 2026.
pub(crate) fn template(name: &str, lines: Vec<v1::TemplateLine>) -> v1::Template {
    v1::Template {
        name: name.to_owned(),
        price: Some(euros(8_000)),
        validity: Some(until("2026-12-31")),
        lines,
        ..v1::Template::default()
    }
}

/// One package of this template for this customer, at its price, unpaid.
pub(crate) fn sale_entry(template: &v1::Template, customer: &v1::Customer) -> v1::SaleEntry {
    v1::SaleEntry {
        customer_id: customer.id.clone(),
        template_id: template.id.clone(),
        payment: Some(v1::sale_entry::Payment::None(v1::Unpaid {})),
        ..v1::SaleEntry::default()
    }
}

impl Tenant {
    /// A new credit type with so many decimal places.
    pub(crate) async fn credit_type(&self, name: &str, decimal_places: i32) -> v1::CreditType {
        let credit_type = v1::CreditType {
            name: name.to_owned(),
            name_plural: format!("{name}s"),
            decimal_places,
            ..v1::CreditType::default()
        };
        let request = v1::CreateCreditTypeRequest {
            credit_type: Some(credit_type),
            ..v1::CreateCreditTypeRequest::default()
        };
        let answer = self.catalog().create_credit_type(request).await.unwrap();
        answer.into_inner().credit_type.unwrap()
    }

    /// A new item of no category.
    pub(crate) async fn item(&self, name: &str) -> v1::Item {
        let item = v1::Item {
            name: name.to_owned(),
            standard_rate: Some(euros(1_200)),
            ..v1::Item::default()
        };
        let request = v1::CreateItemRequest {
            item: Some(item),
            ..v1::CreateItemRequest::default()
        };
        let answer = self.catalog().create_item(request).await.unwrap();
        answer.into_inner().item.unwrap()
    }

    /// A new template, ready to be sold.
    pub(crate) async fn template(&self, template: v1::Template) -> v1::Template {
        let request = v1::CreateTemplateRequest {
            template: Some(template),
            ..v1::CreateTemplateRequest::default()
        };
        let answer = self.catalog().create_template(request).await.unwrap();
        let draft = answer.into_inner().template.unwrap();
        let request = v1::ActivateTemplateRequest {
            template_id: draft.id,
            etag: draft.etag,
            ..v1::ActivateTemplateRequest::default()
        };
        let answer = self.catalog().activate_template(request).await.unwrap();
        answer.into_inner().template.unwrap()
    }

    /// A new customer with an address of that name.
    pub(crate) async fn customer(&self, name: &str) -> v1::Customer {
        let customer = v1::Customer {
            name: name.to_owned(),
            email: format!("{}@example.com", name.to_lowercase()),
            ..v1::Customer::default()
        };
        let request = v1::CreateCustomerRequest {
            customer: Some(customer),
            ..v1::CreateCustomerRequest::default()
        };
        let answer = self.customers().create_customer(request).await.unwrap();
        answer.into_inner().customer.unwrap()
    }

    /// Sells one package.
    pub(crate) async fn sell(
        &self,
        template: &v1::Template,
        customer: &v1::Customer,
    ) -> v1::Package {
        let answer = self.sell_all(vec![sale_entry(template, customer)]).await;
        let mut results = answer.unwrap().results;
        results.pop().unwrap().package.unwrap()
    }

    /// Sells what the entries say, or is refused.
    pub(crate) async fn sell_all(
        &self,
        entries: Vec<v1::SaleEntry>,
    ) -> Result<v1::SellPackagesResponse, Status> {
        let request = v1::SellPackagesRequest {
            request_id: self.request_id(),
            entries,
            validate_only: false,
        };
        let answer = self.packages().sell_packages(request).await?;
        Ok(answer.into_inner())
    }

    /// A call that uses credits of this customer for so many units of an item.
    pub(crate) fn consume_request(
        &self,
        customer: &v1::Customer,
        item: &v1::Item,
        units: &str,
    ) -> v1::ConsumeRequest {
        let item = v1::ItemUnits {
            item_id: item.id.clone(),
            units: units.to_owned(),
        };
        v1::ConsumeRequest {
            request_id: self.request_id(),
            customer_id: customer.id.clone(),
            what: Some(v1::consume_request::What::Item(item)),
            ..v1::ConsumeRequest::default()
        }
    }

    /// Uses credits for so many units of an item, or is refused.
    pub(crate) async fn consume(
        &self,
        customer: &v1::Customer,
        item: &v1::Item,
        units: &str,
    ) -> Result<v1::ConsumeResponse, Status> {
        let request = self.consume_request(customer, item, units);
        let answer = self.credits().consume(request).await?;
        Ok(answer.into_inner())
    }

    /// The package as it is now.
    pub(crate) async fn package(&self, package_id: &str) -> v1::Package {
        let request = v1::GetPackageRequest {
            package_id: package_id.to_owned(),
        };
        let answer = self.packages().get_package(request).await.unwrap();
        answer.into_inner().package.unwrap()
    }

    /// What a customer can use now of each credit type: its id and the amount.
    pub(crate) async fn usable(&self, customer: &v1::Customer) -> Vec<(String, String)> {
        let scope = v1::get_balance_request::Scope::CustomerId(customer.id.clone());
        let request = v1::GetBalanceRequest {
            scope: Some(scope),
            ..v1::GetBalanceRequest::default()
        };
        let answer = self.credits().get_balance(request).await.unwrap();
        let balances = answer.into_inner().balances.into_iter();
        balances
            .map(|balance| (balance.credit_type_id, balance.usable))
            .collect()
    }
}

//! Calls that make packages.

use carnet::proto::v1;
use tonic::Status;

use crate::model::catalogue;
use crate::model::reference::calls::Call;
use crate::model::run::Service;
use crate::model::run::calls::{Got, Sending, request_id};
use crate::model::run::names::decimal;
use crate::support::shop::{days, never, paid};
use crate::support::tenant::Tenant;

impl Service {
    pub(super) async fn send_new(
        &self,
        tenant: &Tenant,
        call: &Call,
        sending: Sending,
    ) -> Result<Got, Status> {
        let names = &self.names;
        let request_id = request_id(sending.number);
        let Sending { is_trial, note, .. } = sending;
        let note = note.to_owned();
        let (package, replayed) = match call {
            Call::Sell { customer, template } => {
                let entry = v1::SaleEntry {
                    customer_id: names.customers[*customer].clone(),
                    template_id: names.templates[*template].clone(),
                    payment: Some(paid()),
                    note,
                    ..Default::default()
                };
                let request = v1::SellPackagesRequest {
                    request_id,
                    entries: vec![entry],
                    validate_only: is_trial,
                };
                let mut got = tenant.packages().sell_packages(request).await?.into_inner();
                (got.results.remove(0).package, got.replayed)
            }
            Call::Give {
                customer,
                kind,
                amount,
                days: count,
            } => {
                let gift = v1::CreditGift {
                    credit_type_id: names.kinds[*kind].clone(),
                    amount: decimal(*amount),
                    covers: names.covers(&catalogue::gift(*kind, *amount)),
                };
                let validity = count.map_or_else(never, |count| days(count.try_into().unwrap()));
                let request = v1::IssueRequest {
                    request_id,
                    customer_id: names.customers[*customer].clone(),
                    gift: Some(v1::issue_request::Gift::Credits(gift)),
                    validity: Some(validity),
                    reason: note,
                    validate_only: is_trial,
                    ..Default::default()
                };
                let got = tenant.credits().issue(request).await?.into_inner();
                (got.package, got.replayed)
            }
            other => panic!("{other:?} makes no package"),
        };
        Ok(Got {
            replayed,
            package,
            ..Got::default()
        })
    }
}

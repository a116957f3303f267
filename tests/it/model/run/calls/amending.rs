//! Calls that change a package after its sale.

use carnet::proto::v1;
use tonic::Status;

use crate::model::reference::calls::{Answer, Call, Until};
use crate::model::run::Service;
use crate::model::run::calls::{Got, Sending, request_id};
use crate::model::run::names::{decimal, millionths};
use crate::support::ledger::stamp;
use crate::support::shop::euros;
use crate::support::tenant::Tenant;

impl Service {
    pub(super) async fn send_amending(
        &self,
        tenant: &Tenant,
        call: &Call,
        sending: Sending,
    ) -> Result<Got, Status> {
        let names = &self.names;
        let request_id = request_id(sending.number);
        let reason = sending.note.to_owned();
        let validate_only = sending.is_trial;
        let mut packages = tenant.packages();
        let mut received = None;
        let (package, holds, replayed) = match call {
            Call::Extend {
                package,
                until,
                bonus,
                force,
            } => {
                let package = &names.packages[*package];
                let bonus = bonus.map(|(line, amount)| v1::BonusCredits {
                    line_id: package.lines[line].clone(),
                    amount: decimal(amount),
                });
                let request = v1::ExtendPackageRequest {
                    request_id,
                    package_id: package.id.clone(),
                    new_expiry: Some(new_expiry(*until)),
                    bonuses: bonus.into_iter().collect(),
                    force_restore: *force,
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.extend_package(request).await?.into_inner();
                (got.package, Vec::new(), got.replayed)
            }
            Call::Freeze { package, through } => {
                let request = v1::FreezePackageRequest {
                    request_id,
                    package_id: names.packages[*package].id.clone(),
                    until_date: through.to_string(),
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.freeze_package(request).await?.into_inner();
                (got.package, got.holds, got.replayed)
            }
            Call::Unfreeze { package } => {
                let request = v1::UnfreezePackageRequest {
                    request_id,
                    package_id: names.packages[*package].id.clone(),
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.unfreeze_package(request).await?.into_inner();
                (got.package, got.holds, got.replayed)
            }
            Call::Revoke { package } => {
                let request = v1::RevokePackageRequest {
                    request_id,
                    package_id: names.packages[*package].id.clone(),
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.revoke_package(request).await?.into_inner();
                (got.package, got.released, got.replayed)
            }
            Call::Reinstate { package } => {
                let request = v1::ReinstatePackageRequest {
                    request_id,
                    package_id: names.packages[*package].id.clone(),
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.reinstate_package(request).await?.into_inner();
                (got.package, Vec::new(), got.replayed)
            }
            Call::Transfer { package, receiver } => {
                let request = v1::TransferPackageRequest {
                    request_id,
                    package_id: names.packages[*package].id.clone(),
                    customer_id: names.customers[*receiver].clone(),
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.transfer_package(request).await?.into_inner();
                received = got.received;
                (got.package, Vec::new(), got.replayed)
            }
            Call::Reprice { package, price } => {
                let request = v1::UpdatePackageRequest {
                    request_id,
                    package_id: names.packages[*package].id.clone(),
                    edit: Some(v1::PackageEdit {
                        price: Some(euros(*price)),
                        ..Default::default()
                    }),
                    update_mask: Some(prost_types::FieldMask {
                        paths: vec!["price".to_owned()],
                    }),
                    reason,
                    validate_only,
                    ..Default::default()
                };
                let got = packages.update_package(request).await?.into_inner();
                (got.package, Vec::new(), got.replayed)
            }
            other => panic!("{other:?} changes no package"),
        };
        Ok(Got {
            answer: Answer {
                held: self.held(&holds),
                ..Answer::default()
            },
            replayed,
            package,
            received,
            ..Got::default()
        })
    }

    /// What holds hold, by hold.
    fn held(&self, holds: &[v1::PackageHold]) -> Vec<(usize, i64)> {
        let number = |id: &str| self.names.holds.iter().position(|name| name == id);
        let held = holds.iter();
        let held = held.map(|held| (number(&held.hold_id).unwrap(), millionths(&held.amount)));
        let mut held: Vec<_> = held.collect();
        held.sort_unstable();
        held
    }
}

fn new_expiry(until: Until) -> v1::extend_package_request::NewExpiry {
    match until {
        Until::By(count) => v1::extend_package_request::NewExpiry::By(v1::Period {
            count: count.try_into().unwrap(),
            unit: v1::PeriodUnit::Day.into(),
        }),
        Until::At(instant) => v1::extend_package_request::NewExpiry::ExpiresAt(stamp(instant)),
    }
}

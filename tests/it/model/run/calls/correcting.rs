//! Calls that end holds, undo uses and correct amounts.

use carnet::proto::v1;
use tonic::Status;

use crate::model::reference::Instant;
use crate::model::reference::calls::{Answer, Ask, Call, Portion, Returned, Taken, What, by_lot};
use crate::model::run::Service;
use crate::model::run::calls::{Got, Sending, at, request_id, units};
use crate::model::run::names::{Names, balances, cents, decimal, instant, millionths};
use crate::support::shop::euros;
use crate::support::tenant::Tenant;

impl Service {
    pub(super) async fn send_ending(
        &self,
        tenant: &Tenant,
        call: &Call,
        sending: Sending,
    ) -> Result<Got, Status> {
        let names = &self.names;
        let request_id = request_id(sending.number);
        let note = sending.note.to_owned();
        let validate_only = sending.is_trial;
        match call {
            Call::Capture {
                hold,
                portion,
                delivered_at,
                excess,
            } => {
                let portion = match portion {
                    Portion::All => None,
                    Portion::Units(units) => {
                        Some(v1::capture_request::Portion::Units(decimal(*units)))
                    }
                    Portion::Credits(amount) => {
                        Some(v1::capture_request::Portion::Credits(decimal(*amount)))
                    }
                };
                let request = v1::CaptureRequest {
                    request_id,
                    hold_id: names.holds[*hold].clone(),
                    portion,
                    delivered_at: at(*delivered_at),
                    allow_excess: *excess,
                    note,
                    validate_only,
                };
                let got = tenant.credits().capture(request).await?.into_inner();
                let effective_at = instant(got.effective_at);
                let used = names.used(got.posting_id, got.replayed, effective_at, &got.parts);
                Ok(names.with_returned(used, &got.returned))
            }
            Call::Release { hold } => {
                let request = v1::ReleaseRequest {
                    request_id,
                    hold_id: names.holds[*hold].clone(),
                    note,
                    validate_only,
                };
                let got = tenant.credits().release(request).await?.into_inner();
                let back = Got {
                    replayed: got.replayed,
                    posting_id: got.posting_id,
                    ..Got::default()
                };
                Ok(names.with_returned(back, &got.returned))
            }
            other => panic!("{other:?} ends no hold"),
        }
    }

    pub(super) async fn send_correcting(
        &self,
        tenant: &Tenant,
        call: &Call,
        sending: Sending,
    ) -> Result<Got, Status> {
        let names = &self.names;
        let this_id = request_id(sending.number);
        let note = sending.note.to_owned();
        let validate_only = sending.is_trial;
        let mut credits = tenant.credits();
        match call {
            Call::Reverse {
                of,
                portion,
                restore_through,
            } => {
                let portion = match portion {
                    Portion::All => None,
                    Portion::Units(units) => {
                        Some(v1::reverse_request::Portion::Units(decimal(*units)))
                    }
                    Portion::Credits(amount) => {
                        Some(v1::reverse_request::Portion::Credits(decimal(*amount)))
                    }
                };
                let request = v1::ReverseRequest {
                    request_id: this_id,
                    posting_id: request_id(*of),
                    portion,
                    restore_through: restore_through
                        .map(|day| day.to_string())
                        .unwrap_or_default(),
                    note,
                    validate_only,
                };
                let got = credits.reverse(request).await?.into_inner();
                let back = Got {
                    replayed: got.replayed,
                    posting_id: got.posting_id,
                    ..Got::default()
                };
                Ok(names.with_returned(back, &got.returned))
            }
            Call::Move { of, named } => {
                let request = v1::MoveConsumptionRequest {
                    request_id: this_id,
                    posting_id: request_id(*of),
                    package_ids: names.package_ids(named),
                    note,
                    validate_only,
                };
                let got = credits.move_consumption(request).await?.into_inner();
                let effective_at = instant(got.effective_at);
                let used = names.used(got.posting_id, got.replayed, effective_at, &got.parts);
                Ok(names.with_returned(used, &got.returned))
            }
            Call::Remove { package, line, .. } | Call::Add { package, line, .. } => {
                let package = &names.packages[*package];
                let (change, value) = match call {
                    Call::Add { amount, value, .. } => (
                        v1::adjust_request::Change::Add(decimal(*amount)),
                        Some(euros(*value)),
                    ),
                    Call::Remove { amount, .. } => {
                        (v1::adjust_request::Change::Remove(decimal(*amount)), None)
                    }
                    other => panic!("{other:?}"),
                };
                let request = v1::AdjustRequest {
                    request_id: this_id,
                    package_id: package.id.clone(),
                    line_id: package.lines[*line].clone(),
                    change: Some(change),
                    value,
                    reason: note,
                    validate_only,
                };
                let got = credits.adjust(request).await?.into_inner();
                let taken = got.parts.iter().map(|part| Taken {
                    lot: names.lot(&part.lot_id),
                    amount: millionths(&part.amount),
                    units: None,
                    value: cents(part.value.as_ref()),
                    balances: balances(part.balances.as_ref()),
                });
                Ok(Got {
                    answer: Answer {
                        taken: taken.collect(),
                        ..Answer::default()
                    },
                    replayed: got.replayed,
                    posting_id: got.posting_id,
                    ..Got::default()
                })
            }
            other => panic!("{other:?} corrects nothing"),
        }
    }
}

impl Names {
    pub(super) fn consumed(&self, ask: &Ask) -> v1::consume_request::What {
        match ask.what {
            What::Item(item, units) => {
                v1::consume_request::What::Item(self.item_units(item, units))
            }
            What::Credits(kind, amount) => {
                v1::consume_request::What::Credits(self.credit_amount(kind, amount))
            }
        }
    }

    pub(super) fn held(&self, ask: &Ask) -> v1::hold_request::What {
        match ask.what {
            What::Item(item, units) => v1::hold_request::What::Item(self.item_units(item, units)),
            What::Credits(kind, amount) => {
                v1::hold_request::What::Credits(self.credit_amount(kind, amount))
            }
        }
    }

    fn item_units(&self, item: usize, units: i64) -> v1::ItemUnits {
        v1::ItemUnits {
            item_id: self.items[item].clone(),
            units: decimal(units),
        }
    }

    fn credit_amount(&self, kind: usize, amount: i64) -> v1::CreditAmount {
        v1::CreditAmount {
            credit_type_id: self.kinds[kind].clone(),
            amount: decimal(amount),
        }
    }

    /// What was used.
    pub(super) fn used(
        &self,
        posting_id: String,
        replayed: bool,
        effective_at: Option<Instant>,
        parts: &[v1::ConsumedPart],
    ) -> Got {
        let taken = parts.iter().map(|part| Taken {
            lot: self.lot(&part.lot_id),
            amount: millionths(&part.amount),
            units: units(&part.units),
            value: cents(part.value.as_ref()),
            balances: balances(part.balances.as_ref()),
        });
        Got {
            answer: Answer {
                taken: taken.collect(),
                effective_at,
                ..Answer::default()
            },
            replayed,
            posting_id,
            ..Got::default()
        }
    }

    fn with_returned(&self, mut got: Got, parts: &[v1::ReturnedPart]) -> Got {
        let returned = parts.iter().map(|part| Returned {
            lot: self.lot(&part.lot_id),
            amount: millionths(&part.amount),
            value: cents(part.value.as_ref()),
            account: part.account(),
            moved_to: None,
        });
        got.answer.returned = by_lot(returned.collect());
        let moved = parts
            .iter()
            .filter(|part| !part.moved_to_package_id.is_empty());
        got.moved = moved
            .map(|part| (self.lot(&part.lot_id), part.moved_to_package_id.clone()))
            .collect();
        got
    }
}

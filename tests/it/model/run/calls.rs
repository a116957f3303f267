//! Calls as requests, and their answers in the reference's words.

use carnet::proto::v1;
use prost_types::Timestamp;
use tonic::Status;
use tonic_types::StatusExt;
use uuid::Builder;

use crate::model::commands::{State, Step};
use crate::model::reference::calls::{Answer, Call, Taken};
use crate::model::reference::{Instant, Ledger, Refusal};
use crate::model::run::names::{PackageNames, balances, instant, millionths};
use crate::model::run::{Service, starts_at};
use crate::support::ledger::stamp;

mod amending;
mod correcting;
mod making;

/// How a call is sent.
#[derive(Clone, Copy)]
struct Sending {
    number: usize,
    is_trial: bool,
    note: &'static str,
}

/// What came back.
#[derive(Debug, Default)]
struct Got {
    answer: Answer,
    replayed: bool,
    posting_id: String,
    package: Option<v1::Package>,
    /// What another customer got of it.
    received: Option<v1::Package>,
    hold_id: Option<String>,
    moved: Vec<(usize, String)>,
}

/// The id of a request: of version 7, in their order.
fn request_id(number: usize) -> String {
    let millis =
        u64::try_from(starts_at().timestamp_millis()).unwrap() + u64::try_from(number).unwrap();
    let uuid = Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
    uuid.to_string()
}

fn at(at: Option<Instant>) -> Option<Timestamp> {
    at.map(stamp)
}

impl Service {
    /// Makes the call of this step and compares what it answers.
    pub(super) async fn call(&mut self, state: &State) {
        let Step::Call {
            number,
            call,
            is_trial,
            is_repeat,
            expected,
        } = &state.step
        else {
            return;
        };
        let sending = Sending {
            number: *number,
            is_trial: *is_trial,
            note: "as agreed",
        };
        let got = self.send(call, sending).await;
        let context = format!("{}: request {number}, {call:?}", self.label);
        let (got, expected) = match (got, expected) {
            (Err(status), Err(refusal)) => {
                let seen = self.refusal(&status);
                assert_eq!(
                    seen.reason,
                    refusal.reason,
                    "{context}: {}",
                    status.message()
                );
                if refusal.numbers.is_some() {
                    assert_eq!(
                        seen.numbers,
                        refusal.numbers,
                        "{context}: {}",
                        status.message()
                    );
                }
                return;
            }
            (Ok(got), Ok(expected)) => (got, expected),
            (got, expected) => panic!("{context}:\n{got:?}\ninstead of\n{expected:?}"),
        };
        assert_eq!(
            got.replayed, *is_repeat,
            "{context}: whether it is a repeat"
        );
        let mut answer = got.answer.clone();
        if !is_trial && !is_repeat {
            self.learn(&got, expected, &state.ledger).await;
        }
        for (lot, id) in &got.moved {
            let back = answer.returned.iter_mut().find(|back| back.lot == *lot);
            back.unwrap().moved_to = self.names.package(id);
        }
        let mut expected = expected.clone();
        let posting = expected.done_by.take().unwrap_or(*number);
        if *is_trial {
            expected
                .returned
                .iter_mut()
                .for_each(|back| back.moved_to = None);
        } else if !got.posting_id.is_empty() {
            assert_eq!(
                got.posting_id,
                request_id(posting),
                "{context}: the posting"
            );
        }
        if let (Some(package), true) = (&got.package, is_repeat) {
            assert!(
                self.names.package(&package.id).is_some(),
                "{context}: the package"
            );
        }
        assert_eq!(answer, expected, "{context}");
    }

    /// Sends another request under the id of one that has taken effect.
    pub(super) async fn reuse(&mut self, number: usize, call: &Call) {
        let sending = Sending {
            number,
            is_trial: false,
            note: "something else",
        };
        let status = self.send(call, sending).await.unwrap_err();
        let refusal = self.refusal(&status);
        assert_eq!(
            refusal.reason, "REQUEST_ID_REUSED",
            "{}: request {number}, {call:?}",
            self.label
        );
    }

    fn refusal(&self, status: &Status) -> Refusal {
        let info = status.get_details_error_info();
        let info = info.unwrap_or_else(|| panic!("{}: {status:?}", self.label));
        let number = |key: &str| info.metadata.get(key).map(|text| millionths(text));
        let is_numbered = info.reason == "INSUFFICIENT_CREDITS";
        let numbers = number("available").zip(number("requested"));
        Refusal {
            reason: Box::leak(info.reason.clone().into_boxed_str()),
            numbers: numbers.filter(|_| is_numbered),
        }
    }

    /// Takes down the names of what a call has made.
    async fn learn(&mut self, got: &Got, expected: &Answer, ledger: &Ledger) {
        self.names.holds.extend(got.hold_id.clone());
        if let Some(package) = &got.package {
            let number = self.names.package(&package.id);
            let number = number.unwrap_or(self.names.packages.len());
            self.names.learn(number, package, ledger);
        }
        if let (Some(left), Some(received)) = (&got.package, &got.received) {
            let from = self.names.package(&left.id).unwrap();
            let number = self.names.packages.len();
            let lines = self.names.packages[from].lines.clone();
            let id = received.id.clone();
            self.names.packages.push(PackageNames { id, lines });
            self.names.learn(number, received, ledger);
        }
        for taken in &got.answer.taken {
            if taken.lot == self.names.lots.len() {
                let package = self.names.packages[ledger.lots[taken.lot].package]
                    .id
                    .clone();
                let package = self.package(&package).await;
                let number = ledger.lots[taken.lot].package;
                self.names.learn(number, &package, ledger);
            }
        }
        for back in &expected.returned {
            let moved = got.moved.iter().find(|(lot, _)| *lot == back.lot);
            if let (Some(number), Some((_, id))) = (back.moved_to, moved) {
                let from = ledger.lots[back.lot].package;
                if number == self.names.packages.len() {
                    let lines = self.names.packages[from].lines.clone();
                    let id = id.clone();
                    self.names.packages.push(PackageNames { id, lines });
                }
                let package = self.package(id).await;
                self.names.learn(number, &package, ledger);
            }
        }
    }

    async fn send(&mut self, call: &Call, sending: Sending) -> Result<Got, Status> {
        let tenant = self.tenant().clone();
        let names = &self.names;
        let request_id = request_id(sending.number);
        let Sending { is_trial, note, .. } = sending;
        let note = note.to_owned();
        let mut credits = tenant.credits();
        match call {
            Call::Sell { .. } | Call::Give { .. } => self.send_new(&tenant, call, sending).await,
            Call::Extend { .. }
            | Call::Freeze { .. }
            | Call::Unfreeze { .. }
            | Call::Revoke { .. }
            | Call::Reinstate { .. }
            | Call::Transfer { .. }
            | Call::Reprice { .. } => self.send_amending(&tenant, call, sending).await,
            Call::Consume { ask, delivered_at } => {
                let request = v1::ConsumeRequest {
                    request_id,
                    customer_id: names.customers[ask.customer].clone(),
                    what: Some(names.consumed(ask)),
                    package_ids: names.package_ids(&ask.named),
                    delivered_at: at(*delivered_at),
                    note,
                    validate_only: is_trial,
                    ..Default::default()
                };
                let got = credits.consume(request).await?.into_inner();
                let effective_at = instant(got.effective_at);
                let total: i64 = got.parts.iter().map(|part| millionths(&part.amount)).sum();
                assert_eq!(millionths(&got.total), total);
                Ok(names.used(got.posting_id, got.replayed, effective_at, &got.parts))
            }
            Call::Hold {
                ask,
                service_at,
                times_out_at,
                captures,
            } => {
                let on_time_out = if *captures {
                    v1::OnTimeOut::Capture
                } else {
                    v1::OnTimeOut::Release
                };
                let request = v1::HoldRequest {
                    request_id,
                    customer_id: names.customers[ask.customer].clone(),
                    what: Some(names.held(ask)),
                    package_ids: names.package_ids(&ask.named),
                    service_at: at(*service_at),
                    times_out_at: at(*times_out_at),
                    on_time_out: on_time_out.into(),
                    note,
                    validate_only: is_trial,
                    ..Default::default()
                };
                let got = credits.hold(request).await?.into_inner();
                let taken = got.parts.iter().map(|part| Taken {
                    lot: names.lot(&part.lot_id),
                    amount: millionths(&part.amount),
                    units: units(&part.units),
                    value: 0,
                    balances: balances(part.balances.as_ref()),
                });
                Ok(Got {
                    answer: Answer {
                        taken: taken.collect(),
                        ..Answer::default()
                    },
                    replayed: got.replayed,
                    posting_id: got.posting_id,
                    hold_id: Some(got.hold_id),
                    ..Got::default()
                })
            }
            Call::Capture { .. } | Call::Release { .. } => {
                self.send_ending(&tenant, call, sending).await
            }
            Call::Reverse { .. } | Call::Move { .. } | Call::Remove { .. } | Call::Add { .. } => {
                self.send_correcting(&tenant, call, sending).await
            }
        }
    }
}

fn units(text: &str) -> Option<i64> {
    (!text.is_empty()).then(|| millionths(text))
}

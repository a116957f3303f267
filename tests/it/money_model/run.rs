//! A service that does what the reference did, and is looked at as a whole after each step.

use carnet::proto::v1;
use carnet::proto::v1::{BookingState, InvoiceState, LineCreditsState, LineKind};
use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::money_model::reference::{
    Claim, Counts, ENDING, Instant, LASTING, Package, Parts, RATE, RATED, World,
};
use crate::money_model::run::requests::{Answer, Request};
use crate::money_model::verbs::{State, Verb};
use crate::support::app::{STARTS_AT, TestApp};
use crate::support::ledger::stamp;
use crate::support::shop::{Shop, euros, never, until};

mod requests;

/// How often a call is sent that lost to another one.
const TRIES_MAX: usize = 20;
/// What the customer has when a case begins: lessons, and the instant of their end, midnight in Tallinn.
const SOLD: [(i64, Option<&str>); 3] = [
    (6, Some("2026-01-23T22:00:00Z")),
    (9, None),
    (5, Some("2026-01-29T22:00:00Z")),
];

fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

/// How each case begins.
pub(super) fn world() -> World {
    let packages = SOLD.map(|(available, ends_at)| Package {
        ends_at: ends_at.map(instant),
        counts: Counts {
            available,
            ..Counts::default()
        },
    });
    World::new(instant(STARTS_AT), packages.into())
}

/// A server, with the ids of what the reference counts.
pub(super) struct Service<'a> {
    app: &'a TestApp,
    shop: Shop,
    packages: Vec<String>,
    invoices: Vec<v1::Invoice>,
    bookings: Vec<v1::Booking>,
    /// The requests that took effect.
    effects: Vec<Request>,
}

impl<'a> Service<'a> {
    pub(super) async fn open(app: &'a TestApp) -> Self {
        let shop = Shop::open(app).await;
        let mut packages = Vec::new();
        for (number, (quantity, ends_at)) in SOLD.into_iter().enumerate() {
            let last_day = |ends_at| (instant(ends_at) - TimeDelta::hours(1)).date_naive();
            let validity = ends_at.map_or_else(never, |at| until(&last_day(at).to_string()));
            let mut template = shop.lessons(&quantity.to_string(), validity);
            if number == RATED {
                template.lines[0].kind = LineKind::Rate.into();
                template.lines[0].package_rate = Some(euros(RATE));
            }
            if number == ENDING {
                template.booking_rules = Some(v1::BookingRules {
                    cancellation: Some(v1::CancellationPolicy {
                        free_until_hours: 24,
                        captured_percent: 100,
                    }),
                    ..Default::default()
                });
            }
            packages.push(shop.sell(&shop.offer(template).await).await.id);
        }
        assert_eq!([ENDING, LASTING, RATED], [0, 1, 2]);
        Self {
            app,
            shop,
            packages,
            invoices: Vec::new(),
            bookings: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Does what came to `state`.
    pub(super) async fn follow(&mut self, verb: &Verb, copies: usize, state: &State) {
        if let Verb::Wait(_) = verb {
            self.app.clock.set(state.world.now);
            return;
        }
        let request = match verb {
            Verb::Repeat(number) => self.effects[*number].clone(),
            verb => self.request(verb, state.world.now),
        };
        let sent = (0..copies).map(|_| self.send(&request));
        let mut answers = join_all(sent).await;
        let context = format!("{verb:?} after {:?}", state.world);
        for answer in &answers {
            match (answer, &state.done) {
                (Ok(_), Ok(())) => {}
                (Err(status), Err(reason)) => assert_eq!(&reason_of(status), reason, "{context}"),
                (answer, done) => panic!("{answer:?} instead of {done:?}: {context}"),
            }
        }
        if state.done.is_err() {
            return;
        }
        let fresh = answers
            .iter()
            .filter(|answer| answer.as_ref().is_ok_and(|answer| !answer.replayed))
            .count();
        let is_repeat = matches!(verb, Verb::Repeat(_));
        assert_eq!(fresh, usize::from(!is_repeat), "{context}");
        let answer = answers.pop().unwrap().unwrap();
        if is_repeat {
            return;
        }
        self.effects.push(request);
        match verb {
            Verb::Draft(_) => self.invoices.extend(answer.invoice),
            Verb::Book(..) => self.bookings.extend(answer.booking),
            _ => {}
        }
    }

    async fn send(&self, request: &Request) -> Result<Answer, Status> {
        let mut tries = 0;
        loop {
            let answer = request.send(&self.shop.tenant).await;
            tries += 1;
            match &answer {
                Err(status) if status.code() == Code::Aborted && tries < TRIES_MAX => {}
                _ => return answer,
            }
        }
    }

    /// Compares everything with the reference, and documents with packages.
    pub(super) async fn look(&mut self, world: &World) {
        let mut claimed: Vec<(usize, i64, bool)> = Vec::new();
        for number in 0..self.invoices.len() {
            let request = v1::GetInvoiceRequest {
                invoice_id: self.invoices[number].id.clone(),
            };
            let answer = self.app.invoices().get_invoice(request).await.unwrap();
            let seen = answer.into_inner().invoice.unwrap();
            self.compare_invoice(number, &seen, world);
            claimed.extend(self.claimed_by_invoice(&seen));
            self.invoices[number] = seen;
        }
        for number in 0..self.bookings.len() {
            let request = v1::GetBookingRequest {
                booking_id: self.bookings[number].id.clone(),
            };
            let answer = self.app.bookings().get_booking(request).await.unwrap();
            let seen = answer.into_inner().booking.unwrap();
            self.compare_booking(number, &seen, world);
            let is_used = seen.state() != BookingState::Booked;
            let parts = self.parts_of_booking(&seen).into_iter();
            claimed.extend(parts.map(|(package, units)| (package, units, is_used)));
            self.bookings[number] = seen;
        }
        let by_hand = world.by_hand.iter();
        claimed.extend(by_hand.map(|(package, units)| (*package, *units, true)));
        for (number, (sold, _)) in SOLD.into_iter().enumerate() {
            let counts = self.counts(number).await;
            let context = format!("package {number}: {world:?}");
            assert_eq!(counts, world.packages[number].counts, "{context}");
            let all = counts.available + counts.held + counts.used + counts.expired;
            assert_eq!(all, sold, "credits are conserved: {context}");
            let sum = |used: bool| -> i64 {
                let of_package = claimed.iter().filter(|it| (it.0, it.2) == (number, used));
                of_package.map(|(_, units, _)| units).sum()
            };
            assert_eq!(sum(false), counts.held, "only what lives holds: {context}");
            assert_eq!(
                sum(true),
                counts.used,
                "used is what documents say: {context}"
            );
        }
    }

    fn compare_invoice(&self, number: usize, seen: &v1::Invoice, world: &World) {
        let expected = &world.invoices[number];
        let context = format!("invoice {number}: {seen:?} in {world:?}");
        assert_eq!(seen.state(), expected.state, "{context}");
        assert_eq!(seen.number, expected.number, "{context}");
        let cents = |money: &Option<v1::Money>| money.as_ref().unwrap().minor_units;
        let lines = seen.lines.iter();
        let lines = lines.map(|line| (whole(&line.quantity), cents(&line.unit_price)));
        let wanted = expected
            .lines
            .iter()
            .map(|line| (line.quantity, line.price));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            wanted.collect::<Vec<_>>(),
            "{context}"
        );
        for (line, expected) in seen.lines.iter().zip(&expected.lines) {
            let claim = self.claim_of(line);
            let wanted = expected.claim.as_ref();
            let wanted = wanted.map(|it: &Claim| (it.parts.clone(), it.state, it.is_rate));
            assert_eq!(claim, wanted, "{context}");
        }
        assert_eq!(cents(&seen.total), expected.total(), "{context}");
        assert_eq!(cents(&seen.paid), expected.paid(), "{context}");
        assert_eq!(cents(&seen.refunded), expected.refunded, "{context}");
        let is_void = expected.state == InvoiceState::Void;
        let due = if is_void { 0 } else { expected.due() };
        assert_eq!(cents(&seen.due), due, "{context}");
        let payments = seen.money.iter().filter(|money| {
            money.direction() == v1::MoneyDirection::In && money.reversed_at.is_none()
        });
        let paid: i64 = payments
            .map(|money| cents(&money.payment.as_ref().unwrap().amount))
            .sum();
        assert_eq!(paid, expected.paid(), "money is conserved: {context}");
    }

    /// What a line holds or used, and whether it charges a rate.
    fn claim_of(&self, line: &v1::InvoiceLine) -> Option<(Parts, LineCreditsState, bool)> {
        if let Some(rate) = &line.package_rate {
            let parts = vec![(self.number(&rate.package_id), whole(&rate.amount))];
            return Some((parts, rate.state(), true));
        }
        let credits = line.credits.as_ref()?;
        let parts = credits.parts.iter();
        let parts = parts.map(|part| (self.number(&part.package_id), whole(&part.amount)));
        Some((parts.collect(), credits.state(), false))
    }

    fn claimed_by_invoice(&self, seen: &v1::Invoice) -> Vec<(usize, i64, bool)> {
        let mut claimed = Vec::new();
        for (parts, state, _) in seen.lines.iter().filter_map(|line| self.claim_of(line)) {
            let is_used = match state {
                LineCreditsState::Held => false,
                LineCreditsState::Used => true,
                _ => continue,
            };
            claimed.extend(parts.into_iter().map(|(package, n)| (package, n, is_used)));
        }
        claimed
    }

    fn compare_booking(&self, number: usize, seen: &v1::Booking, world: &World) {
        let expected = &world.bookings[number];
        let context = format!("booking {number}: {seen:?} in {world:?}");
        assert_eq!(seen.state(), expected.state, "{context}");
        let claim = expected.claim.as_ref();
        let wanted = claim.map(|claim| claim.parts.clone()).unwrap_or_default();
        assert_eq!(self.parts_of_booking(seen), wanted, "{context}");
        assert_eq!(!seen.hold_id.is_empty(), world.holds(number), "{context}");
        let is_used = claim.is_some() && !world.holds(number);
        assert_eq!(!seen.posting_id.is_empty(), is_used, "{context}");
    }

    fn parts_of_booking(&self, seen: &v1::Booking) -> Parts {
        let packages = seen.packages.iter();
        let part = |it: &v1::BookingPackage| (self.number(&it.package_id), whole(&it.credits));
        packages.map(part).collect()
    }

    fn number(&self, package_id: &str) -> usize {
        self.packages
            .iter()
            .position(|id| id == package_id)
            .unwrap()
    }

    async fn counts(&self, number: usize) -> Counts {
        let seen = self.shop.balances(&self.packages[number]).await;
        Counts {
            available: whole(&seen.available),
            held: whole(&seen.held),
            used: whole(&seen.consumed),
            expired: whole(&seen.expired),
        }
    }
}

fn whole(text: &str) -> i64 {
    text.parse().unwrap()
}

fn reason_of(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.unwrap_or_else(|| panic!("{status:?}")).reason
}

/// An instant as it is sent.
fn sent_at(at: chrono::DateTime<Utc>) -> Option<prost_types::Timestamp> {
    Some(stamp(at))
}

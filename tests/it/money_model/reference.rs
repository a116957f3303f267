//! The reference: invoices, bookings and packages of one customer as plain counts.
//!
//! Credits and units are whole. A claim is what a line of an invoice or a booking holds or used, package by
//! package; everything else that could be asked of a package is a use by hand.

use carnet::proto::v1::{BookingState, InvoiceState, LineCreditsState};
use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};

use crate::support::tenant::ZONE;

pub(super) type Instant = DateTime<Utc>;
/// Nothing, or the reason of a refusal, of which nothing is kept.
pub(super) type Done = Result<(), &'static str>;

/// What a lesson costs, in cents.
pub(super) const PRICE: i64 = 1_800;
/// What it costs while the rate line has units.
pub(super) const RATE: i64 = 1_500;
/// For how many days a draft holds credits.
const DRAFT_DAYS: i64 = 7;
/// How many hours before its start a booking that the first package pays is no longer cancelled for nothing.
const FREE_HOURS: i64 = 24;
/// The package that ends first, and so pays first.
pub(super) const ENDING: usize = 0;
/// The package that never ends.
pub(super) const LASTING: usize = 1;
/// The package with a rate.
pub(super) const RATED: usize = 2;

/// Credits of one package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) available: i64,
    pub(super) held: i64,
    pub(super) used: i64,
    pub(super) expired: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) ends_at: Option<Instant>,
    pub(super) counts: Counts,
}

impl Package {
    fn has_ended(&self, at: Instant) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= at)
    }

    fn end(&mut self, at: Instant) {
        if self.has_ended(at) {
            self.counts.expired += std::mem::take(&mut self.counts.available);
        }
    }
}

/// Credits of packages, by their numbers.
pub(super) type Parts = Vec<(usize, i64)>;

/// What a line or a booking took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) parts: Parts,
    pub(super) state: LineCreditsState,
    /// Whether money pays it, at the rate.
    pub(super) is_rate: bool,
    times_out_at: Option<Instant>,
}

impl Claim {
    pub(super) fn units(&self) -> i64 {
        self.parts.iter().map(|(_, units)| units).sum()
    }

    fn is_used(&self) -> bool {
        self.state == LineCreditsState::Used
    }
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) quantity: i64,
    pub(super) price: i64,
    pub(super) claim: Option<Claim>,
}

impl Line {
    fn total(&self) -> i64 {
        let paying = self.claim.as_ref().filter(|claim| !claim.is_rate);
        (self.quantity - paying.map_or(0, Claim::units)) * self.price
    }
}

#[derive(Clone, Debug)]
pub(super) struct Invoice {
    pub(super) state: InvoiceState,
    pub(super) number: i64,
    pub(super) lines: Vec<Line>,
    /// Cents, and whether it bounced.
    pub(super) payments: Vec<(i64, bool)>,
    pub(super) refunded: i64,
}

impl Invoice {
    pub(super) fn total(&self) -> i64 {
        self.lines.iter().map(Line::total).sum()
    }

    pub(super) fn paid(&self) -> i64 {
        let good = self.payments.iter().filter(|(_, bounced)| !bounced);
        good.map(|(cents, _)| cents).sum()
    }

    pub(super) fn due(&self) -> i64 {
        (self.total() - self.paid()).max(0)
    }

    /// What an issued invoice is.
    fn owing(&self) -> InvoiceState {
        match (self.due(), self.paid()) {
            (0, _) => InvoiceState::Paid,
            (_, 0) => InvoiceState::Issued,
            _ => InvoiceState::PartlyPaid,
        }
    }

    fn check_priced_again(&self) -> Done {
        match self.state {
            InvoiceState::Paid => Err("INVOICE_ALREADY_PAID"),
            InvoiceState::Void => Err("INVOICE_VOID"),
            _ => Ok(()),
        }
    }

    fn price_again(&mut self) {
        if self.state != InvoiceState::Draft {
            self.state = self.owing();
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Booking {
    pub(super) starts_at: Instant,
    units: i64,
    pub(super) state: BookingState,
    pub(super) claim: Option<Claim>,
}

/// What is to pay a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payer {
    BestIfAny,
    Best,
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) packages: Vec<Package>,
    pub(super) invoices: Vec<Invoice>,
    pub(super) bookings: Vec<Booking>,
    /// What was used by hand.
    pub(super) by_hand: Parts,
    numbers: i64,
}

impl World {
    pub(super) fn new(now: Instant, packages: Vec<Package>) -> Self {
        Self {
            now,
            packages,
            invoices: Vec::new(),
            bookings: Vec::new(),
            by_hand: Vec::new(),
            numbers: 0,
        }
    }

    /// Does what time alone does until `at`.
    pub(super) fn pass(&mut self, at: Instant) {
        let lines = self.invoices.iter_mut().flat_map(|it| &mut it.lines);
        let claims = lines.filter_map(|line| line.claim.as_mut());
        let mut due: Vec<&mut Claim> = claims
            .filter(|claim| claim.state == LineCreditsState::Held)
            .filter(|claim| claim.times_out_at.is_some_and(|due_at| due_at <= at))
            .collect();
        due.sort_by_key(|claim| claim.times_out_at);
        for claim in due {
            let timed_out_at = claim.times_out_at.unwrap();
            claim.state = LineCreditsState::Lost;
            free(&mut self.packages, &claim.parts, timed_out_at);
        }
        self.packages.iter_mut().for_each(|package| package.end(at));
        self.now = at;
    }

    /// Takes so many prepaid units for a service at `at`, of these packages.
    fn take(&mut self, units: i64, at: Instant, packages: &[usize]) -> Result<Claim, &'static str> {
        let mut left = units;
        let mut parts = Vec::new();
        for number in packages {
            let package = &self.packages[*number];
            let part = left.min(package.counts.available);
            if part > 0 && !package.has_ended(at) {
                left -= part;
                parts.push((*number, part));
            }
        }
        if left > 0 {
            return Err("INSUFFICIENT_CREDITS");
        }
        Ok(self.hold(parts))
    }

    fn hold(&mut self, parts: Parts) -> Claim {
        for (number, units) in &parts {
            self.packages[*number].counts.available -= units;
            self.packages[*number].counts.held += units;
        }
        Claim {
            parts,
            state: LineCreditsState::Held,
            is_rate: false,
            times_out_at: None,
        }
    }

    fn take_best(&mut self, units: i64, at: Instant) -> Result<Claim, &'static str> {
        self.take(units, at.max(self.now), &[ENDING, LASTING])
    }

    fn take_rate(&mut self, units: i64) -> Result<Claim, &'static str> {
        if self.packages[RATED].has_ended(self.now) {
            return Err("PACKAGE_EXPIRED");
        }
        let claim = self.take(units, self.now, &[RATED])?;
        Ok(Claim {
            is_rate: true,
            ..claim
        })
    }

    fn draft_ends_at(&self) -> Option<Instant> {
        Some(self.now + TimeDelta::days(DRAFT_DAYS))
    }

    /// What is held is free again, what was used goes back.
    fn give_back(&mut self, claim: &Claim) {
        match claim.state {
            LineCreditsState::Held => free(&mut self.packages, &claim.parts, self.now),
            LineCreditsState::Used => {
                for (number, units) in &claim.parts {
                    let counts = &mut self.packages[*number].counts;
                    counts.used -= units;
                    counts.held += units;
                }
                free(&mut self.packages, &claim.parts, self.now);
            }
            _ => {}
        }
    }

    fn use_up(&mut self, claim: &mut Claim) {
        claim.state = LineCreditsState::Used;
        for (number, units) in &claim.parts {
            let counts = &mut self.packages[*number].counts;
            counts.held -= units;
            counts.used += units;
        }
    }

    /// The lines of a draft of so many units each, at package rates or not.
    fn lines(&mut self, asked: &[(i64, bool)]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (quantity, at_rate) in asked {
            let rated = if *at_rate {
                self.packages[RATED].counts.available.min(*quantity)
            } else {
                0
            };
            if rated > 0 {
                let mut claim = self.take_rate(rated).unwrap();
                claim.times_out_at = self.draft_ends_at();
                lines.push(Line {
                    quantity: rated,
                    price: RATE,
                    claim: Some(claim),
                });
            }
            if rated < *quantity {
                lines.push(Line {
                    quantity: quantity - rated,
                    price: PRICE,
                    claim: None,
                });
            }
        }
        lines
    }

    pub(super) fn draft(&mut self, asked: &[(i64, bool)]) {
        let lines = self.lines(asked);
        self.invoices.push(Invoice {
            state: InvoiceState::Draft,
            number: 0,
            lines,
            payments: Vec::new(),
            refunded: 0,
        });
    }

    pub(super) fn change(&mut self, number: usize, asked: &[(i64, bool)]) -> Done {
        match self.invoices[number].state {
            InvoiceState::Draft => {}
            InvoiceState::Void => return Err("INVOICE_VOID"),
            _ => return Err("INVOICE_NOT_DRAFT"),
        }
        for line in std::mem::take(&mut self.invoices[number].lines) {
            if let Some(claim) = &line.claim {
                self.give_back(claim);
            }
        }
        self.invoices[number].lines = self.lines(asked);
        Ok(())
    }

    pub(super) fn apply(&mut self, number: usize, line: usize, units: i64) -> Done {
        let invoice = &self.invoices[number];
        invoice.check_priced_again()?;
        match &invoice.lines[line].claim {
            Some(claim) if claim.is_rate => return Err("LINE_AT_PACKAGE_RATE"),
            Some(_) => return Err("CREDITS_ALREADY_APPLIED"),
            None if units > invoice.lines[line].quantity => return Err("UNITS_EXCEED_LINE"),
            None => {}
        }
        if invoice.state != InvoiceState::Draft
            && invoice.paid() > invoice.total() - units * invoice.lines[line].price
        {
            return Err("INVOICE_OVERPAID");
        }
        let mut claim = self.take_best(units, self.now)?;
        if self.invoices[number].state == InvoiceState::Draft {
            claim.times_out_at = self.draft_ends_at();
        }
        self.invoices[number].lines[line].claim = Some(claim);
        self.invoices[number].price_again();
        self.settle_paid(number)
    }

    pub(super) fn remove(&mut self, number: usize, line: usize) -> Done {
        let invoice = &self.invoices[number];
        invoice.check_priced_again()?;
        let claim = match &invoice.lines[line].claim {
            Some(claim) if claim.is_rate => return Err("LINE_AT_PACKAGE_RATE"),
            Some(claim) if claim.is_used() => return Err("CREDITS_ALREADY_USED"),
            Some(claim) => claim.clone(),
            None => return Err("NO_CREDITS_APPLIED"),
        };
        self.give_back(&claim);
        self.invoices[number].lines[line].claim = None;
        self.invoices[number].price_again();
        Ok(())
    }

    pub(super) fn issue(&mut self, number: usize) -> Done {
        match self.invoices[number].state {
            InvoiceState::Draft => {}
            InvoiceState::Void => return Err("INVOICE_VOID"),
            _ => return Err("INVOICE_ALREADY_ISSUED"),
        }
        self.invoices[number].state = self.invoices[number].owing();
        self.settle_paid(number)?;
        self.numbers += 1;
        self.invoices[number].number = self.numbers;
        Ok(())
    }

    /// Holds what an issued invoice's lines have lost, and uses all of it once the invoice is paid.
    fn settle_paid(&mut self, number: usize) -> Done {
        if self.invoices[number].state == InvoiceState::Draft {
            return Ok(());
        }
        let is_paid = self.invoices[number].state == InvoiceState::Paid;
        for line in 0..self.invoices[number].lines.len() {
            let claim = self.invoices[number].lines[line].claim.take();
            let Some(mut claim) = claim else { continue };
            claim.times_out_at = None;
            if claim.state == LineCreditsState::Lost {
                claim = if claim.is_rate {
                    self.take_rate(claim.units())?
                } else {
                    self.take_best(claim.units(), self.now)?
                };
            }
            if is_paid && !claim.is_used() {
                self.use_up(&mut claim);
            }
            self.invoices[number].lines[line].claim = Some(claim);
        }
        Ok(())
    }

    pub(super) fn pay(&mut self, number: usize, cents: Option<i64>) -> Done {
        let invoice = &mut self.invoices[number];
        match invoice.state {
            InvoiceState::Draft => return Err("INVOICE_NOT_ISSUED"),
            InvoiceState::Paid => return Err("INVOICE_ALREADY_PAID"),
            InvoiceState::Void => return Err("INVOICE_VOID"),
            _ => {}
        }
        let cents = cents.unwrap_or(invoice.due());
        if cents > invoice.due() {
            return Err("PAYMENT_EXCEEDS_PRICE");
        }
        invoice.payments.push((cents, false));
        invoice.state = invoice.owing();
        self.settle_paid(number)
    }

    pub(super) fn bounce(&mut self, number: usize, payment: usize) -> Done {
        let invoice = &mut self.invoices[number];
        if invoice.payments[payment].1 {
            return Err("PAYMENT_ALREADY_REVERSED");
        }
        invoice.payments[payment].1 = true;
        if invoice.state != InvoiceState::Void {
            invoice.state = invoice.owing();
        }
        Ok(())
    }

    pub(super) fn refund(&mut self, number: usize, cents: i64) -> Done {
        let invoice = &mut self.invoices[number];
        if invoice.state == InvoiceState::Draft {
            return Err("INVOICE_NOT_ISSUED");
        }
        if invoice.refunded + cents > invoice.paid() {
            return Err("REFUND_EXCEEDS_PAID");
        }
        invoice.refunded += cents;
        Ok(())
    }

    pub(super) fn void(&mut self, number: usize) -> Done {
        if self.invoices[number].state == InvoiceState::Void {
            return Err("INVOICE_VOID");
        }
        self.invoices[number].state = InvoiceState::Void;
        for line in 0..self.invoices[number].lines.len() {
            if let Some(mut claim) = self.invoices[number].lines[line].claim.take() {
                self.give_back(&claim);
                claim.state = LineCreditsState::Returned;
                self.invoices[number].lines[line].claim = Some(claim);
            }
        }
        Ok(())
    }

    pub(super) fn consume(&mut self, units: i64) -> Done {
        let mut claim = self.take_best(units, self.now)?;
        self.use_up(&mut claim);
        self.by_hand.extend(claim.parts);
        Ok(())
    }
}

/// Frees held credits; those of a package that has ended are lost.
fn free(packages: &mut [Package], parts: &Parts, at: Instant) {
    for (number, units) in parts {
        let package = &mut packages[*number];
        package.counts.held -= units;
        package.end(at);
        package.counts.available += units;
        package.end(at);
    }
}

mod booked;

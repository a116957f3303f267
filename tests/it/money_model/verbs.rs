//! Random verbs. What they name is a number that is taken modulo what there is, so that a sequence still means
//! something when parts of it are left out.

use carnet::proto::v1::BookingState;
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::reference::{Done, Instant, Payer, World};

/// More documents make a case slow, not better.
const DOCUMENTS_MAX: usize = 6;
/// Stored answers are kept for longer than any case lasts.
const DAYS_MAX: i64 = 25;

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    /// Makes an invoice of so many lessons a line, at package rates or not.
    Draft(Vec<(i64, bool)>),
    Change(usize, Vec<(i64, bool)>),
    Apply(usize, usize, i64),
    Remove(usize, usize),
    Issue(usize),
    /// Pays so many cents, or all that is due.
    Pay(usize, Option<i64>),
    Bounce(usize, usize),
    Refund(usize, i64),
    Void(usize),
    /// Books so many lessons in so many hours.
    Book(i64, i64, Payer),
    Complete(usize),
    /// Cancels; the business does or the customer.
    Cancel(usize, bool),
    NoShow(usize),
    Reopen(usize),
    Switch(usize, Payer),
    Consume(i64),
    /// Lets so many hours pass.
    Wait(i64),
    /// Sends an earlier request again that took effect.
    Repeat(usize),
}

/// A verb, and how many copies of its request are sent at once.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) verb: Verb,
    pub(super) copies: usize,
}

/// The world, and what came of the last step.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) done: Done,
    starts_at: Instant,
    /// How many requests took effect.
    effects: usize,
}

impl State {
    pub(super) fn new(world: World) -> Self {
        Self {
            starts_at: world.now,
            world,
            done: Ok(()),
            effects: 0,
        }
    }

    /// Whether the step means anything now.
    pub(super) fn takes(&self, step: &Step) -> bool {
        let Some(next) = self.clone().after(step) else {
            return false;
        };
        let world = &next.world;
        world.invoices.len() <= DOCUMENTS_MAX
            && world.bookings.len() <= DOCUMENTS_MAX
            && world.now < self.starts_at + TimeDelta::days(DAYS_MAX)
    }

    /// The state after a step; none: it names what is not there.
    pub(super) fn after(mut self, step: &Step) -> Option<Self> {
        let verb = self.resolve(&step.verb)?;
        let mut next = self.world.clone();
        self.done = act(&mut next, &verb);
        if self.done.is_ok() {
            self.world = next;
            if !matches!(verb, Verb::Wait(_) | Verb::Repeat(_)) {
                self.effects += 1;
            }
        }
        Some(self)
    }

    /// The verb with the numbers of what there is.
    pub(super) fn resolve(&self, verb: &Verb) -> Option<Verb> {
        let world = &self.world;
        let invoice = |number: usize| number.checked_rem(world.invoices.len());
        let booking = |number: usize| number.checked_rem(world.bookings.len());
        let line =
            |number: usize, line: usize| line.checked_rem(world.invoices[number].lines.len());
        Some(match verb.clone() {
            Verb::Change(number, lines) => Verb::Change(invoice(number)?, lines),
            Verb::Apply(number, place, units) => {
                let number = invoice(number)?;
                Verb::Apply(number, line(number, place)?, units)
            }
            Verb::Remove(number, place) => {
                let number = invoice(number)?;
                Verb::Remove(number, line(number, place)?)
            }
            Verb::Issue(number) => Verb::Issue(invoice(number)?),
            Verb::Pay(number, cents) => Verb::Pay(invoice(number)?, cents),
            Verb::Bounce(number, place) => {
                let number = invoice(number)?;
                let payments = world.invoices[number].payments.len();
                Verb::Bounce(number, place.checked_rem(payments)?)
            }
            Verb::Refund(number, cents) => Verb::Refund(invoice(number)?, cents),
            Verb::Void(number) => Verb::Void(invoice(number)?),
            Verb::Complete(number) => Verb::Complete(booking(number)?),
            Verb::Cancel(number, by_business) => Verb::Cancel(booking(number)?, by_business),
            Verb::NoShow(number) => Verb::NoShow(booking(number)?),
            Verb::Reopen(number) => Verb::Reopen(booking(number)?),
            Verb::Switch(number, payer) => {
                let number = booking(number)?;
                // Another package for what took place may be one that has ended since.
                let took_place = matches!(
                    world.bookings[number].state,
                    BookingState::Completed | BookingState::NoShow
                );
                (payer == Payer::Nothing || !took_place).then_some(())?;
                Verb::Switch(number, payer)
            }
            Verb::Repeat(number) => Verb::Repeat(number.checked_rem(self.effects)?),
            verb @ (Verb::Draft(_) | Verb::Book(..) | Verb::Consume(_) | Verb::Wait(_)) => verb,
        })
    }
}

fn act(world: &mut World, verb: &Verb) -> Done {
    match verb {
        Verb::Draft(lines) => world.draft(lines),
        Verb::Change(number, lines) => return world.change(*number, lines),
        Verb::Apply(number, line, units) => return world.apply(*number, *line, *units),
        Verb::Remove(number, line) => return world.remove(*number, *line),
        Verb::Issue(number) => return world.issue(*number),
        Verb::Pay(number, cents) => return world.pay(*number, *cents),
        Verb::Bounce(number, payment) => return world.bounce(*number, *payment),
        Verb::Refund(number, cents) => return world.refund(*number, *cents),
        Verb::Void(number) => return world.void(*number),
        Verb::Book(hours, units, payer) => {
            return world.book(world.now + TimeDelta::hours(*hours), *units, *payer);
        }
        Verb::Complete(number) => return world.complete(*number),
        Verb::Cancel(number, by_business) => return world.cancel(*number, *by_business),
        Verb::NoShow(number) => return world.mark_no_show(*number),
        Verb::Reopen(number) => return world.reopen(*number),
        Verb::Switch(number, payer) => return world.switch(*number, *payer),
        Verb::Consume(units) => return world.consume(*units),
        Verb::Wait(hours) => world.pass(world.now + TimeDelta::hours(*hours)),
        Verb::Repeat(_) => {}
    }
    Ok(())
}

/// Any step, those more often after which much can happen.
pub(super) fn steps() -> BoxedStrategy<Step> {
    let number = || 0..DOCUMENTS_MAX;
    let lines = || vec((1..=4_i64, any::<bool>()), 1..=2);
    let payer = select(vec![Payer::BestIfAny, Payer::Best, Payer::Nothing]);
    let switched = select(vec![Payer::Best, Payer::Nothing]);
    let verb = prop_oneof![
        4 => lines().prop_map(Verb::Draft),
        1 => (number(), lines()).prop_map(|(it, lines)| Verb::Change(it, lines)),
        4 => (number(), number(), 1..=3_i64).prop_map(|(it, line, n)| Verb::Apply(it, line, n)),
        1 => (number(), number()).prop_map(|(it, line)| Verb::Remove(it, line)),
        4 => number().prop_map(Verb::Issue),
        3 => number().prop_map(|it| Verb::Pay(it, None)),
        2 => (number(), 1..=4_000_i64).prop_map(|(it, cents)| Verb::Pay(it, Some(cents))),
        2 => (number(), number()).prop_map(|(it, payment)| Verb::Bounce(it, payment)),
        1 => (number(), 1..=2_000_i64).prop_map(|(it, cents)| Verb::Refund(it, cents)),
        2 => number().prop_map(Verb::Void),
        4 => (1..=120_i64, 1..=3_i64, payer).prop_map(|(at, n, payer)| Verb::Book(at, n, payer)),
        3 => number().prop_map(Verb::Complete),
        2 => (number(), any::<bool>()).prop_map(|(it, by)| Verb::Cancel(it, by)),
        1 => number().prop_map(Verb::NoShow),
        2 => number().prop_map(Verb::Reopen),
        2 => (number(), switched).prop_map(|(it, payer)| Verb::Switch(it, payer)),
        1 => (1..=3_i64).prop_map(Verb::Consume),
        4 => (1..=100_i64).prop_map(Verb::Wait),
        2 => (0..50_usize).prop_map(Verb::Repeat),
    ];
    let copies = prop_oneof![2 => Just(1_usize), 1 => 2..=4_usize];
    (verb, copies)
        .prop_map(|(verb, copies)| Step { verb, copies })
        .boxed()
}

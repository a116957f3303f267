//! What time alone causes, written the moment that time comes.

use carnet::proto::v1::{Account, EntryKind};

use crate::model::reference::{HoldState, Instant, Ledger, Part, Use};

/// What is due, in the order in which it happens at one instant: a hold ends before its package does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Thaw(usize),
    TimeOut(usize),
    Expiry(usize),
}

impl Ledger {
    /// Writes what time has caused, in the order of its instants.
    pub(in crate::model) fn settle(&mut self) {
        while let Some((at, due)) = self.next_due() {
            match due {
                Due::Thaw(package) => self.packages[package].thaw(at),
                Due::TimeOut(hold) => self.time_out(hold, at),
                Due::Expiry(lot) => {
                    self.expire(lot, at);
                    self.by_time(lot);
                }
            }
        }
    }

    fn next_due(&self) -> Option<(Instant, Due)> {
        let packages = self.packages.iter().enumerate();
        let thaws =
            packages.filter_map(|(index, package)| Some((package.thaws_at()?, Due::Thaw(index))));
        let holds = self.holds.iter().enumerate().filter_map(|(index, hold)| {
            let at = hold
                .times_out_at
                .filter(|_| hold.state == HoldState::Open)?;
            Some((at, Due::TimeOut(index)))
        });
        let lots = self.lots.iter().enumerate().filter_map(|(index, lot)| {
            let at = self.packages[lot.package].expires_at?;
            (lot.available() > 0).then_some((at, Due::Expiry(index)))
        });
        let all = thaws.chain(holds).chain(lots);
        all.filter(|(at, _)| *at <= self.now).min()
    }

    fn time_out(&mut self, hold: usize, at: Instant) {
        self.holds[hold].state = HoldState::TimedOut;
        let held = self.holds[hold].clone();
        let mut captured = Vec::new();
        let left = held.parts.iter().filter(|part| part.left > 0);
        for Part {
            lot,
            left: amount,
            units,
            ..
        } in left
        {
            let (kind, to, value) = if held.captures {
                let value = self.lots[*lot].leaving(*amount);
                (EntryKind::Capture, Account::Consumed, value)
            } else {
                (EntryKind::TimeOut, Account::Available, 0)
            };
            self.move_credits(*lot, kind, (Account::Held, to), (*amount, value), at);
            self.by_time(*lot);
            if self.send_on(*lot, at).is_some() {
                self.by_time(*lot);
            }
            captured.push(Part::whole(*lot, (*amount, value), *units));
        }
        if held.captures {
            // It is undone under the id of the hold.
            self.uses.push(Use {
                call: held.call,
                ask: held.ask,
                at,
                parts: captured,
            });
        }
        for package in self.packages_of(&held.parts) {
            for lot in self.stop_clock(package, at) {
                self.by_time(lot);
            }
        }
    }
}

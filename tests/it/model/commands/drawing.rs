//! Drawing random commands: what there is of which, and how often.

use proptest::prelude::*;
use proptest::sample::select;

use crate::model::catalogue::{CUSTOMERS, templates};
use crate::model::commands::{Command, Loose, LooseAsk, State, When};
use crate::model::reference::ONE;
use crate::model::reference::calls::{Portion, What};

fn what() -> impl Strategy<Value = What> {
    let units = select(vec![
        ONE,
        ONE,
        ONE,
        2 * ONE,
        2 * ONE,
        3 * ONE,
        ONE / 2,
        ONE * 3 / 2,
        ONE / 4,
    ]);
    let amounts = select(vec![
        ONE,
        ONE,
        2 * ONE,
        4 * ONE,
        ONE / 2,
        ONE / 4,
        ONE / 1_000,
    ]);
    prop_oneof![
        3 => (0..2_usize, units).prop_map(|(item, units)| What::Item(item, units)),
        1 => (0..2_usize, amounts).prop_map(|(kind, amount)| What::Credits(kind, amount)),
    ]
}

fn ask() -> impl Strategy<Value = LooseAsk> {
    let named = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(0..16_usize, 1..3),
    ];
    (0..12_usize, what(), named).prop_map(|(customer, what, named)| LooseAsk {
        // 3 in 12 name a customer whoever owns the packages.
        customer: if customer < 9 {
            customer % CUSTOMERS
        } else {
            CUSTOMERS + customer % 3
        },
        what,
        named,
    })
}

fn boundary() -> impl Strategy<Value = When> {
    (0..8_usize, -1..=1_i64).prop_map(|(index, offset)| When::Boundary(index, offset))
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        6 => Just(When::Unsaid),
        2 => (1..4_000_i64).prop_map(When::Ago),
        2 => boundary(),
        1 => (1..3_000_i64).prop_map(When::Ahead),
    ]
}

fn portion() -> impl Strategy<Value = Portion> {
    let amounts = || select(vec![ONE, ONE, ONE, 2 * ONE, ONE / 2, ONE * 5 / 2, 3 * ONE]);
    prop_oneof![
        3 => Just(Portion::All),
        2 => amounts().prop_map(Portion::Units),
        2 => amounts().prop_map(Portion::Credits),
    ]
}

fn amount() -> impl Strategy<Value = i64> {
    select(vec![ONE, ONE, 2 * ONE, 3 * ONE, ONE / 2, ONE / 1_000])
}

fn sales() -> impl Strategy<Value = Loose> {
    let gift = (
        0..CUSTOMERS,
        0..2_usize,
        amount(),
        prop::option::of(1..4_u64),
    );
    prop_oneof![
        5 => (0..CUSTOMERS, 0..templates().len()).prop_map(|(who, what)| Loose::Sell(who, what)),
        1 => gift.prop_map(|(who, kind, amount, days)| Loose::Give(who, kind, amount, days)),
    ]
}

fn calls() -> impl Strategy<Value = Loose> {
    let hold_times = (
        when(),
        prop_oneof![1 => Just(When::Unsaid), 3 => (1..4_000_i64).prop_map(When::Ahead), 1 => boundary()],
    );
    let until = prop_oneof![
        3 => (1..4_u64).prop_map(Ok),
        1 => when().prop_map(Err),
    ];
    let bonus = prop::option::of((0..2_usize, amount()));
    prop_oneof![
        2 => sales(),
        8 => (ask(), when()).prop_map(|(ask, when)| Loose::Consume(ask, when)),
        6 => (ask(), hold_times, any::<bool>())
            .prop_map(|(ask, (at, end), captures)| Loose::Hold(ask, at, end, captures)),
        4 => (0..16_usize, portion(), when(), any::<bool>())
            .prop_map(|(hold, portion, at, excess)| Loose::Capture(hold, portion, at, excess)),
        2 => (0..16_usize).prop_map(Loose::Release),
        5 => (0..16_usize, portion(), prop::option::weighted(0.3, 0..4_u64))
            .prop_map(|(of, portion, restore)| Loose::Reverse(of, portion, restore)),
        2 => (0..16_usize, prop::collection::vec(0..16_usize, 1..3))
            .prop_map(|(of, named)| Loose::Move(of, named)),
        1 => (0..16_usize, 0..2_usize, amount()).prop_map(|(package, line, amount)| Loose::Remove(package, line, amount)),
        1 => (0..16_usize, 0..2_usize, amount(), 0..200_i64)
            .prop_map(|(package, line, amount, value)| Loose::Add(package, line, amount, value)),
        2 => (0..16_usize, until, bonus, any::<bool>())
            .prop_map(|(package, until, bonus, force)| Loose::Extend(package, until, bonus, force)),
        3 => (0..16_usize, select(vec![-1, 0, 0, 1, 1, 2, 3, 6]))
            .prop_map(|(package, days)| Loose::Freeze(package, days)),
        3 => (0..16_usize).prop_map(Loose::Unfreeze),
        1 => (0..16_usize).prop_map(Loose::Revoke),
        1 => (0..16_usize).prop_map(Loose::Reinstate),
        2 => (0..16_usize, prop::bool::weighted(0.1))
            .prop_map(|(package, to_owner)| Loose::Transfer(package, to_owner)),
        2 => (0..16_usize, prop_oneof![-5..=5_i64, -3_000..3_000_i64])
            .prop_map(|(package, change)| Loose::Reprice(package, change)),
    ]
}

fn jumps() -> impl Strategy<Value = Command> {
    prop_oneof![
        5 => boundary(),
        3 => (1..2_000_i64).prop_map(When::Ahead),
        1 => Just(When::Ahead(31 * 24 * 60)),
    ]
    .prop_map(Command::Jump)
}

/// Any command; the first ones sell.
pub(in crate::model) fn commands(state: &State) -> BoxedStrategy<Command> {
    if state.ledger.packages.len() < 2 {
        return sales().prop_map(Command::Fresh).boxed();
    }
    prop_oneof![
        26 => calls().prop_map(Command::Fresh),
        2 => calls().prop_map(Command::Trial),
        8 => jumps(),
        2 => Just(Command::Job),
        1 => Just(Command::Restart),
        3 => (0..64_usize).prop_map(Command::Repeat),
        1 => (0..64_usize).prop_map(Command::ReuseId),
    ]
    .boxed()
}

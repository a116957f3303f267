//! What the business of the model test sells: two credit types of which one divides, two items, and
//! templates whose prices do not divide.

use crate::model::reference::ONE;

/// How many customers there are.
pub(super) const CUSTOMERS: usize = 2;
/// The decimal places of the credit types.
pub(super) const DECIMAL_PLACES: [u32; 2] = [0, 2];
/// The items: name, category and standard rate in cents.
pub(super) const ITEMS: [(&str, &str, i64); 2] = [
    ("Swimming lesson", "Lessons", 1_800),
    ("Massage", "Spa", 6_000),
];

/// What a line pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Item(usize),
    CategoryOf(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The credit type.
    pub(super) kind: usize,
    pub(super) quantity: i64,
    /// What it pays for, and the credits of one unit.
    pub(super) covers: Vec<(Target, i64)>,
}

/// How long packages are valid, in days.
#[derive(Clone, Copy, Debug)]
pub(super) enum Validity {
    Never,
    FromSale(u64),
    FromFirstUse { days: u64, within: Option<u64> },
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) price: i64,
    pub(super) priority: i32,
    pub(super) validity: Validity,
    /// How often and for how many days in all its packages may be frozen, if it says so.
    pub(super) freezes_max: Option<(i64, i64)>,
    /// Whether its packages may be moved to other customers.
    pub(super) transferable: bool,
    pub(super) lines: Vec<Line>,
}

fn line(kind: usize, quantity: i64, covers: &[(Target, i64)]) -> Line {
    Line {
        kind,
        quantity,
        covers: covers.to_vec(),
    }
}

/// The templates, in the order in which they are made.
pub(super) fn templates() -> Vec<Template> {
    let (swim, massage) = (Target::Item(0), Target::Item(1));
    vec![
        Template {
            price: 10_001,
            priority: 0,
            validity: Validity::FromSale(2),
            freezes_max: None,
            transferable: true,
            lines: vec![line(0, 7 * ONE, &[(swim, ONE)])],
        },
        Template {
            price: 7_777,
            priority: -1,
            validity: Validity::FromSale(4),
            freezes_max: Some((2, 3)),
            transferable: true,
            lines: vec![
                line(0, 3 * ONE, &[(Target::CategoryOf(0), ONE)]),
                line(1, 2_500_000, &[(massage, 750_000)]),
            ],
        },
        Template {
            price: 1_000,
            priority: 0,
            validity: Validity::Never,
            freezes_max: None,
            transferable: false,
            lines: vec![line(1, 3 * ONE, &[(swim, 1_500_000), (massage, ONE)])],
        },
        Template {
            price: 500,
            priority: 0,
            validity: Validity::FromFirstUse {
                days: 1,
                within: Some(3),
            },
            freezes_max: None,
            transferable: true,
            lines: vec![line(0, 3 * ONE, &[(swim, 2 * ONE)])],
        },
        Template {
            price: 3,
            priority: 1,
            validity: Validity::FromFirstUse {
                days: 2,
                within: None,
            },
            freezes_max: None,
            transferable: true,
            lines: vec![line(1, 4 * ONE, &[(swim, 500_000), (massage, ONE)])],
        },
    ]
}

/// What a gift of a credit type pays for.
pub(super) fn gift(kind: usize, quantity: i64) -> Line {
    line(kind, quantity, &[(Target::Item(kind), ONE)])
}

/// Whether an amount is finer than the credit type allows.
pub(super) fn is_too_fine(kind: usize, amount: i64) -> bool {
    amount % (ONE / 10_i64.pow(DECIMAL_PLACES[kind])) != 0
}

impl Line {
    /// The credits of one unit of the item; its own coverage counts before its category's.
    pub(super) fn per_unit(&self, item: usize) -> Option<i64> {
        let of = |target| self.covers.iter().find(|(covered, _)| *covered == target);
        of(Target::Item(item))
            .or_else(|| of(Target::CategoryOf(item)))
            .map(|(_, per_unit)| *per_unit)
    }

    /// Lists of items before lists of categories, then the shorter.
    pub(super) fn narrowness(&self) -> (bool, usize) {
        let names_category = |(target, _): &(Target, i64)| matches!(target, Target::CategoryOf(_));
        (self.covers.iter().any(names_category), self.covers.len())
    }

    /// The units that so many credits of it pay for, times the rate of the dearest item.
    pub(super) fn weight_of(&self, quantity: i64) -> i128 {
        let weights = self.covers.iter().map(|(target, per_unit)| {
            let (Target::Item(item) | Target::CategoryOf(item)) = target;
            let rate = i128::from(ITEMS[*item].2);
            (
                rate,
                rate * i128::from(quantity) * i128::from(ONE) / i128::from(*per_unit),
            )
        });
        weights.max_by_key(|(rate, _)| *rate).unwrap().1
    }
}

/// An amount by largest remainder, and whether an order that is not given here decides who gets what is over.
pub(super) fn shares(amount: i64, weights: &[i128]) -> (Vec<i64>, bool) {
    let sum: i128 = weights.iter().sum();
    let amount_of = |weight: &i128| i128::from(amount) * weight;
    let mut values: Vec<i64> = weights
        .iter()
        .map(|weight| i64::try_from(amount_of(weight) / sum).unwrap())
        .collect();
    let rest = |index: &usize| amount_of(&weights[*index]) % sum;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|index| -rest(index));
    let missing = usize::try_from(amount - values.iter().sum::<i64>()).unwrap();
    for index in order.iter().take(missing) {
        values[*index] += 1;
    }
    let is_tied = missing > 0 && order.get(missing).map(rest) == Some(rest(&order[missing - 1]));
    (values, is_tied)
}

impl Template {
    /// Semantics 26: the price falls to the lines by largest remainder.
    pub(super) fn line_values(&self) -> Vec<i64> {
        let weights = self.lines.iter().map(|line| line.weight_of(line.quantity));
        shares(self.price, &weights.collect::<Vec<i128>>()).0
    }
}

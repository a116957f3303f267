//! The steps of random histories, and how they are drawn.

use proptest::prelude::*;

use crate::domain::part::Portion;

/// One step of a random history; numbers choose among what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Consume {
        tenths: i64,
        ago: i64,
        late: bool,
        manual: bool,
    },
    Hold {
        tenths: i64,
        ahead: i64,
        times_out: Option<i64>,
        used_then: bool,
    },
    Capture {
        which: usize,
        portion: Share,
        excess: bool,
    },
    Release {
        which: usize,
    },
    Reverse {
        which: usize,
        portion: Share,
        restore: bool,
    },
    Move {
        which: usize,
        to: usize,
    },
    Remove {
        which: usize,
        tenths: i64,
    },
    Add {
        which: usize,
        tenths: i64,
        value: i64,
    },
    Revalue {
        which: usize,
        change: i64,
    },
    Edit {
        which: usize,
        tenths: i64,
        ahead: Option<i64>,
    },
    Revoke {
        which: usize,
    },
    Freeze {
        which: usize,
        days: i64,
    },
    Transfer {
        which: usize,
    },
    Settle,
}

/// How much of a hold or use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    All,
    Units(i64),
    Credits(i64),
}

impl Share {
    pub(super) fn portion(self) -> Portion {
        match self {
            Self::All => Portion::All,
            Self::Units(tenths) => Portion::Units(tenth(tenths)),
            Self::Credits(tenths) => Portion::Credits(tenth(tenths)),
        }
    }
}

pub(super) fn tenth(n: i64) -> crate::domain::credits::Credits {
    crate::domain::credits::Credits::from_millionths(n * 100_000)
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![
        Just(Share::All),
        (1_i64..50).prop_map(Share::Units),
        (1_i64..50).prop_map(Share::Credits),
    ]
}

fn using() -> impl Strategy<Value = Step> {
    let which = 0_usize..100;
    prop_oneof![
        4 => (1_i64..40, 0_i64..60, any::<bool>(), any::<bool>()).prop_map(
            |(tenths, ago, late, manual)| Step::Consume { tenths, ago, late, manual }
        ),
        4 => (1_i64..40, 0_i64..60, proptest::option::of(1_i64..80), any::<bool>()).prop_map(
            |(tenths, ahead, times_out, used_then)| Step::Hold { tenths, ahead, times_out, used_then }
        ),
        3 => (which.clone(), share(), any::<bool>())
            .prop_map(|(which, portion, excess)| Step::Capture { which, portion, excess }),
        2 => which.clone().prop_map(|which| Step::Release { which }),
        4 => (which.clone(), share(), any::<bool>())
            .prop_map(|(which, portion, restore)| Step::Reverse { which, portion, restore }),
        2 => (which.clone(), which).prop_map(|(which, to)| Step::Move { which, to }),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..100;
    prop_oneof![
        20 => using(),
        1 => (which.clone(), 1_i64..30).prop_map(|(which, tenths)| Step::Remove { which, tenths }),
        1 => (which.clone(), 1_i64..30, 0_i64..500)
            .prop_map(|(which, tenths, value)| Step::Add { which, tenths, value }),
        2 => (which.clone(), 0_i64..4).prop_map(|(which, days)| Step::Freeze { which, days }),
        2 => (which.clone(), -400_i64..400)
            .prop_map(|(which, change)| Step::Revalue { which, change }),
        1 => (which.clone(), 0_i64..90, proptest::option::of(1_i64..80))
            .prop_map(|(which, tenths, ahead)| Step::Edit { which, tenths, ahead }),
        1 => which.clone().prop_map(|which| Step::Revoke { which }),
        1 => which.prop_map(|which| Step::Transfer { which }),
        2 => Just(Step::Settle),
    ]
}

//! What a business says where a template leaves it unset (A13).
//!
//! A limit and the rules of bookings are those of the sale: they are copied to the package then, and a later change
//! of the business's does not reach it. How packages may be frozen and moved is asked when somebody wants to.

use serde::{Deserialize, Serialize};

use crate::domain::booking_rules::BookingRules;
use crate::domain::freeze::FreezePolicy;
use crate::domain::use_limit::UseLimit;

/// The policies of a business, besides priority and quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// How often and for how long packages may be frozen; none: as [`FreezePolicy::within`] says.
    pub freeze: Option<FreezePolicy>,
    /// Whether packages may be moved to other customers.
    pub transferable: bool,
    /// How much of a package each customer may use on a day or in a week; none: all.
    pub use_limit: Option<UseLimit>,
    /// How bookings are judged and cancelled that packages pay; none: by default.
    pub booking_rules: Option<BookingRules>,
}

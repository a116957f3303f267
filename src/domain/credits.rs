//! Credits: exact decimals, kept as an `i64` of millionths (design section 2, "Amounts").
//!
//! A credit type allows 0 to 6 decimal places, so a millionth is the finest amount there is and
//! 1.5 credits are 1 500 000. Nothing here rounds: what does not fit is refused (semantics 6).
//! There are no floats, and no conversion to money; that is `domain::value`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most decimal places that a credit type can allow.
pub const DECIMAL_PLACES_MAX: u32 = 6;

/// How many millionths one credit is.
const MILLIONTHS_PER_CREDIT: i64 = 1_000_000;

/// The largest amount that is accepted from outside: a thousand million credits.
///
/// An `i64` holds nine thousand of them in millionths, so the seven accounts of a lot and the lots
/// of one command can be summed without an overflow; sums over a whole business are checked.
pub const CREDITS_MAX: Credits = Credits(1_000_000_000_000_000);

/// An amount of credits, or a difference between two, in millionths of a credit.
///
/// As JSON it is the decimal string of the wire ("1.5").
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Credits(i64);

/// Why a text is not an amount of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    /// There is no text.
    #[error("an amount of credits is missing")]
    Empty,
    /// It is not a plain decimal number: digits, at most one point between digits, maybe a minus.
    #[error("an amount of credits must be a plain decimal number such as 1.5")]
    Malformed,
    /// It has more than [`DECIMAL_PLACES_MAX`] decimals.
    #[error("an amount of credits can have at most 6 decimals")]
    TooFine,
    /// It is beyond [`CREDITS_MAX`], on either side of zero.
    #[error("an amount of credits can be at most 1000000000")]
    TooLarge,
}

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// One credit.
    pub const UNIT: Self = Self(MILLIONTHS_PER_CREDIT);

    /// The amount of `millionths` millionths of a credit, as the databases keep it.
    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// How many millionths of a credit this is.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// Reads plain decimal notation: an optional minus, digits, and at most six decimals.
    ///
    /// An exponent, a plus, blanks or a bare point are malformed; a seventh decimal is too fine,
    /// even a zero; an amount beyond [`CREDITS_MAX`] is too large.
    pub fn parse(text: &str) -> Result<Self, CreditsError> {
        if text.is_empty() {
            return Err(CreditsError::Empty);
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((_, "")) => return Err(CreditsError::Malformed),
            Some((whole, decimals)) => (whole, decimals),
            None => (digits, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) {
            return Err(CreditsError::Malformed);
        }
        let padded = match decimals.len() {
            0..=6 => format!("{decimals:0<6}"),
            _ => return Err(CreditsError::TooFine),
        };
        // The texts are digits only, so a failure to read them can only be their size.
        let whole: i64 = whole.parse().map_err(|_| CreditsError::TooLarge)?;
        let millionths = whole
            .checked_mul(MILLIONTHS_PER_CREDIT)
            .zip(padded.parse::<i64>().ok())
            .and_then(|(whole, decimals)| whole.checked_add(decimals))
            .filter(|millionths| *millionths <= CREDITS_MAX.0)
            .ok_or(CreditsError::TooLarge)?;
        Ok(Self(if negative {
            millionths.saturating_neg()
        } else {
            millionths
        }))
    }

    /// The fewest decimal places that hold this amount, 0 to 6.
    pub fn decimal_places(self) -> u32 {
        let mut places = DECIMAL_PLACES_MAX;
        let mut rest = self.0;
        while places > 0 && rest % 10 == 0 {
            rest /= 10;
            places = places.saturating_sub(1);
        }
        places
    }

    /// Whether this amount needs more than `places` decimal places (semantics 6).
    pub fn is_finer_than(self, places: u32) -> bool {
        self.decimal_places() > places
    }

    /// Whether this is neither zero nor below it.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether this is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` if an `i64` of millionths does not hold it.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(millionths) => Some(Self(millionths)),
            None => None,
        }
    }

    /// The difference, or `None` if an `i64` of millionths does not hold it.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(millionths) => Some(Self(millionths)),
            None => None,
        }
    }

    /// The same amount on the other side of zero, or `None` for the one that has no counterpart.
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(millionths) => Some(Self(millionths)),
            None => None,
        }
    }

    /// The exact product, as of units and credits per unit.
    ///
    /// `None` if it is finer than a millionth or if an `i64` of millionths does not hold it.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let product = i128::from(self.0).saturating_mul(i128::from(other.0));
        let per_credit = i128::from(MILLIONTHS_PER_CREDIT);
        if product.checked_rem(per_credit)? != 0 {
            return None;
        }
        i64::try_from(product.checked_div(per_credit)?)
            .ok()
            .map(Self)
    }

    /// Exactly this amount × `part` ÷ `whole`.
    ///
    /// `None` if that is finer than a millionth, if an `i64` of millionths does not hold it, or if there
    /// is no `whole`.
    pub fn share_of(self, part: Self, whole: Self) -> Option<Self> {
        let product = i128::from(self.0).checked_mul(i128::from(part.0))?;
        let whole = i128::from(whole.0);
        if product.checked_rem(whole)? != 0 {
            return None;
        }
        i64::try_from(product.checked_div(whole)?).ok().map(Self)
    }

    /// This amount `n` times, or `None` if an `i64` of millionths does not hold it.
    pub const fn checked_times(self, n: i64) -> Option<Self> {
        match self.0.checked_mul(n) {
            Some(millionths) => Some(Self(millionths)),
            None => None,
        }
    }

    /// How many whole `unit`s this amount has, rounded towards minus infinity.
    ///
    /// A `unit` that is not positive fits no number of times: the answer is 0.
    pub const fn whole_multiples_of(self, unit: Self) -> i64 {
        if unit.0 <= 0 {
            return 0;
        }
        match self.0.checked_div_euclid(unit.0) {
            Some(multiples) => multiples,
            None => 0,
        }
    }
}

impl fmt::Display for Credits {
    /// The canonical form: no needless digits, no plus ("1.5", "-2", "0").
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let millionths = self.0.unsigned_abs();
        let whole = millionths / 1_000_000;
        let decimals = format!("{:06}", millionths % 1_000_000);
        match decimals.trim_end_matches('0') {
            "" => f.pad(&format!("{sign}{whole}")),
            decimals => f.pad(&format!("{sign}{whole}.{decimals}")),
        }
    }
}

impl FromStr for Credits {
    type Err = CreditsError;

    fn from_str(text: &str) -> Result<Self, CreditsError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Credits {
    type Error = CreditsError;

    fn try_from(text: String) -> Result<Self, CreditsError> {
        Self::parse(&text)
    }
}

impl From<Credits> for String {
    fn from(credits: Credits) -> Self {
        credits.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credits(text: &str) -> Credits {
        Credits::parse(text).unwrap()
    }

    #[test]
    fn plain_decimals_are_read_exactly() {
        for (text, millionths) in [
            ("0", 0),
            ("-0", 0),
            ("1", 1_000_000),
            ("1.5", 1_500_000),
            ("1.50", 1_500_000),
            ("-2", -2_000_000),
            ("0.000001", 1),
            ("-0.000001", -1),
            ("007", 7_000_000),
            ("1000000000", 1_000_000_000_000_000),
            ("1000000000.000000", 1_000_000_000_000_000),
        ] {
            assert_eq!(
                Credits::parse(text).map(Credits::millionths),
                Ok(millionths),
                "{text}"
            );
        }
    }

    #[test]
    fn a_refused_text_says_why() {
        use CreditsError::{Empty, Malformed, TooFine, TooLarge};
        for (text, error) in [
            ("", Empty),
            ("-", Malformed),
            ("+1", Malformed),
            (" 1", Malformed),
            ("1 ", Malformed),
            ("1e3", Malformed),
            ("1.", Malformed),
            (".5", Malformed),
            ("1.2.3", Malformed),
            ("1,5", Malformed),
            ("--1", Malformed),
            ("0x10", Malformed),
            ("١", Malformed),
            ("NaN", Malformed),
            ("0.0000001", TooFine),
            ("1.0000000", TooFine),
            ("1000000000.000001", TooLarge),
            ("-1000000000.000001", TooLarge),
            ("99999999999999999999999999", TooLarge),
        ] {
            assert_eq!(Credits::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn semantics_6_an_amount_finer_than_the_credit_type_allows_is_known() {
        assert_eq!(credits("2").decimal_places(), 0);
        assert_eq!(credits("0").decimal_places(), 0);
        assert_eq!(credits("10.50").decimal_places(), 1);
        assert_eq!(credits("-0.000001").decimal_places(), 6);
        assert!(credits("0.25").is_finer_than(1));
        assert!(!credits("0.25").is_finer_than(2));
    }

    #[test]
    fn a_product_is_exact_or_refused() {
        assert_eq!(
            credits("3").checked_mul(credits("1.5")),
            Some(credits("4.5"))
        );
        assert_eq!(
            credits("-3").checked_mul(credits("0.1")),
            Some(credits("-0.3"))
        );
        assert_eq!(credits("0.001").checked_mul(credits("0.0001")), None);
        assert_eq!(CREDITS_MAX.checked_mul(CREDITS_MAX), None);
    }

    #[test]
    fn a_share_is_exact_or_refused() {
        let share = |amount, part, whole| {
            let share = credits(amount).share_of(credits(part), credits(whole));
            share.map(|share| share.to_string())
        };
        assert_eq!(share("3", "1", "2"), Some("1.5".to_owned()));
        assert_eq!(share("-3", "2", "4"), Some("-1.5".to_owned()));
        assert_eq!(share("1", "1", "3"), None);
        assert_eq!(share("1", "1", "0"), None);
        assert_eq!(share("0", "1", "3"), Some("0".to_owned()));
    }

    #[test]
    fn sums_differences_and_signs_are_exact() {
        let (two, half) = (credits("2"), credits("0.5"));
        assert_eq!(two.checked_add(half), Some(credits("2.5")));
        assert_eq!(half.checked_sub(two), Some(credits("-1.5")));
        assert_eq!(half.checked_neg(), Some(credits("-0.5")));
        assert_eq!(half.checked_times(3), Some(credits("1.5")));
        for (amount, is_positive, is_zero) in [
            ("0.000001", true, false),
            ("0", false, true),
            ("-0.000001", false, false),
        ] {
            let amount = credits(amount);
            assert_eq!(amount.is_positive(), is_positive, "{amount}");
            assert_eq!(amount.is_zero(), is_zero, "{amount}");
        }
        assert_eq!("0.5".parse(), Ok(half));
    }

    #[test]
    fn whole_multiples_are_rounded_down() {
        assert_eq!(credits("7").whole_multiples_of(credits("2")), 3);
        assert_eq!(credits("4.5").whole_multiples_of(credits("1.5")), 3);
        assert_eq!(credits("-1").whole_multiples_of(credits("2")), -1);
        assert_eq!(credits("5").whole_multiples_of(Credits::ZERO), 0);
    }

    #[test]
    fn overflow_is_none() {
        let most = Credits::from_millionths(i64::MAX);
        let least = Credits::from_millionths(i64::MIN);
        assert_eq!(most.checked_add(Credits::from_millionths(1)), None);
        assert_eq!(least.checked_sub(Credits::from_millionths(1)), None);
        assert_eq!(least.checked_neg(), None);
        assert_eq!(most.checked_times(2), None);
        assert_eq!(least.to_string(), "-9223372036854.775808");
    }

    #[test]
    fn json_is_the_decimal_string() {
        assert_eq!(serde_json::to_string(&credits("1.50")).unwrap(), "\"1.5\"");
        assert_eq!(
            serde_json::from_str::<Credits>("\"-2\"").unwrap(),
            credits("-2")
        );
        assert!(serde_json::from_str::<Credits>("\"1e3\"").is_err());
    }

    proptest! {
        #[test]
        fn the_canonical_text_reads_back_and_is_shortest(
            millionths in -CREDITS_MAX.0..=CREDITS_MAX.0,
        ) {
            let amount = Credits::from_millionths(millionths);
            let text = amount.to_string();
            prop_assert_eq!(Credits::parse(&text), Ok(amount));
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            prop_assert_eq!(u32::try_from(decimals), Ok(amount.decimal_places()));
        }

        #[test]
        fn a_text_is_an_amount_by_the_written_rule_and_by_no_other(
            text in "-?[0-9]{0,11}(\\.[0-9]{0,8})?|[-+0-9.,eE ]{0,8}",
        ) {
            let digits = text.strip_prefix('-').unwrap_or(&text);
            let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
            let is_number = [whole, decimals]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
            let millionths = (is_number && decimals.len() <= 6).then(|| {
                let padded = format!("{whole}{decimals:0<6}");
                let sign = if digits.len() < text.len() { "-" } else { "" };
                format!("{sign}{padded}").parse::<i128>().unwrap()
            });
            let wanted = millionths
                .filter(|millionths| millionths.abs() <= i128::from(CREDITS_MAX.0))
                .map(|millionths| Credits::from_millionths(i64::try_from(millionths).unwrap()));
            prop_assert_eq!(Credits::parse(&text).ok(), wanted, "{}", text);
        }

        #[test]
        fn parse_never_panics(text in "\\PC{0,40}") {
            let _ = Credits::parse(&text);
        }

        #[test]
        fn the_rest_after_whole_multiples_is_less_than_one(
            amount in -CREDITS_MAX.0..=CREDITS_MAX.0,
            unit in 1..=CREDITS_MAX.0,
        ) {
            let (amount, unit) = (Credits(amount), Credits(unit));
            let whole = unit.checked_times(amount.whole_multiples_of(unit)).unwrap();
            let rest = amount.checked_sub(whole).unwrap();
            prop_assert!(Credits::ZERO <= rest && rest < unit);
        }
    }
}

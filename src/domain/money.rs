//! Money: whole minor units and an ISO 4217 currency (design section 2, "Amounts").
//!
//! There are no floats, no rounding and no exchange rates; an amount in one currency is never
//! added to one in another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A currency in which something can be paid; as JSON its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

/// Why a text is not a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 currency code in capitals, such as EUR")]
pub struct UnknownCurrency;

impl Currency {
    /// Reads an ISO 4217 code of three capitals.
    ///
    /// Codes that have no minor unit, such as those of metals and of testing, are refused.
    pub fn parse(code: &str) -> Result<Self, UnknownCurrency> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(UnknownCurrency)
    }

    /// The ISO 4217 code, such as "EUR".
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal places the minor unit is below the major one: 2 for EUR, 0 for JPY.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        Self::parse(code)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(code: String) -> Result<Self, UnknownCurrency> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// An amount of money, which may be below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// What the amount is in.
    pub currency: Currency,
    /// How much, in minor units of the currency: cents for EUR, yen for JPY.
    pub minor_units: i64,
}

impl Money {
    /// The amount of `minor_units` minor units of `currency`.
    pub const fn new(currency: Currency, minor_units: i64) -> Self {
        Self {
            currency,
            minor_units,
        }
    }

    /// The sum; `None` if the currencies differ or an `i64` does not hold it.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let minor_units = self.minor_units.checked_add(other.minor_units)?;
        Some(Self::new(self.currency, minor_units))
    }

    /// The difference; `None` if the currencies differ or an `i64` does not hold it.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let minor_units = self.minor_units.checked_sub(other.minor_units)?;
        Some(Self::new(self.currency, minor_units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_known_by_its_code_and_its_minor_unit() {
        for (code, exponent) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CHF", 2)] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!((currency.code(), currency.exponent()), (code, exponent));
            let written = (format!("{currency}"), format!("{currency:?}"));
            assert_eq!(written, (code.to_owned(), code.to_owned()));
            assert_eq!(code.parse(), Ok(currency));
        }
    }

    #[test]
    fn what_nothing_can_be_paid_in_is_refused() {
        for code in ["", "eur", "EURO", "AAA", "XAU", "XXX", "XTS", " EUR"] {
            assert_eq!(Currency::parse(code), Err(UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn currencies_are_never_mixed() {
        let euro = Money::new(Currency::parse("EUR").unwrap(), 150);
        let franc = Money::new(Currency::parse("CHF").unwrap(), 150);
        assert_eq!(euro.checked_add(franc), None);
        assert_eq!(euro.checked_sub(franc), None);
        assert_eq!(euro.checked_add(euro).unwrap().minor_units, 300);
        let less = euro.checked_sub(Money::new(euro.currency, 200)).unwrap();
        assert_eq!(less, Money::new(euro.currency, -50));
        assert_eq!(Money::new(euro.currency, i64::MAX).checked_add(euro), None);
    }

    #[test]
    fn json_keeps_the_code_and_the_minor_units() {
        let money = Money::new(Currency::parse("EUR").unwrap(), -5);
        let json = r#"{"currency":"EUR","minor_units":-5}"#;
        assert_eq!(serde_json::to_string(&money).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money);
    }
}

//! How much of the gRPC port anybody may take.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use clap::Args;

/// How much anybody may take.
#[derive(Args, Clone, Copy, Debug)]
pub struct LimitSettings {
    /// How many connections of clients there may be; more are closed at once.
    #[arg(
        long,
        env = "CARNET_CONNECTIONS_MAX",
        default_value_t = 1_000,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub connections_max: u32,
    /// How many calls a second each token may make of this process, such as `50`, or `50/200` where 200 may come
    /// at once after a pause; 0 sets no limit. More are refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "CARNET_RATE_PER_TOKEN",
        default_value = "0",
        value_name = "RATE"
    )]
    pub rate_per_token: CallRate,
    /// The same for all tokens of a business together.
    #[arg(
        long,
        env = "CARNET_RATE_PER_BUSINESS",
        default_value = "0",
        value_name = "RATE"
    )]
    pub rate_per_business: CallRate,
    /// How many calls with a wrong token an address may make. Beyond it only tokens that were right not long ago are
    /// taken from there; clients behind a proxy have its address.
    #[arg(
        long,
        env = "CARNET_RATE_OF_WRONG_TOKENS",
        default_value = "10/100",
        value_name = "RATE"
    )]
    pub rate_of_wrong_tokens: CallRate,
}

/// How many calls a second, and how many at once after a pause; or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallRate {
    /// Any number.
    Unlimited,
    /// So many.
    Limited {
        /// In each second.
        per_second: NonZeroU32,
        /// At once, after a pause.
        burst: NonZeroU32,
    },
}

impl FromStr for CallRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "must be calls a second such as 50, with a burst 50/200, or 0".to_owned();
        let number = |digits: &str| {
            let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| are_digits)
        };
        let (per_second, burst) = text.split_once('/').unwrap_or((text, text));
        let (per_second, burst) = number(per_second).zip(number(burst)).ok_or_else(expected)?;
        match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
            (None, None) => Ok(Self::Unlimited),
            (Some(per_second), Some(burst)) => Ok(Self::Limited { per_second, burst }),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for CallRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("0"),
            Self::Limited { per_second, burst } => write!(f, "{per_second}/{burst}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_calls_a_second_and_a_burst() {
        for (text, kept) in [
            ("0", Some("0")),
            ("50", Some("50/50")),
            ("50/200", Some("50/200")),
            ("200/1", Some("200/1")),
            ("0/0", Some("0")),
            ("0/5", None),
            ("5/0", None),
            ("", None),
            ("/", None),
            ("+5", None),
            ("-5", None),
            ("1.5", None),
            ("5/5/5", None),
            ("4294967296", None),
        ] {
            let rate = text.parse::<CallRate>().ok();
            assert_eq!(rate.map(|rate| rate.to_string()).as_deref(), kept, "{text}");
        }
    }
}

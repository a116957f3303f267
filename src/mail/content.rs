//! What an e-mail says, as typed data: the input of rendering.
//!
//! Everything here was computed by the caller, which knows the clock, the zone and the ledger;
//! rendering decides nothing but words and looks. Amounts are whole millionths of a credit. Texts
//! come from people: they are cleaned of control characters here, so that no name can begin a header
//! of its own. Deliberately absent: addresses, ids and notes, which no template may print.

use chrono::NaiveDate;

/// The kinds of e-mail; each has a folder of three templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmailKind {
    /// A package was sold or given.
    Confirmation,
    /// What is left of packages runs out soon.
    Expiring,
    /// Packages have run out with something left in them.
    Expired,
    /// Little is left of packages.
    LowBalance,
    /// All of packages was used.
    UsedUp,
    /// Packages were extended or restored.
    Extended,
    /// The package of a subscription's next period is there.
    Renewed,
    /// Credits that were held are free again.
    HoldTimedOut,
}

impl EmailKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Confirmation,
        Self::Expiring,
        Self::Expired,
        Self::LowBalance,
        Self::UsedUp,
        Self::Extended,
        Self::Renewed,
        Self::HoldTimedOut,
    ];

    /// The name of its folder under `email-templates/`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::LowBalance => "low_balance",
            Self::UsedUp => "used_up",
            Self::Extended => "extended",
            Self::Renewed => "renewed",
            Self::HoldTimedOut => "hold_timed_out",
        }
    }
}

/// How a business shows itself in its e-mails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusinessLook {
    /// The name that customers know.
    pub name: String,
    /// Whether an answer reaches somebody; the e-mail then invites to answer.
    pub can_reply: bool,
    /// An `https://` address of a picture shown above the text, about 40 pixels high.
    pub logo_url: Option<String>,
    /// The colour of the button and of unused marks.
    pub accent: Option<Colour>,
    /// Where the button leads, `https://` or `http://`; without it there is no button.
    pub link_base_url: Option<String>,
}

/// By how much a shape must stand out from the page.
const SHAPE_CONTRAST_MIN: f64 = 3.0;

/// A colour of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

impl Colour {
    /// The accent of a business that chose none.
    pub const DEFAULT_ACCENT: Self = Self {
        red: 0x0f,
        green: 0x76,
        blue: 0x6e,
    };

    const BLACK: Self = Self::grey(0);
    const WHITE: Self = Self::grey(0xff);
    /// What stands out both from a white page and from a dark one.
    const EDGE: Self = Self::grey(0x76);

    const fn grey(part: u8) -> Self {
        Self {
            red: part,
            green: part,
            blue: part,
        }
    }

    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |range| u8::from_str_radix(digits.get(range)?, 16).ok();
        Some(Self {
            red: part(0..2)?,
            green: part(2..4)?,
            blue: part(4..6)?,
        })
    }

    /// Its text form, `#rrggbb`.
    pub fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// Black or white, whichever is easier to read on it. One of them always stands out by more than
    /// 4.5 to 1, which is what text needs (WCAG 2.2, 1.4.3).
    pub fn text_css(self) -> &'static str {
        if self.contrast(Self::BLACK) > self.contrast(Self::WHITE) {
            "#000000"
        } else {
            "#ffffff"
        }
    }

    /// The colour of an edge around a surface of this colour, where the page is white: its own, if that
    /// stands out by 3 to 1, which is what shapes need (WCAG 2.2, 1.4.11).
    #[must_use]
    pub fn edge(self) -> Self {
        if self.contrast(Self::WHITE) >= SHAPE_CONTRAST_MIN {
            self
        } else {
            Self::EDGE
        }
    }

    /// How much this stands out from another: 1, not at all, to 21.
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// The relative luminance of WCAG 2.2: 0, black, to 1, white.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// An amount of money in the minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Cents, for most currencies.
    pub minor_units: i64,
    /// ISO 4217, such as `EUR`.
    pub currency_code: String,
}

/// One line of a package; amounts are millionths of a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFacts {
    /// The credit type's name for one.
    pub credit_name: String,
    /// The credit type's name for several.
    pub credit_name_plural: String,
    /// As issued.
    pub quantity: i64,
    /// What can still be used, held included.
    pub available: i64,
    /// What was used.
    pub used: i64,
    /// What expired.
    pub lost: i64,
}

/// From when on a package can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It can be used already.
    Begun,
    /// From this local day on.
    On(NaiveDate),
    /// As soon as the package before it is used up or has ended.
    AfterEarlier {
        /// The local day on which the earlier one ends as things stand; `None`: it has no end.
        on_at_latest: Option<NaiveDate>,
    },
}

/// What a term is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermUnit {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

/// What a term is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermFrom {
    /// The first use.
    FirstUse,
    /// The start, wherever that comes to lie.
    Start,
}

/// A time of validity whose first day is not known yet, so that its last day is not known either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// How many of the unit.
    pub count: u32,
    /// What it is counted in.
    pub unit: TermUnit,
    /// What it is counted from.
    pub from: TermFrom,
}

/// One package that the e-mail is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFacts {
    /// The name under which it was sold.
    pub name: String,
    /// The last local day on which it can be used; `None`: it never expires.
    pub last_usable_day: Option<NaiveDate>,
    /// From when on it can be used.
    pub start: Start,
    /// How long it will be valid, if that is not counted yet; `last_usable_day` is then that of the
    /// latest first use or start.
    pub term: Option<Term>,
    /// Last usable day − today.
    pub days_left: Option<i64>,
    /// The last local day on which what expired can be brought back.
    pub restorable_through: Option<NaiveDate>,
    /// Its prepaid lines.
    pub lines: Vec<LineFacts>,
    /// What was agreed for it; `None` if it was given.
    pub price: Option<Price>,
}

/// All that one e-mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailContent {
    /// Which templates are used.
    pub kind: EmailKind,
    /// The customer's language, a tag such as `et-EE`; unknown ones fall back to English.
    pub locale: String,
    /// Who writes.
    pub business: BusinessLook,
    /// Whom the e-mail greets.
    pub customer_name: String,
    /// At least one.
    pub packages: Vec<PackageFacts>,
    /// Today in the business's zone.
    pub today: NaiveDate,
    /// Where the customer unsubscribes, `https://` or `http://`; without it there is no such link.
    pub unsubscribe_url: Option<String>,
}

/// The text without characters that steer instead of being read: control characters, line and
/// paragraph separators and those that turn the writing direction become spaces.
pub fn one_line(text: &str) -> String {
    let steers = |character: char| {
        character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let cleaned: String = text
        .chars()
        .map(|character| if steers(character) { ' ' } else { character })
        .collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_cannot_begin_a_header() {
        assert_eq!(
            one_line("Mari\r\nBcc: all@example.com"),
            "Mari Bcc: all@example.com"
        );
        assert_eq!(one_line("a\u{2028}b\u{202e}c\0d"), "a b c d");
        assert_eq!(one_line("  Liis  O'Neil "), "Liis O'Neil");
    }

    #[test]
    fn a_colour_is_six_digits_and_its_text_can_be_read() {
        assert_eq!(Colour::parse("#0f766e"), Some(Colour::DEFAULT_ACCENT));
        assert_eq!(Colour::DEFAULT_ACCENT.css(), "#0f766e");
        for wrong in ["0f766e", "#0f766", "#0f766g", "#0f766é", "red;}"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Colour::DEFAULT_ACCENT.text_css(), "#ffffff");
        assert_eq!(Colour::parse("#fde047").unwrap().text_css(), "#000000");
    }

    proptest! {
        #[test]
        fn text_and_edges_stand_out_whatever_the_colour(red: u8, green: u8, blue: u8) {
            let colour = Colour { red, green, blue };
            let text = Colour::parse(colour.text_css()).unwrap();
            prop_assert!(colour.contrast(text) > 4.5);
            prop_assert!(colour.edge().contrast(Colour::WHITE) >= SHAPE_CONTRAST_MIN);
        }
    }
}

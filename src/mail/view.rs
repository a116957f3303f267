//! What templates may print: the content of an e-mail put into words of one language.
//!
//! The fields of `View` are the published variables; [`variables`](super::variables) describes them and
//! a template that names any other is refused. Every field is always there, with `null` where it says
//! nothing, so that a sample of the view is its own schema.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::content::{
    BusinessLook, Colour, EmailContent, EmailKind, LineFacts, PackageFacts, Start, Term, TermFrom,
    TermUnit, one_line,
};
use super::locale::{Direction, Locale};

/// How addresses of web pages begin.
const WEB: [&str; 2] = ["https://", "http://"];
/// Millionths in one credit.
const CREDIT: i64 = 1_000_000;
/// Up to so many whole units are drawn, one mark each; above, the numbers alone speak.
const MARKS_MAX: i64 = 20;
/// Marks that fit beside each other on a phone.
const MARKS_PER_ROW: usize = 10;

#[derive(Debug, Serialize)]
pub(super) struct View {
    kind: &'static str,
    locale: String,
    language: String,
    direction: &'static str,
    start: &'static str,
    end: &'static str,
    customer_name: String,
    business: BusinessView,
    package_count: usize,
    first: PackageView,
    packages: Vec<PackageView>,
    preheader: String,
    unsubscribe_url: Option<String>,
}

#[derive(Debug, Serialize)]
struct BusinessView {
    name: String,
    logo_url: Option<String>,
    link_url: Option<String>,
    accent: String,
    accent_text: &'static str,
    accent_edge: String,
    can_reply: bool,
}

/// A package in words.
#[derive(Clone, Debug, Serialize)]
pub struct PackageView {
    /// Its name.
    pub name: String,
    /// From when on it can be used, if that is not now.
    pub starts: Option<String>,
    /// How long it will be valid, if its end is not known yet.
    pub valid_for: Option<String>,
    /// The last day for the first use, if it is valid from then on.
    pub start_by: Option<String>,
    /// The last day on which it can be used; none if it never expires.
    pub usable_through: Option<String>,
    usable_through_near: Option<String>,
    /// Days from today to that day.
    pub days_left: Option<i64>,
    /// The last day on which it can be restored after its end.
    pub restorable_through: Option<String>,
    price: Option<String>,
    left: String,
    /// The credits in it, by type.
    pub lines: Vec<LineView>,
}

/// The credits of a line in words.
#[derive(Clone, Debug, Serialize)]
pub struct LineView {
    /// How many there were at the beginning.
    pub quantity: String,
    /// How many can still be used.
    pub available: String,
    used: String,
    lost: String,
    /// The credit's name, as it goes with the quantity.
    pub name_of_all: String,
    /// The same as it goes with what is available.
    pub name_of_available: String,
    name_of_used: String,
    name_of_lost: String,
    /// The whole units in rows of ten, if they can be drawn.
    pub mark_rows: Vec<Vec<Mark>>,
    /// What the marks mean, if they are not all alike.
    pub legend: Option<String>,
}

/// One whole unit; exactly one of the three is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// It was used.
    pub used: bool,
    /// It can still be used.
    pub left: bool,
    /// It expired.
    pub lost: bool,
}

/// A package in words as a page shows it, where no e-mail is about anything.
///
/// # Errors
/// A phrase that is missing.
pub fn package(
    locale: &Locale,
    today: NaiveDate,
    facts: &PackageFacts,
) -> Result<PackageView, String> {
    let kind = EmailKind::LowBalance;
    let words = Words {
        locale,
        kind,
        today,
    };
    words.package(facts)
}

impl View {
    /// Puts the content into words.
    ///
    /// # Errors
    ///
    /// What is missing: a phrase, or all packages.
    pub(super) fn new(content: &EmailContent, locale: &Locale) -> Result<Self, String> {
        let words = Words {
            locale,
            kind: content.kind,
            today: content.today,
        };
        let packages: Vec<PackageView> = content
            .packages
            .iter()
            .map(|package| words.package(package))
            .collect::<Result<_, _>>()?;
        let first = packages
            .first()
            .cloned()
            .ok_or("an e-mail needs a package to speak of")?;
        let preheader: Vec<String> = packages
            .iter()
            .map(|package| format!("{}: {}", package.name, package.left))
            .collect();
        let (direction, start, end) = match locale.direction() {
            Direction::LeftToRight => ("ltr", "left", "right"),
            Direction::RightToLeft => ("rtl", "right", "left"),
        };
        Ok(Self {
            direction,
            start,
            end,
            kind: content.kind.name(),
            locale: locale.tag().to_owned(),
            language: locale.tag().to_owned(),
            customer_name: one_line(&content.customer_name),
            business: BusinessView::new(&content.business),
            package_count: packages.len(),
            first,
            packages,
            preheader: preheader.join(" · "),
            unsubscribe_url: safe_url(content.unsubscribe_url.as_deref(), &WEB),
        })
    }
}

impl BusinessView {
    fn new(look: &BusinessLook) -> Self {
        let accent = look.accent.unwrap_or(Colour::DEFAULT_ACCENT);
        Self {
            name: one_line(&look.name),
            logo_url: safe_url(look.logo_url.as_deref(), &["https://"]),
            link_url: safe_url(look.link_base_url.as_deref(), &WEB),
            accent: accent.css(),
            accent_text: accent.text_css(),
            accent_edge: accent.edge().css(),
            can_reply: look.can_reply,
        }
    }
}

/// The address, if it begins as one of these.
fn safe_url(url: Option<&str>, schemes: &[&str]) -> Option<String> {
    let url = url.map(one_line)?;
    let is_safe = schemes.iter().any(|scheme| url.starts_with(scheme));
    is_safe.then_some(url)
}

struct Words<'a> {
    locale: &'a Locale,
    kind: EmailKind,
    today: NaiveDate,
}

impl Words<'_> {
    fn package(&self, facts: &PackageFacts) -> Result<PackageView, String> {
        let near = |day| self.locale.date_near(day, self.today);
        let amounts: Vec<String> = facts.lines.iter().map(|line| self.amount(line)).collect();
        Ok(PackageView {
            name: one_line(&facts.name),
            starts: self.starts(facts.start)?,
            valid_for: facts
                .term
                .map(|term| self.valid_for(term, facts.last_usable_day))
                .transpose()?,
            start_by: facts
                .term
                .filter(|term| term.from == TermFrom::FirstUse)
                .and(facts.last_usable_day)
                .map(|day| self.locale.date(day)),
            usable_through: facts.last_usable_day.map(|day| self.locale.date(day)),
            usable_through_near: facts.last_usable_day.map(near),
            days_left: facts.days_left,
            restorable_through: facts.restorable_through.map(|day| self.locale.date(day)),
            price: facts.price.as_ref().map(|price| self.locale.money(price)),
            left: self.list(&amounts)?,
            lines: facts
                .lines
                .iter()
                .map(|line| self.line(line))
                .collect::<Result<_, _>>()?,
        })
    }

    /// From when on a package can be used, if that is not now.
    fn starts(&self, start: Start) -> Result<Option<String>, String> {
        Ok(match start {
            Start::Begun => None,
            Start::On(day) => Some(self.locale.date(day)),
            Start::AfterEarlier { on_at_latest: None } => {
                Some(self.phrase("starts.after_earlier")?)
            }
            Start::AfterEarlier {
                on_at_latest: Some(day),
            } => {
                let values = Self::values([("date", self.locale.date(day))]);
                let phrase = "starts.after_earlier_or_on";
                Some(self.locale.phrase(phrase, None, &values)?)
            }
        })
    }

    /// How long a package will be valid: "30 days from the first use".
    fn valid_for(&self, term: Term, last_day: Option<NaiveDate>) -> Result<String, String> {
        let length = match term.unit {
            TermUnit::Day => "length.day",
            TermUnit::Week => "length.week",
            TermUnit::Month => "length.month",
            TermUnit::Year => "length.year",
        };
        let count = Some(i64::from(term.count));
        let length = self.locale.phrase(length, count, &BTreeMap::new())?;
        let mut values = Self::values([("length", length)]);
        let phrase = match (term.from, last_day) {
            (TermFrom::FirstUse, _) => "valid_for.first_use",
            (TermFrom::Start, None) => "valid_for.start",
            (TermFrom::Start, Some(day)) => {
                values.insert("date".to_owned(), self.locale.date(day));
                "valid_for.start_at_latest"
            }
        };
        self.locale.phrase(phrase, None, &values)
    }

    fn values<const N: usize>(values: [(&str, String); N]) -> BTreeMap<String, String> {
        let named = values.map(|(name, value)| (name.to_owned(), value));
        BTreeMap::from(named)
    }

    /// What the e-mail is about in this line: "7 lessons".
    fn amount(&self, line: &LineFacts) -> String {
        let millionths = match self.kind {
            EmailKind::Confirmation | EmailKind::Renewed => line.quantity,
            EmailKind::UsedUp => line.used,
            EmailKind::Expiring
            | EmailKind::LowBalance
            | EmailKind::Extended
            | EmailKind::HoldTimedOut => line.available,
            EmailKind::Expired => line.lost,
        };
        // The number and its noun stay on one line.
        format!(
            "{}\u{a0}{}",
            self.locale.credits(millionths),
            self.credit_name(line, millionths)
        )
    }

    fn list(&self, parts: &[String]) -> Result<String, String> {
        let Some((last, before)) = parts.split_last() else {
            return Ok(String::new());
        };
        if before.is_empty() {
            return Ok(last.clone());
        }
        let comma = self.phrase("list.comma")?;
        Ok(format!(
            "{}{}{last}",
            before.join(&comma),
            self.phrase("list.and")?
        ))
    }

    fn line(&self, facts: &LineFacts) -> Result<LineView, String> {
        let marks = marks(facts);
        Ok(LineView {
            quantity: self.locale.credits(facts.quantity),
            available: self.locale.credits(facts.available),
            used: self.locale.credits(facts.used),
            lost: self.locale.credits(facts.lost),
            name_of_all: self.credit_name(facts, facts.quantity),
            name_of_available: self.credit_name(facts, facts.available),
            name_of_used: self.credit_name(facts, facts.used),
            name_of_lost: self.credit_name(facts, facts.lost),
            legend: if marks.is_empty() {
                None
            } else {
                self.legend(facts)?
            },
            mark_rows: marks.chunks(MARKS_PER_ROW).map(<[Mark]>::to_vec).collect(),
        })
    }

    /// What the marks mean, if they are not all alike: "✓ 1 used · 7 left".
    fn legend(&self, facts: &LineFacts) -> Result<Option<String>, String> {
        let parts = [
            ("\u{2713} ", facts.used, "mark.used"),
            ("", facts.available, "mark.left"),
            ("\u{2715} ", facts.lost, "mark.lost"),
        ];
        let shown: Vec<String> = parts
            .into_iter()
            .filter(|(_, millionths, _)| *millionths > 0)
            .map(|(sign, millionths, key)| {
                let number = self.locale.credits(millionths);
                // Only whole units have marks.
                let count = millionths.checked_div(CREDIT);
                let state = self.locale.phrase(key, count, &BTreeMap::new())?;
                Ok(format!("{sign}{number}\u{a0}{state}"))
            })
            .collect::<Result<_, String>>()?;
        Ok((shown.len() > 1).then(|| shown.join(" · ")))
    }

    fn credit_name(&self, line: &LineFacts, millionths: i64) -> String {
        let one = self.locale.is_one(millionths);
        one_line(if one {
            &line.credit_name
        } else {
            &line.credit_name_plural
        })
    }

    fn phrase(&self, key: &str) -> Result<String, String> {
        self.locale.phrase(key, None, &BTreeMap::new())
    }
}

/// One mark for each whole unit, used ones first; none if the line has parts of a unit, has too many
/// of them, or has some that are neither used nor left nor lost.
fn marks(line: &LineFacts) -> Vec<Mark> {
    let whole = |millionths: i64| {
        let units = millionths.checked_div(CREDIT)?;
        (millionths.checked_rem(CREDIT) == Some(0))
            .then(|| usize::try_from(units).ok())
            .flatten()
    };
    let (Some(used), Some(left), Some(lost)) =
        (whole(line.used), whole(line.available), whole(line.lost))
    else {
        return Vec::new();
    };
    let total = line
        .used
        .checked_add(line.available)
        .and_then(|sum| sum.checked_add(line.lost));
    if total != Some(line.quantity) || line.quantity > MARKS_MAX.saturating_mul(CREDIT) {
        return Vec::new();
    }
    let none = Mark {
        used: false,
        left: false,
        lost: false,
    };
    let mut marks = vec![Mark { used: true, ..none }; used];
    marks.extend(vec![Mark { left: true, ..none }; left]);
    marks.extend(vec![Mark { lost: true, ..none }; lost]);
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: i64, available: i64, used: i64, lost: i64) -> LineFacts {
        LineFacts {
            credit_name: "Lesson".to_owned(),
            credit_name_plural: "Lessons".to_owned(),
            quantity: quantity.saturating_mul(CREDIT),
            available: available.saturating_mul(CREDIT),
            used: used.saturating_mul(CREDIT),
            lost: lost.saturating_mul(CREDIT),
        }
    }

    fn drawn(line: &LineFacts) -> String {
        let sign = |mark: &Mark| match (mark.used, mark.left, mark.lost) {
            (true, false, false) => 'u',
            (false, true, false) => 'l',
            (false, false, true) => 'x',
            _ => '?',
        };
        marks(line).iter().map(sign).collect()
    }

    #[test]
    fn each_whole_unit_is_drawn_once_in_order() {
        assert_eq!(drawn(&line(8, 7, 1, 0)), "ulllllll");
        assert_eq!(drawn(&line(5, 0, 2, 3)), "uuxxx");
        assert_eq!(drawn(&line(20, 20, 0, 0)).len(), 20);
    }

    #[test]
    fn what_cannot_be_drawn_truly_is_not_drawn() {
        assert_eq!(drawn(&line(21, 21, 0, 0)), "");
        assert_eq!(drawn(&line(8, 6, 1, 0)), "");
        assert_eq!(
            drawn(&LineFacts {
                used: 500_000,
                available: 1_500_000,
                ..line(2, 0, 0, 0)
            }),
            ""
        );
        assert_eq!(drawn(&line(1, 2, -1, 0)), "");
    }
}

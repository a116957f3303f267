//! Sample e-mails: the schema that templates are checked against, and what they are tried with.

use chrono::{Days, NaiveDate, TimeDelta};

use super::content::{
    BusinessLook, Colour, EmailContent, EmailKind, LineFacts, PackageFacts, Price, Start, Term,
    TermFrom, TermUnit,
};

/// Who gets samples.
pub const CUSTOMER_NAME: &str = "Mari";

/// A sample that says something in every field, with two packages.
pub(super) fn content(kind: EmailKind, locale: &str) -> EmailContent {
    let today = NaiveDate::from_ymd_opt(2026, 12, 28).unwrap_or_default();
    let last_day = today.checked_add_days(Days::new(3)).unwrap_or(today);
    let package = PackageFacts {
        name: "Standard".to_owned(),
        last_usable_day: Some(last_day),
        start: Start::On(today),
        term: Some(Term {
            count: 2,
            unit: TermUnit::Week,
            from: TermFrom::FirstUse,
        }),
        days_left: Some(3),
        restorable_through: Some(last_day),
        lines: vec![line(8, 5, 1, 2), line(50, 50, 0, 0)],
        price: Some(Price {
            minor_units: 4_900,
            currency_code: "EUR".to_owned(),
        }),
    };
    EmailContent {
        kind,
        locale: locale.to_owned(),
        business: BusinessLook {
            name: "Studio".to_owned(),
            can_reply: true,
            logo_url: Some("https://studio.example/logo.png".to_owned()),
            accent: Some(Colour::DEFAULT_ACCENT),
            link_base_url: Some("https://studio.example/".to_owned()),
        },
        customer_name: CUSTOMER_NAME.to_owned(),
        packages: vec![package.clone(), package],
        today,
        unsubscribe_url: Some("https://carnet.example/unsubscribe/mari".to_owned()),
    }
}

/// A sample such as customers get, from a business to a customer of this name.
pub fn preview(
    kind: EmailKind,
    locale: &str,
    business: BusinessLook,
    customer_name: String,
    today: NaiveDate,
) -> EmailContent {
    let full = content(kind, locale);
    let (days_left, line) = match kind {
        EmailKind::Confirmation | EmailKind::Renewed => (30, line(8, 8, 0, 0)),
        EmailKind::UsedUp => (30, line(8, 0, 8, 0)),
        EmailKind::Expired => (-1, line(8, 0, 3, 5)),
        EmailKind::Expiring
        | EmailKind::LowBalance
        | EmailKind::Extended
        | EmailKind::HoldTimedOut => (7, line(8, 5, 3, 0)),
    };
    let day = |days| today.checked_add_signed(TimeDelta::days(days));
    let packages = full
        .packages
        .into_iter()
        .take(1)
        .map(|package| PackageFacts {
            start: Start::Begun,
            term: None,
            last_usable_day: day(days_left),
            days_left: Some(days_left),
            restorable_through: (kind == EmailKind::Expired).then(|| day(30)).flatten(),
            lines: vec![line.clone()],
            ..package
        });
    EmailContent {
        kind,
        locale: locale.to_owned(),
        business,
        customer_name,
        packages: packages.collect(),
        today,
        unsubscribe_url: None,
    }
}

/// The full sample, one package of it, and one that says as little as it may.
pub(super) fn all(kind: EmailKind, locale: &str) -> [EmailContent; 3] {
    let full = content(kind, locale);
    let mut single = full.clone();
    single.packages.truncate(1);
    let mut least = single.clone();
    least.business = BusinessLook {
        name: "Studio".to_owned(),
        ..BusinessLook::default()
    };
    least.unsubscribe_url = None;
    for package in &mut least.packages {
        package.start = Start::Begun;
        package.term = None;
        package.restorable_through = None;
        package.price = None;
        package.lines.truncate(1);
        package.days_left = Some(0);
        let names_an_end = matches!(
            kind,
            EmailKind::Expiring | EmailKind::Expired | EmailKind::Extended
        );
        if !names_an_end {
            package.last_usable_day = None;
            package.days_left = None;
        }
    }
    [full, single, least]
}

fn line(quantity: i64, available: i64, used: i64, lost: i64) -> LineFacts {
    let credits = |units: i64| units.saturating_mul(1_000_000);
    LineFacts {
        credit_name: "Lesson".to_owned(),
        credit_name_plural: "Lessons".to_owned(),
        quantity: credits(quantity),
        available: credits(available),
        used: credits(used),
        lost: credits(lost),
    }
}

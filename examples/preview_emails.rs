//! Writes every kind of e-mail in every language as HTML and text files, to look at while editing
//! templates: `cargo run --example preview_emails -- FOLDER [TEMPLATES]`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use carnet::mail::content::{
    BusinessLook, Colour, EmailContent, EmailKind, LineFacts, PackageFacts, Price, Start,
};
use carnet::mail::pseudo;
use carnet::mail::templates::TemplateSet;
use chrono::{NaiveDate, TimeDelta};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("say into which folder to write")?;
    fs::create_dir_all(&folder)?;
    let set = match arguments.next() {
        Some(directory) => TemplateSet::from_directory(&directory)?,
        None => with_pseudo_languages(&folder)?,
    };
    for locale in set.locales().iter() {
        for kind in EmailKind::ALL {
            for (name, packages) in [("one", 1), ("several", 3)] {
                let content = content(kind, locale.tag(), packages);
                let rendered = set.render(&content)?;
                let base = format!("{}-{}-{name}", kind.name(), locale.tag());
                write(&folder, &format!("{base}.html"), &rendered.html)?;
                let text = format!("{}\n\n{}\n", rendered.subject, rendered.text);
                write(&folder, &format!("{base}.txt"), &text)?;
            }
        }
    }
    Ok(())
}

/// The program's set, and the languages that nobody speaks; their words are left in the folder.
fn with_pseudo_languages(folder: &Path) -> Result<TemplateSet> {
    let words = folder.join("words");
    fs::create_dir_all(&words)?;
    let english = include_str!("../email-templates/words/en.json");
    let long = pseudo::long_words(english)?;
    write(&words, &format!("{}.json", pseudo::LONG_TAG), &long)?;
    let turned = pseudo::right_to_left_words(english)?;
    write(
        &words,
        &format!("{}.json", pseudo::RIGHT_TO_LEFT_TAG),
        &turned,
    )?;
    Ok(TemplateSet::from_directory(folder)?)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))
}

fn content(kind: EmailKind, locale: &str, packages: usize) -> EmailContent {
    let (lesson, flight_hour) = match locale {
        "et" => (("sõidutund", "sõidutundi"), ("lennutund", "lennutundi")),
        _ => (
            ("driving lesson", "driving lessons"),
            ("flight hour", "flight hours"),
        ),
    };
    let all = [
        package(
            kind,
            "Standard",
            vec![line(lesson, 8_000_000, 1_000_000, kind)],
            7,
        ),
        package(
            kind,
            "Summer in the air",
            vec![
                line(flight_hour, 12_500_000, 3_750_000, kind),
                line(lesson, 2_000_000, 0, kind),
            ],
            0,
        ),
        package(
            kind,
            "Donaudampfschifffahrtsgesellschaftskapitänspatentlehrgang",
            vec![line(lesson, 20_000_000, 13_000_000, kind)],
            1,
        ),
    ];
    let accent = if packages == 1 {
        None
    } else {
        Colour::parse("#facc15")
    };
    EmailContent {
        kind,
        locale: locale.to_owned(),
        business: BusinessLook {
            name: "Põhja Driving & Flying School".to_owned(),
            can_reply: true,
            logo_url: None,
            accent,
            link_base_url: Some("https://school.example/packages".to_owned()),
        },
        customer_name: "Liis O'Neil".to_owned(),
        packages: all.into_iter().take(packages).collect(),
        today: day(2026, 12, 24),
        unsubscribe_url: Some("https://carnet.example/unsubscribe/liis".to_owned()),
    }
}

fn package(kind: EmailKind, name: &str, lines: Vec<LineFacts>, days_left: i64) -> PackageFacts {
    let past = kind == EmailKind::Expired;
    let days = if past { -1 } else { days_left };
    PackageFacts {
        name: name.to_owned(),
        last_usable_day: day(2026, 12, 24).checked_add_signed(TimeDelta::days(days)),
        start: Start::Begun,
        term: None,
        days_left: Some(days),
        restorable_through: past.then(|| day(2027, 1, 30)),
        lines,
        price: Some(Price {
            minor_units: 24_900,
            currency_code: "EUR".to_owned(),
        }),
    }
}

fn line(name: (&str, &str), quantity: i64, used: i64, kind: EmailKind) -> LineFacts {
    let used = match kind {
        EmailKind::Confirmation | EmailKind::Renewed => 0,
        EmailKind::UsedUp => quantity,
        EmailKind::Expiring
        | EmailKind::Expired
        | EmailKind::LowBalance
        | EmailKind::Extended
        | EmailKind::HoldTimedOut => used,
    };
    let rest = quantity.saturating_sub(used);
    let (available, lost) = if kind == EmailKind::Expired {
        (0, rest)
    } else {
        (rest, 0)
    };
    LineFacts {
        credit_name: name.0.to_owned(),
        credit_name_plural: name.1.to_owned(),
        quantity,
        available,
        used,
        lost,
    }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

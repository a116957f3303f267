//! Every kind of e-mail in every language, and what a set of templates may not do.

use std::fs;

use rstest::rstest;

use super::*;
use crate::mail::content::{BusinessLook, Colour, LineFacts, PackageFacts, Start};

fn lessons(available: i64, used: i64, lost: i64) -> LineFacts {
    let credits = |units: i64| units.saturating_mul(1_000_000);
    LineFacts {
        credit_name: "Lesson".to_owned(),
        credit_name_plural: "Lessons".to_owned(),
        quantity: [available, used, lost].into_iter().map(credits).sum(),
        available: credits(available),
        used: credits(used),
        lost: credits(lost),
    }
}

/// One package, "Standard" of 8 lessons, usable through 31 December 2026.
fn standard(kind: EmailKind, locale: &str) -> EmailContent {
    let day = |year, month, day| chrono::NaiveDate::from_ymd_opt(year, month, day).unwrap();
    let line = match kind {
        EmailKind::Confirmation | EmailKind::Renewed => lessons(8, 0, 0),
        EmailKind::UsedUp => lessons(0, 8, 0),
        EmailKind::Expiring
        | EmailKind::LowBalance
        | EmailKind::Extended
        | EmailKind::HoldTimedOut => lessons(7, 1, 0),
        EmailKind::Expired => lessons(0, 1, 7),
    };
    EmailContent {
        packages: vec![PackageFacts {
            name: "Standard".to_owned(),
            last_usable_day: Some(day(2026, 12, 31)),
            start: Start::Begun,
            term: None,
            days_left: Some(7),
            restorable_through: (kind == EmailKind::Expired).then(|| day(2027, 1, 30)),
            lines: vec![line],
            price: None,
        }],
        today: day(2026, 12, 24),
        ..sample::content(kind, locale)
    }
}

fn render(content: &EmailContent) -> Rendered {
    TemplateSet::embedded().unwrap().render(content).unwrap()
}

#[test]
fn no_shipped_template_gets_its_styles_only_as_it_is_printed() {
    let set = TemplateSet::embedded().unwrap();
    let kinds: BTreeSet<_> = EmailKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(set.styled, kinds);
}

#[rstest]
#[case(
    EmailKind::Confirmation,
    "en",
    "Your package is ready: Standard",
    "31 December 2026"
)]
#[case(
    EmailKind::Confirmation,
    "et",
    "Sinu pakett on valmis: Standard",
    "31. detsember 2026"
)]
#[case(
    EmailKind::Expiring,
    "en",
    "7 Lessons left, usable through 31 December",
    "(7 days left)"
)]
#[case(
    EmailKind::Expiring,
    "et-EE",
    "Alles 7 Lessons, viimane kasutuspäev 31. detsember",
    "(jäänud 7 päeva)"
)]
#[case(
    EmailKind::LowBalance,
    "en",
    "Only 7 Lessons left: Standard",
    "7 of 8 Lessons left"
)]
#[case(
    EmailKind::LowBalance,
    "et",
    "Alles on ainult 7 Lessons: Standard",
    "Viimane kasutuspäev: 31. detsember 2026"
)]
#[case(
    EmailKind::UsedUp,
    "en",
    "You have used up Standard",
    "8 of 8 Lessons used"
)]
#[case(
    EmailKind::UsedUp,
    "et",
    "Sinu pakett on kasutatud: Standard",
    "8 Lessons 8-st kasutatud"
)]
#[case(
    EmailKind::Extended,
    "en",
    "More time for Standard: usable through 31 December",
    "Usable through 31 December 2026"
)]
#[case(
    EmailKind::Extended,
    "et",
    "Standard: rohkem aega, viimane kasutuspäev 31. detsember",
    "Kasutada saad veel"
)]
#[case(
    EmailKind::Renewed,
    "en",
    "Your new package is ready: Standard",
    "8 Lessons"
)]
#[case(
    EmailKind::Renewed,
    "et",
    "Sinu uus pakett on valmis: Standard",
    "Sinu uues paketis on"
)]
#[case(
    EmailKind::HoldTimedOut,
    "en",
    "Free to use again: you have 7 Lessons",
    "7 of 8 Lessons left"
)]
#[case(
    EmailKind::HoldTimedOut,
    "et",
    "Taas vaba: sul on 7 Lessons",
    "taas sinu kasutada"
)]
#[case(
    EmailKind::Expired,
    "en",
    "Your package has expired: Standard",
    "30 January 2027"
)]
#[case(
    EmailKind::Expired,
    "et",
    "Sinu pakett on aegunud: Standard",
    "30. jaanuar 2027"
)]
fn each_kind_says_in_each_language_what_matters(
    #[case] kind: EmailKind,
    #[case] locale: &str,
    #[case] subject: &str,
    #[case] needle: &str,
) {
    let rendered = render(&standard(kind, locale));
    assert_eq!(rendered.subject, subject);
    for part in [&rendered.text, &rendered.html] {
        assert!(part.contains("Standard") && part.contains("Mari"), "{part}");
    }
    assert!(rendered.text.contains(needle), "{}", rendered.text);
    assert!(
        !rendered.text.contains('<') && !rendered.text.contains('&'),
        "{}",
        rendered.text
    );
    assert!(
        rendered.html.contains("https://studio.example/"),
        "{}",
        rendered.html
    );
}

#[test]
fn a_digest_is_one_email_about_several_packages() {
    let mut content = standard(EmailKind::Expiring, "en");
    let mut other = content.packages[0].clone();
    other.name = "Ten flights".to_owned();
    content.packages.push(other);
    let rendered = render(&content);
    assert_eq!(rendered.subject, "2 of your packages expire soon");
    for name in ["Standard", "Ten flights"] {
        assert!(rendered.text.contains(name) && rendered.html.contains(name));
    }
}

#[test]
fn used_and_unused_units_are_told_apart_without_colour() {
    let html = render(&standard(EmailKind::Expiring, "en")).html;
    assert_eq!(html.matches("class=\"mark used\"").count(), 1);
    assert_eq!(html.matches("class=\"mark left\"").count(), 7);
    assert_eq!(
        html.matches('\u{2713}').count(),
        2,
        "in the mark and in its legend"
    );
    let html = render(&standard(EmailKind::Expired, "en")).html;
    assert_eq!(html.matches("class=\"mark lost\"").count(), 7);
}

#[test]
fn unused_units_are_green_and_used_ones_red_whatever_the_colour_of_the_business() {
    let mut content = standard(EmailKind::Expiring, "en");
    content.business.accent = Colour::parse("#123456");
    let html = render(&content).html;
    let styles = |class: &str| -> Vec<&str> {
        let marks = html.split("<td class=\"mark ").skip(1);
        let marks = marks.filter(|mark| mark.starts_with(class));
        marks.map(|mark| mark.split('>').next().unwrap()).collect()
    };
    let (left, used) = (styles("left"), styles("used"));
    assert_eq!((left.len(), used.len()), (7, 1));
    for style in left {
        assert!(style.contains("background-color:#15803d"), "{style}");
        assert!(!style.contains("#123456"), "{style}");
    }
    assert!(used[0].contains("background-color:#fee4e2"), "{used:?}");
    assert!(html.contains("#123456"), "the button");
}

#[test]
fn names_survive_in_subject_and_text_and_are_escaped_in_html() {
    let mut content = standard(EmailKind::Confirmation, "en");
    content.customer_name = "Liis O'Neil & <b>Co</b>".to_owned();
    content.packages[0].name = "O'Neil's <script>alert(1)</script>".to_owned();
    let rendered = render(&content);
    assert_eq!(
        rendered.subject,
        "Your package is ready: O'Neil's <script>alert(1)</script>"
    );
    assert!(
        rendered.text.contains("Hello Liis O'Neil & <b>Co</b>,"),
        "{}",
        rendered.text
    );
    assert!(
        rendered.html.contains("O&#x27;Neil &amp; &lt;b&gt;Co"),
        "{}",
        rendered.html
    );
    assert!(!rendered.html.contains("<script") && !rendered.html.contains("<b>"));
}

#[test]
fn a_name_cannot_begin_a_header_or_a_line() {
    let mut content = standard(EmailKind::Confirmation, "en");
    content.packages[0].name = "A\r\nBcc: all@example.com".to_owned();
    content.customer_name = "Mari\r\n\r\nEvil".to_owned();
    let rendered = render(&content);
    assert_eq!(
        rendered.subject,
        "Your package is ready: A Bcc: all@example.com"
    );
    assert!(rendered.text.starts_with("Hello Mari Evil,"));
}

#[test]
fn only_web_addresses_become_links_and_no_link_means_no_button() {
    let mut content = standard(EmailKind::Expiring, "en");
    content.unsubscribe_url = None;
    content.business.link_base_url = Some("javascript:alert(1)".to_owned());
    content.business.logo_url = Some("http://insecure.example/logo.png".to_owned());
    let html = render(&content).html;
    assert!(!html.contains("javascript") && !html.contains("<img") && !html.contains("href"));
    content.business = BusinessLook {
        name: "Studio".to_owned(),
        ..BusinessLook::default()
    };
    let rendered = render(&content);
    assert!(!rendered.html.contains("See your packages"));
    assert!(!rendered.text.contains("See your packages"));
}

#[test]
fn styles_are_inlined_and_those_for_the_dark_are_kept() {
    let html = render(&standard(EmailKind::Expiring, "en")).html;
    assert_eq!(html.matches("<style").count(), 1);
    assert!(html.contains("@media (prefers-color-scheme: dark)"));
    assert!(html.contains("name=\"color-scheme\""));
    assert!(html.contains("<td class=\"sheet\" align=\"left\" style=\""));
    assert!(
        html.len() < 60_000,
        "mail programs cut off e-mails of 100 KB: {}",
        html.len()
    );
}

#[test]
fn an_email_about_nothing_is_refused() {
    let mut content = standard(EmailKind::Expired, "en");
    content.packages.clear();
    assert!(TemplateSet::embedded().unwrap().render(&content).is_err());
}

fn overridden(path: &str, text: &str) -> Result<TemplateSet, TemplateError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    TemplateSet::from_directory(directory.path())
}

#[test]
fn a_directory_overrides_single_files() {
    let set = overridden("expired/subject.txt.hbs", "Gone: {{first.name}}").unwrap();
    let rendered = set.render(&standard(EmailKind::Expired, "et")).unwrap();
    assert_eq!(rendered.subject, "Gone: Standard");
    assert!(rendered.text.contains("Tere"));
}

#[rstest]
#[case("expired/subject.txt.hbs", "{{first.nmae}}")]
#[case("expired/body.html.hbs", "{{> layout}}")]
#[case("expiring/body.txt.hbs", "{{t \"no.such.phrase\"}}")]
#[case("expiring/body.txt.hbs", "{{t \"greeting\"}}")]
#[case(
    "confirmation/body.txt.hbs",
    "{{t \"usable_through\" date=first.usable_through}}"
)]
#[case("words/et.json", "{}")]
#[case("words/fr.json", "not json")]
#[case("layout.html.hbs", "{{#if}}")]
fn a_directory_with_any_fault_is_refused_whole(#[case] path: &str, #[case] text: &str) {
    assert!(overridden(path, text).is_err());
}

#[test]
fn a_template_that_runs_away_is_refused() {
    let loops =
        ["packages", "lines", "mark_rows", "this"].map(|list| format!("{{{{#each {list}}}}}"));
    let source = format!(
        "{}{}{}",
        loops.concat(),
        "x".repeat(50_000),
        "{{/each}}".repeat(4)
    );
    let refusal = overridden("expired/body.txt.hbs", &source);
    assert!(refusal.err().unwrap().to_string().contains("bytes"));
}

#[test]
fn a_language_can_be_added() {
    let french = include_str!("../../email-templates/words/en.json")
        .replace("en_GB", "fr_FR")
        .replace("Hello {name},", "Bonjour {name},");
    let set = overridden("words/fr.json", &french);
    // French has a third plural category, which English lacks.
    assert!(set.err().unwrap().to_string().contains("many"));
    let finnish = french.replace("fr_FR", "fi_FI").replace("Bonjour", "Hei");
    let set = overridden("words/fi.json", &finnish).unwrap();
    let rendered = set.render(&standard(EmailKind::Expired, "fi-FI")).unwrap();
    assert!(rendered.text.starts_with("Hei Mari,"));
}

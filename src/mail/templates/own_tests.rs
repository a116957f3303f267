//! What a business may write, what it may not, and what comes of it.

use rstest::rstest;

use super::*;
use crate::mail::templates::{TemplateSet, styling};

fn set() -> std::sync::Arc<TemplateSet> {
    TemplateSet::shipped().unwrap()
}

fn source(subject: &str, text: &str, html: &str) -> Source {
    let [subject, text, html] = [subject, text, html].map(str::to_owned);
    Source {
        subject,
        text,
        html,
    }
}

fn expired(locale: &str) -> EmailContent {
    sample::content(EmailKind::Expired, locale)
}

#[test]
fn what_is_shipped_passes_so_that_a_business_can_begin_with_it() {
    let set = set();
    for kind in EmailKind::ALL {
        let shipped = set.source(kind).unwrap();
        for locale in set.locales().iter() {
            let checked = set.check_own(kind, locale.tag(), shipped);
            assert_eq!(checked, Ok(()), "{} in {}", kind.name(), locale.tag());
            let content = sample::content(kind, locale.tag());
            let own = set.render_own(&content, shipped).unwrap();
            let whole = set.render(&content).unwrap();
            assert_eq!((&own.subject, &own.text), (&whole.subject, &whole.text));
            let [own, whole] = [own, whole].map(|it| styling::inlined(&it.html).unwrap());
            assert_eq!(own, whole);
        }
    }
}

#[test]
fn an_own_text_stands_in_the_layout_with_the_words_of_the_set() {
    let own = source(
        "{{first.name}} is over, {{customer_name}}",
        "Come back! {{t \"label.price\"}}: {{first.price}}",
        "<p class=\"lead\">Come back, {{customer_name}}!</p>{{#each packages}}{{#each lines}}{{> units}}{{/each}}{{/each}}",
    );
    let set = set();
    assert_eq!(set.check_own(EmailKind::Expired, "et", &own), Ok(()));
    let mut content = expired("et");
    content.customer_name = "O'Neil <b>".to_owned();
    let rendered = set.render_own(&content, &own).unwrap();
    assert_eq!(rendered.subject, "Standard is over, O'Neil <b>");
    assert!(
        rendered.text.starts_with("Tere, O'Neil <b>!"),
        "{}",
        rendered.text
    );
    assert!(
        rendered.text.contains("Come back! Hind: 49,00"),
        "{}",
        rendered.text
    );
    let html = &rendered.html;
    assert!(html.contains("Come back, O'Neil &lt;b&gt;!"), "{html}");
    assert!(
        html.contains("class=\"mark lost\"") && html.contains("lang=\"et\""),
        "{html}"
    );
}

#[test]
fn an_own_text_in_a_language_that_is_not_shipped_is_said_to_be_in_it() {
    let own = source(
        "Beidzies",
        "Beidzies {{first.usable_through}}",
        "<p>Beidzies</p>",
    );
    let set = set();
    assert_eq!(set.check_own(EmailKind::Expired, "lv", &own), Ok(()));
    let rendered = set.render_own(&expired("lv"), &own).unwrap();
    assert!(rendered.html.contains("lang=\"lv\""));
    assert!(rendered.text.contains("Beidzies 31 December 2026"));
}

#[rstest]
#[case(source("", "a", "a"), Part::Subject, "says nothing")]
#[case(source("a\nb", "a", "a"), Part::Subject, "one line")]
#[case(
    source("{{#if first.price}}{{/if}}", "a", "a"),
    Part::Subject,
    "prints nothing"
)]
#[case(source("a", " \n", "a"), Part::Text, "says nothing")]
#[case(source("a", "{{> units}}", "a"), Part::Text, "which there is not")]
#[case(source("a", "a", "<p>{{first.price}"), Part::Html, "expected")]
#[case(
    source("a", "a", "{{{customer_name}}}"),
    Part::Html,
    "without escaping"
)]
#[case(source("a", "a", "<script></script>"), Part::Html, "<script>")]
#[case(
    source("a", "a", "{{> layout.html.hbs}}"),
    Part::Html,
    "which there is not"
)]
#[case(
    source("a", "{{t \"usable_through\" date=first.usable_through}}", "a"),
    Part::Text,
    "wants a value"
)]
fn what_is_wrong_is_told_by_its_part(
    #[case] own: Source,
    #[case] part: Part,
    #[case] expected: &str,
) {
    let faults = set()
        .check_own(EmailKind::Confirmation, "en", &own)
        .unwrap_err();
    assert_eq!(faults[0].part, part, "{faults:?}");
    assert!(faults[0].fault.reason.contains(expected), "{faults:?}");
}

#[test]
fn all_faults_of_all_parts_are_told_at_once() {
    let own = source("{{a}}", "x\n{{b}} {{c}}", "<b>{{d}}");
    let faults = set().check_own(EmailKind::Expired, "en", &own).unwrap_err();
    let places: Vec<(Part, u32, u32)> = faults
        .iter()
        .map(|it| (it.part, it.fault.line, it.fault.column))
        .collect();
    let expected = [
        (Part::Subject, 1, 1),
        (Part::Text, 2, 1),
        (Part::Text, 2, 7),
        (Part::Html, 1, 1),
        (Part::Html, 1, 4),
    ];
    assert_eq!(places, expected, "{faults:?}");
}

#[test]
fn a_text_that_passed_once_is_checked_again_when_it_is_used() {
    let old = source("a", "{{removed_in_an_upgrade}}", "a");
    let error = set().render_own(&expired("en"), &old).unwrap_err();
    assert!(
        error.to_string().contains("removed_in_an_upgrade"),
        "{error}"
    );
}

#[test]
fn a_text_that_runs_away_is_refused() {
    let loops =
        ["packages", "lines", "mark_rows", "this"].map(|list| format!("{{{{#each {list}}}}}"));
    let text = format!(
        "{}{}{}",
        loops.concat(),
        "x".repeat(60_000),
        "{{/each}}".repeat(4)
    );
    let faults = set().check_own(EmailKind::Expired, "en", &source("a", &text, "a"));
    assert!(faults.unwrap_err()[0].fault.reason.contains("bytes"));
}

//! Every shipped language, and two that nobody speaks: complete, with the same placeholders, in any layout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rstest::rstest;
use serde_json::Value;

use super::{TemplateSet, files, sample};
use crate::mail::content::EmailKind;
use crate::mail::pseudo::{LONG_TAG, RIGHT_TO_LEFT_TAG, long_words, right_to_left_words};

const ENGLISH: &str = include_str!("../../email-templates/words/en.json");

/// The phrases of a language: all forms of each.
fn phrases(json: &str) -> BTreeMap<String, Vec<String>> {
    let words: Value = serde_json::from_str(json).unwrap();
    let phrases = words["phrases"].as_object().unwrap();
    let forms = |phrase: &Value| match phrase {
        Value::Object(forms) => forms.values().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            vec![text(phrase)]
        }
    };
    phrases
        .iter()
        .map(|(key, phrase)| (key.clone(), forms(phrase)))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What all forms of a phrase name together. Where the noun stands decides which of its forms a language
/// takes, so both count as one.
fn placeholders(forms: &[String]) -> BTreeSet<String> {
    let parts = forms.iter().flat_map(|form| form.split('{').skip(1));
    parts
        .map(|part| {
            part.split('}')
                .next()
                .unwrap()
                .replace("name_of_all", "name")
        })
        .collect()
}

fn languages() -> impl Iterator<Item = (String, String)> {
    let all = files::embedded().into_iter();
    all.filter(|(path, _)| path.starts_with("words/"))
}

#[test]
fn every_language_has_every_phrase_with_the_placeholders_of_english() {
    let english = phrases(ENGLISH);
    let mut shipped = BTreeSet::new();
    for (path, json) in languages() {
        let own = phrases(&json);
        assert!(own.keys().eq(english.keys()), "{path}");
        for (key, forms) in &own {
            let expected = placeholders(&english[key]);
            assert_eq!(placeholders(forms), expected, "{path}: {key}");
            for form in forms {
                assert!(
                    form.trim() == form || key.starts_with("list."),
                    "{path}: {key}"
                );
            }
        }
        shipped.insert(path);
    }
    let expected = ["de", "en", "es", "et", "fr"].map(|tag| format!("words/{tag}.json"));
    assert!(shipped.into_iter().eq(expected));
}

#[rstest]
#[case("de-AT", "Guten Tag Mari,", "War nutzbar bis", "49,00\u{a0}€")]
#[case("fr-CA", "Bonjour Mari,", "Était utilisable jusqu’au", "49,00\u{a0}€")]
#[case("es-MX", "Hola, Mari:", "Se podía usar hasta el", "49,00\u{a0}€")]
#[case("et-EE", "Tere, Mari!", "Viimane kasutuspäev", "49,00\u{a0}€")]
#[case("fi-FI", "Hello Mari,", "Was usable through", "€49.00")]
fn an_email_is_in_the_language_of_its_customer_or_in_english(
    #[case] tag: &str,
    #[case] greeting: &str,
    #[case] label: &str,
    #[case] price: &str,
) {
    let set = TemplateSet::embedded().unwrap();
    let rendered = |kind| set.render(&sample::content(kind, tag)).unwrap();
    let expired = rendered(EmailKind::Expired);
    assert!(expired.text.starts_with(greeting), "{}", expired.text);
    assert!(expired.html.contains(label), "{}", expired.html);
    let confirmed = rendered(EmailKind::Confirmation);
    assert!(confirmed.text.contains(price), "{}", confirmed.text);
    assert!(confirmed.html.contains("dir=\"ltr\""));
}

#[rstest]
#[case("fr", [(1, 7), (3, 5)], ["✓ 1\u{a0}utilisé · 7\u{a0}restants", "✓ 3\u{a0}utilisés · 5\u{a0}restants"])]
#[case("es", [(1, 7), (7, 1)], ["✓ 1\u{a0}usado · 7\u{a0}disponibles", "✓ 7\u{a0}usados · 1\u{a0}disponible"])]
#[case("en", [(1, 7), (3, 5)], ["✓ 1\u{a0}used · 7\u{a0}left", "✓ 3\u{a0}used · 5\u{a0}left"])]
fn the_legend_of_marks_agrees_with_their_number(
    #[case] tag: &str,
    #[case] units: [(i64, i64); 2],
    #[case] legends: [&str; 2],
) {
    let set = TemplateSet::embedded().unwrap();
    for ((used, left), legend) in units.into_iter().zip(legends) {
        let mut content = sample::content(EmailKind::Expiring, tag);
        let line = &mut content.packages[0].lines[0];
        let credits = |units: i64| units.saturating_mul(1_000_000);
        (line.used, line.available, line.lost) = (credits(used), credits(left), 0);
        let html = set.render(&content).unwrap().html;
        let html = html.replace("&nbsp;", "\u{a0}");
        assert!(html.contains(legend), "{html}");
    }
}

/// The program's set, and the languages that nobody speaks.
fn set_with_pseudo_languages() -> TemplateSet {
    let directory = tempfile::tempdir().unwrap();
    let words = directory.path().join("words");
    fs::create_dir(&words).unwrap();
    for (tag, json) in [
        (LONG_TAG, long_words(ENGLISH).unwrap()),
        (RIGHT_TO_LEFT_TAG, right_to_left_words(ENGLISH).unwrap()),
    ] {
        fs::write(words.join(format!("{tag}.json")), json).unwrap();
    }
    TemplateSet::from_directory(directory.path()).unwrap()
}

#[test]
fn no_template_says_anything_by_itself() {
    let set = set_with_pseudo_languages();
    let said: Vec<String> = phrases(ENGLISH)
        .into_values()
        .flatten()
        .filter(|form| !form.contains('{') && form.trim().len() > 3)
        .collect();
    for tag in [LONG_TAG, RIGHT_TO_LEFT_TAG] {
        for kind in EmailKind::ALL {
            for content in sample::all(kind, tag) {
                let rendered = set.render(&content).unwrap();
                let body = rendered.html.split("<body").nth(1).unwrap().to_owned();
                for phrase in &said {
                    let in_text = rendered.text.contains(phrase.as_str());
                    let in_html = body.contains(&format!(">{phrase}<"));
                    assert!(!in_text && !in_html, "{tag} {}: {phrase}", kind.name());
                }
            }
        }
    }
}

#[test]
fn a_language_from_right_to_left_turns_the_layout_round() {
    let set = set_with_pseudo_languages();
    for kind in EmailKind::ALL {
        let html = set
            .render(&sample::content(kind, RIGHT_TO_LEFT_TAG))
            .unwrap()
            .html;
        assert!(html.contains("dir=\"rtl\""), "{html}");
        assert!(
            html.contains("<td class=\"sheet\" align=\"right\""),
            "{html}"
        );
        let name = "<td class=\"name\" align=\"right\"";
        assert!(html.contains(name), "{html}");
        let turned = html.contains("text-align:right;padding-left:12px");
        assert!(turned, "{html}");
    }
}

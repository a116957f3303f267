//! What dates, numbers, money and plurals look like in each language.

use super::*;

fn locales() -> Locales {
    let read = |tag, json| Locale::parse(tag, json).unwrap();
    Locales::new(vec![
        read("en", include_str!("../../email-templates/words/en.json")),
        read("et", include_str!("../../email-templates/words/et.json")),
    ])
    .unwrap()
}

fn price(minor_units: i64, code: &str) -> Price {
    Price {
        minor_units,
        currency_code: code.to_owned(),
    }
}

#[test]
fn a_tag_falls_back_to_its_language_and_then_to_english() {
    let locales = locales();
    for (tag, resolved) in [
        ("et", "et"),
        ("et-EE", "et"),
        ("ET_ee", "et"),
        ("et-Latn-EE", "et"),
        ("en-US", "en"),
        ("fr-FR", "en"),
        ("", "en"),
        ("-", "en"),
    ] {
        assert_eq!(locales.resolve(tag).tag(), resolved, "{tag}");
    }
}

#[test]
fn dates_are_written_as_the_language_writes_them() {
    let locales = locales();
    let day = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
    let next = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap();
    let (en, et) = (locales.resolve("en"), locales.resolve("et"));
    assert_eq!(en.date(day), "31 December 2026");
    assert_eq!(et.date(day), "31. detsember 2026");
    assert_eq!(en.date_near(day, day), "31 December");
    assert_eq!(et.date_near(day, day), "31. detsember");
    assert_eq!(en.date_near(next, day), "1 January 2027");
}

#[test]
fn numbers_are_written_as_the_language_writes_them() {
    let locales = locales();
    let (en, et) = (locales.resolve("en"), locales.resolve("et"));
    for (millionths, english, estonian) in [
        (1_500_000, "1.5", "1,5"),
        (8_000_000, "8", "8"),
        (1, "0.000001", "0,000001"),
        (0, "0", "0"),
        (12_345_000_000, "12,345", "12\u{a0}345"),
    ] {
        assert_eq!(en.credits(millionths), english);
        assert_eq!(et.credits(millionths), estonian);
    }
}

#[test]
fn money_is_written_as_the_language_writes_it() {
    let locales = locales();
    let (en, et) = (locales.resolve("en"), locales.resolve("et"));
    for (price, english, estonian) in [
        (price(4_900, "EUR"), "€49.00", "49,00\u{a0}€"),
        (price(5, "EUR"), "€0.05", "0,05\u{a0}€"),
        (
            price(123_456_789, "USD"),
            "$1,234,567.89",
            "1\u{a0}234\u{a0}567,89\u{a0}$",
        ),
        (price(500, "JPY"), "¥500", "500\u{a0}¥"),
        (price(4_900, "CHF"), "CHF\u{a0}49.00", "49,00\u{a0}CHF"),
        (price(1_234, "KWD"), "KWD\u{a0}1.234", "1,234\u{a0}KWD"),
        (price(100, "???"), "???\u{a0}1.00", "1,00\u{a0}???"),
    ] {
        assert_eq!(en.money(&price), english);
        assert_eq!(et.money(&price), estonian);
    }
}

#[test]
fn plural_names_follow_the_languages_rules() {
    let locales = locales();
    for locale in locales.iter() {
        assert!(locale.is_one(1_000_000), "{}", locale.tag());
        for millionths in [0, 500_000, 1_500_000, 2_000_000, 21_000_000] {
            assert!(!locale.is_one(millionths), "{} {millionths}", locale.tag());
        }
    }
}

#[test]
fn a_phrase_takes_the_form_that_its_count_asks_for() {
    let locales = locales();
    let say = |tag: &str, count| {
        locales
            .resolve(tag)
            .phrase("days_left", Some(count), &BTreeMap::new())
            .unwrap()
    };
    assert_eq!(say("en", 0), "last day today");
    assert_eq!(say("en", 1), "last day tomorrow");
    assert_eq!(say("en", 7), "7 days left");
    assert_eq!(say("et", 0), "täna viimane päev");
    assert_eq!(say("et", 7), "jäänud 7 päeva");
}

#[test]
fn a_phrase_says_what_it_misses_and_never_fills_twice() {
    let locales = locales();
    let en = locales.resolve("en");
    let values = |name: &str| BTreeMap::from([("name".to_owned(), name.to_owned())]);
    assert!(en.phrase("nonsense", None, &BTreeMap::new()).is_err());
    assert!(en.phrase("days_left", None, &BTreeMap::new()).is_err());
    assert!(
        en.phrase("greeting", None, &BTreeMap::new())
            .unwrap_err()
            .contains("{name}")
    );
    assert_eq!(
        en.phrase("greeting", None, &values("{name} {x")).unwrap(),
        "Hello {name} {x,"
    );
}

#[test]
fn a_language_is_complete_or_refused() {
    let full = include_str!("../../email-templates/words/en.json");
    let format = |phrases: &str| {
        format!(
            "{{\"format\": {{\"chrono_locale\": \"pl_PL\", \"date\": \"%d\", \
             \"date_this_year\": \"%d\", \"money\": \"{{amount}}\"}}, \"phrases\": {{{phrases}}}}}"
        )
    };
    let lacking = Locale::parse("pl", &format(r#""greeting": "x""#)).unwrap();
    let refusal = Locales::new(vec![Locale::parse("en", full).unwrap(), lacking]);
    assert!(matches!(refusal, Err(WordsError::PhraseMissing { tag, .. }) if tag == "pl"));
    // Polish has four plural categories.
    let forms = format(r#""days_left": {"one": "a", "other": "b"}"#);
    assert!(
        Locale::parse("pl", &forms)
            .unwrap_err()
            .to_string()
            .contains("few")
    );
    assert!(Locale::parse("en", "{").is_err());
    assert!(Locale::parse("not a tag", full).is_err());
    assert!(matches!(
        Locales::new(Vec::new()),
        Err(WordsError::FallbackMissing)
    ));
}

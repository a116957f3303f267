//! Languages that nobody speaks, made from English: they prove that layouts stand long words and the other
//! writing direction, and that no template says anything by itself.
//!
//! Used by tests and by the preview; no customer can have one, since no release carries their files.

use serde_json::{Map, Value};

/// Every plural category, so that the forms suffice whatever language the tag names.
const CATEGORIES: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];
/// The letters of Hebrew, one for each of ours in turn.
const HEBREW: [char; 22] = [
    'א', 'ב', 'ג', 'ד', 'ה', 'ו', 'ז', 'ח', 'ט', 'י', 'כ', 'ל', 'מ', 'נ', 'ס', 'ע', 'פ', 'צ', 'ק',
    'ר', 'ש', 'ת',
];

/// The tag of the language with long, accented words.
pub const LONG_TAG: &str = "en-XA";
/// The tag of the language that is written from right to left.
pub const RIGHT_TO_LEFT_TAG: &str = "he-XB";

/// English with accents, nearly half as long again.
///
/// # Errors
/// Words that are not JSON.
pub fn long_words(english: &str) -> Result<String, serde_json::Error> {
    remade(english, None, |text| {
        let accented: String = text.chars().map(accent).collect();
        let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
        let pad = "ø".repeat(letters.saturating_mul(2).div_ceil(5));
        format!("{accented}{pad}")
    })
}

/// English in Hebrew letters, written from right to left.
///
/// # Errors
/// Words that are not JSON.
pub fn right_to_left_words(english: &str) -> Result<String, serde_json::Error> {
    let formats = [("direction", "rtl"), ("chrono_locale", "he_IL")];
    remade(english, Some(formats), |text| {
        text.chars().map(hebrew).collect()
    })
}

fn remade(
    english: &str,
    formats: Option<[(&str, &str); 2]>,
    say: impl Fn(&str) -> String,
) -> Result<String, serde_json::Error> {
    let mut words: Value = serde_json::from_str(english)?;
    if let Some(Value::Object(format)) = words.get_mut("format") {
        for (name, value) in formats.into_iter().flatten() {
            format.insert(name.to_owned(), Value::String(value.to_owned()));
        }
    }
    if let Some(Value::Object(phrases)) = words.get_mut("phrases") {
        for phrase in phrases.values_mut() {
            match phrase {
                Value::String(text) => *text = outside_placeholders(text, &say),
                Value::Object(forms) => *forms = all_forms(forms, &say),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
            }
        }
    }
    serde_json::to_string(&words)
}

fn all_forms(forms: &Map<String, Value>, say: &impl Fn(&str) -> String) -> Map<String, Value> {
    let said = |form: Option<&Value>| {
        let text = form.and_then(Value::as_str).unwrap_or_default();
        Value::String(outside_placeholders(text, say))
    };
    let exact = forms.iter().map(|(name, form)| (name.clone(), Some(form)));
    let other = CATEGORIES.iter().map(|category| {
        let own = forms.get(*category).or_else(|| forms.get("other"));
        ((*category).to_owned(), own)
    });
    exact
        .chain(other)
        .map(|(name, form)| (name, said(form)))
        .collect()
}

fn outside_placeholders(text: &str, say: &impl Fn(&str) -> String) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        said.push_str(&say(before));
        said.push('{');
        said.push_str(name);
        said.push('}');
        rest = tail;
    }
    said.push_str(&say(rest));
    said
}

fn accent(letter: char) -> char {
    match letter {
        'a' => 'å',
        'c' => 'ç',
        'e' => 'é',
        'i' => 'ï',
        'l' => 'ł',
        'n' => 'ñ',
        'o' => 'ö',
        's' => 'š',
        'u' => 'ü',
        'y' => 'ý',
        'z' => 'ž',
        'F' => 'Ƒ',
        'N' => 'Ñ',
        'O' => 'Ø',
        'T' => 'Ţ',
        'U' => 'Û',
        'V' => 'Ṽ',
        'Y' => 'Ÿ',
        other => other,
    }
}

fn hebrew(letter: char) -> char {
    let place = u32::from(letter.to_ascii_lowercase())
        .checked_sub(u32::from('a'))
        .filter(|_| letter.is_ascii_alphabetic())
        .and_then(|place| usize::try_from(place).ok());
    let letter_of = |place: usize| HEBREW.iter().cycle().nth(place).copied();
    place.and_then(letter_of).unwrap_or(letter)
}

//! The languages of e-mails: words, dates, numbers, money and plurals.
//!
//! Each language is one file, `email-templates/words/<tag>.json`: `format` says how dates and money
//! are written, `phrases` holds every sentence, with `{placeholders}` and, where a number decides,
//! one form per CLDR plural category (and `=0` and the like for exact numbers). All languages have
//! the same phrases; English is the last resort for a language that nobody wrote.
//!
//! Deliberately absent: a fallback from phrase to phrase. A half-translated e-mail is worse than an
//! English one, so a language is complete or refused.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_decimal::options::DecimalFormatterOptions;
use icu_locale_core::Locale as LanguageTag;
use icu_plurals::{PluralCategory, PluralRules};
use iso_currency::Currency;
use serde::Deserialize;

use super::content::Price;

/// Decimal places of an amount of credits as it is stored.
const CREDIT_EXPONENT: i16 = 6;

/// Signs that everybody reads; other currencies are shown by their code.
const KNOWN_SIGNS: [&str; 4] = ["€", "£", "$", "¥"];

/// The language that is used where a customer's own was not written.
pub const FALLBACK_TAG: &str = "en";

/// Why a file of words cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// The file is not of the expected form.
    #[error("words/{tag}.json: {reason}")]
    Malformed {
        /// The language.
        tag: String,
        /// What is wrong, with the line where there is one.
        reason: String,
    },
    /// Another language has this phrase and this one does not.
    #[error("words/{tag}.json: the phrase {key} is missing")]
    PhraseMissing {
        /// The language.
        tag: String,
        /// The phrase's key.
        key: String,
    },
    /// There is no English.
    #[error("words/en.json is missing")]
    FallbackMissing,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Phrase {
    Plain(String),
    Plural(BTreeMap<String, String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Formats {
    chrono_locale: String,
    date: String,
    date_this_year: String,
    money: String,
    #[serde(default)]
    direction: Direction,
}

/// Which way a language is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Direction {
    /// From left to right.
    #[default]
    #[serde(rename = "ltr")]
    LeftToRight,
    /// From right to left.
    #[serde(rename = "rtl")]
    RightToLeft,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    format: Formats,
    phrases: BTreeMap<String, Phrase>,
}

/// One language.
#[derive(Clone, Debug)]
pub struct Locale {
    tag: String,
    language: LanguageTag,
    months: chrono::Locale,
    formats: Formats,
    phrases: BTreeMap<String, Phrase>,
}

impl Locale {
    /// Reads one file of words; `tag` is its name without the ending.
    pub fn parse(tag: &str, json: &str) -> Result<Self, WordsError> {
        let malformed = |reason: String| WordsError::Malformed {
            tag: tag.to_owned(),
            reason,
        };
        let words: Words =
            serde_json::from_str(json).map_err(|error| malformed(error.to_string()))?;
        let language: LanguageTag = tag
            .parse()
            .map_err(|_| malformed("the name is not a language tag".to_owned()))?;
        let months = chrono::Locale::try_from(words.format.chrono_locale.as_str())
            .map_err(|_| malformed("format.chrono_locale is unknown".to_owned()))?;
        let locale = Self {
            tag: tag.to_owned(),
            language,
            months,
            formats: words.format,
            phrases: words.phrases,
        };
        locale.plural_forms_are_complete().map_err(malformed)?;
        Ok(locale)
    }

    /// The tag under which it is kept, such as `et`.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Which way it is written.
    pub fn direction(&self) -> Direction {
        self.formats.direction
    }

    /// A date in full: "31 December 2026", "31. detsember 2026".
    pub fn date(&self, day: NaiveDate) -> String {
        self.format_date(day, &self.formats.date)
    }

    /// A date without its year if that is this year's.
    pub fn date_near(&self, day: NaiveDate, today: NaiveDate) -> String {
        if day.year() == today.year() {
            self.format_date(day, &self.formats.date_this_year)
        } else {
            self.date(day)
        }
    }

    /// An amount of credits from millionths: "1.5", "1,5".
    pub fn credits(&self, millionths: i64) -> String {
        self.decimal(&credits_decimal(millionths))
    }

    /// An amount of money: "€49.00", "49,00 €"; "CHF 49.00".
    pub fn money(&self, price: &Price) -> String {
        let currency = Currency::from_code(&price.currency_code);
        let exponent = currency
            .and_then(Currency::exponent)
            .and_then(|places| i16::try_from(places).ok());
        let places = exponent.unwrap_or(2);
        let mut decimal = Decimal::from(price.minor_units);
        let scale = 0_i16.saturating_sub(places);
        decimal.multiply_pow10(scale);
        decimal.absolute.pad_end(scale);
        let sign = currency.map(|known| known.symbol().to_string());
        let symbol = sign
            .filter(|sign| KNOWN_SIGNS.contains(&sign.as_str()))
            // A code in front of a number needs a gap that does not break.
            .unwrap_or_else(|| format!("{}\u{a0}", price.currency_code));
        let amount = self.decimal(&decimal);
        let text = self
            .formats
            .money
            .replace("{symbol}", &symbol)
            .replace("{amount}", &amount);
        text.trim_end_matches('\u{a0}').to_owned()
    }

    /// Whether an amount of credits takes the name for one or the name for several.
    pub fn is_one(&self, millionths: i64) -> bool {
        self.category(&credits_decimal(millionths)) == PluralCategory::One
    }

    /// The phrase `key` with `{name}` replaced by the value of that name; `count` chooses the form.
    ///
    /// # Errors
    ///
    /// The key, if the phrase is unknown, needs a count, or has a placeholder without a value.
    pub fn phrase(
        &self,
        key: &str,
        count: Option<i64>,
        values: &BTreeMap<String, String>,
    ) -> Result<String, String> {
        let pattern = match self.phrases.get(key) {
            None => return Err(format!("there is no phrase {key}")),
            Some(Phrase::Plain(pattern)) => pattern,
            Some(Phrase::Plural(forms)) => {
                let count = count.ok_or_else(|| format!("the phrase {key} needs a count"))?;
                self.plural_form(forms, count)
                    .ok_or_else(|| format!("the phrase {key} has no form for {count}"))?
            }
        };
        let shown = count.map(|count| self.decimal(&Decimal::from(count)));
        fill(pattern, |name| match name {
            "count" => shown.as_deref(),
            other => values.get(other).map(String::as_str),
        })
        .map_err(|name| format!("the phrase {key} wants a value for {{{name}}}"))
    }

    /// The names of the values that the phrase `key` wants; `count` where a number decides. None: there is
    /// no such phrase.
    pub fn placeholders(&self, key: &str) -> Option<Vec<&str>> {
        let phrase = self.phrases.get(key)?;
        let (forms, mut names): (Vec<&str>, Vec<&str>) = match phrase {
            Phrase::Plain(pattern) => (vec![pattern], Vec::new()),
            Phrase::Plural(forms) => (forms.values().map(String::as_str).collect(), vec!["count"]),
        };
        for form in forms {
            let starts = form.split('{').skip(1);
            let found = starts.filter_map(|rest| Some(rest.split_once('}')?.0));
            names.extend(found);
        }
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    fn plural_form<'a>(&self, forms: &'a BTreeMap<String, String>, count: i64) -> Option<&'a str> {
        let exact = forms.get(&format!("={count}"));
        let category = category_name(self.category(&Decimal::from(count)));
        exact.or_else(|| forms.get(category)).map(String::as_str)
    }

    fn plural_forms_are_complete(&self) -> Result<(), String> {
        let rules = self.rules().ok_or("there are no plural rules for it")?;
        for (key, phrase) in &self.phrases {
            if let Phrase::Plural(forms) = phrase {
                for category in rules.categories().map(category_name) {
                    if !forms.contains_key(category) {
                        return Err(format!("the phrase {key} lacks the form for {category}"));
                    }
                }
            }
        }
        Ok(())
    }

    // The formatters of ICU cannot be shared between threads; to make one is a look-up in data that
    // is compiled in.
    fn rules(&self) -> Option<PluralRules> {
        PluralRules::try_new_cardinal((&self.language).into()).ok()
    }

    fn category(&self, number: &Decimal) -> PluralCategory {
        self.rules()
            .map_or(PluralCategory::Other, |rules| rules.category_for(number))
    }

    fn decimal(&self, number: &Decimal) -> String {
        match DecimalFormatter::try_new((&self.language).into(), DecimalFormatterOptions::default())
        {
            Ok(formatter) => formatter.format(number).to_string(),
            Err(_) => number.to_string(),
        }
    }

    fn format_date(&self, day: NaiveDate, pattern: &str) -> String {
        day.format_localized(pattern, self.months).to_string()
    }
}

/// The languages that are there.
#[derive(Clone, Debug)]
pub struct Locales {
    by_tag: BTreeMap<String, Locale>,
    fallback: Locale,
}

impl Locales {
    /// All languages together, after a check that each has all phrases.
    pub fn new(locales: Vec<Locale>) -> Result<Self, WordsError> {
        let by_tag: BTreeMap<String, Locale> = locales
            .into_iter()
            .map(|locale| (locale.tag.to_ascii_lowercase(), locale))
            .collect();
        let fallback = by_tag
            .get(FALLBACK_TAG)
            .cloned()
            .ok_or(WordsError::FallbackMissing)?;
        for one in by_tag.values() {
            for other in by_tag.values() {
                if let Some(key) = one
                    .phrases
                    .keys()
                    .find(|key| !other.phrases.contains_key(*key))
                {
                    return Err(WordsError::PhraseMissing {
                        tag: other.tag.clone(),
                        key: key.clone(),
                    });
                }
            }
        }
        Ok(Self { by_tag, fallback })
    }

    /// The language for a tag: `et-EE`, then `et`, then English.
    pub fn resolve(&self, tag: &str) -> &Locale {
        let mut rest = tag.trim().replace('_', "-").to_ascii_lowercase();
        loop {
            if let Some(locale) = self.by_tag.get(&rest) {
                return locale;
            }
            match rest.rfind('-') {
                Some(end) => rest.truncate(end),
                None => return &self.fallback,
            }
        }
    }

    /// Every language.
    pub fn iter(&self) -> impl Iterator<Item = &Locale> {
        self.by_tag.values()
    }
}

fn credits_decimal(millionths: i64) -> Decimal {
    let mut decimal = Decimal::from(millionths);
    decimal.multiply_pow10(0_i16.saturating_sub(CREDIT_EXPONENT));
    decimal.absolute.trim_end();
    decimal
}

fn category_name(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

/// Replaces each `{name}`; what was filled in is not looked at again.
fn fill<'a>(pattern: &str, value: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    let mut filled = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        filled.push_str(before);
        filled.push_str(value(name).ok_or_else(|| name.to_owned())?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
#[path = "locale_tests.rs"]
mod tests;

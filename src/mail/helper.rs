//! `{{t "key" name=value count=number}}`: a phrase in the language of the e-mail.
//!
//! The language is the variable `locale` of the data that is rendered, so one engine serves all.

use std::collections::BTreeMap;
use std::sync::Arc;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason,
    ScopedJson,
};
use serde_json::Value;

use super::locale::Locales;

/// The helper `t`.
pub(super) struct Translate {
    locales: Arc<Locales>,
}

impl Translate {
    /// A helper that knows these languages.
    pub(super) const fn new(locales: Arc<Locales>) -> Self {
        Self { locales }
    }

    fn phrase(&self, helper: &Helper<'_>, data: &Value) -> Result<String, String> {
        let key = helper
            .param(0)
            .and_then(|key| key.value().as_str())
            .ok_or("t wants a key")?;
        let tag = data
            .get("locale")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut values = BTreeMap::new();
        let mut count = None;
        for (name, value) in helper.hash() {
            let text = match value.value() {
                Value::Number(number) if *name == "count" => {
                    count = number.as_i64();
                    continue;
                }
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                // Nothing to say: the phrase reports what it misses.
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => continue,
            };
            values.insert((*name).to_owned(), text);
        }
        self.locales.resolve(tag).phrase(key, count, &values)
    }
}

impl HelperDef for Translate {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        match self.phrase(helper, context.data()) {
            Ok(text) => Ok(ScopedJson::Derived(Value::String(text))),
            Err(reason) => Err(RenderErrorReason::Other(reason).into()),
        }
    }
}

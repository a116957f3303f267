//! Renders e-mails with what a business wrote itself, where it did, and else with what is shipped.
//!
//! For a customer whose language is `et-EE`, the business's own template for `et-EE` is used, else that for
//! `et`, else that for `en`, else what is shipped. One that no longer renders is left aside and logged:
//! the e-mail goes out as shipped, in the customer's language.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use crate::domain::email_template::{OwnTemplate, TemplateText, TextFault, TextPart};
use crate::domain::notice::NoticeKind;
use crate::ids::BusinessId;
use crate::mail::content::EmailContent;
use crate::mail::locale::FALLBACK_TAG;
use crate::mail::templates::own::{Part, PartFault, Source};
use crate::mail::templates::{RenderError, Rendered, TemplateSet};
use crate::service::email_content::email_kind;
use crate::store::email_templates;
use crate::store::error::StoreError;

/// What a business wrote itself in place of the templates that are shipped.
#[derive(Clone, Debug)]
pub struct OwnTemplates {
    business_id: BusinessId,
    found: Vec<OwnTemplate>,
}

impl OwnTemplates {
    /// Reads all that may stand in for these kinds in these languages.
    pub async fn read<'a>(
        db: &impl ConnectionTrait,
        business_id: BusinessId,
        kinds: &[NoticeKind],
        locales: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, StoreError> {
        let locales: BTreeSet<String> = locales.into_iter().flat_map(chain).collect();
        let found = email_templates::of_locales(db, business_id, kinds, locales).await?;
        Ok(Self { business_id, found })
    }

    /// Renders an e-mail as its customer gets it.
    ///
    /// # Errors
    /// The facts cannot be told by such an e-mail.
    pub fn render(
        &self,
        templates: &TemplateSet,
        kind: NoticeKind,
        content: &EmailContent,
    ) -> Result<Rendered, RenderError> {
        if let Some((locale, text)) = self.best(kind, &content.locale) {
            let content = EmailContent {
                locale: locale.to_owned(),
                ..content.clone()
            };
            match templates.render_own(&content, &source(text)) {
                Ok(rendered) => return Ok(rendered),
                Err(error) => {
                    let (business_id, kind) = (self.business_id, kind.as_str());
                    tracing::error!(
                        %business_id, kind, %error,
                        "the own template of {business_id} is left aside: {error}"
                    );
                }
            }
        }
        templates.render(content)
    }

    /// The template for a language, and the language that it is for.
    fn best(&self, kind: NoticeKind, locale: &str) -> Option<(&str, &TemplateText)> {
        let chain = chain(locale);
        let of_kind = self.found.iter().filter(|own| own.kind == kind);
        let ranked = of_kind.filter_map(|own| {
            let rank = chain.iter().position(|locale| *locale == own.locale)?;
            Some((rank, own))
        });
        let (_, best) = ranked.min_by_key(|(rank, _)| *rank)?;
        Some((&*best.locale, best.text.as_ref()?))
    }
}

/// The languages that stand in for a language, the best first: `et-EE`, `et`, `en`.
fn chain(locale: &str) -> Vec<String> {
    let mut chain = vec![locale.to_owned()];
    let mut rest = locale;
    while let Some((shorter, _)) = rest.rsplit_once('-') {
        chain.push(shorter.to_owned());
        rest = shorter;
    }
    if rest != FALLBACK_TAG {
        chain.push(FALLBACK_TAG.to_owned());
    }
    chain
}

/// All that is wrong with a template.
pub(super) fn faults(
    templates: &TemplateSet,
    kind: NoticeKind,
    locale: &str,
    text: &TemplateText,
) -> Vec<TextFault> {
    let checked = templates.check_own(email_kind(kind), locale, &source(text));
    let faults = checked.err().unwrap_or_default();
    faults.into_iter().map(text_fault).collect()
}

fn text_fault(PartFault { part, fault }: PartFault) -> TextFault {
    TextFault {
        part: match part {
            Part::Subject => TextPart::Subject,
            Part::Text => TextPart::TextBody,
            Part::Html => TextPart::HtmlBody,
        },
        line: fault.line,
        column: fault.column,
        reason: fault.reason,
    }
}

pub(super) fn source(text: &TemplateText) -> Source {
    Source {
        subject: text.subject.clone(),
        text: text.text_body.clone(),
        html: text.html_body.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_stands_in_for_every_language_after_its_own_wider_ones() {
        assert_eq!(chain("et-EE"), ["et-EE", "et", "en"]);
        assert_eq!(chain("zh-Hant-TW"), ["zh-Hant-TW", "zh-Hant", "zh", "en"]);
        assert_eq!(chain("en-GB"), ["en-GB", "en"]);
        assert_eq!(chain("en"), ["en"]);
    }
}

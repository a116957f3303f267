//! The messages of e-mail templates and trials.

use crate::domain::email_template::{TemplateText, TextFault};
use crate::domain::notice::NoticeKind;
use crate::grpc::convert::common::{etag, optional_etag};
use crate::grpc::convert::email::{kind, to_kind};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::mail::templates::own::{BODY_BYTES_MAX, SUBJECT_BYTES_MAX};
use crate::mail::variables::{Nature, Variable};
use crate::proto::v1;
use crate::service::email_templates::{
    ShownTemplate, TemplateDetails, TemplateKey, TemplateList, TemplateReset, TemplateSaving,
};
use crate::service::email_trials::{Preview, TestOrder, Trial};

/// The most packages of a trial.
const PACKAGES_MAX: usize = 20;
/// How many faults are told of a template.
const FAULTS_MAX: usize = 20;

/// The place of a template in lists: the number of its kind, and its language.
pub type Position = (i16, String);

/// Which page of the business's own templates.
pub fn template_list(page: &Page<Position>) -> TemplateList {
    let after = page.after.as_ref();
    TemplateList {
        after: after
            .and_then(|(kind, locale)| Some((NoticeKind::from_code(*kind)?, locale.clone()))),
        limit: page.limit(),
    }
}

/// Where a template stands in lists.
pub fn position(template: &ShownTemplate) -> Position {
    (template.own.kind.code(), template.own.locale.clone())
}

/// Which template to read.
pub fn template_key(
    request: &v1::GetEmailTemplateRequest,
    faults: &mut Faults,
) -> Option<TemplateKey> {
    key(request.kind, &request.locale, faults)
}

fn key(kind: i32, locale: &str, faults: &mut Faults) -> Option<TemplateKey> {
    let kind = email_kind(kind, faults);
    let locale = faults.locale("locale", locale);
    Some(TemplateKey {
        kind: kind?,
        locale: locale?.to_string(),
    })
}

fn email_kind(number: i32, faults: &mut Faults) -> Option<NoticeKind> {
    let choice = faults.choice::<v1::EmailKind>("kind", number);
    choice.and_then(kind)
}

/// A template to be kept.
pub fn template_saving(
    request: &v1::SaveEmailTemplateRequest,
    faults: &mut Faults,
) -> Option<TemplateSaving> {
    let key = key(request.kind, &request.locale, faults);
    let text = faults.required("text", request.text.as_ref());
    let text = text.and_then(|message| text_of(message, faults));
    Some(TemplateSaving {
        key: key?,
        text: text?,
        etag: optional_etag(&request.etag),
    })
}

fn text_of(message: &v1::EmailTemplateText, faults: &mut Faults) -> Option<TemplateText> {
    faults.within("text", |faults| {
        let subject = faults.verbatim("subject", &message.subject, SUBJECT_BYTES_MAX);
        let text_body = faults.verbatim("text_body", &message.text_body, BODY_BYTES_MAX);
        let html_body = faults.verbatim("html_body", &message.html_body, BODY_BYTES_MAX);
        Some(TemplateText {
            subject: subject?,
            text_body: text_body?,
            html_body: html_body?,
        })
    })
}

/// A template to be reset.
pub fn template_reset(
    request: &v1::ResetEmailTemplateRequest,
    faults: &mut Faults,
) -> Option<TemplateReset> {
    Some(TemplateReset {
        key: key(request.kind, &request.locale, faults)?,
        etag: optional_etag(&request.etag),
    })
}

/// An e-mail to be shown.
pub fn trial(message: Option<&v1::EmailTrial>, faults: &mut Faults) -> Option<Trial> {
    let message = faults.required("trial", message)?;
    faults.within("trial", |faults| {
        let kind = email_kind(message.kind, faults);
        let locale = faults.optional_locale("locale", &message.locale);
        let text = match &message.text {
            None => Some(None),
            Some(message) => text_of(message, faults).map(Some),
        };
        let customer_id = faults.optional_reference("customer_id", &message.customer_id);
        let ids = &message.package_ids;
        let package_ids = faults
            .count("package_ids", ids.len(), 0..=PACKAGES_MAX)
            .and_then(|()| {
                let read = ids.iter().enumerate();
                let read =
                    read.map(|(index, id)| faults.reference(&format!("package_ids[{index}]"), id));
                // All are read before any is missed, so that all faults are told.
                read.collect::<Vec<_>>().into_iter().collect()
            });
        if message.customer_id.is_empty() && !ids.is_empty() {
            faults.add("customer_id", "must be given with package_ids");
        }
        Some(Trial {
            kind: kind?,
            locale: locale?.map(|locale| locale.to_string()),
            text: text?,
            customer_id: customer_id?,
            package_ids: package_ids?,
        })
    })
}

/// An e-mail to be sent for a trial.
pub fn test_order(request: &v1::SendTestRequest, faults: &mut Faults) -> Option<TestOrder> {
    let trial = trial(request.trial.as_ref(), faults);
    let to_address = faults.email("to_email", &request.to_email);
    if to_address == Some(None) {
        faults.add("to_email", "must be given");
    }
    Some(TestOrder {
        trial: trial?,
        to_address: to_address??,
    })
}

/// A template as a message.
pub fn to_template(shown: ShownTemplate) -> v1::EmailTemplate {
    let ShownTemplate { own, text, faults } = shown;
    let is_own = own.text.is_some();
    v1::EmailTemplate {
        kind: to_kind(own.kind).into(),
        locale: own.locale,
        text: Some(v1::EmailTemplateText {
            subject: text.subject,
            text_body: text.text_body,
            html_body: text.html_body,
        }),
        own: is_own,
        updated_at: is_own.then(|| timestamp(own.updated_at)),
        etag: etag(own.version),
        faults: faults.into_iter().take(FAULTS_MAX).map(to_fault).collect(),
    }
}

fn to_fault(fault: TextFault) -> v1::EmailTemplateFault {
    v1::EmailTemplateFault {
        field: fault.part.as_str().to_owned(),
        line: number(fault.line),
        column: number(fault.column),
        description: fault.reason,
    }
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A template with what helps to write one.
pub fn to_details(details: TemplateDetails) -> v1::GetEmailTemplateResponse {
    v1::GetEmailTemplateResponse {
        template: Some(to_template(details.template)),
        variables: details.variables.into_iter().map(to_variable).collect(),
        shipped_locales: details.shipped_locales,
    }
}

fn to_variable(variable: Variable) -> v1::EmailVariable {
    let nature = match variable.nature {
        Nature::Text => v1::EmailVariableType::Text,
        Nature::Number => v1::EmailVariableType::Number,
        Nature::YesOrNo => v1::EmailVariableType::YesOrNo,
        Nature::List => v1::EmailVariableType::List,
    };
    v1::EmailVariable {
        path: variable.path,
        r#type: nature.into(),
        description: variable.description.to_owned(),
        may_be_missing: variable.may_be_missing,
        example: variable.example,
    }
}

/// What a trial looks like, as a message.
pub fn to_preview(preview: Preview) -> v1::PreviewEmailTemplateResponse {
    v1::PreviewEmailTemplateResponse {
        locale: preview.locale,
        subject: preview.rendered.subject,
        text_body: preview.rendered.text,
        html_body: preview.rendered.html,
    }
}

//! Questions why, and their answers.

use crate::domain::credits::Credits;
use crate::domain::decide::{LeftOut, Look};
use crate::domain::refusal::Refusal;
use crate::domain::selection::Rank;
use crate::grpc::convert::package::to_balances;
use crate::grpc::convert::using::{WhatMessage, balance_query, packages, what};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::refusal;
use crate::proto::v1;
use crate::service::consume::Use;
use crate::service::explain::{Explanation, Question};

/// What is to be explained.
pub fn question(request: &v1::ExplainRequest, faults: &mut Faults) -> Option<Question> {
    match &request.question {
        None => {
            faults.add("question", "must be given: use or balance");
            None
        }
        Some(v1::explain_request::Question::Balance(query)) => faults
            .within("balance", |faults| balance_query(query, faults))
            .map(Question::Balance),
        Some(v1::explain_request::Question::Use(question)) => faults
            .within("use", |faults| use_question(question, faults))
            .map(Question::Use),
    }
}

fn use_question(question: &v1::UseQuestion, faults: &mut Faults) -> Option<Use> {
    let customer = faults.reference("customer_id", &question.customer_id);
    let what = what(question.what.as_ref().map(WhatMessage::from), faults);
    let packages = packages(&question.package_ids, faults);
    let delivered_at = faults.optional_instant("delivered_at", question.delivered_at.as_ref());
    Some(Use {
        customer: customer?,
        what: what?,
        packages: packages?,
        delivered_at: delivered_at?,
        consumed_by: None,
        note: String::new(),
    })
}

/// Why, as an answer.
pub fn to_explanation(explanation: Explanation) -> v1::ExplainResponse {
    let (reason, text) = in_words(explanation.refusal.as_ref());
    v1::ExplainResponse {
        lots: explanation.lots.into_iter().map(to_look).collect(),
        reason: reason.into(),
        explanation: text,
        as_of: Some(timestamp(explanation.as_of)),
    }
}

fn in_words(refusal: Option<&Refusal>) -> (v1::Reason, String) {
    match refusal {
        None => (v1::Reason::Unspecified, String::new()),
        Some(refusal) => (refusal::reason(refusal), refusal.to_string()),
    }
}

fn to_look((look, package_name): (Look, String)) -> v1::ExplainedLot {
    let (reason, explanation) = match &look.why_not {
        None if look.taken > Credits::ZERO => in_words(None),
        None => (v1::Reason::Unspecified, "it is not needed".to_owned()),
        Some(LeftOut::NotNamed) => (
            v1::Reason::Unspecified,
            "other packages were named".to_owned(),
        ),
        Some(LeftOut::UsedUp) => (
            v1::Reason::PackageUsedUp,
            "nothing is available in it".to_owned(),
        ),
        Some(LeftOut::Refused(refusal)) => in_words(Some(refusal)),
    };
    v1::ExplainedLot {
        lot_id: look.lot.id.to_string(),
        package_id: look.lot.package_id.to_string(),
        package_name,
        line_id: look.lot.line.id.to_string(),
        credit_type_id: look.lot.line.credit_type_id.to_string(),
        balances: Some(to_balances(&look.lot.fold.balances)),
        taken: look.taken.to_string(),
        rank: look.rank.map_or(v1::LotRank::Unspecified, to_rank).into(),
        reason: reason.into(),
        explanation,
    }
}

fn to_rank(rank: Rank) -> v1::LotRank {
    match rank {
        Rank::Named => v1::LotRank::Named,
        Rank::Priority => v1::LotRank::Priority,
        Rank::Expiry => v1::LotRank::Expiry,
        Rank::Narrowness => v1::LotRank::Narrowness,
        Rank::UnitValue => v1::LotRank::UnitValue,
        Rank::Age => v1::LotRank::Age,
        Rank::Id => v1::LotRank::Id,
    }
}

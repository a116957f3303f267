//! Prices, tiers, quotes and the rules of selling as messages.

use crate::domain::credits::Credits;
use crate::domain::invoice::IssueWhen;
use crate::domain::money::Currency;
use crate::domain::overlap::{Overlap, SellingRules};
use crate::domain::pricing::{
    CarryOver, Pricing, QUANTITY_MAX, QuantityChoice, SubscriptionPrice, Tier,
};
use crate::grpc::convert::common::{amount, money, period, to_money, to_period};
use crate::grpc::faults::Faults;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::quotes::{Quote, QuoteEntry};

/// The most tiers of a template.
const TIERS_MAX: usize = 50;
/// The most customers who share one package.
const SHARE_MAX: i32 = 100;

/// What a template asks besides its price.
pub fn pricing(message: &v1::Template, caller: &Caller, faults: &mut Faults) -> Option<Pricing> {
    let Some(message) = &message.pricing else {
        return Some(Pricing::default());
    };
    faults.within("pricing", |faults| read_pricing(message, caller, faults))
}

fn read_pricing(
    message: &v1::TemplatePricing,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<Pricing> {
    let quantity = match &message.quantity {
        None => Some(None),
        Some(choice) => faults
            .within("quantity", |faults| quantity_choice(choice, faults))
            .map(Some),
    };
    let tiers = tiers(message, caller, faults);
    let subscription = match &message.subscription {
        None => Some(None),
        Some(price) => faults
            .within("subscription", |faults| {
                subscription_price(price, caller, faults)
            })
            .map(Some),
    };
    if message.subscription_only && message.subscription.is_none() {
        faults.add("subscription_only", "needs a price in subscription");
    }
    let (quantity, tiers) = (quantity?, tiers?);
    check_tiers(quantity, &tiers, faults);
    Some(Pricing {
        quantity,
        tiers,
        subscription: subscription?,
        is_subscription_only: message.subscription_only,
    })
}

fn quantity_choice(message: &v1::QuantityChoice, faults: &mut Faults) -> Option<QuantityChoice> {
    let minimum = units(faults, "minimum", message.minimum);
    let maximum = match message.maximum {
        0 => Some(None),
        maximum => units(faults, "maximum", maximum).map(Some),
    };
    let step = match message.step {
        0 => Some(1),
        step => units(faults, "step", step),
    };
    let (minimum, maximum) = (minimum?, maximum?);
    if maximum.is_some_and(|maximum| maximum < minimum) {
        faults.add("maximum", "must not be below the minimum");
    }
    Some(QuantityChoice {
        minimum,
        maximum,
        step: step?,
    })
}

fn tiers(message: &v1::TemplatePricing, caller: &Caller, faults: &mut Faults) -> Option<Vec<Tier>> {
    faults.count("tiers", message.tiers.len(), 0..=TIERS_MAX)?;
    let read: Vec<Option<Tier>> = message
        .tiers
        .iter()
        .enumerate()
        .map(|(index, tier)| {
            faults.within_item("tiers", index, |faults| {
                let minimum = units(faults, "minimum_quantity", tier.minimum_quantity);
                let price = faults
                    .required("unit_price", tier.unit_price.as_ref())
                    .and_then(|price| money(faults, "unit_price", price, caller.business.currency));
                Some(Tier {
                    minimum_quantity: minimum?,
                    unit_price_minor: price?,
                })
            })
        })
        .collect();
    read.into_iter().collect()
}

/// Tiers rise, and each can be reached and missed.
fn check_tiers(quantity: Option<QuantityChoice>, tiers: &[Tier], faults: &mut Faults) {
    let Some(choice) = quantity else {
        if !tiers.is_empty() {
            faults.add("tiers", "need a quantity that is chosen");
        }
        return;
    };
    let mut below = choice.minimum;
    for (index, tier) in tiers.iter().enumerate() {
        let field = format!("tiers[{index}].minimum_quantity");
        if tier.minimum_quantity <= below {
            faults.add(&field, format!("must be above {below}"));
        }
        if let Some(maximum) = choice.maximum
            && tier.minimum_quantity > maximum
        {
            faults.add(
                &field,
                format!("must not be above the maximum of {maximum}"),
            );
        }
        below = tier.minimum_quantity;
    }
}

fn subscription_price(
    message: &v1::SubscriptionPrice,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<SubscriptionPrice> {
    let price = faults
        .required("price", message.price.as_ref())
        .and_then(|price| money(faults, "price", price, caller.business.currency));
    let every = faults
        .required("every", message.every.as_ref())
        .and_then(|every| faults.within("every", |faults| period(faults, every.count, every.unit)));
    let carry_over = carry_over(message, faults);
    Some(SubscriptionPrice {
        price_minor: price?,
        every: every?,
        carry_over: carry_over?,
    })
}

fn carry_over(message: &v1::SubscriptionPrice, faults: &mut Faults) -> Option<CarryOver> {
    let kind = match message.carry_over {
        0 => v1::CarryOver::None,
        number => faults.choice("carry_over", number)?,
    };
    if kind == v1::CarryOver::Capped {
        return units(faults, "carry_over_max", message.carry_over_max).map(CarryOver::Capped);
    }
    if message.carry_over_max != 0 {
        faults.add("carry_over_max", "must be 0 unless carry_over is CAPPED");
        return None;
    }
    Some(match kind {
        v1::CarryOver::All => CarryOver::All,
        v1::CarryOver::Unspecified | v1::CarryOver::None | v1::CarryOver::Capped => CarryOver::None,
    })
}

/// What is carried over, as a message says it, with its cap.
pub fn to_carry_over(agreed: CarryOver) -> (v1::CarryOver, i32) {
    match agreed {
        CarryOver::None => (v1::CarryOver::None, 0),
        CarryOver::Capped(most) => (v1::CarryOver::Capped, to_units(most)),
        CarryOver::All => (v1::CarryOver::All, 0),
    }
}

/// What selling a template depends on besides its price.
pub fn selling_rules(message: &v1::Template, faults: &mut Faults) -> Option<SellingRules> {
    let Some(message) = &message.selling else {
        return Some(SellingRules::default());
    };
    faults.within("selling", |faults| {
        let overlap = match message.overlap {
            0 => Some(v1::OverlapPolicy::Allow),
            number => faults.choice::<v1::OverlapPolicy>("overlap", number),
        };
        let share_max = match message.share_max {
            0 => Some(1),
            most => faults.number("share_max", most, 1..=SHARE_MAX),
        };
        let issue_when = issue_when(faults, message.issue_when);
        let overlap = match overlap? {
            v1::OverlapPolicy::Reject => Overlap::Reject,
            v1::OverlapPolicy::RejectUntilComplete => Overlap::RejectUntilComplete,
            v1::OverlapPolicy::Queue => Overlap::Queue,
            v1::OverlapPolicy::Allow | v1::OverlapPolicy::Unspecified => Overlap::Allow,
        };
        Some(SellingRules {
            is_freestyle: message.freestyle,
            overlap,
            is_online: message.online,
            share_max: u32::try_from(share_max?).ok()?,
            issue_when: issue_when?,
        })
    })
}

/// When packages are issued that are to be paid; none: as something else says.
pub fn issue_when(faults: &mut Faults, number: i32) -> Option<Option<IssueWhen>> {
    if number == 0 {
        return Some(None);
    }
    let chosen = faults.choice::<v1::IssueWhen>("issue_when", number)?;
    Some(match chosen {
        v1::IssueWhen::Unspecified => None,
        v1::IssueWhen::Issued => Some(IssueWhen::Issued),
        v1::IssueWhen::FirstPaid => Some(IssueWhen::FirstPaid),
        v1::IssueWhen::FullyPaid => Some(IssueWhen::FullyPaid),
    })
}

/// When packages are issued that are to be paid, as a message.
pub fn to_issue_when(issue_when: Option<IssueWhen>) -> v1::IssueWhen {
    match issue_when {
        None => v1::IssueWhen::Unspecified,
        Some(IssueWhen::Issued) => v1::IssueWhen::Issued,
        Some(IssueWhen::FirstPaid) => v1::IssueWhen::FirstPaid,
        Some(IssueWhen::FullyPaid) => v1::IssueWhen::FullyPaid,
    }
}

/// A number of units, above 0.
fn units(faults: &mut Faults, field: &str, number: i32) -> Option<u32> {
    let most = i32::try_from(QUANTITY_MAX).unwrap_or(i32::MAX);
    let number = faults.number(field, number, 1..=most)?;
    u32::try_from(number).ok()
}

/// A number of units that may be left out.
pub fn optional_units(faults: &mut Faults, field: &str, number: i32) -> Option<Option<u32>> {
    match number {
        0 => Some(None),
        number => units(faults, field, number).map(Some),
    }
}

/// A whole number of units that is told as a decimal like other quantities, and may be left out.
pub fn whole_units(faults: &mut Faults, field: &str, text: &str) -> Option<Option<u32>> {
    if text.is_empty() {
        return Some(None);
    }
    let millionths = amount(faults, field, text)?.millionths();
    let unit = Credits::UNIT.millionths();
    let units = millionths.checked_div(unit);
    let units = units.filter(|_| millionths.checked_rem(unit) == Some(0));
    if let Some(number) = units.and_then(|units| i32::try_from(units).ok()) {
        self::units(faults, field, number).map(Some)
    } else {
        faults.add(field, "must be a whole number of units");
        None
    }
}

/// What is asked.
pub fn quote_entry(request: &v1::QuoteRequest, faults: &mut Faults) -> Option<QuoteEntry> {
    let template = faults.reference("template_id", &request.template_id);
    let quantity = optional_units(faults, "quantity", request.quantity);
    Some(QuoteEntry {
        template: template?,
        quantity: quantity?,
    })
}

/// What a template asks besides its price, as a message; nothing if that is nothing.
pub fn to_pricing(pricing: &Pricing, currency: Currency) -> Option<v1::TemplatePricing> {
    (*pricing != Pricing::default()).then(|| v1::TemplatePricing {
        quantity: pricing.quantity.map(|choice| v1::QuantityChoice {
            minimum: to_units(choice.minimum),
            maximum: choice.maximum.map(to_units).unwrap_or_default(),
            step: to_units(choice.step),
        }),
        tiers: pricing
            .tiers
            .iter()
            .map(|tier| to_tier(*tier, currency))
            .collect(),
        subscription: pricing.subscription.map(|price| {
            let (carry_over, carry_over_max) = to_carry_over(price.carry_over);
            v1::SubscriptionPrice {
                price: Some(to_money(price.price_minor, currency)),
                every: Some(to_period(price.every)),
                carry_over: carry_over.into(),
                carry_over_max,
            }
        }),
        subscription_only: pricing.is_subscription_only,
    })
}

/// What selling a template depends on, as a message; nothing if that is nothing.
pub fn to_selling_rules(rules: &SellingRules) -> Option<v1::SellingRules> {
    let overlap = match rules.overlap {
        Overlap::Allow => v1::OverlapPolicy::Allow,
        Overlap::Reject => v1::OverlapPolicy::Reject,
        Overlap::RejectUntilComplete => v1::OverlapPolicy::RejectUntilComplete,
        Overlap::Queue => v1::OverlapPolicy::Queue,
    };
    (*rules != SellingRules::default()).then(|| v1::SellingRules {
        freestyle: rules.is_freestyle,
        overlap: overlap.into(),
        online: rules.is_online,
        share_max: to_units(rules.share_max),
        issue_when: to_issue_when(rules.issue_when).into(),
    })
}

fn to_units(units: u32) -> i32 {
    i32::try_from(units).unwrap_or(i32::MAX)
}

fn to_tier(tier: Tier, currency: Currency) -> v1::PriceTier {
    v1::PriceTier {
        minimum_quantity: to_units(tier.minimum_quantity),
        unit_price: Some(to_money(tier.unit_price_minor, currency)),
    }
}

/// What a quantity costs, as a message.
pub fn to_quote(quote: &Quote, currency: Currency) -> v1::Quote {
    v1::Quote {
        template_id: quote.template_id.to_string(),
        template_version: quote.template_version,
        quantity: to_units(quote.priced.quantity),
        tier: quote.priced.tier.map(|tier| to_tier(tier, currency)),
        unit_price: Some(to_money(quote.priced.unit_price_minor, currency)),
        net: Some(to_money(quote.price.net_minor, currency)),
        tax: Some(to_money(quote.price.tax_minor, currency)),
        total: Some(to_money(quote.price.total_minor, currency)),
        next_cheaper: quote.cheaper.map(|(cheaper, price)| v1::CheaperTier {
            tier: Some(to_tier(cheaper.tier, currency)),
            quantity: to_units(cheaper.quantity),
            total: Some(to_money(price.total_minor, currency)),
        }),
    }
}

//! What a template asks for how much (A7, A8): a fixed quantity or one that the customer chooses, volume
//! tiers, and the price of a subscription.
//!
//! A chosen quantity is a whole number of units. Each unit is once what the template's only line holds and
//! costs once the template's price, or the unit price of the tier that the whole quantity reaches. What is
//! sold by subscription is only defined here.

use serde::{Deserialize, Serialize};

use crate::domain::refusal::{Refusal, SellingRefusal};
use crate::domain::validity::Period;
use crate::ids::TemplateId;

/// The most units of one package.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// What a template asks besides its price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Which quantities can be chosen; none: the quantity is fixed.
    pub quantity: Option<QuantityChoice>,
    /// Other unit prices from some quantity on, by rising quantities.
    pub tiers: Vec<Tier>,
    /// What a subscription costs; none: it is not sold so.
    pub subscription: Option<SubscriptionPrice>,
    /// Whether it is sold by subscription only.
    pub is_subscription_only: bool,
}

/// The quantities that a customer can choose from: `minimum`, and then by steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityChoice {
    /// The least; above 0.
    pub minimum: u32,
    /// The most; none: [`QUANTITY_MAX`].
    pub maximum: Option<u32>,
    /// By how much it can rise; above 0.
    pub step: u32,
}

/// The price of each unit from some quantity on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// From how many units on.
    pub minimum_quantity: u32,
    /// What each of all the units costs then, in minor units.
    pub unit_price_minor: i64,
}

/// What a template costs by subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionPrice {
    /// What one unit costs each time, in minor units.
    pub price_minor: i64,
    /// How often it is paid.
    pub every: Period,
    /// What of a period's unused credits goes on into the next one.
    pub carry_over: CarryOver,
}

/// What of a period's unused credits goes on into the next one (C6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarryOver {
    /// Nothing.
    None,
    /// The oldest ones, at most so many of each credit type.
    Capped(u32),
    /// All of them.
    All,
}

/// What a quantity costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priced {
    /// How many units.
    pub quantity: u32,
    /// The tier that they reach; none: the template's price holds.
    pub tier: Option<Tier>,
    /// What each unit costs, in minor units.
    pub unit_price_minor: i64,
    /// What all of them cost, in minor units, as the business writes prices.
    pub price_minor: i64,
}

/// A tier with a lower unit price than the one that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cheaper {
    /// The tier.
    pub tier: Tier,
    /// The least quantity that can be chosen and reaches it.
    pub quantity: u32,
    /// What all of that costs, in minor units, as the business writes prices.
    pub price_minor: i64,
}

impl QuantityChoice {
    fn maximum(&self) -> u32 {
        self.maximum.unwrap_or(QUANTITY_MAX)
    }

    /// Refuses a quantity that cannot be chosen.
    fn check(&self, quantity: u32) -> Result<(), SellingRefusal> {
        let minimum = self.minimum;
        if quantity < minimum {
            return Err(SellingRefusal::QuantityBelowMinimum { quantity, minimum });
        }
        let maximum = self.maximum();
        if quantity > maximum {
            return Err(SellingRefusal::QuantityAboveMaximum { quantity, maximum });
        }
        let step = self.step;
        let above = quantity.saturating_sub(minimum);
        if above.checked_rem(step) == Some(0) {
            Ok(())
        } else {
            Err(SellingRefusal::QuantityOffStep {
                quantity,
                minimum,
                step,
            })
        }
    }

    /// The least quantity that can be chosen and is not below `wanted`.
    fn reaching(&self, wanted: u32) -> Option<u32> {
        let above = wanted.saturating_sub(self.minimum);
        let steps = above.div_ceil(self.step.max(1));
        let quantity = self.minimum.checked_add(steps.checked_mul(self.step)?)?;
        (quantity <= self.maximum()).then_some(quantity)
    }
}

impl Pricing {
    /// Refuses a chosen quantity over more than one line: it would not say of which line.
    ///
    /// # Errors
    /// [`SellingRefusal::ChosenQuantityNeedsOneLine`].
    pub fn check_lines(&self, lines: usize) -> Result<(), Refusal> {
        if self.quantity.is_some() && lines > 1 {
            return Err(SellingRefusal::ChosenQuantityNeedsOneLine { lines }.into());
        }
        Ok(())
    }

    /// The quantity that is meant where none is named: the least.
    pub fn least(&self) -> u32 {
        self.quantity.map_or(1, |choice| choice.minimum)
    }

    /// Refuses a quantity that is not offered.
    ///
    /// # Errors
    /// [`SellingRefusal::QuantityFixed`], [`SellingRefusal::QuantityBelowMinimum`],
    /// [`SellingRefusal::QuantityAboveMaximum`], [`SellingRefusal::QuantityOffStep`].
    pub fn check(&self, template_id: TemplateId, quantity: u32) -> Result<(), Refusal> {
        match &self.quantity {
            Some(choice) => Ok(choice.check(quantity)?),
            None if quantity == 1 => Ok(()),
            None => Err(SellingRefusal::QuantityFixed {
                template_id,
                quantity,
            }
            .into()),
        }
    }

    /// What a quantity costs where one unit costs `list_price_minor` as long as it reaches no tier; whether
    /// it is offered is for [`Pricing::check`].
    ///
    /// # Errors
    /// [`Refusal::AmountTooLarge`].
    pub fn priced(&self, list_price_minor: i64, quantity: u32) -> Result<Priced, Refusal> {
        let reached = self.tiers.iter().rev();
        let tier = reached
            .copied()
            .find(|tier| tier.minimum_quantity <= quantity);
        let unit_price_minor = tier.map_or(list_price_minor, |tier| tier.unit_price_minor);
        Ok(Priced {
            quantity,
            tier,
            unit_price_minor,
            price_minor: times(unit_price_minor, quantity)?,
        })
    }

    /// The next tier above a quantity whose unit price is lower and that can be reached.
    ///
    /// # Errors
    /// [`Refusal::AmountTooLarge`].
    pub fn cheaper(&self, priced: &Priced) -> Result<Option<Cheaper>, Refusal> {
        let Some(choice) = &self.quantity else {
            return Ok(None);
        };
        for tier in &self.tiers {
            if tier.minimum_quantity <= priced.quantity
                || tier.unit_price_minor >= priced.unit_price_minor
            {
                continue;
            }
            let Some(quantity) = choice.reaching(tier.minimum_quantity) else {
                return Ok(None);
            };
            return Ok(Some(Cheaper {
                tier: *tier,
                quantity,
                price_minor: times(tier.unit_price_minor, quantity)?,
            }));
        }
        Ok(None)
    }
}

fn times(unit_price_minor: i64, quantity: u32) -> Result<i64, Refusal> {
    let price = unit_price_minor.checked_mul(i64::from(quantity));
    price.ok_or(Refusal::AmountTooLarge)
}

#[cfg(test)]
mod tests;

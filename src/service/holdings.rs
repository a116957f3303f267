//! What is held on a customer (B5) and no list tells: who was merged into it, its sales, and its addresses that
//! nothing is sent to.

use crate::domain::customer::Customer;
use crate::domain::email::Suppression;
use crate::ids::{CustomerId, Reference, SaleId};
use crate::service::buyers::check_there;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{customers, sales, suppressions};

/// Which sales to a customer.
#[derive(Clone, Copy, Debug)]
pub struct SalesOf {
    /// To whom.
    pub customer_id: CustomerId,
    /// Below this one.
    pub before: Option<SaleId>,
    /// How many at most.
    pub limit: u64,
}

/// A customer, and then those who were merged into it.
///
/// # Errors
/// `NOT_FOUND`, `CUSTOMER_MERGED`, `CUSTOMER_ERASED`.
pub async fn people(
    ctx: &Context,
    call: &Call,
    reference: &Reference<CustomerId>,
) -> Result<Vec<Customer>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let id = resolve::customer(reader, business_id, reference).await?;
    let found = customers::get(reader, business_id, id).await?;
    let customer = found.ok_or_else(|| resolve::not_found("customer", reference))?;
    check_there(&customer)?;
    let merged = customers::merged_into(reader, business_id, id).await?;
    let mut people = vec![customer];
    people.extend(customers::by_ids(reader, business_id, merged).await?);
    Ok(people)
}

/// A page of the sales to a customer, newest first.
pub async fn sales(
    ctx: &Context,
    call: &Call,
    input: &SalesOf,
) -> Result<Vec<SaleId>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let SalesOf {
        customer_id,
        before,
        limit,
    } = *input;
    Ok(sales::ids_of_customer(reader, business_id, customer_id, before, limit).await?)
}

/// What is known of an address that nothing is sent to.
pub async fn suppression(
    ctx: &Context,
    call: &Call,
    address: &str,
) -> Result<Option<Suppression>, ServiceError> {
    Ok(suppressions::get(ctx.db.reader(), call.business_id(), address).await?)
}

//! The poolers that `CARNET_TEST_POOLERS` names (`HOST:PORT HOST:PORT`), if tests are to run behind some: the first is
//! for everything but batches, the second for batches. Both lead to the PostgreSQL of `CARNET_TEST_POSTGRES`.

use carnet::config::Settings;

use crate::support::postgres;

/// Leads a server to its database by way of the poolers, if there are any and it is on that PostgreSQL.
pub(crate) fn lead(settings: &mut Settings) {
    let Some(poolers) = std::env::var_os("CARNET_TEST_POOLERS") else {
        return;
    };
    let url = settings.database.database_url.expose().to_owned();
    let address = postgres::address_of(&url);
    if address != postgres::address_of(&postgres::shared().url_of("postgres")) {
        return;
    }
    let poolers = poolers.into_string().unwrap();
    let (general, batches) = poolers.split_once(' ').expect("two poolers");
    let by = |pooler| url.replacen(address, pooler, 1).parse().unwrap();
    settings.database.database_url = by(general);
    settings.database.database_batches_url = Some(by(batches));
}

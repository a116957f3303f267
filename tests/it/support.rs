//! What the tests stand on.

pub(crate) mod app;
pub(crate) mod fresh;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod refused;
#[expect(
    dead_code,
    reason = "the catalogue and the customers are not served yet"
)]
pub(crate) mod shop;
pub(crate) mod smtp;
pub(crate) mod tenant;
pub(crate) mod tls;

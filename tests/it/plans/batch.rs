//! What a batch of uses executes, by how many uses it has.

use carnet::ids::CustomerId;
use carnet::proto::v1;
use carnet::store::db::Database as Connection;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::heard::Heard;
use super::large::{Large, OF_ONE_OWNER, key};
use super::postgres::{NOTICES, Plan};

/// Customers with one package each, so many at once, while nobody can write: what comes second is one batch.
pub(super) async fn use_at_once(large: &Large, heard: &Heard, from: u32, uses: u32) -> Vec<Plan> {
    let connect = || Connection::connect(&large.fresh.url, 1);
    let (holding, watching) = (connect().await.unwrap(), connect().await.unwrap());
    let held = holding.begin().await.unwrap();
    let lock = "LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE";
    held.execute_unprepared(lock).await.unwrap();
    heard.take(NOTICES);
    let calls = (0..=uses).map(|call| {
        let customer = CustomerId::from_uuid(key(OF_ONE_OWNER + from + call));
        let shop = &large.seeds.shop;
        let request = v1::ConsumeRequest {
            request_id: large.tenant.request_id(),
            customer_id: customer.to_string(),
            ..shop.use_lessons("1")
        };
        let mut credits = large.tenant.credits();
        async move { credits.consume(request).await }
    });
    let release = async {
        until_somebody_waits(&watching).await;
        held.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(calls), release);
    for answer in answers {
        answer.unwrap();
    }
    for connection in [holding, watching] {
        connection.close().await.unwrap();
    }
    let notices = heard.take(NOTICES);
    notices
        .iter()
        .filter_map(|notice| Plan::read(notice))
        .collect()
}

async fn until_somebody_waits(watching: &Connection) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    loop {
        let statement = Statement::from_string(DbBackend::Postgres, waiting);
        let row = watching.reader().query_one_raw(statement).await;
        if row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap() > 0 {
            return;
        }
    }
}

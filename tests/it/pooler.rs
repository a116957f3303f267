//! A pooler that shares sessions drops what a connection asks for when it begins. A server notices before it serves; how
//! it serves behind one that sets the same itself is the step `pooler` of `.ci/acceptance`.

use carnet::app::App;
use carnet::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Result, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::app::{Postgres, Sqlite, settings};
use crate::support::fresh::Fresh;
use crate::support::postgres;

/// Takes connections to the PostgreSQL of the tests, and has them ask for something else than our settings. Its address.
async fn forgetful_pooler() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = postgres::shared().url_of("postgres");
    let target = postgres::address_of(&target).to_owned();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(forget_options(near, target.clone()));
        }
    });
    address
}

async fn forget_options(mut near: TcpStream, target: String) -> Result<()> {
    let length = near.read_u32().await?;
    let mut asked = vec![0; usize::try_from(length).unwrap() - 4];
    near.read_exact(&mut asked).await?;
    // The name of the option becomes that of one for an extension that is not there, which PostgreSQL ignores.
    let name = b"\0options\0";
    let at = asked.windows(name.len()).position(|part| part == name);
    asked[at.unwrap()..][..name.len()].copy_from_slice(b"\0nob.ody\0");
    let mut far = TcpStream::connect(target).await?;
    far.write_u32(length).await?;
    far.write_all(&asked).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

/// The same database by another address.
fn by(url: &str, address: &str) -> String {
    url.replacen(postgres::address_of(url), address, 1)
}

#[tokio::test]
async fn a_pooler_that_drops_what_sessions_ask_for_is_refused() {
    let fresh = Fresh::migrated(Postgres).await;
    let pooler = by(&fresh.url, &forgetful_pooler().await);

    let refused = App::build(settings(&pooler), Clock::System).await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(
        refused.contains("connections to the database")
            && refused.contains("lock_timeout is 0 and not 10000")
            && refused.contains("plan_cache_mode is auto and not force_generic_plan"),
        "{refused}"
    );

    let mut batches = settings(&fresh.url);
    batches.database.database_batches_url = Some(pooler.parse().unwrap());
    let refused = App::build(batches, Clock::System).await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(
        refused.contains("connections for batches")
            && refused.contains("lock_timeout is 0 and not 50,")
            && refused.contains("enable_seqscan is on and not off"),
        "{refused}"
    );
    fresh.remove().await;
}

#[tokio::test]
async fn sqlite_has_no_other_way_for_batches() {
    let fresh = Fresh::migrated(Sqlite).await;
    let mut settings = settings(&fresh.url);
    settings.database.database_batches_url = Some(fresh.url.parse().unwrap());
    let refused = App::build(settings, Clock::System).await.unwrap_err();
    assert!(
        format!("{refused:#}").contains("only PostgreSQL"),
        "{refused:#}"
    );
}

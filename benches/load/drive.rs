//! Keeps calls under way and measures them.
//!
//! Closed loop: each caller makes its next call when the one before is answered. Open loop: each caller
//! has its moments, a fixed time apart; a call that begins late because the one before took long is
//! measured from its moment on, so that a server that stalls is not measured less often.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::calls::{Caller, Supply, Work};
use crate::dataset::Dataset;
use crate::report::{Outcome, Tally};
use crate::selling::Seller;
use crate::{CloseArgs, ReadArgs, RunArgs, reading};

/// When a run is over.
#[derive(Clone, Debug)]
enum End {
    /// At this moment.
    At(Instant),
    /// When this is set.
    Told(Arc<AtomicBool>),
}

impl End {
    fn is_here(&self) -> bool {
        match self {
            Self::At(end) => Instant::now() >= *end,
            Self::Told(told) => told.load(Ordering::Relaxed),
        }
    }
}

/// When the calls of one caller begin.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// Each as soon as the one before is answered.
    Closed,
    /// At `first`, and every `every` after.
    Open { first: Instant, every: Duration },
}

/// How one caller works.
#[derive(Clone, Debug)]
struct Course {
    work: Work,
    pace: Pace,
    measure_from: Instant,
    end: End,
}

/// Makes the calls and measures them.
pub(crate) async fn run(args: &RunArgs) -> anyhow::Result<Outcome> {
    let dataset = Dataset::read(&args.dataset)?;
    let channels = connect(&args.address, args.connections).await?;
    let mut seller = Seller::new(&dataset, endpoint(&args.address)?.connect_lazy())?;
    if args.work == Work::ListUsable {
        seller.fill_holder(args.holding).await?;
    }
    let began = Instant::now();
    let measure_from = began + Duration::from_secs(args.warm_up_seconds);
    let told = Arc::new(AtomicBool::new(false));
    let end = match args.while_selling {
        Some(_) => End::Told(Arc::clone(&told)),
        None => End::At(measure_from + Duration::from_secs(args.seconds)),
    };
    let supply = Supply::new(args.supply_from..args.supply_from.saturating_add(args.supply));
    let mut callers = JoinSet::new();
    for (index, channel) in (0..args.in_flight).zip(channels.iter().cycle()) {
        let random = SmallRng::seed_from_u64(index.into());
        let caller = Caller::new(
            &dataset,
            channel.clone(),
            random,
            supply.clone(),
            args.holding,
        )?;
        let course = Course {
            work: args.work,
            pace: pace(args, began, index),
            measure_from,
            end: end.clone(),
        };
        callers.spawn(follow(caller, course));
    }
    if let Some(packages) = args.while_selling {
        tokio::time::sleep_until(measure_from.into()).await;
        let sold = seller.sell(packages).await;
        told.store(true, Ordering::Relaxed);
        sold.context("the other business could not sell")?;
    }
    let mut tally = Tally::new()?;
    while let Some(counted) = callers.join_next().await {
        tally.add(counted??)?;
    }
    Ok(Outcome {
        work: args.work.name(),
        in_flight: args.in_flight,
        rate: args.rate,
        measured: measure_from.elapsed(),
        tally,
    })
}

/// Closes the business that sells for some days.
pub(crate) async fn close(args: &CloseArgs) -> anyhow::Result<Value> {
    let dataset = Dataset::read(&args.dataset)?;
    let channel = endpoint(&args.address)?.connect().await?;
    Seller::new(&dataset, channel)?.close().await
}

/// Reads a report to its end.
pub(crate) async fn read(args: &ReadArgs) -> anyhow::Result<Value> {
    let dataset = Dataset::read(&args.dataset)?;
    let channel = endpoint(&args.address)?.connect().await?;
    reading::read(&dataset, channel, args.report).await
}

async fn connect(address: &str, connections: u32) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _ in 0..connections.max(1) {
        channels.push(endpoint(address)?.connect().await?);
    }
    Ok(channels)
}

fn endpoint(address: &str) -> anyhow::Result<Endpoint> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true))
}

/// The moments of the caller `index`: those of all callers together are evenly apart.
fn pace(args: &RunArgs, began: Instant, index: u32) -> Pace {
    let Some(rate) = args.rate.filter(|rate| *rate > 0) else {
        return Pace::Closed;
    };
    let apart = Duration::from_secs(1) / rate;
    Pace::Open {
        first: began + apart.saturating_mul(index),
        every: apart.saturating_mul(args.in_flight),
    }
}

/// Makes calls until the end and counts those that began when it was time to measure.
async fn follow(mut caller: Caller, course: Course) -> anyhow::Result<Tally> {
    let mut tally = Tally::new()?;
    let mut moment = match course.pace {
        Pace::Closed => None,
        Pace::Open { first, .. } => Some(first),
    };
    while !course.end.is_here() {
        if let Some(moment) = moment {
            tokio::time::sleep_until(moment.into()).await;
        }
        let began = moment.unwrap_or_else(Instant::now);
        let ended = caller.call(course.work).await;
        match ended {
            Ok(ControlFlow::Break(())) => break,
            Ok(ControlFlow::Continue(())) if began >= course.measure_from => {
                tally.done(began.elapsed());
            }
            Ok(ControlFlow::Continue(())) => {}
            Err(error) => tally.failed(&error),
        }
        if let Pace::Open { every, .. } = course.pace {
            moment = moment.map(|moment| moment + every);
        }
    }
    Ok(tally)
}

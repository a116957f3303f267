//! Whether an e-mail may go out now: the rest of the transport, and the limit of all e-mails in a minute.
//!
//! Both are kept in the transport's row, so all replicas keep them together. While all is well and there is no
//! limit nothing is written, only the row is read.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::breaker::Leave;
use crate::mail::transport::Outcome;
use crate::service::{Context, ServiceError};
use crate::store::transports::{self, TransportState};

/// The gate of one way out.
#[derive(Clone)]
pub(super) struct Gate {
    /// What the transport is known by.
    pub(super) name: String,
    /// How many e-mails it takes in any minute at most.
    pub(super) per_minute_max: Option<u32>,
    /// The longest that a try can take.
    pub(super) attempt_max: TimeDelta,
}

/// Leave to send one e-mail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// Whether all others wait for what comes of it.
    pub(super) is_probe: bool,
    /// When it was counted.
    counted_at: DateTime<Utc>,
}

impl Gate {
    /// Asks to send so many e-mails, which count from now on; as many passes as may go out now.
    pub(super) async fn ask(
        &self,
        ctx: &Context,
        emails: usize,
    ) -> Result<Vec<Pass>, ServiceError> {
        if emails == 0 {
            return Ok(Vec::new());
        }
        let known = transports::get(ctx.db.reader(), &self.name).await?;
        let rests_until = known.breaker.rests_until;
        let counted_at = ctx.clock.now();
        if rests_until.is_some_and(|until| counted_at < until) {
            return Ok(Vec::new());
        }
        if rests_until.is_none() && self.per_minute_max.is_none() {
            let pass = Pass {
                is_probe: false,
                counted_at,
            };
            return Ok(vec![pass; emails]);
        }
        let txn = ctx.db.begin().await?;
        let mut state = transports::lock(&txn, &self.name).await?;
        let now = ctx.clock.now();
        let passes: Vec<Pass> = (0..emails)
            .map_while(|_| self.one_more(&mut state, now))
            .collect();
        if passes.is_empty() {
            txn.rollback().await?;
        } else {
            transports::update(&txn, &self.name, &state).await?;
            txn.commit().await?;
        }
        Ok(passes)
    }

    fn one_more(&self, state: &mut TransportState, now: DateTime<Utc>) -> Option<Pass> {
        let leave = state.breaker.ask(now, self.attempt_max);
        let limit = self.per_minute_max;
        if leave == Leave::Rest || limit.is_some_and(|max| !state.sent.take(now, max)) {
            return None;
        }
        Some(Pass {
            is_probe: leave == Leave::Probe,
            counted_at: now,
        })
    }

    /// Notes what came of an e-mail; says until when the transport rests, if it failed.
    pub(super) async fn note(
        &self,
        ctx: &Context,
        pass: Pass,
        outcome: &Outcome,
    ) -> Result<Option<DateTime<Utc>>, ServiceError> {
        let Outcome::NotTried { stage, .. } = outcome else {
            if pass.is_probe {
                self.change(ctx, |state, _| state.breaker.answered())
                    .await?;
                let name = &self.name;
                tracing::info!("the mail server {name} answers again");
            }
            return Ok(None);
        };
        let rests_until = self.change(ctx, |state, now| state.breaker.failed(now));
        let rests_until = rests_until.await?;
        let seconds = rests_until.map_or(0, |until| {
            until.signed_duration_since(ctx.clock.now()).num_seconds()
        });
        tracing::warn!(%stage, seconds, "no mail server at stage {stage}; resting for {seconds} s");
        Ok(rests_until)
    }

    /// Gives back leave that was not needed.
    pub(super) async fn give_back(
        &self,
        ctx: &Context,
        passes: &[Pass],
    ) -> Result<(), ServiceError> {
        let is_noted = |pass: &Pass| pass.is_probe || self.per_minute_max.is_some();
        if !passes.iter().any(is_noted) {
            return Ok(());
        }
        let give_back = |state: &mut TransportState, _| {
            for pass in passes {
                state.sent.give_back(pass.counted_at);
                if pass.is_probe {
                    state.breaker.give_back();
                }
            }
        };
        self.change(ctx, give_back).await
    }

    async fn change<T>(
        &self,
        ctx: &Context,
        change: impl FnOnce(&mut TransportState, DateTime<Utc>) -> T,
    ) -> Result<T, ServiceError> {
        let txn = ctx.db.begin().await?;
        let mut state = transports::lock(&txn, &self.name).await?;
        let changed = change(&mut state, ctx.clock.now());
        transports::update(&txn, &self.name, &state).await?;
        txn.commit().await?;
        Ok(changed)
    }
}

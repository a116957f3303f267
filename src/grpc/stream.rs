//! Streamed answers: a task of ours makes them, and a short queue hands them over to the connection.
//!
//! Nothing of the database is held while a message waits for its reader, and a reader that takes nothing for
//! too long is cut off with an error of its own: what it has got tells where to go on. A stream ends when the
//! server stops, so that it keeps no stop waiting.

use std::time::Duration;

use tokio::sync::mpsc::{OwnedPermit, Sender, channel};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::grpc::layers::panic::internal;
use crate::grpc::status::Failure;
use crate::proto::v1::Reason;
use crate::service::readiness::{NotReady, Readiness};

/// How many messages wait for their reader.
const WAITING_MAX: usize = 4;
/// How long a message waits for its reader.
const READER_WAIT: Duration = Duration::from_secs(30);

/// A stream of messages as the server framework takes it.
pub type Messages<T> = ReceiverStream<Result<T, Status>>;

/// Why no more messages are wanted.
#[derive(Clone, Debug)]
pub enum End {
    /// The reader is gone.
    Gone,
    /// The reader is to be told why.
    Told(Box<Status>),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Told(Box::new(status))
    }
}

/// The end of a stream where messages go in.
#[derive(Debug)]
pub struct Feeder<T> {
    messages: Sender<Result<T, Status>>,
    /// The place that is kept for the last word.
    last: OwnedPermit<Result<T, Status>>,
    readiness: watch::Receiver<Result<(), NotReady>>,
}

impl<T> Feeder<T> {
    /// A stream, and where its messages go in.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn open(readiness: &Readiness) -> Result<(Self, Messages<T>), Status> {
        let (messages, stream) = channel(WAITING_MAX.saturating_add(1));
        let last = messages.clone().try_reserve_owned();
        let feeder = Self {
            messages,
            last: last.map_err(|_| internal())?,
            readiness: readiness.watch(),
        };
        Ok((feeder, ReceiverStream::new(stream)))
    }

    /// Hands a message over as soon as there is room for it.
    ///
    /// # Errors
    /// Why there will be none.
    pub async fn send(&mut self, message: T) -> Result<(), End> {
        let place = self.messages.reserve();
        tokio::select! {
            place = timeout(READER_WAIT, place) => match place {
                Ok(Ok(place)) => {
                    place.send(Ok(message));
                    Ok(())
                }
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => Err(too_slow().into()),
            },
            end = stopping(&mut self.readiness) => Err(end),
        }
    }

    /// Waits, as long as somebody reads.
    ///
    /// # Errors
    /// Why nobody does.
    pub async fn pause(&mut self, length: Duration) -> Result<(), End> {
        tokio::select! {
            () = sleep(length) => Ok(()),
            () = self.messages.closed() => Err(End::Gone),
            end = stopping(&mut self.readiness) => Err(end),
        }
    }

    /// Ends the stream.
    pub fn end(self, result: Result<(), End>) {
        if let Err(End::Told(status)) = result {
            self.last.send(Err(*status));
        }
    }
}

/// Waits until the server stops.
async fn stopping(readiness: &mut watch::Receiver<Result<(), NotReady>>) -> End {
    let stopped = readiness
        .wait_for(|state| *state == Err(NotReady::Stopping))
        .await;
    drop(stopped);
    let failure = Failure::new(
        Code::Unavailable,
        Reason::ServerStopping,
        "the server stops; go on at another one from what you have got",
    );
    failure.into_status().into()
}

fn too_slow() -> Status {
    Failure::new(
        Code::ResourceExhausted,
        Reason::ReaderTooSlow,
        "nothing was read for too long; go on from what you have got",
    )
    .with("waited_seconds", &READER_WAIT.as_secs())
    .into_status()
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;
    use tonic_types::StatusExt;

    use super::*;

    fn reason(message: Option<Result<u32, Status>>) -> String {
        let status = message.unwrap().unwrap_err();
        status.get_details_error_info().unwrap().reason
    }

    /// Feeds until it is over.
    async fn feed(mut feeder: Feeder<u32>) -> u32 {
        for number in 0.. {
            if let Err(end) = feeder.send(number).await {
                feeder.end(Err(end));
                return number;
            }
        }
        0
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut_off_behind_what_it_was_given() {
        let readiness = Readiness::default();
        let (feeder, mut messages) = Feeder::open(&readiness).unwrap();
        let fed = feed(feeder).await;
        assert_eq!(usize::try_from(fed).unwrap(), WAITING_MAX);
        for number in 0..fed {
            assert_eq!(messages.next().await.unwrap().unwrap(), number);
        }
        assert_eq!(reason(messages.next().await), "READER_TOO_SLOW");
        assert!(messages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_the_server_stops() {
        let readiness = Readiness::default();
        let (mut feeder, mut messages) = Feeder::<u32>::open(&readiness).unwrap();
        let waiting = tokio::spawn(async move {
            let end = feeder.pause(Duration::from_hours(1)).await;
            feeder.end(end);
        });
        readiness.stop();
        assert_eq!(reason(messages.next().await), "SERVER_STOPPING");
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_made_for_a_reader_who_is_gone() {
        let readiness = Readiness::default();
        let (mut feeder, messages) = Feeder::<u32>::open(&readiness).unwrap();
        drop(messages);
        assert!(matches!(feeder.send(1).await, Err(End::Gone)));
        let waited = feeder.pause(Duration::from_hours(1)).await;
        assert!(matches!(waited, Err(End::Gone)));
    }
}

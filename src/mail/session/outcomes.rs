//! What an answer of the server, or none, makes of a message and of its connection.

use super::End;
use crate::mail::reply::{Reply, unexpected};
use crate::mail::transport::{Outcome, Stage, TOO_LATE};

impl Reply {
    /// Nobody was asked.
    pub(super) fn too_late() -> Self {
        let reason = TOO_LATE.to_owned();
        Self::Broken { reason }
    }

    /// The outcome of a refused sender. A refusal for good is about this sender, and others may have others; it is
    /// tried again nevertheless, since what it takes to be let in is settled on the server.
    pub(super) fn into_no_to_sender(self) -> Outcome {
        let stage = Stage::Sender;
        match self {
            Self::Said { code, .. } if code >= 500 => Outcome::Refused {
                permanent: false,
                stage,
                code: Some(code),
                enhanced: None,
                reply: self.describe(),
            },
            Self::Said { .. } | Self::Broken { .. } => Outcome::NotTried {
                stage,
                reason: self.describe(),
            },
        }
    }

    /// The outcome of a command after the recipient was named, before the final dot.
    pub(super) fn into_failure(self, stage: Stage, kept: End) -> (Outcome, End) {
        match self {
            Self::Said { code, .. } if code >= 400 => {
                let end = if code == 421 { End::Broken } else { kept };
                (self.into_refusal(stage), end)
            }
            Self::Said { .. } => {
                let reason = unexpected(&self.describe());
                (Outcome::Interrupted { stage, reason }, End::Broken)
            }
            Self::Broken { reason } => (Outcome::Interrupted { stage, reason }, End::Broken),
        }
    }

    /// The outcome of the final dot.
    pub(super) fn into_final(self) -> (Outcome, End) {
        match self {
            Self::Said { .. } if self.is_completion() => (
                Outcome::Accepted {
                    reply: self.describe(),
                },
                End::Between,
            ),
            Self::Said { code, .. } if code >= 400 => {
                let end = if code == 421 {
                    End::Broken
                } else {
                    End::Between
                };
                (self.into_refusal(Stage::FinalDot), end)
            }
            Self::Said { .. } => (
                Outcome::Unknown {
                    reason: unexpected(&self.describe()),
                },
                End::Broken,
            ),
            Self::Broken { reason } => (Outcome::Unknown { reason }, End::Broken),
        }
    }

    pub(super) fn into_refusal(self, stage: Stage) -> Outcome {
        let reply = self.describe();
        match self {
            Self::Said { code, enhanced, .. } => Outcome::Refused {
                permanent: code >= 500,
                stage,
                code: Some(code),
                enhanced,
                reply,
            },
            Self::Broken { reason } => Outcome::Interrupted { stage, reason },
        }
    }
}

//! What a mail server has seen, and what it is still to do.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::plan::{Act, At};

/// One message as it arrived, without dot-stuffing.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) sender: String,
    pub(crate) recipient: String,
    /// What followed the sender's address.
    pub(crate) mail_parameters: String,
    pub(crate) text: String,
    pub(crate) encrypted: bool,
    pub(crate) signed_in: Option<String>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) plans: VecDeque<(At, Act)>,
    pub(super) received: Vec<Received>,
    pub(super) connections: usize,
    pub(super) open: usize,
    /// How many connections may be open at once.
    pub(super) open_max: Option<usize>,
    pub(super) resets: usize,
    pub(super) stalls: usize,
    /// How many commands came before the one before them was answered.
    pub(super) ahead: usize,
    /// How often it asked for a text.
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) released: Arc<Notify>,
    /// What the server offers beside STARTTLS.
    pub(super) offers: Vec<&'static str>,
}

impl State {
    pub(super) fn enter(&mut self) {
        self.connections += 1;
        self.open += 1;
        if self.open_max.is_some_and(|max| self.open > max) {
            let refuse = Act::SayAndDrop("421 4.7.0 too many connections");
            self.plans.push_front((At::Greeting, refuse));
        }
    }

    /// What is planned for a stage and comes first.
    pub(super) fn take_plan(&mut self, at: At) -> Option<Act> {
        let index = self.plans.iter().position(|(planned, _)| *planned == at)?;
        self.plans.remove(index).map(|(_, act)| act)
    }
}

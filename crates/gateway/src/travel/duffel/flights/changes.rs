//! An airline's own changes as the supplier writes them, and as ours.
//!
//! Source: duffel.com/docs airline-initiated changes. Only the newest change can be accepted. Deliberately not here: any
//! request, and changes the traveller asks for.

use super::{super::wire::Unreadable, offers::Slice};
use serde::Deserialize;
use zhiyou_domain::port::flights as f;

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) order_id: String,
    created_at: String,
    action_taken: Option<Action>,
    #[serde(default)]
    pub(super) available_actions: Vec<Available>,
    #[serde(default)]
    added: Vec<Slice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Accepted,
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Available {
    Accept,
    #[serde(other)]
    Other,
}

impl Change {
    pub(super) fn ours(self, newest: bool) -> Result<f::FlightChange, Unreadable> {
        let state = match self.action_taken {
            Some(Action::Accepted) => f::FlightChangeState::Accepted,
            None if newest => f::FlightChangeState::Open,
            None | Some(Action::Other) => f::FlightChangeState::Over,
        };
        let segments = self.added.into_iter().flat_map(Slice::segments).collect::<Result<_, _>>()?;
        Ok(f::FlightChange { change_id: self.id, state, segments })
    }
}

/// All changes of an order, oldest first.
pub(super) fn ours(mut changes: Vec<Change>) -> Result<f::FlightChanges, Unreadable> {
    changes.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
    let last = changes.len();
    let changes = changes.into_iter().zip(1..).map(|(change, number)| change.ours(number == last));
    Ok(f::FlightChanges { changes: changes.collect::<Result<_, _>>()? })
}

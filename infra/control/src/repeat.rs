//! Commands that are sent again under the id of the first, by who did not hear of its end.

use schemas::event::Control;

use crate::entity::Kind;
use crate::plane::{Plane, Who};
use crate::state::digest;

/// What is known of a command before it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// Nobody sent it yet.
    New,
    /// Its id made the entity what it is: this version.
    Made(i64),
    /// Its id made something else, or what it made is not as it was.
    Other,
}

/// Who waits for what becomes of a record: the command's id, and which of the requests that send it.
pub(crate) type Waiter = (String, Option<String>);

/// The id under which the log knows the command of an actor.
pub(crate) fn command_id(actor: &str, command: &str, index: usize) -> String {
    format!("{actor}/{command}/{index}")
}

impl Plane {
    /// What is known of the one command of `who` on an entity. For commands whose body holds what is random, which can't
    /// be compared: a new secret.
    pub fn repeat(&self, who: &Who, kind: Kind, id: &str) -> Repeat {
        let Some(command) = &who.command else {
            return Repeat::New;
        };
        let state = self.state();
        let Some((made, version)) = state.done(&command_id(&who.actor, command, 0)) else {
            return Repeat::New;
        };
        let is_made = state.get(kind, id).is_some_and(|entity| {
            let body = entity.raw.to_vec();
            let (kind, id) = (kind.as_str().to_owned(), id.to_owned());
            let as_it_is = Control { kind, id, body, ..Control::default() };
            entity.version == version && digest(&as_it_is) == made
        });
        if is_made { Repeat::Made(version) } else { Repeat::Other }
    }
}

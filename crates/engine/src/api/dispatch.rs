//! From a command's name and payload to its handler and back.

use super::{
    command::*,
    handlers::{audit::*, orders::*, payments::*, people::*, plans::*, session::*, sign_ins::*},
    view::*,
};
use crate::engine::Engine;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use zhiyou_domain::fault::{Fault, FaultCode};

fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(payload).map_err(|error| {
        let path = error.path().to_string();
        // The rest of the error may quote what was typed, and it goes to the log.
        Fault::new(FaultCode::MalformedInput, format!("{path}: malformed"))
            .with("path", path)
            .with("problem", "malformed")
    })
}

fn written<T: Serialize>(result: T) -> Result<Value, Fault> {
    serde_json::to_value(result).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
}

macro_rules! dispatch {
    ($($name:ident: $command:ty => $result:ty;)*) => {
        /// Names of all commands.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Carries out one command.
        pub(crate) async fn dispatch(engine: &Engine, name: &str, payload: Value) -> Result<Value, Fault> {
            match name {
                $(stringify!($name) => {
                    let command: $command = read(payload)?;
                    let result: $result = $name(engine, command).await?;
                    written(result)
                })*
                // The name could be anything, and the text goes to the log.
                _ => Err(Fault::new(FaultCode::NotFound, "no such command")),
            }
        }
    };
}
super::commands!(dispatch);

//! An actor that counts greetings, and still knows how many there were after a crash.
//!
//! Each function is given the state, as bytes, and returns the new one. That is what is kept: what
//! is in a static is gone after a restart. A turn that returns an `Err`, or panics, has failed.

wit_bindgen::generate!({ path: "wit", world: "messaging-actor" });

use crate::exports::theater::simple::actor::Guest as Actor;
use crate::exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use crate::theater::simple::runtime;

type State = Option<Vec<u8>>;

struct MyActor;
export!(MyActor);

impl Actor for MyActor {
    fn init(state: State, _address: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Client for MyActor {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        let greetings = greet(&state, &message)?;
        Ok((store(greetings),))
    }

    fn handle_request(
        state: State,
        (_request, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let greetings = greet(&state, &message)?;
        let answer = greetings.to_string().into_bytes();
        Ok((store(greetings), (Some(answer),)))
    }

    // No channels: every one is refused.
    fn handle_channel_open(
        state: State,
        _params: (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        let refused = ChannelAccept {
            accepted: false,
            message: None,
        };
        Ok((state, (refused,)))
    }

    fn handle_channel_message(
        state: State,
        _params: (String, Vec<u8>),
    ) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, _params: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

fn greet(state: &State, name: &[u8]) -> Result<u64, String> {
    let greetings = load(state)? + 1;
    runtime::log(&format!("hello, {}", String::from_utf8_lossy(name)));
    Ok(greetings)
}

/// The state is the number in decimal digits; none is 0.
fn load(state: &State) -> Result<u64, String> {
    let Some(bytes) = state else { return Ok(0) };
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.parse()
        .map_err(|_| format!("the state is no number: {text:?}"))
}

fn store(greetings: u64) -> State {
    Some(greetings.to_string().into_bytes())
}

/// Without wasm and without a running system: `cargo test`.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        assert_eq!(load(&None), Ok(0));
        assert_eq!(load(&store(41)), Ok(41));
        assert!(load(&Some(b"many".to_vec())).is_err());
    }
}

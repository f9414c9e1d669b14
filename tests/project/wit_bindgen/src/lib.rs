//! Stands in for the real crate where that cannot be fetched: what it makes of the world
//! `messaging-actor`, as far as an actor is checked against it. Nothing here runs.

#[macro_export]
macro_rules! generate {
    ($($options:tt)*) => {
        #[allow(unused)]
        pub mod theater {
            pub mod simple {
                pub mod types {
                    pub struct ChannelAccept {
                        pub accepted: bool,
                        pub message: Option<Vec<u8>>,
                    }
                }
                pub mod runtime {
                    pub fn log(_message: &str) {
                        unreachable!()
                    }
                }
            }
        }

        pub mod exports {
            pub mod theater {
                pub mod simple {
                    pub mod actor {
                        type State = Option<Vec<u8>>;
                        pub trait Guest {
                            fn init(state: State, params: (String,)) -> Result<(State,), String>;
                        }
                    }
                    pub mod message_server_client {
                        pub use crate::theater::simple::types::ChannelAccept;
                        type State = Option<Vec<u8>>;
                        type Bytes = Vec<u8>;
                        pub trait Guest {
                            fn handle_send(
                                state: State,
                                params: (Bytes,),
                            ) -> Result<(State,), String>;
                            fn handle_request(
                                state: State,
                                params: (String, Bytes),
                            ) -> Result<(State, (Option<Bytes>,)), String>;
                            fn handle_channel_open(
                                state: State,
                                params: (String, Bytes),
                            ) -> Result<(State, (ChannelAccept,)), String>;
                            fn handle_channel_message(
                                state: State,
                                params: (String, Bytes),
                            ) -> Result<(State,), String>;
                            fn handle_channel_close(
                                state: State,
                                params: (String,),
                            ) -> Result<(State,), String>;
                        }
                    }
                }
            }
        }

        #[allow(unused)]
        fn _exported<T>()
        where
            T: exports::theater::simple::actor::Guest
                + exports::theater::simple::message_server_client::Guest,
        {
        }

        macro_rules! export {
            ($actor:ident) => {
                const _: fn() = _exported::<$actor>;
            };
        }
    };
}

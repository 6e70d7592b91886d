//! headers
use crate::{
    Phase, call,
    case::{Case, Check},
    script::{Answer, Value},
};
use abi_wasm::MapType;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::at(Phase::RequestHeaders, "proxy_get_header_map_value", "good")
            .call(
                call::value(MapType::RequestHeaders, ":method"),
                Answer::value(Value::Bytes(b"POST".to_vec())),
            )
            .check(Check::Status(200))
            .check(Check::Body("hello".to_owned())),
    ]
}

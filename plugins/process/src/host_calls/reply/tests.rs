use super::*;
use crate::session::testing::{Rig, local, pass};

#[test]
fn only_statuses_of_whole_responses_are_taken() {
    local(async {
        let (rig, _child, _factory) = Rig::serving(pass()).await;
        let instance = rig.instance();
        for (status, taken) in [(0, false), (100, false), (199, false), (200, true), (599, true)] {
            let response = v1::Response { status, ..v1::Response::default() };
            assert_eq!(local_reply(&instance, response).is_ok(), taken, "{status}");
        }
        let response = v1::Response { status: 70_000, ..v1::Response::default() };
        assert_eq!(local_reply(&instance, response).err(), Some(70_000));
    });
}

//! The admin server: only this machine may reach it.

use host_types::Address;

use super::AdminPlan;
use crate::{
    cursor::Cursor,
    model::{AdminConfig, ListenerConfig},
};

pub(super) fn admin(
    model: Option<&AdminConfig>,
    at: &Cursor<'_>,
    listeners: &[ListenerConfig],
) -> Option<AdminPlan> {
    let Some(model) = model else { return Some(AdminPlan { address: None }) };
    let at = at.key("address");
    let address: Address = match model.address.parse() {
        Ok(address) => address,
        Err(error) => return at.refuse(error.to_string(), "no address"),
    };
    if !address.is_local() {
        return at.refuse_with(
            format!("the admin server cannot listen on `{address}`"),
            "other machines could reach it",
            "whoever reaches it needs no password: use `unix:/path` or a loopback address",
        );
    }
    let taken = address.as_tcp().filter(|address| address.port() != 0).is_some_and(|address| {
        listeners.iter().any(|listener| listener.address.parse() == Ok(address))
    });
    if taken {
        return at.refuse(format!("a listener has the address `{address}`, too"), "taken");
    }
    Some(AdminPlan { address: Some(address) })
}

use crate::{Resolve as _, SystemResolver};

#[tokio::test]
async fn an_address_resolves_to_itself_without_a_name_server() {
    // A machine without any resolver configuration gives an error, never a panic.
    if let Ok(found) = SystemResolver::new().resolve("192.0.2.7").await {
        assert_eq!(found.addresses, ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()]);
    }
}

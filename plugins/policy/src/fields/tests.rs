use super::*;

#[test]
fn the_fields_of_the_host_are_told_from_ordinary_ones_in_any_case() {
    for name in ROUTING {
        assert_eq!(class_of(name.to_uppercase().as_bytes()), FieldClass::Routing, "{name}");
    }
    for name in FRAMING {
        assert_eq!(class_of(name.to_uppercase().as_bytes()), FieldClass::Framing, "{name}");
    }
    for name in RPC_ROUTING {
        assert_eq!(class_of(name.as_bytes()), FieldClass::Ordinary, "{name}");
        let upper = name.to_uppercase();
        assert!(routes_frames(Capability::HeadersRequestWrite, upper.as_bytes()), "{name}");
        assert!(!routes_frames(Capability::HeadersResponseWrite, upper.as_bytes()), "{name}");
    }
    for name in ["", "x-te", "cookie", "content-type", ":status", "hosts", "te-x"] {
        assert_eq!(class_of(name.as_bytes()), FieldClass::Ordinary, "{name}");
    }
}

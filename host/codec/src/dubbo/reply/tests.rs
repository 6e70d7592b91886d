use super::*;

#[test]
fn only_consumers_of_a_newer_protocol_get_attachments() {
    for version in ["2.0.2", "2.0.3", "2.0.99"] {
        assert!(takes_attachments(version), "{version}");
    }
    for version in
        ["", "2.0.1", "2.0.0", "2.0.100", "2.6.2", "2.8.4", "3.0.2", "2.0", "2.0.2.1", "2.0.2-x"]
    {
        assert!(!takes_attachments(version), "{version}");
    }
}

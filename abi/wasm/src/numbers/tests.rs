use super::{Action, BufferType, LogLevel, MapType, MetricType, Status, StreamType};

#[test]
fn every_number_comes_back_and_the_gaps_name_nothing() {
    for status in Status::ALL {
        assert_eq!(Status::try_from(u32::from(*status)), Ok(*status));
    }
    for gap in [5, 9, 11, 13, u32::MAX] {
        assert!(Status::try_from(gap).is_err(), "{gap}");
    }
    assert_eq!(LogLevel::ALL.len(), 6);
    assert!(LogLevel::try_from(6).is_err());
    assert!(BufferType::try_from(9).is_err());
    assert!(MapType::try_from(8).is_err());
    assert!(StreamType::try_from(4).is_err());
    assert!(MetricType::try_from(3).is_err());
    let error = MapType::try_from(8).expect_err("no such map");
    assert_eq!(error.to_string(), "8 is no header map");
}

#[test]
fn larger_actions_stop_but_for_the_one_that_hosts_take_as_continue() {
    assert_eq!(Action::of_headers(0), Action::Continue);
    assert_eq!(Action::of_headers(2), Action::Continue);
    for number in [1, 3, 4, 5, u32::MAX] {
        assert!(Action::of_headers(number).stops(), "{number}");
    }
    assert_eq!(Action::of_data(0), Action::Continue);
    for number in [1, 2, 3, u32::MAX] {
        assert!(Action::of_data(number).stops(), "{number}");
    }
}

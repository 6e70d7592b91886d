use super::*;

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

#[test]
fn an_order_arrives_as_it_was_given() {
    let paths = ["/run/mortise-1-x/1", "/a path/with blanks and\nlines", "/\u{7f}\u{e4}"];
    for (path, may_leave) in paths.into_iter().zip([true, false, true]) {
        let group = Group { leader: pid(4711), may_leave, private: PathBuf::from(path) };
        let order = Order::Watch(group);
        let bytes = order.encode().unwrap();
        let (end, text) = bytes.split_last().unwrap();
        assert_eq!((*end, Order::decode(text)), (END, Some(order)));
    }
    let forget = Order::Forget(pid(2)).encode().unwrap();
    assert_eq!(Order::decode(&forget[..forget.len() - 1]), Some(Order::Forget(pid(2))));
}

#[test]
fn what_is_no_order_is_none() {
    let none = [
        "",
        " ",
        "watch",
        "watch 7",
        "watch 7 held",
        "watch 7 other /x",
        "watch x held /x",
        "forget",
        "forget 7 8",
        "kill 7",
        // Everybody, and nobody.
        "forget 1",
        "forget 0",
        "watch -1 held /x",
        "watch 99999999999 held /x",
    ];
    for text in none {
        assert_eq!(Order::decode(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Order::decode(b"forget \xff"), None);
}

#[test]
fn a_path_that_a_pipe_does_not_take_whole_is_refused() {
    let order = |private: String| {
        Order::Watch(Group { leader: pid(7), may_leave: false, private: private.into() })
    };
    assert!(order("x".repeat(ORDER_BYTES_MAX)).encode().is_err());
    assert!(order("a\0b".to_owned()).encode().is_err());
    assert!(order("x".repeat(4000)).encode().unwrap().len() <= ORDER_BYTES_MAX);
}

use super::*;

fn watch(number: i32, private: &str) -> Vec<u8> {
    let leader = Pid::from_raw(number).unwrap();
    let group = Group { leader, may_leave: false, private: private.into() };
    Order::Watch(group).encode().unwrap()
}

fn forget(number: i32) -> Vec<u8> {
    Order::Forget(Pid::from_raw(number).unwrap()).encode().unwrap()
}

fn watched(duty: &Duty) -> Vec<i32> {
    duty.groups.keys().copied().collect()
}

#[test]
fn orders_are_carried_out_however_they_are_split() {
    let all = [watch(7, "/a/1"), watch(8, "/a/2"), forget(7), forget(9), watch(10, "/a/3")];
    let all = all.concat();
    for size in [1, 2, 3, 5, 7, 11, all.len()] {
        let mut duty = Duty::default();
        all.chunks(size).for_each(|chunk| duty.take(chunk));
        assert_eq!(watched(&duty), [8, 10], "in pieces of {size}");
        assert!(duty.begun.is_empty());
    }
}

#[test]
fn what_is_no_order_is_passed_over_and_fills_no_memory() {
    let mut duty = Duty::default();
    for _piece in 0..100 {
        duty.take(&[b'x'; ORDER_BYTES_MAX]);
    }
    assert!(duty.begun.len() <= ORDER_BYTES_MAX);
    duty.take(&[END]);
    duty.take(&watch(7, "/a/1"));
    assert_eq!(watched(&duty), [7]);
}

#[test]
fn groups_are_counted_and_homes_that_are_gone_forgotten() {
    let base = tempfile::tempdir().unwrap();
    let home = base.path().join("home");
    fs::create_dir(&home).unwrap();
    let mut duty = Duty::default();
    duty.take(&watch(2, "/gone/1"));
    duty.take(&watch(3, home.join("1").to_str().unwrap()));
    assert_eq!(duty.homes, BTreeSet::from([home]));
    for number in 2..i32::try_from(GROUPS_MAX).unwrap() + 10 {
        duty.take(&watch(number, "/gone/1"));
    }
    assert_eq!(duty.groups.len(), GROUPS_MAX);
}

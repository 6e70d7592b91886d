use super::*;

#[test]
fn the_median_is_the_middle_or_the_mean_of_the_two() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 3.0]), Some(3.0));
    assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
}

#[test]
fn the_least_is_found_anywhere() {
    assert_eq!(least(&[]), None);
    assert_eq!(least(&[4.0, 1.0, 9.0]), Some(1.0));
}

#[test]
fn pairs_are_of_the_same_round() {
    let difference = paired(&[11.0, 22.0, 33.0], &[10.0, 20.0, 30.0], |one, base| one - base);
    assert_eq!(difference, Some(2.0));
    assert_eq!(paired(&[1.0], &[], |one, base| one / base), None);
}

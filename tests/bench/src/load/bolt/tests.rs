use super::*;

#[test]
fn a_request_is_answered_with_its_own_id_and_as_many_bytes() {
    let mut asked = request(100);
    assert_eq!(request_length(&asked), Some(asked.len()));
    assert_eq!(request_length(&asked[..asked.len() - 1]), None);
    let answer = response(&asked).unwrap();
    let before = whole(&answer, 100).unwrap().unwrap();
    assert_eq!(answer.len() - before, 100);
    assert_eq!(whole(&answer[..answer.len() - 1], 100).unwrap(), None);
    asked[8] = 2;
    assert!(whole(&response(&asked).unwrap(), 100).unwrap_err().to_string().contains("id"));
}

#[test]
fn another_answer_than_the_one_asked_for_is_an_error() {
    let answer = response(&request(100)).unwrap();
    assert!(whole(&answer, 10).unwrap_err().to_string().contains("not 10 bytes"));
    let mut failed = answer.clone();
    failed[11] = 7;
    assert!(whole(&failed, 100).unwrap_err().to_string().contains("status is 7"));
    let two = [answer.clone(), answer].concat();
    assert!(whole(&two, 100).is_err());
}
